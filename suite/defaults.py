"""Stored settings that lack a field which task or method has today, and how they are compared.

A row keeps every field that its task and its method had when it ran. The rule for one added since: a field
that a row lacks has the value of that field's default in the class today. So a new field's default must leave
alone what was measured before; where it does not, the version of the task or method is raised, which is what
versions are for. A task or method that nobody knows any more, or whose class does not load, is compared as it
is stored.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

from suite import catalog
from suite.api import MethodSpec, TaskSpec
from suite.cell import Cell, canonical

NONE: Mapping[str, Any] = MappingProxyType({})


def completed(spec: TaskSpec | MethodSpec | None, text: str) -> str:
    """The stored settings `text` with today's default of every field that they lack.

    As it is where nothing is lacking, where `spec` is None, and where it is no JSON object.
    """
    return text if spec is None else _completed(spec.where, text)


def alike(spec: TaskSpec | MethodSpec | None, a: str, b: str) -> bool:
    """Whether two stored settings mean the same today. The class is loaded only where their fields differ."""
    return a == b or (spec is not None and _alike(spec.where, a, b))


def completed_cell(cell: Cell) -> Cell:
    """The cell as today's classes spell it; UsageError for a task or method that is not there."""
    method, task = catalog.pair(cell.method, cell.task)
    return dataclasses.replace(
        cell, settings=completed(method, cell.settings), task_settings=completed(task, cell.task_settings)
    )


@lru_cache(maxsize=4096)
def _alike(where: str, a: str, b: str) -> bool:
    one, other = _fields(a), _fields(b)
    if one is None or other is None or one.keys() == other.keys():
        return False  # canonical texts of the same fields differ in a value
    return _completed(where, a) == _completed(where, b)


@lru_cache(maxsize=4096)
def _completed(where: str, text: str) -> str:
    fields = _fields(text)
    if fields is None:
        return text
    lacking = {name: value for name, value in _defaults(where).items() if name not in fields}
    return canonical({**fields, **lacking}) if lacking else text


def _fields(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


@cache
def _defaults(where: str) -> Mapping[str, Any]:
    """Field to default, as `settings.dump` would give it, of those that have one."""
    try:
        cls = catalog.load(where)
        return {f.name: value for f in dataclasses.fields(cls) if f.init for value in _default(f)}
    except Exception:
        return NONE  # a plug-in that breaks must not take the board with it


def _default(field: dataclasses.Field[Any]) -> tuple[Any, ...]:
    """The default in a tuple, empty where there is none or where JSON cannot hold it."""
    if field.default is not dataclasses.MISSING:
        value = field.default
    elif field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    else:
        return ()
    try:
        canonical(value)
    except (TypeError, ValueError):
        return ()
    return (value,)
