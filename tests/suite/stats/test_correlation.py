"""Rank correlations against SciPy's and by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from suite.stats import kendall_tau, spearman
from suite.stats._correlation import shared_ranks

few = st.integers(0, 4).map(lambda k: k / 4)  # ties are common
many = st.floats(-1e6, 1e6, allow_nan=False)


@settings(max_examples=40, deadline=None)
@given(st.one_of(*(st.lists(st.tuples(v, v), min_size=2, max_size=12) for v in (few, many))))
def test_rank_correlations_are_scipys(pairs: list[tuple[float, float]]) -> None:
    a, b = (list(values) for values in zip(*pairs, strict=True))
    if len({*a}) == 1 or len({*b}) == 1:
        assert kendall_tau(a, b) is None and spearman(a, b) is None
        return
    assert kendall_tau(a, b) == pytest.approx(stats.kendalltau(a, b).statistic, abs=1e-12)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
    assert shared_ranks(a) == stats.rankdata(a).tolist()


def test_rank_correlations_by_hand() -> None:
    # pairs: (1,2) and (1,3) agree, (2,3) is tied in b; of the three, two are untied in b
    assert kendall_tau([1, 2, 3], [1, 2, 2]) == pytest.approx(2 / math.sqrt(3 * 2))
    assert spearman([1, 2, 3], [1, 2, 2]) == pytest.approx(1.5 / math.sqrt(2 * 1.5))
    assert kendall_tau([1, 2, 3], [9, 5, 1]) == spearman([1, 2, 3], [9, 5, 1]) == -1


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [([1, 2], [1], "2 and 1 methods"), ([1], [1], "two or more"), ([1, math.nan], [1, 2], "not finite")],
)
def test_no_rankings(a: list[float], b: list[float], message: str) -> None:
    for correlation in (kendall_tau, spearman):
        with pytest.raises(ValueError, match=message):
            correlation(a, b)
