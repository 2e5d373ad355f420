"""Rows as the store gives them, for the toy family."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import toy_plugin

from leaderboard.aggregate import Board, aggregate
from suite.cell import canonical

Row = dict[str, Any]
DIRECTION = {"accuracy": True, "errors": False, "seconds": False, "overlap": None, "perplexity": False}


class Rows:
    """Runs and scores that a test fills line by line; each run starts a second after the one before."""

    def __init__(self) -> None:
        self.runs: list[Row] = []
        self.scores: list[Row] = []
        self._clock = itertools.count(1)

    def add(
        self,
        method: str,
        seed: int,
        value: float | None = None,
        *,
        scores: Mapping[Any, float] | None = None,
        overrides: Mapping[str, Any] | None = None,
        **columns: Any,
    ) -> str:
        """A run of `method` whose accuracy is `value`; `scores` adds metrics or (metric, slice) pairs."""
        clock = next(self._clock)
        run: Row = {
            "run": f"run{clock:05d}",
            "cell": "",
            "family": "toy",
            "task": "toy",
            "method": method,
            "profile": "small",
            "base_model": "",
            "overrides": canonical(dict(overrides or {})),
            "task_version": 1,
            "method_version": 1,
            "settings": "{}",
            "task_settings": "{}",
            "data_fingerprint": "",
            "model_fingerprint": "",
            "seed": seed,
            "code": "c0de",
            "status": "ok",
            "error": "",
            "reason": "",
            "started": float(clock),
            "wall_s": 2.0,
            "overhead_s": 0.001,
            "peak_mb": 100.0,
            "device": "cpu",
            "threads": 1,
            "git_commit": "abc1234",
            "git_dirty": False,
            "packages": '{"numpy":"2"}',
            "host": '{"cpu":"x"}',
            "origin": "project",
        }
        run |= columns
        self.runs.append(run)
        values = ({} if value is None else {"accuracy": value}) | dict(scores or {})
        for key, number in values.items():
            metric, part = key if isinstance(key, tuple) else (key, "all")
            self.score(run["run"], metric, number, part)
        return str(run["run"])

    def score(self, run: str, metric: str, value: float | None, part: str = "all") -> None:
        self.scores.append(
            {
                "run": run,
                "metric": metric,
                "slice": part,
                "value": value,
                "n": 10,
                "higher_is_better": DIRECTION[metric],
            }
        )

    def seeds(self, method: str, values: list[float], **columns: Any) -> None:
        for seed, value in enumerate(values):
            self.add(method, seed, value, **columns)

    def board(self) -> Board:
        tasks = {spec.name: spec for spec in toy_plugin.TASKS}
        return aggregate(self.runs, self.scores, tasks, {spec.name: spec for spec in toy_plugin.METHODS})


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture(scope="session")
def new_rows() -> Callable[[], Rows]:
    return Rows
