"""Pictures that a family has of its own runs and tasks: a module `figures` beside its tasks makes them.

    of_run(values)     (title, markup) from a run's scores by (metric, slice)
    of_task(settings)  the same from a task's settings
    of_board(task, means)  the same from what is measured: means(task) gives for each method the mean over
                       seeds by (metric, slice), of this task's table or another one's of the same profile
    SHOWN              metrics that pictures of runs show whole: no table has them besides

Each may be missing. The markup is the family's own, whose code the suite runs anyway; what it puts into it
from scores or files it escapes itself.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from markupsafe import Markup

from suite.api import TaskSpec

Picture = tuple[str, Markup]
Means = Callable[[str], Mapping[str, Mapping[tuple[str, str], float]]]


def of_run(spec: TaskSpec | None, values: Mapping[tuple[str, str], float]) -> list[Picture]:
    """Of a run's scores; none where the task or its family has no pictures."""
    return _made(spec, "of_run", values)


def shown(spec: TaskSpec | None) -> frozenset[str]:
    """The metrics that pictures of the task's runs show whole."""
    return frozenset(getattr(_module(spec.where.partition(":")[0]), "SHOWN", ())) if spec else frozenset()


def of_task(spec: TaskSpec | None, settings: Mapping[str, Any]) -> list[Picture]:
    """Of what a task is made of."""
    return _made(spec, "of_task", settings)


def of_board(spec: TaskSpec | None, means: Means) -> list[Picture]:
    """Of the means that stand in tables: this task's, and beside them other tasks'."""
    return _made(spec, "of_board", spec.name, means) if spec else []


def _made(spec: TaskSpec | None, name: str, *given: Any) -> list[Picture]:
    make = getattr(_module(spec.where.partition(":")[0]), name, None) if spec else None
    return [(title, Markup(markup)) for title, markup in make(*given)] if make else []


@cache
def _module(of: str) -> Any:
    """The module `figures` of the package that a module lies in; None where there is none."""
    name = f"{of.rpartition('.')[0]}.figures"
    try:
        if importlib.util.find_spec(name) is None:
            return None
    except (ImportError, ValueError):
        return None
    return importlib.import_module(name)
