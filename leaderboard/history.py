"""A new baseline: the candidate's runs go into the baseline's folder, and a line of the history says why.

`<baseline>/history.jsonl` is only ever appended to, one JSON object a line, written and flushed in one piece:

    when      UTC, ISO 8601
    who       the git user's name, null where there is none
    reason    what the maintainer gave
    profile   the profile accepted, null for all
    runs      ids of the runs that became the baseline
    moved     each finding of the gate: verdict, cell, metric, before, after, note

The line is written before the runs are copied, so that no run of a baseline is without one; after a kill
between the two, accepting again copies the rest.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from leaderboard._findings import Finding, Report, title
from leaderboard.gate import CELL, Row, newest
from suite.api import Sample
from suite.errors import StoreError, UsageError
from suite.records import Outcome, Run, ScoreRow

if TYPE_CHECKING:
    import pyarrow as pa

    from suite.store import Store

FILE = "history.jsonl"
COLUMNS = ("when", "who", "reason", "verdict", "cell", "metric", "before", "after", "note")
ENDED = ("ok", "skipped")
_GIT_SECONDS = 10


class Entry(NamedTuple):
    """One acceptance, as its line says."""

    when: str
    who: str | None
    reason: str
    profile: str | None
    runs: tuple[str, ...]
    moved: tuple[Finding, ...]


def accept(
    baseline: Store, candidate: Store, report: Report, reason: str, *, profile: str | None, now: datetime
) -> Entry:
    """Make the candidate's newest runs that ended ok or skipped the baseline; older rows stay as history.

    Runs that the baseline has already are not copied again; where that leaves none, no line is written.
    UsageError where a run is older than the one that it would replace: it could never count.
    """
    where = {"profile": [profile]} if profile else None
    held = baseline.runs(where).to_pylist()
    chosen = {k: r for k, r in newest(candidate.runs(where).to_pylist()).items() if r["status"] in ENDED}
    _in_order(newest(held), chosen)
    there = {row["run"] for row in held}
    runs = [row["run"] for row in chosen.values() if row["run"] not in there]
    who, when = _user(), now.astimezone(UTC).isoformat(timespec="seconds")
    entry = Entry(when, who, reason.strip(), profile, tuple(runs), tuple(report.findings))
    if not runs:
        return entry
    baseline.ready()
    append(baseline.root / FILE, entry)
    copy(candidate, baseline, runs)
    return entry


def _in_order(before: Mapping[Any, Row], after: Mapping[Any, Row]) -> None:
    for key, run in after.items():
        old = before.get(key)
        if old and old["run"] != run["run"] and old["started"] >= run["started"]:
            raise UsageError(
                f"the candidate's run of {title(tuple(run[c] for c in CELL))} is older than the baseline's, "
                "so the baseline's would go on counting; run the cell again with --force"
            )


def copy(source: Store, target: Store, runs: Collection[str]) -> None:
    """Append these runs with their scores and samples to another store, task by task."""
    from suite.store import runs_as_records

    by_task: dict[str, list[Run]] = {}
    for run in runs_as_records(source.runs({"run": runs})) if runs else ():
        by_task.setdefault(run.task, []).append(run)
    for some in by_task.values():
        ids = [run.run for run in some]
        scores, samples = source.scores({"run": ids}), source.samples(ids)
        for run in some:
            of_run = (tuple(_of(t, run.run, kind)) for t, kind in ((scores, ScoreRow), (samples, Sample)))
            target.append(Outcome(run, *of_run))


def _of(table: pa.Table, run: str, kind: Any) -> Iterator[Any]:
    """The rows of a run as records of this kind."""
    from suite._arrow import rows_where

    rows = rows_where(table, "run", [run])
    return map(kind, *(rows.column(name).to_pylist() for name in kind._fields))


def append(path: Path, entry: Entry) -> None:
    """Add a line; wholly or not at all."""
    moved = [{k: _finite(v) for k, v in f._asdict().items()} for f in entry.moved]
    line = json.dumps(entry._asdict() | {"moved": moved}, ensure_ascii=False, allow_nan=False) + "\n"
    data = line.encode("utf-8", "replace")
    try:
        with path.open("ab", buffering=0) as file:
            size = file.tell()
            if size and _last_byte(path) != b"\n":
                data = b"\n" + data
            if os.write(file.fileno(), data) != len(data):
                os.truncate(path, size)
                raise StoreError(f"{path} cannot be written: no space left on the disk")
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from None


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)


def read(path: Path) -> tuple[list[Entry], list[str]]:
    """The entries, oldest first, and a line for each that cannot be read; no file is no entry."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from None
    entries, problems = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            moved = tuple(Finding(**finding) for finding in values["moved"])
            entries.append(Entry(**values | {"runs": tuple(values["runs"]), "moved": moved}))
        except (ValueError, TypeError, KeyError):
            problems.append(f"{path}: line {number} is no entry of a history")
    return entries, problems


def rows(entries: list[Entry], once: bool = False) -> list[dict[str, object]]:
    """A row for each value that moved, or one for an acceptance by which none did.

    With `once` only the first row of an acceptance says when, who and why.
    """
    made: list[dict[str, object]] = []
    for entry in entries:
        head = {"when": entry.when, "who": entry.who, "reason": entry.reason}
        nothing = {"verdict": "no change", "note": f"{len(entry.runs)} runs"}
        found: list[dict[str, object]] = [f._asdict() for f in entry.moved] or [nothing]
        made += [row if once and number else head | row for number, row in enumerate(found)]
    return made


def _user() -> str | None:
    """The name that git would put on a commit made here."""
    command = ("git", "config", "user.name")
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() or None


def _finite(value: Any) -> Any:
    return value if not isinstance(value, float) or math.isfinite(value) else None
