"""Names to specs: the family cards of this project and the plug-ins of others.

A card is `tasks/<family>/__init__.py` with a list TASKS, or `methods/<family>/__init__.py` with a
list METHODS. Others register the same specs through the entry-point groups `suite.tasks` and
`suite.methods` (each gives a list of specs), or for a try-out through the environment variable
SUITE_PLUGINS: modules, separated by commas, that hold TASKS or METHODS. Nothing here imports torch.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from suite.api import MethodSpec, TaskSpec
from suite.errors import SuiteError, UsageError, unknown


@cache
def tasks() -> dict[str, TaskSpec]:
    """Every task by name, sorted."""
    return _collect("tasks", "TASKS", TaskSpec)


@cache
def methods() -> dict[str, MethodSpec]:
    """Every method by name, sorted."""
    return _collect("methods", "METHODS", MethodSpec)


def task(name: str) -> TaskSpec:
    """The task of that name; UsageError with the nearest name otherwise."""
    if name not in tasks():
        raise unknown("task", name, tasks(), "suite list tasks")
    return tasks()[name]


def method(name: str) -> MethodSpec:
    """The method of that name; UsageError with the nearest name otherwise."""
    if name not in methods():
        raise unknown("method", name, methods(), "suite list methods")
    return methods()[name]


def pair(method_name: str, task_name: str) -> tuple[MethodSpec, TaskSpec]:
    """A method and a task of one family."""
    m, t = method(method_name), task(task_name)
    if m.family != t.family:
        rivals = ", ".join(sorted(x.name for x in methods().values() if x.family == t.family))
        raise UsageError(
            f"method '{m.name}' is of family '{m.family}' and cannot run on task '{t.name}' of family "
            f"'{t.family}'; methods for it: {rivals}"
        )
    return m, t


def load(where: str) -> Any:
    """The object at "module:name"."""
    module, _, name = where.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise SuiteError(f"{where} cannot be loaded: {error}") from error


def _collect(group: str, constant: str, kind: type[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for source, specs in _sources(group, constant):
        for spec in specs:
            if not isinstance(spec, kind):
                _warn(f"{source}: {spec!r} is no {kind.__name__}; left out")
            elif spec.name in found:
                _warn(f"{source}: the name '{spec.name}' is taken; left out")
            else:
                found[spec.name] = spec
    return dict(sorted(found.items()))


def _sources(group: str, constant: str) -> Iterator[tuple[str, Iterable[Any]]]:
    """(where it comes from, its specs): own cards first, so that a plug-in cannot replace one."""
    package = importlib.import_module(group)
    for info in pkgutil.iter_modules(package.__path__):
        if info.ispkg:
            name = f"{group}.{info.name}"
            yield name, getattr(importlib.import_module(name), constant, ())
    for module in filter(None, os.environ.get("SUITE_PLUGINS", "").split(",")):
        try:
            yield module, getattr(importlib.import_module(module.strip()), constant, ())
        except Exception as error:
            _warn(f"plug-in {module} cannot be loaded: {error}")
    yield from _entry_points(group)


def _entry_points(group: str) -> Iterator[tuple[str, Iterable[Any]]]:
    from importlib.metadata import entry_points

    for point in entry_points(group=f"suite.{group}"):
        try:
            yield point.value, point.load()
        except Exception as error:
            _warn(f"plug-in {point.value} cannot be loaded: {error}")


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr)
