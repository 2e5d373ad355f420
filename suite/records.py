"""The rows of the results: one `Run` a cell that ran, its scores and its samples.

Field names are the column names of the parquet tables; docs/columns.md explains each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from suite.api import Sample

Status = Literal["ok", "failed", "timeout", "out-of-memory", "skipped"]
STATUSES: tuple[str, ...] = get_args(Status)


class ScoreRow(NamedTuple):
    """A score with its direction; the store adds the run, cell, task, method, profile and seed."""

    metric: str
    slice: str
    value: float
    n: int | None
    higher_is_better: bool | None


@dataclass(frozen=True)
class Run:
    """One run of one cell: what was run, how it ended, what it cost and where it ran.

    Times are seconds, `started` is seconds since 1970 (UTC), `peak_mb` is the peak resident memory of the
    process in MiB, `overhead_s` is the harness's own share of the wall time. `modules` is JSON: each module
    behind `code` with the first 12 digits of its hash. `reason` says why a cell was skipped, or that it was
    resumed (its times then count the last leg only).
    """

    run: str
    cell: str
    code: str
    family: str
    task: str
    task_version: int
    method: str
    method_version: int
    profile: str
    seed: int
    base_model: str
    settings: str
    task_settings: str
    overrides: str
    status: str
    error: str
    started: float
    wall_s: float
    cpu_s: float
    overhead_s: float
    peak_mb: float
    device: str
    threads: int
    data_fingerprint: str
    model_fingerprint: str
    git_commit: str
    git_dirty: bool
    packages: str
    host: str
    origin: str = "project"
    reason: str = ""
    modules: str = "{}"


@dataclass(frozen=True)
class Outcome:
    """A run with what it measured, ready to be appended to the store."""

    run: Run
    scores: Sequence[ScoreRow] = field(default_factory=tuple)
    samples: Sequence[Sample] = field(default_factory=tuple)
