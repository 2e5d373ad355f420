"""What a method was allowed before it was measured: settings tried, and the data that they were chosen on.

The store holds what runs cost; what came before a run nobody can measure, so it is declared, beside the
family: `methods/<family>/budgets.py` with a list BUDGETS, or BUDGETS in a module of SUITE_PLUGINS. What is
not declared stays None.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any


@dataclass(frozen=True)
class Budget:
    """A declaration about some methods on some tasks; names may hold the wildcards of a shell.

    trials: settings tried for this method alone before the published ones were kept; 0 for none, None where
    nobody counted. tuned_on: the parts of data that any choice of settings looked at, as "scan-jump dev"
    (task, then train, dev or test); () where nothing was chosen, None where it is not known. note: in a
    sentence, what the two leave out. source: where this is written.
    """

    methods: tuple[str, ...]
    tasks: tuple[str, ...] = ("*",)
    profiles: tuple[str, ...] = ("*",)
    trials: int | None = None
    tuned_on: tuple[str, ...] | None = None
    note: str = ""
    source: str = ""

    def covers(self, method: str, task: str, profile: str) -> bool:
        """Whether the declaration is about this method, on this task, in this profile."""
        named = ((method, self.methods), (task, self.tasks), (profile, self.profiles))
        return all(any(fnmatchcase(name, p) for p in patterns) for name, patterns in named)

    @property
    def saw_test(self) -> bool | None:
        """Whether a choice of settings looked at test examples; None where it is not known."""
        if self.tuned_on is None:
            return None
        return any(part.split()[-1] == "test" for part in self.tuned_on)


NOT_DECLARED = Budget(())


def declared(family: str, method: str, task: str, profile: str) -> Budget:
    """What is declared of a method on a task; of several declarations the last one listed holds, as a whole.

    NOT_DECLARED where there is none.
    """
    fitting = [b for b in budgets(family) if b.covers(method, task, profile)]
    return fitting[-1] if fitting else NOT_DECLARED


def budgets(family: str) -> tuple[Budget, ...]:
    """The declarations of a family, plug-ins' first so that they cannot replace the project's own."""
    return (*_plugged(os.environ.get("SUITE_PLUGINS", "")), *_own(family))


@cache
def _own(family: str) -> tuple[Budget, ...]:
    if not family.isidentifier():
        return ()
    name = f"methods.{family}.budgets"
    try:
        there = importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        there = False
    return _listed(importlib.import_module(name)) if there else ()


@cache
def _plugged(modules: str) -> tuple[Budget, ...]:
    return tuple(b for name in filter(None, modules.split(",")) for b in _of_plugin(name.strip()))


def _of_plugin(name: str) -> Iterator[Budget]:
    """The catalogue has said already what is wrong with a plug-in that cannot be loaded."""
    try:
        yield from _listed(importlib.import_module(name))
    except Exception:
        return


def _listed(module: Any) -> tuple[Budget, ...]:
    found: Iterable[Any] = getattr(module, "BUDGETS", ())
    return tuple(budget for budget in found if isinstance(budget, Budget))
