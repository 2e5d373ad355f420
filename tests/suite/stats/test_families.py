"""Methods over several tasks, against SciPy, brute force and cases worked by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from suite import stats

NAN = math.nan
SCORES = np.random.default_rng(3).normal([0.0, 0.2, 0.9, 1.0, 1.6], 0.5, (12, 5))


def iman_davenport(table: np.ndarray) -> tuple[float, float]:
    n, k = table.shape
    chi2 = scipy_stats.friedmanchisquare(*table.T).statistic
    f = (n - 1) * chi2 / (n * (k - 1) - chi2)
    return f, float(scipy_stats.f.sf(f, k - 1, (k - 1) * (n - 1)))


def test_statistic_is_that_of_scipys_friedman_test() -> None:
    made = stats.critical_difference(SCORES, [True] * 12)
    assert (made.statistic, made.p) == pytest.approx(iman_davenport(SCORES), rel=1e-9)
    assert made.tasks == 12 and made.reason == ""


def test_ties_share_their_mean_rank_and_are_corrected_for_as_scipy_does() -> None:
    table = np.round(SCORES)
    made = stats.critical_difference(table, [False] * 12)
    assert made.mean_ranks == pytest.approx(scipy_stats.rankdata(table, axis=1).mean(axis=0))
    assert (made.statistic, made.p) == pytest.approx(iman_davenport(table), rel=1e-9)


def test_critical_difference_of_demsars_own_example() -> None:
    """Demsar 2006, section 3.2.2: 4 methods on 14 data sets, CD = 2.569 sqrt(4 * 5 / (6 * 14)) = 1.25."""
    made = stats.critical_difference(np.random.default_rng(0).random((14, 4)), [True] * 14)
    assert made.cd == pytest.approx(1.25, abs=0.005)
    assert made.cd == pytest.approx(2.569 * math.sqrt(20 / 84), abs=5e-4)


def test_groups_are_the_largest_runs_within_the_critical_difference() -> None:
    made = stats.critical_difference(SCORES, [True] * 12)
    assert made.cd is not None
    rank, cd = made.mean_ranks, made.cd
    alike = [
        set(some)
        for size in range(2, 6)
        for some in itertools.combinations(range(5), size)
        if max(rank[i] for i in some) - min(rank[i] for i in some) <= cd
    ]
    largest = [some for some in alike if not any(some < other for other in alike)]
    assert sorted(map(sorted, made.groups)) == sorted(map(sorted, largest))
    assert len(made.groups) == 3
    assert [g[0] for g in made.groups] == sorted([g[0] for g in made.groups], key=lambda i: rank[i])


def test_each_task_has_its_own_direction_and_a_task_that_one_missed_is_left_out() -> None:
    table = np.array([[0.9, 0.5, 0.1], [1.0, 2.0, 3.0], [NAN, 0.3, 0.9], [0.8, 0.9, 0.7]])
    made = stats.critical_difference(table, [True, False, True, True])
    assert made.tasks == 3
    assert made.mean_ranks == pytest.approx((4 / 3, 5 / 3, 3.0))


def test_scores_that_differ_by_rounding_tie() -> None:
    made = stats.critical_difference([[0.1 + 0.2, 0.3, 0.0], [0.5, 0.5, 0.1]], [True, True])
    assert made.mean_ranks == (1.5, 1.5, 3.0)


def test_one_order_everywhere_has_the_chance_of_repeating_it() -> None:
    """3! orders, 4 more tasks repeat the first: p = 1 / 6^4. With the first two tied, 3 orders: 1 / 3^4."""
    made = stats.critical_difference([[3, 2, 1]] * 5, [True] * 5)
    assert made.statistic == math.inf and made.p == pytest.approx(1 / 6**4)
    assert stats.critical_difference([[3, 3, 1]] * 5, [True] * 5).p == pytest.approx(1 / 3**4)
    equal = stats.critical_difference([[1, 1, 1]] * 5, [True] * 5)
    assert (equal.statistic, equal.p, equal.groups) == (0.0, 1.0, ((0, 1, 2),))


@pytest.mark.parametrize("table", [[[1, 2, 3]], [[1, 2], [2, 1]], [[1, 2, 3], [1, NAN, 3]], [[NAN, 1, 2]]])
def test_too_few_tasks_or_methods_have_a_reason_and_no_test(table: list[list[float]]) -> None:
    made = stats.critical_difference(table, [True] * len(table))
    assert (made.statistic, made.p, made.cd, made.groups) == (None, None, None, ())
    assert "three methods on two tasks" in made.reason


def test_a_direction_for_every_task_is_asked_for() -> None:
    with pytest.raises(ValueError, match="2 tasks"):
        stats.critical_difference([[1, 2, 3], [1, 2, 3]], [True])


def test_mean_ranks_of_clear_methods_are_sure() -> None:
    """Ranks 1, 2, 3 on the first task and 2, 1, 3 on the second, where less is better: 1.5, 1.5, 3."""
    near = [0.0, 1e-4, -1e-4]
    tasks = [
        [[x + e for e in near] for x in (0.9, 0.5, 0.1)],
        [[x + e for e in near] for x in (7.0, 5.0, 9.0)],
    ]
    made = stats.mean_rank_intervals(tasks, [True, False])
    assert made == [(1.5, (1.5, 1.5)), (1.5, (1.5, 1.5)), (3.0, (3.0, 3.0))]


def test_mean_rank_of_two_methods_is_a_t_probability() -> None:
    """One steady method at 0 and one of mean 1, sd 1, three seeds: a draw turns their order where
    1 + t / sqrt(3) < 0, with chance P(t < -sqrt(3)) = 0.112702. At level 0.8 each tail of 0.1 is smaller than
    that chance and the other order is inside, at level 0.7 each tail of 0.15 is larger and it is not."""
    values = [[[0.0, 0.0, 0.0], [0.0, 1.0, 2.0]]]
    assert scipy_stats.t.cdf(-math.sqrt(3), 2) == pytest.approx(0.112702, abs=1e-6)
    wide = stats.mean_rank_intervals(values, [True], level=0.8, draws=20_000)
    assert wide == [(2.0, (1.0, 2.0)), (1.0, (1.0, 2.0))]
    narrow = stats.mean_rank_intervals(values, [True], level=0.7, draws=20_000)
    assert narrow == [(2.0, (2.0, 2.0)), (1.0, (1.0, 1.0))]


def test_mean_rank_intervals_are_those_of_scipys_draws_and_ranks() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(rng.normal(0, 1, (6, 4, 1)), 0.7, (6, 4, 5))
    higher = [True, False] * 3
    drawn = np.zeros((3000, 4))
    for task, up in zip(values, higher, strict=True):
        columns = [scipy_stats.t(4, s.mean(), scipy_stats.sem(s)).rvs(3000, rng) for s in task]
        drawn += scipy_stats.rankdata([-c if up else c for c in columns], axis=0).T / 6
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    made = stats.mean_rank_intervals(values.tolist(), higher, draws=3000)
    signs = np.array([-1 if up else 1 for up in higher])[:, None]
    expected = scipy_stats.rankdata(signs * values.mean(axis=2), axis=1).mean(axis=0)
    for m, rank in enumerate(made):
        assert rank is not None
        assert rank.mean == pytest.approx(expected[m])
        assert rank.interval == pytest.approx((low[m], high[m]), abs=0.18)


def test_equal_methods_without_spread_share_a_place() -> None:
    same = [0.1, 0.1, 0.1]
    made = stats.mean_rank_intervals([[same, [0.1] * 5, [0.0, 0.0]]], [True])
    assert made == [(1.5, (1.5, 1.5)), (1.5, (1.5, 1.5)), (3.0, (3.0, 3.0))]


def test_an_interval_is_stretched_to_hold_its_own_mean_rank() -> None:
    """Twelve alike methods on one task: the first is hardly ever first in a draw, over forty tasks never."""
    rng = np.random.default_rng(2)
    values = np.sort(rng.normal(0, 0.01, (40, 12, 1)), axis=1) + rng.normal(0, 1, (40, 1, 3))
    first = stats.mean_rank_intervals(values.tolist(), [True] * 40)[-1]
    assert first is not None
    assert first.mean == first.interval.low == 1.0 < first.interval.high


def test_one_seed_or_a_missed_task_has_no_mean_rank_and_takes_no_place() -> None:
    good, fair = [0.9, 0.91, 0.92], [0.5, 0.51, 0.52]
    tasks = [[[0.99], good, [], fair], [[0.99, 0.98], good, [0.1, 0.1], fair]]
    made = stats.mean_rank_intervals(tasks, [True, True])
    assert made[0] is None and made[2] is None
    assert made[1] is not None and made[3] is not None
    assert (made[1].mean, made[3].mean) == (1.0, 2.0)
    assert stats.mean_rank_intervals([], []) == []
    assert stats.mean_rank_intervals([[[0.1]]], [True]) == [None]


def test_draws_are_the_same_for_the_same_seed_only() -> None:
    values = np.random.default_rng(4).normal(0, 1, (3, 6, 3)).tolist()
    assert stats.mean_rank_intervals(values, [True] * 3) == stats.mean_rank_intervals(values, [True] * 3)
    assert stats.mean_rank_intervals(values, [True] * 3) != stats.mean_rank_intervals(
        values, [True] * 3, seed=1
    )


def test_tables_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="direction"):
        stats.mean_rank_intervals([[[0.1, 0.2]]], [])
