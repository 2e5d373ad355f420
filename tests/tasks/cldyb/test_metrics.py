"""Metrics of accuracy matrices against values worked out by hand, identities, and scipy's correlations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from suite.errors import MethodError
from tasks.cldyb import metrics
from tasks.cldyb.contract import Learner, State, TaskData
from tasks.cldyb.matrix import Examples, accuracies, follow, triangle

HAND = [[0.8], [0.5, 0.6], [0.4, 0.7, 0.9]]


@st.composite
def matrices(draw: st.DrawFn) -> list[list[float]]:
    n = draw(st.integers(1, 6))
    share = st.floats(0, 1, allow_nan=False)
    return [draw(st.lists(share, min_size=t + 1, max_size=t + 1)) for t in range(n)]


def test_values_by_hand() -> None:
    assert metrics.final_average(HAND) == pytest.approx((0.4 + 0.7 + 0.9) / 3)
    assert metrics.incremental_average(HAND) == pytest.approx((0.8 + 0.55 + 2 / 3) / 3)
    assert metrics.learning_accuracy(HAND) == pytest.approx((0.8 + 0.6 + 0.9) / 3)
    # task 0 falls from 0.8 to 0.4; task 1 rises from 0.6 to 0.7, which is its best as well
    assert metrics.forgetting_init(HAND) == pytest.approx((0.4 - 0.1) / 2)
    assert metrics.forgetting_max_before(HAND) == pytest.approx((0.4 - 0.1) / 2)
    assert metrics.forgetting_max_incl(HAND) == pytest.approx(0.4 / 2)
    kept = metrics.retention(HAND)
    assert kept.mean == pytest.approx((0.5 + 0.7 / 0.6 + 1) / 3)
    assert kept.without_last == pytest.approx((0.5 + 0.7 / 0.6) / 2)
    assert kept.dropped == ()


def test_the_best_before_the_last_task_is_not_the_first_accuracy() -> None:
    rows = [[0.2], [0.6, 0.5], [0.3, 0.5, 0.5]]
    assert metrics.forgetting_init(rows) == pytest.approx((-0.1 + 0.0) / 2)
    assert metrics.forgetting_max_before(rows) == pytest.approx((0.3 + 0.0) / 2)
    assert metrics.forgetting_max_incl(rows) == pytest.approx((0.3 + 0.0) / 2)


def test_what_stands_above_the_diagonal_does_not_count() -> None:
    square = np.full((3, 3), np.nan)
    for t, row in enumerate(HAND):
        square[t, : t + 1] = row
    assert triangle(square) == triangle(HAND)
    assert metrics.final_average(square) == metrics.final_average(HAND)


@settings(max_examples=40, deadline=None)
@given(matrices())
def test_final_average_is_what_was_learned_less_what_was_forgotten(rows: list[list[float]]) -> None:
    n = len(rows)
    by_parts = metrics.learning_accuracy(rows) - (n - 1) / n * metrics.forgetting_init(rows)
    assert metrics.final_average(rows) == pytest.approx(by_parts, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(matrices())
def test_the_return_telescopes_to_one_less_the_final_average(rows: list[list[float]]) -> None:
    n, total = len(rows), 0.0
    for t, row in enumerate(rows):
        forgotten = sum(rows[t - 1][j] - row[j] for j in range(t))
        total += (1 - row[t] + forgotten) / n
    assert total == pytest.approx(1 - metrics.final_average(rows), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(matrices())
def test_the_three_forgettings_are_ordered(rows: list[list[float]]) -> None:
    first, before, incl = (
        f(rows) for f in (metrics.forgetting_init, metrics.forgetting_max_before, metrics.forgetting_max_incl)
    )
    assert first <= before + 1e-12 and before <= incl + 1e-12 and incl >= 0


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1), st.integers(1, 6))
def test_a_constant_matrix_forgets_nothing(value: float, n: int) -> None:
    rows = [[value] * (t + 1) for t in range(n)]
    kept = metrics.retention(rows)
    assert metrics.forgetting_init(rows) == metrics.forgetting_max_incl(rows) == 0
    assert kept.mean == 1 and kept.without_last == (None if n == 1 else 1)
    assert metrics.final_average(rows) == pytest.approx(value)


def test_forgetting_of_one_task_is_0() -> None:
    for f in (metrics.forgetting_init, metrics.forgetting_max_before, metrics.forgetting_max_incl):
        assert f([[0.3]]) == 0.0


def test_retention_of_what_was_never_learned() -> None:
    # task 0: 0 of 0 is kept; task 1: 0.5 of 0 counts in no mean; task 2: a half is kept; the last: all
    rows = [[0.0], [0.0, 0.0], [0.0, 0.5, 0.8], [0.0, 0.5, 0.4, 1.0]]
    kept = metrics.retention(rows)
    assert kept == ((1 + 0.5 + 1) / 3, (1 + 0.5) / 2, (1,))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "without a row"),
        ([[0.1], [0.2]], "row 1 .* has 1 entries; it needs 2"),
        ([[1.5]], "task 0 after task 0 is 1.5"),
        ([[0.1], [float("nan"), 0.2]], "task 0 after task 1 is nan"),
    ],
)
def test_no_accuracy_matrix(rows: list[list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.final_average(rows)


def test_gap_by_hand() -> None:
    found = metrics.gap([0.5, 0.6, 0.7, 0.6, 0.6], [0.4, 0.5])
    assert found == pytest.approx((0.15, 0.25, 0.6, 0.45))
    assert metrics.gap([0.0] * 5, [0.0]).relative is None


@pytest.mark.parametrize(
    ("random", "found", "message"),
    [
        ([0.5] * 4, [0.1], "4 random and 1 found"),
        ([0.5] * 5, [], "5 random and 0 found"),
        ([0.5] * 4 + [math.inf], [0.1], "finite"),
    ],
)
def test_no_gap(random: list[float], found: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.gap(random, found)


def test_the_interval_of_a_gap_is_welchs() -> None:
    random, found = [0.5, 0.62, 0.71, 0.6, 0.64], [0.4, 0.52, 0.47]
    low, high = metrics.gap_interval(random, found) or (0, 0)
    test = stats.ttest_ind(random, found, equal_var=False)
    half = stats.t.ppf(0.975, math.floor(test.df)) * (np.mean(random) - np.mean(found)) / test.statistic
    assert ((low + high) / 2, (high - low) / 2) == pytest.approx((np.mean(random) - np.mean(found), half))
    assert metrics.gap_interval(random, [0.4]) is None
    assert metrics.gap_interval([0.5] * 5, [0.4] * 2) is None


def test_overlap_of_sequences_by_hand() -> None:
    a, b = [[0, 1], [2, 3]], [[3, 2], [4, 5]]
    assert metrics.class_overlap(a, b) == 2 / 6
    assert metrics.pair_overlap(a, b) == 1 / 3
    # the same classes, put together otherwise
    assert metrics.class_overlap(a, [[0, 2], [1, 3]]) == 1 and metrics.pair_overlap(a, [[0, 2], [1, 3]]) == 0
    assert metrics.pair_overlap([[0]], [[1]]) == 1


class Parrot(Learner):
    """Answers what x says: column 0 of an example is the number of the class it names. The scores of the
    classes it does not name are equal.
    """

    def learn(self, task: TaskData, seed: int) -> None:
        self.seen += task.classes

    def logits(self, x: Tensor) -> Tensor:
        return (x[:, :1] == torch.tensor(self.seen)).float()

    def state(self) -> State:
        return {}

    def restore(self, state: State, seen: object) -> None: ...


def examples(named: list[int], true: list[int]) -> Examples:
    return Examples(torch.tensor(named, dtype=torch.float32)[:, None], torch.tensor(true))


def test_the_matrix_of_a_sequence_by_hand() -> None:
    tasks = [TaskData(torch.zeros(1, 1), torch.zeros(1), classes) for classes in ((7, 2), (5,))]
    # in task 0, one example names class 5, unseen at first: no score stands out, so the first class is taken
    tests = [examples([7, 2, 5, 2], [7, 2, 7, 7]), examples([5, 5, 7], [5, 5, 5])]
    found = follow(Parrot(), tasks, tests, [0, 1])
    assert found.matrix == ((3 / 4,), (2 / 4, 2 / 3))
    assert [int(right.sum()) for right in found.right] == [2, 2] and [len(r) for r in found.right] == [4, 3]


def test_scores_that_are_none() -> None:
    learner = Parrot()
    learner.seen = (7, 2)
    tests = [examples([7], [7])]
    learner.logits = lambda x: torch.zeros(len(x), 3)  # type: ignore[method-assign]
    with pytest.raises(MethodError, match=r"shape \(1, 3\), not \(1, 2\)"):
        accuracies(learner, tests)
    learner.logits = lambda x: torch.full((len(x), 2), torch.nan)  # type: ignore[method-assign]
    with pytest.raises(MethodError, match="logits of 1 examples are not a number"):
        accuracies(learner, tests)


def test_a_learner_that_keeps_no_account_of_its_classes() -> None:
    learner = Parrot()
    learner.learn = lambda task, seed: None  # type: ignore[method-assign]
    task = TaskData(torch.zeros(1, 1), torch.zeros(1), (7,))
    with pytest.raises(MethodError, match=r"after task 0 the learner has seen \(\), not \(7,\)"):
        follow(learner, [task], [examples([7], [7])], [0])
    with pytest.raises(ValueError, match="1 tasks, 0 sets of test examples, 1 seeds"):
        follow(learner, [task], [], [0])
