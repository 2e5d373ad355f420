"""Whether a claimed run is of the cell that it names: versions, settings, fingerprints, the cell's id."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

from suite import catalog
from suite._submit_files import clean
from suite._tables import cell_of as cell_digits
from suite.api import PROFILES, TaskSpec
from suite.cell import canonical
from suite.errors import SuiteError, UsageError
from suite.plan import BASE_MODEL, LAST_SEED, TASK_PREFIX, Planned, cell_of, plan
from suite.records import STATUSES, Run

CLAIMED = "claimed"
EARLIEST = 1_577_836_800.0
"""The start of 2020: no run of this suite is older."""
DAY_S = 86_400.0
_HASH = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{0,64}")


def planned_of(run: Run) -> Planned:
    """The cell that this checkout plans for the names, seed and overrides of a run.

    Raises UsageError for what the catalogue does not know, and for settings that name a place on somebody's
    disk or a base model without a name here: neither is looked up because a stranger's row says so.
    """
    by_hand = _object(run.overrides, "overrides")
    for field, value in by_hand.items():
        if isinstance(value, str) and any(mark in value for mark in ("/", "\\", "..", "~")):
            raise UsageError(f"setting '{clean(field)}' names a place on a disk: {clean(value)}")
    if f"{TASK_PREFIX}{BASE_MODEL}" in by_hand:
        raise UsageError("the base model stands among the overrides; it has a column of its own")
    if run.base_model:
        from suite.models.registry import entries

        if run.base_model not in entries():
            raise UsageError(f"base model '{clean(run.base_model)}' has no name here; `suite models list`")
    texts = {name: _spelled(value) for name, value in by_hand.items()}
    try:
        return plan(run.task, run.method, run.profile, run.seed, texts, run.base_model)
    except (SuiteError, TypeError, OverflowError, OSError) as error:
        # A class that meets values nobody thought of may raise more than it should.
        raise UsageError(clean(error, 300)) from None


def _object(text: str, column: str) -> dict[str, Any]:
    """The JSON object of a column in its one spelling; UsageError otherwise."""
    try:
        value = json.loads(text)
        same = isinstance(value, dict) and canonical(value) == text
    except (ValueError, RecursionError):
        same = False
    if not same:
        raise UsageError(f"column '{column}' is no JSON object as the suite writes it: {clean(text)}")
    found: dict[str, Any] = value
    return found


def _spelled(value: Any) -> str:
    """A value as `--set` takes it."""
    return {True: "true", False: "false", None: "none"}[value] if _is_word(value) else str(value)


def _is_word(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def row_errors(run: Run) -> Iterator[str]:
    """What is wrong with the row by itself, whatever the catalogue says."""
    if run.origin != CLAIMED:
        yield f"has origin '{clean(run.origin)}'; a row made elsewhere has origin '{CLAIMED}'"
    if run.status not in STATUSES:
        yield f"has status '{clean(run.status)}'; known: {', '.join(STATUSES)}"
    if run.profile not in PROFILES:
        yield f"has profile '{clean(run.profile)}'; known: {', '.join(PROFILES)}"
    if not 0 <= run.seed <= LAST_SEED:
        yield f"has seed {run.seed}"
    if not _HASH.fullmatch(run.code):
        yield "has a code fingerprint that is no SHA-256"
    if not _COMMIT.fullmatch(run.git_commit):
        yield "has a git commit that is none"
    for column in ("settings", "task_settings", "overrides", "packages", "host", "modules"):
        try:
            value = json.loads(getattr(run, column))
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            yield f"column '{column}' is no JSON object"
    yield from _cost_errors(run)


def _cost_errors(run: Run) -> Iterator[str]:
    infinite = float("inf")
    for column, above in (("wall_s", 0.0), ("peak_mb", 0.0)):
        value = getattr(run, column)
        if not above < value < infinite and run.status == "ok":
            yield f"has {column} {value}; a run takes more than 0"
    for column in ("cpu_s", "overhead_s"):
        if not 0 <= getattr(run, column) < infinite:
            yield f"has {column} {getattr(run, column)}"
    if not EARLIEST <= run.started <= time.time() + DAY_S:
        yield f"started at {run.started:.0f} seconds since 1970, which is in the future or before this suite"
    if run.threads < 1:
        yield f"ran on {run.threads} threads"


def identity_errors(run: Run) -> Iterator[str]:
    """Where the row's cell is not the one that this checkout plans for its names and overrides."""
    if cell_digits(run.run) and not run.cell.startswith(cell_digits(run.run)):
        yield "has a run id of another cell"
    try:
        own = cell_of(run)
        if own.id != run.cell:
            yield "has a cell id that is not the hash of its row"
        planned = planned_of(run)
    except (ValueError, RecursionError):
        yield "has settings that are no JSON"
        return
    except SuiteError as error:
        yield clean(error, 300)
        return
    for column, what in (
        ("family", "is of another family"),
        ("task_version", "measured another version of the task"),
        ("method_version", "measured another version of the method"),
        ("settings", "has method settings that its preset and overrides do not give"),
        ("task_settings", "has task settings that its preset and overrides do not give"),
        ("overrides", "has overrides in another spelling"),
        ("base_model", "adapts another base model"),
        ("data_fingerprint", "used other data than the task has here"),
        ("model_fingerprint", "used other weights than the base model has here"),
    ):
        then, now = getattr(own, column), getattr(planned.cell, column)
        if then != now:
            yield f"{what}: {clean(_short(then), 60)}, here {clean(_short(now), 60)}"


def _short(value: Any) -> str:
    """Twelve digits of a fingerprint, anything else as it is; "none" for an empty one."""
    text = str(value)
    return text[:12] if _HASH.fullmatch(text) else text or "none"


def code_note(run: Run, planned: Planned) -> str | None:
    """A remark where the run was made by other code than this checkout's."""
    if run.code == planned.code:
        return None
    theirs = json.loads(run.modules)
    changed = sorted(name for name, digest in planned.modules.items() if theirs.get(name) != digest)
    named = ", ".join(changed[:3]) + (", ..." if len(changed) > 3 else "") if theirs else "not recorded"
    return f"made by other code than this checkout's ({named})"


def spec_of(run: Run) -> TaskSpec | None:
    """The task's spec, None for a task that the catalogue lacks."""
    return catalog.tasks().get(run.task)
