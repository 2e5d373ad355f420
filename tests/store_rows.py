"""Made-up runs for the tests of the store; imported by name because tests/ is on the path."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, cast

from leaderboard.board import Entry, Table
from suite.api import Sample
from suite.records import Outcome, Run, ScoreRow

SCORES = (
    ScoreRow("exact-match", "all", 0.75, 100, True),
    ScoreRow("exact-match", "jump", 0.5, 10, True),
    ScoreRow("seconds", "all", 1.25, None, False),
)


def cell_id(number: int) -> str:
    """A cell id as a hash would make it."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def run(number: int = 0, name: str = "", **changes: Any) -> Run:
    """Run `number` of an invented method on task scan-jump, named so that names sort by number."""
    values: dict[str, Any] = {
        "run": name or f"{cell_id(number)[:16]}-{number:016x}-00000000",
        "cell": cell_id(number),
        "code": "c" * 64,
        "family": "compositional",
        "task": "scan-jump",
        "task_version": 1,
        "method": "compsub",
        "method_version": 2,
        "profile": "small",
        "seed": number,
        "base_model": "",
        "settings": '{"steps":100}',
        "task_settings": "{}",
        "overrides": "{}",
        "status": "ok",
        "error": "",
        "started": 1_700_000_000.5 + number,
        "wall_s": 2.5,
        "cpu_s": 2.25,
        "overhead_s": 0.001,
        "peak_mb": 512.5,
        "device": "cpu",
        "threads": 1,
        "data_fingerprint": "",
        "model_fingerprint": "",
        "git_commit": "a" * 40,
        "git_dirty": False,
        "packages": "{}",
        "host": "{}",
    }
    return Run(**values | changes)


def outcome(
    number: int = 0,
    scores: Sequence[ScoreRow] = SCORES,
    samples: Sequence[Sample] = (),
    name: str = "",
    **changes: Any,
) -> Outcome:
    """A run with its scores and samples."""
    return Outcome(run(number, name, **changes), scores, samples)


def only_table(rows: Any) -> Table:
    """The one table of the board that the rows make."""
    (table,) = rows.board().tables
    return cast("Table", table)


def only_entry(rows: Any) -> Entry:
    """The one entry of that table."""
    (entry,) = only_table(rows).entries
    return entry
