"""Statistics against SciPy, brute force and cases worked by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from suite import bootstrap, stats

FIVE = [0.61, 0.72, 0.69, 0.80, 0.55]


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


def test_seed_interval_of_a_hand_worked_case() -> None:
    """1, 2, 3: mean 2, sd 1, t(0.975, 2) = 4.30265, half width 4.30265 / sqrt(3) = 2.48414."""
    assert stats.mean_interval([1, 2, 3]) == pytest.approx((2 - 2.48414, 2 + 2.48414), abs=1e-5)


def test_seed_interval_is_scipys() -> None:
    expected = scipy_stats.t.interval(0.9, 4, np.mean(FIVE), scipy_stats.sem(FIVE))
    assert stats.mean_interval(FIVE, 0.9) == pytest.approx(expected, rel=1e-9)


def test_one_seed_has_no_interval() -> None:
    assert stats.mean_interval([0.7]) is None
    assert stats.mean_interval([]) is None
    assert stats.bootstrap_interval([1.0]) is None


def test_seed_interval_holds_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(2000):
        interval = stats.mean_interval(rng.normal(3.0, 2.0, 5))
        assert interval is not None
        inside += interval.low <= 3.0 <= interval.high
    assert inside / 2000 == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("values", [[0.0, math.nan], [math.inf, 1.0]])
def test_values_that_are_no_numbers_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        stats.mean_interval(values)


def test_bootstrap_of_right_and_wrong_is_the_binomial_interval() -> None:
    """With 0/1 values the bootstrap distribution is exactly Binomial(n, mean) / n."""
    low, high = stats.bootstrap_interval([1] * 300 + [0] * 700) or (0, 0)
    exact = scipy_stats.binom.ppf([0.025, 0.975], 1000, 0.3) / 1000
    assert (low, high) == pytest.approx(tuple(exact), abs=0.0015)


def test_bootstrap_of_real_values_is_scipys() -> None:
    values = np.random.default_rng(0).gamma(2.0, 1.0, 200)
    theirs = scipy_stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(5)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert stats.bootstrap_interval(values, draws=20_000) == pytest.approx(tuple(theirs), abs=0.03 * width)


def test_bootstrap_is_the_same_for_the_same_seed_and_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = stats.bootstrap_interval(FIVE, draws=1000, seed=3)
    monkeypatch.setattr(bootstrap, "CHUNK", 50)
    assert stats.bootstrap_interval(FIVE, draws=1000, seed=3) == whole


def test_bootstrap_of_equal_values_has_no_width() -> None:
    assert stats.bootstrap_interval([1.0] * 20) == (1.0, 1.0)


def test_permutation_p_of_five_seeds_all_better_is_one_sixteenth() -> None:
    assert stats.permutation_test([2, 3, 4, 5, 6], [1, 1, 1, 1, 1]) == 2 / 32


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=7))
@settings(max_examples=50, deadline=None)
def test_permutation_p_is_the_share_of_sign_patterns(differences: list[int]) -> None:
    observed = abs(sum(differences))
    patterns = list(itertools.product((1, -1), repeat=len(differences)))
    hits = sum(abs(sum(s * d for s, d in zip(p, differences, strict=True))) >= observed for p in patterns)
    assert stats.permutation_test(differences, [0] * len(differences)) == hits / len(patterns)


def test_permutation_p_is_scipys_exact_one() -> None:
    b = [0.5, 0.6, 0.72, 0.7, 0.58]
    theirs = scipy_stats.permutation_test(
        (FIVE, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert stats.permutation_test(FIVE, b) == pytest.approx(theirs.pvalue)


def test_permutation_p_of_many_pairs_is_near_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.4, 1, 14), rng.normal(0, 1, 14)
    sampled = stats.permutation_test(a, b)
    monkeypatch.setattr(stats, "EXACT_UP_TO", 14)
    assert sampled == pytest.approx(stats.permutation_test(a, b), abs=0.012)
    monkeypatch.undo()
    assert stats.permutation_test(a, b) == sampled


def test_a_sampled_p_is_never_zero() -> None:
    assert stats.permutation_test([9.0] * 30, [0.0] * 30, draws=100) >= 1 / 101


def test_unpaired_values_are_refused() -> None:
    with pytest.raises(ValueError, match="pairs are needed"):
        stats.permutation_test([1, 2], [1])


def test_effect_size_of_a_hand_worked_case() -> None:
    """Differences 1, 2, 3: mean 2, sd 1."""
    assert stats.effect_size([2, 4, 6], [1, 2, 3]) == pytest.approx(2.0)


def test_effect_size_without_spread() -> None:
    assert stats.effect_size([1, 1], [1, 1]) == 0.0
    assert stats.effect_size([0.1 + 0.2, 0.3], [0, 0]) == math.inf
    assert stats.effect_size([0, 0], [1, 1]) == -math.inf


def test_holm_on_a_hand_worked_case() -> None:
    """Sorted .01 .02 .03 .04 times 4 3 2 1 gives .04 .06 .06 .04; made monotone: .04 .06 .06 .06."""
    assert stats.holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert stats.holm([0.6, 0.7]) == [1.0, 1.0]
    assert stats.holm([]) == []


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


@pytest.mark.parametrize("seeds", [2, 3, 5, 20])
def test_detectable_difference_has_80_per_cent_power_by_scipys_noncentral_t(seeds: int) -> None:
    difference = stats.detectable_difference(2.0, seeds)
    df, shift = 2 * seeds - 2, difference / (2.0 * math.sqrt(2 / seeds))
    critical = scipy_stats.t.ppf(0.975, df)
    power = scipy_stats.nct.sf(critical, df, shift) + scipy_stats.nct.cdf(-critical, df, shift)
    assert power == pytest.approx(0.8, abs=1e-6)


def test_detectable_difference_of_a_textbook_case() -> None:
    """Two groups of 17, sd 1: 80 % power at a difference of one standard deviation (Cohen 1988)."""
    assert stats.detectable_difference(1.0, 17) == pytest.approx(0.99, abs=0.01)


def test_one_seed_detects_nothing() -> None:
    with pytest.raises(ValueError, match="one seed"):
        stats.detectable_difference(1.0, 1)
