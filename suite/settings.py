"""Hyper-parameters: presets and `--set field=value` onto the fields of a frozen dataclass."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from suite.errors import UsageError


@cache
def fields_of(cls: type) -> dict[str, Any]:
    """Field name to type of a dataclass, in order of declaration."""
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls) if f.init}


def spelled(kind: Any) -> str:
    """A type as a user reads it: 'int', 'one of lstm, transformer'."""
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join("none" if k is type(None) else spelled(k) for k in get_args(kind))
    return {bool: "true or false"}.get(kind, getattr(kind, "__name__", str(kind)))


def parse(text: str, kind: Any) -> Any:
    """The value that `text` spells in type `kind`; ValueError when it spells none."""
    if get_origin(kind) is Literal:
        for choice in get_args(kind):
            if str(choice) == text:
                return choice
        raise ValueError
    if get_origin(kind) in (Union, types.UnionType):
        return _parse_union(text, kind)
    if kind is bool:
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]
    if kind is float:
        value = float(text)
        if not math.isfinite(value):
            raise ValueError
        return value
    if kind in (int, str):
        return kind(text)
    raise ValueError


def _parse_union(text: str, kind: Any) -> Any:
    for option in get_args(kind):
        if option is type(None):
            if text.lower() in ("none", "null", ""):
                return None
            continue
        try:
            return parse(text, option)
        except (ValueError, KeyError):
            continue
    raise ValueError


def overrides(cls: type, pairs: Mapping[str, str], owner: str) -> dict[str, Any]:
    """Typed values for `field=value` texts; UsageError names the field, its type and the fields there are."""
    kinds = fields_of(cls)
    values: dict[str, Any] = {}
    for name, text in pairs.items():
        if name not in kinds:
            near = difflib.get_close_matches(name, list(kinds), n=1, cutoff=0.5)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            listing = ", ".join(f"{k} ({spelled(v)})" for k, v in kinds.items()) or "none"
            raise UsageError(f"--set {name}: {owner} has no field '{name}'{hint} Fields: {listing}")
        try:
            values[name] = parse(text, kinds[name])
        except (ValueError, KeyError):
            raise UsageError(
                f"--set {name}={text}: '{name}' of {owner} takes {spelled(kinds[name])}, not '{text}'"
            ) from None
    return values


def build(cls: type, owner: str, *layers: Mapping[str, Any]) -> Any:
    """An instance from layers of values, later ones winning; ValueErrors of the class become UsageErrors."""
    values: dict[str, Any] = {}
    for layer in layers:
        values.update(layer)
    kinds = fields_of(cls)
    stray = sorted(set(values) - set(kinds))
    if stray:
        raise UsageError(f"{owner}: no field {', '.join(stray)}; see `suite show {owner}`")
    missing = [f.name for f in dataclasses.fields(cls) if f.name not in values and _required(f)]
    if missing:
        raise UsageError(f"{owner}: no value for {', '.join(missing)}; give one with --set field=value")
    try:
        return cls(**{name: _plain(value, kinds[name]) for name, value in values.items()})
    except ValueError as error:
        raise UsageError(f"{owner}: {error}") from None


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.init and field.default is field.default_factory is dataclasses.MISSING


def _plain(value: Any, kind: Any) -> Any:
    """One spelling for equal values, so that they make one cell: 1 as a float is 1.0, a list is a tuple."""
    if kind is float and type(value) is int:
        return float(value)
    return tuple(value) if isinstance(value, list) and get_origin(kind) is tuple else value


def dump(instance: Any) -> dict[str, Any]:
    """Every field of a settings dataclass as plain JSON values."""
    cls: type = type(instance)
    return {name: getattr(instance, name) for name in fields_of(cls)}
