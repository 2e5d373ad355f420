"""The distributions that the tests need, against SciPy's."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from suite import stats
from suite.stats import _distributions as ours


@pytest.mark.parametrize("df", [1, 2, 3.7, 4, 8, 29, 200])
@pytest.mark.parametrize("p", [0.01, 0.2, 0.8, 0.975, 0.995])
def test_t_quantiles_are_scipys(p: float, df: float) -> None:
    assert stats.t_quantile(p, df) == pytest.approx(scipy_stats.t.ppf(p, df), rel=1e-9)


@given(st.floats(-40, 40), st.floats(0.6, 300))
@settings(max_examples=60, deadline=None)
@example(1.192092896e-07, 128.0)
@example(-1e-9, 3.0)
@example(2.0, 4.0)
def test_t_cdf_is_scipys(t: float, df: float) -> None:
    assert stats.t_cdf(t, df) == pytest.approx(scipy_stats.t.cdf(t, df), rel=1e-8, abs=1e-13)


def test_a_quantile_outside_0_and_1_is_refused() -> None:
    with pytest.raises(ValueError, match="0 < p < 1"):
        stats.t_quantile(1.0, 4)


@pytest.mark.parametrize(("f", "above", "below"), [(0.3, 3, 12), (4.76, 3, 6), (9.0, 1, 1), (2.0, 39, 3861)])
def test_tail_of_f_is_scipys(f: float, above: int, below: int) -> None:
    assert ours.f_tail(f, above, below) == pytest.approx(scipy_stats.f.sf(f, above, below), rel=1e-8)


@pytest.mark.parametrize("groups", [2, 3, 10, 100])
@pytest.mark.parametrize("p", [0.5, 0.95, 0.99])
def test_quantile_of_the_range_is_scipys(p: float, groups: int) -> None:
    theirs = scipy_stats.studentized_range.ppf(p, groups, float("inf"))
    assert ours.range_quantile(p, groups) == pytest.approx(theirs, rel=1e-6)


def test_quantile_of_the_range_of_two_is_a_normal_one() -> None:
    """The range of two is |a - b|, normal with sd sqrt(2): q / sqrt(2) = 1.959964 (Demsar 2006, table 5)."""
    assert ours.range_quantile(0.95, 2) / 2**0.5 == pytest.approx(1.959964, abs=1e-6)


@pytest.mark.parametrize(("shift", "df"), [(0.0, 4), (1.3, 1), (2.0, 2), (2.8, 38), (3.3, 1998)])
def test_power_of_t_is_scipys_noncentral_t(shift: float, df: int) -> None:
    critical = scipy_stats.t.ppf(0.975, df)
    theirs = scipy_stats.nct.sf(critical, df, shift) + scipy_stats.nct.cdf(-critical, df, shift)
    assert ours.power_of_t(shift, critical, df) == pytest.approx(theirs, abs=1e-8)
