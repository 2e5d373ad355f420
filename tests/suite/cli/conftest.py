"""A command line to call and a small results folder whose numbers are worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from suite.api import Sample
from suite.cell import Cell
from suite.cli import main
from suite.records import Outcome, Run, ScoreRow
from suite.store import Store

Suite = Callable[..., Result]
SCORES = {
    "toy-good": {0: 1.0, 1: 1.0, 2: 1.0},
    "toy-coin": {0: 0.4, 1: 0.5, 2: 0.6},
    "toy-slow": {0: 0.7, 1: 0.9},
}
# Which of four test examples each got right.
RIGHT = {"toy-coin": (1, 0, 0, 1), "toy-slow": (1, 1, 1, 0)}


@pytest.fixture
def suite() -> Suite:
    """`suite(*words)` runs the command line in this process."""
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Three methods with two or three seeds, and one run that failed."""
    store = Store(tmp_path / "results")
    for method, seeds in SCORES.items():
        for seed, accuracy in seeds.items():
            store.append(outcome(method, seed, accuracy, RIGHT.get(method, ())))
    store.append(outcome("toy-raise", 0, None))
    return store.root


def outcome(method: str, seed: int, accuracy: float | None, right: Sequence[int] = ()) -> Outcome:
    """A run on the toy task; without an accuracy it failed."""
    cell = Cell("toy", method, "small", seed, family="toy")
    run = Run(
        run=f"{cell.id[:16]}-{seed}",
        cell=cell.id,
        code="c0de",
        family="toy",
        task="toy",
        task_version=1,
        method=method,
        method_version=1,
        profile="small",
        seed=seed,
        base_model="",
        settings="{}",
        task_settings="{}",
        overrides="{}",
        status="failed" if accuracy is None else "ok",
        error="ValueError: the toy is broken" if accuracy is None else "",
        started=1_700_000_000.0 + seed,
        wall_s=2.0 + seed,
        cpu_s=1.0,
        overhead_s=0.25,
        peak_mb=100.0,
        device="cpu",
        threads=1,
        data_fingerprint="",
        model_fingerprint="",
        git_commit="",
        git_dirty=False,
        packages="{}",
        host="{}",
    )
    if accuracy is None:
        return Outcome(run)
    scores = (
        ScoreRow("accuracy", "all", accuracy, 10, True),
        ScoreRow("accuracy", "even", accuracy / 2, 5, True),
        ScoreRow("errors", "all", 10 - 10 * accuracy, 10, False),
    )
    return Outcome(run, scores, tuple(Sample(k, float(value)) for k, value in enumerate(right)))


@pytest.fixture
def make_outcome() -> Callable[..., Outcome]:
    """`make_outcome(method, seed, accuracy, right)`: a run on the toy task."""
    return outcome
