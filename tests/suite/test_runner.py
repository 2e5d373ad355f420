from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suite.api import Context, Score, Task
from suite.errors import DataError, Skip, UsageError
from suite.plan import Planned, plan
from suite.records import Outcome, ScoreRow
from suite.runner import RESUMED, execute

ENVIRONMENT = {"git_commit": "abc", "git_dirty": True, "packages": "{}", "host": "{}"}


@dataclass(frozen=True)
class Says(Task):
    """Yields what it is told to, and raises it if it is an error."""

    what: tuple[Any, ...]

    def run(self, method: Any, ctx: Context) -> Iterator[Score]:
        for thing in self.what:
            if isinstance(thing, BaseException):
                raise thing
            yield thing


def run(planned: Planned, **more: Any) -> Outcome:
    return execute(planned, environment=ENVIRONMENT, **more)


def says(*what: Any) -> Outcome:
    return run(dataclasses.replace(plan("toy", "toy-good"), task_instance=Says(what)))


def test_a_good_cell_gives_its_scores_with_direction_and_its_samples() -> None:
    outcome = run(plan("toy", "toy-bad", "small", 4))
    assert outcome.run.status == "ok"
    assert list(outcome.scores) == [
        ScoreRow("accuracy", "all", 0.5, 10, True),
        ScoreRow("accuracy", "even", 1.0, 5, True),
        ScoreRow("errors", "all", 5.0, 10, False),
    ]
    assert [s.correct for s in outcome.samples] == [1.0, 0.0] * 5


def test_a_row_says_what_was_run_and_where() -> None:
    planned = plan("toy", "toy-good", "smoke", 4)
    row = run(planned, device="cpu", threads=3).run
    assert (row.cell, row.code, row.seed, row.profile) == (planned.cell.id, planned.code, 4, "smoke")
    assert (row.settings, row.task_settings) == (planned.cell.settings, planned.cell.task_settings)
    assert (row.git_commit, row.git_dirty, row.threads, row.device) == ("abc", True, 3, "cpu")
    assert row.run.startswith(planned.cell.id[:16])


def test_two_runs_of_a_cell_have_two_names() -> None:
    planned = plan("toy", "toy-good")
    assert run(planned).run.run != run(planned).run.run


@pytest.mark.parametrize(
    ("value", "word"), [(float("nan"), "NaN"), (float("inf"), "infinite"), (np.float32("-inf"), "infinite")]
)
def test_a_score_that_is_no_number_fails_the_cell(value: float, word: str) -> None:
    outcome = says(Score("errors", 1.0), Score("accuracy", value))
    assert (outcome.run.status, outcome.run.error) == ("failed", f"metric accuracy is {word}")
    assert outcome.scores == ()


@pytest.mark.parametrize(
    ("scores", "error"),
    [
        ([Score("f1", 1.0)], "metric f1 is not declared by task toy"),
        ([Score("errors", 1.0)], "task toy gave no accuracy, its primary metric"),
        ([Score("accuracy", 1.0, slice="even")], "task toy gave no accuracy, its primary metric"),
        ([Score("accuracy", 1.0), Score("accuracy", 1.0)], "metric accuracy was given twice"),
        ([Score("accuracy", 1.0, slice="a")] * 2, "metric accuracy of slice a was given twice"),
    ],
)
def test_scores_that_break_the_contract_fail_the_cell(scores: list[Score], error: str) -> None:
    outcome = says(*scores)
    assert (outcome.run.status, outcome.run.error, outcome.scores) == ("failed", error, ())


def test_a_score_may_be_a_numpy_number() -> None:
    (row,) = says(Score("accuracy", np.float32(0.5), np.int64(4))).scores  # type: ignore[arg-type]
    assert (type(row.value), type(row.n)) == (float, int)


def test_an_error_becomes_a_row_with_its_place_and_without_paths_of_this_machine() -> None:
    row = run(plan("toy", "toy-raise")).run
    lines = row.error.splitlines()
    assert (row.status, lines[0]) == ("failed", "ValueError: the toy is broken")
    assert lines[-1].startswith("  toy_plugin.py:")
    assert lines[-1].endswith("in answer")
    assert str(Path(__file__).parents[2]) not in row.error


def test_memory_that_runs_out_is_told_apart_from_failing() -> None:
    accelerator = type("OutOfMemoryError", (RuntimeError,), {})
    assert says(MemoryError()).run.status == "out-of-memory"
    assert says(accelerator("CUDA out of memory")).run.status == "out-of-memory"


def test_a_pair_that_makes_no_sense_is_skipped_with_its_reason() -> None:
    row = says(Skip("the toy cannot count that far")).run
    assert (row.status, row.reason, row.error) == ("skipped", "the toy cannot count that far", "")


def test_a_method_that_leaves_python_fails_its_cell() -> None:
    row = says(SystemExit(4)).run
    assert (row.status, row.error) == ("failed", "the method left Python with exit code 4")


@pytest.mark.parametrize("error", [DataError("no file"), UsageError("wrong"), KeyboardInterrupt()])
def test_what_is_not_the_fault_of_the_method_is_raised(error: BaseException) -> None:
    with pytest.raises(type(error)):
        says(error)


def test_global_generators_start_from_the_seed_of_the_cell() -> None:
    class Draws(Task):
        def run(self, method: Any, ctx: Context) -> Iterator[Score]:
            yield Score("accuracy", random.random())
            yield Score("errors", float(np.random.rand()))

    def drawn(seed: int) -> list[float]:
        outcome = run(dataclasses.replace(plan("toy", "toy-good", seed=seed), task_instance=Draws()))
        return [row.value for row in outcome.scores]

    assert drawn(5) == drawn(5) == [random.Random(5).random(), float(np.random.RandomState(5).rand())]
    assert drawn(5) != drawn(6)


def test_a_cell_is_the_same_after_another_cell() -> None:
    first = run(plan("toy", "toy-coin", seed=1)).scores
    run(plan("toy", "toy-coin", seed=2))
    assert run(plan("toy", "toy-coin", seed=1)).scores == first


def test_a_cell_that_finds_a_checkpoint_says_that_its_times_are_of_the_last_leg(tmp_path: Path) -> None:
    assert run(plan("toy", "toy-good"), checkpoint_dir=tmp_path).run.reason == ""
    (tmp_path / "half").touch()
    assert run(plan("toy", "toy-good"), checkpoint_dir=tmp_path).run.reason == RESUMED


def test_progress_reaches_the_caller() -> None:
    seen: list[tuple[str, int, int]] = []
    run(plan("toy", "toy-slow", sets={"seconds": "0.1"}), report=lambda *report: seen.append(report))
    assert seen == [("sleeping", 0, 1), ("sleeping", 1, 1)]


def test_the_harness_counts_its_own_share_apart_from_the_task() -> None:
    row = run(plan("toy", "toy-slow", sets={"seconds": "0.1"})).run
    assert 0 < row.overhead_s < row.wall_s - 0.1
    assert row.peak_mb > 1
