"""What differs between a cell as it would run today and a stored run: the answer of `suite why`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from suite.plan import Planned, cell_of
from suite.records import Run

NESTED = ("settings", "task_settings")
ABSENT = "(none)"


class Change(NamedTuple):
    """A part of the identity or of the code, as it was stored and as it is now."""

    part: str
    stored: Any
    now: Any


def changes(planned: Planned, run: Run) -> list[Change]:
    """Every part that differs; empty when the run answers the cell."""
    found = list(_of_key(cell_of(run).key, planned.cell.key))
    if run.code != planned.code:
        found += _of_modules(run, planned) or [Change("code", run.code, planned.code)]
    if not found and run.status not in ("ok", "skipped"):
        found.append(Change("status", run.status, "is run until it ends ok or skipped"))
    if not found and run.origin != "project":
        found.append(Change("origin", run.origin, "a row made elsewhere does not answer"))
    return found


def similarity(planned: Planned, run: Run) -> tuple[Any, ...]:
    """Sorts runs of the same task and method: the last is the one to compare with."""
    cell = planned.cell
    same = (
        run.cell == cell.id,
        run.profile == cell.profile,
        run.base_model == cell.base_model,
        run.settings == cell.settings,
        run.task_settings == cell.task_settings,
        run.seed == cell.seed,
    )
    return (*same, run.started, run.run)


def _of_key(stored: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    for part, value in now.items():
        if part in NESTED:
            yield from _of_fields(part, stored[part], value)
        elif stored[part] != value:
            yield Change(part, stored[part], value)


def _of_fields(part: str, stored: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    for name in sorted({*stored, *now}):
        before, after = stored.get(name, ABSENT), now.get(name, ABSENT)
        if before != after:
            yield Change(f"{part}.{name}", before, after)


def _of_modules(run: Run, planned: Planned) -> list[Change]:
    """The modules whose code changed, appeared or is no longer used."""
    return list(_of_fields("code", json.loads(run.modules or "{}"), planned.modules))
