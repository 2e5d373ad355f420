"""Ranks in one table against a Welch test of each pair."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats as scipy_stats

from suite import stats


def test_clear_differences_rank_apart() -> None:
    groups = [[0.1, 0.11, 0.09], [0.9, 0.91, 0.89], [0.5, 0.51, 0.49]]
    assert stats.ranks(groups, True) == [(3, 3), (1, 1), (2, 2)]
    assert stats.ranks(groups, False) == [(1, 1), (3, 3), (2, 2)]


def test_methods_that_cannot_be_told_apart_share_a_rank() -> None:
    groups = [[0.70, 0.80, 0.75], [0.72, 0.79, 0.71], [0.10, 0.12, 0.11]]
    assert stats.ranks(groups, True) == [(1, 2), (1, 2), (3, 3)]


def test_one_seed_has_no_rank_and_counts_for_nobody() -> None:
    assert stats.ranks([[0.9], [0.2, 0.3], [0.1, 0.2]], True) == [None, (1, 2), (1, 2)]
    assert stats.ranks([[0.9]], True) == [None]


def test_equal_seeds_rank_by_any_difference_but_not_by_rounding() -> None:
    assert stats.ranks([[1.0] * 5, [0.999] * 5], True) == [(1, 1), (2, 2)]
    assert stats.ranks([[0.1] * 3, [0.1] * 5], True) == [(1, 2), (1, 2)]


def test_ranks_beat_exactly_where_a_welch_test_does() -> None:
    rng = np.random.default_rng(4)
    shapes = zip(rng.normal(0, 2, 12), rng.uniform(0.2, 2, 12), [3, 5, 4] * 4, strict=True)
    groups = [rng.normal(mean, sd, n).tolist() for mean, sd, n in shapes]

    def welch(a: list[float], b: list[float]) -> bool:
        va, vb = np.var(a, ddof=1) / len(a), np.var(b, ddof=1) / len(b)
        df = int((va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1)))
        return bool((np.mean(a) - np.mean(b)) / math.sqrt(va + vb) > scipy_stats.t.ppf(0.975, df))

    for i, rank in enumerate(stats.ranks(groups, True)):
        assert rank is not None
        assert rank.best == 1 + sum(welch(other, groups[i]) for other in groups)
        assert rank.worst == 12 - sum(welch(groups[i], other) for other in groups)


def test_who_beats_whom_is_a_matrix_in_the_given_order() -> None:
    groups = [[0.5, 0.51, 0.49], [0.9], [0.1, 0.12, 0.11]]
    assert stats.beats(groups, True).tolist() == [[False, False, True], [False] * 3, [False] * 3]
    assert stats.beats(groups, False).tolist() == [[False] * 3, [False] * 3, [True, False, False]]
    assert stats.beats([], True).shape == (0, 0)
    assert not stats.beats([[0.1], [], [0.9]], True).any()


def test_an_array_and_lists_give_the_same_as_a_welch_interval_of_every_pair() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(rng.normal(0, 0.4, 30)[:, None], rng.uniform(0.2, 2, 30)[:, None], (30, 12))
    better = stats.beats(values, True, level=0.9)
    assert (better == stats.beats([list(row) for row in values], True, level=0.9)).all()
    for i, a in enumerate(values):
        for j, b in enumerate(values):
            va, vb = a.var(ddof=1) / 12, b.var(ddof=1) / 12
            df = int((va + vb) ** 2 / ((va**2 + vb**2) / 11) * (1 + 1e-12))
            assert better[i, j] == (a.mean() - b.mean() > scipy_stats.t.ppf(0.95, df) * math.sqrt(va + vb))
    assert 20 < better.sum() < 300
