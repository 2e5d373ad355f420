"""Intervals against SciPy, cases worked by hand and their own promise."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from suite import bootstrap, stats
from suite.stats import _intervals

FIVE = [0.61, 0.72, 0.69, 0.80, 0.55]


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


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).exponential(1.0, 25),
        np.random.default_rng(1).beta(20, 1, 60),
        np.random.default_rng(2).normal(5.0, 1.0, 300),
        np.array([1.0] * 27 + [0.0] * 3),
    ],
    ids=["exponential", "near 1", "normal", "right or wrong"],
)
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_bca_is_scipys(values: np.ndarray, level: float) -> None:
    theirs = scipy_stats.bootstrap(
        (values,),
        np.mean,
        method="BCa",
        n_resamples=30_000,
        confidence_level=level,
        rng=np.random.default_rng(5),
    ).confidence_interval
    ours = stats.bca_interval(values, level, draws=30_000)
    assert ours == pytest.approx(tuple(theirs), abs=0.03 * (theirs.high - theirs.low))


def test_bca_of_three_values_by_hand() -> None:
    """0, 0, 1: of the 27 resamples 8, 12, 6, 1 have the mean 0, 1/3, 2/3, 1; 8 lie below 1/3 and 12 on it, so
    the bias is the normal quantile of 14/27, 0.04644. The gaps -1/3, -1/3, 2/3 have cubes of sum 2/9 and
    squares of sum 2/3: the acceleration is (2/9) / (6 * 0.54433) = 0.06804. At level 0.6 the ends lie at the
    shares Phi(0.04644 + w / (1 - 0.06804 w)), w = 0.04644 -+ 0.84162: 0.2395 and 0.8393, in the steps up to
    8/27 = 0.296 and from 20/27 = 0.741 to 26/27 = 0.963: the means 0 and 2/3."""
    bias = _intervals._bias(np.repeat([0, 1 / 3, 2 / 3, 1], [8, 12, 6, 1]), 1 / 3)
    assert bias == pytest.approx(0.04644, abs=1e-5)
    assert _intervals._bca_share(0.2, bias, 0.06804) == pytest.approx(0.2395, abs=1e-4)
    assert _intervals._bca_share(0.8, bias, 0.06804) == pytest.approx(0.8393, abs=1e-4)
    assert stats.bca_interval([0, 0, 1], level=0.6) == pytest.approx((0, 2 / 3))


def test_bca_of_five_values_is_that_of_all_their_resamples() -> None:
    values = [0.0, 0.11, 0.32, 0.9, 2.03]
    means = np.array([sum(draw) / 5 for draw in itertools.product(values, repeat=5)])
    below, up_to = (np.mean(means < np.mean(values) + gap) for gap in (-1e-9, 1e-9))
    bias = scipy_stats.norm.ppf((below + up_to) / 2)
    acceleration = scipy_stats.skew(values) / (6 * math.sqrt(5))
    shifted = bias + scipy_stats.norm.ppf([0.05, 0.95])
    ends = np.quantile(means, scipy_stats.norm.cdf(bias + shifted / (1 - acceleration * shifted)))
    assert stats.bca_interval(values, level=0.9, draws=200_000) == pytest.approx(tuple(ends), abs=0.005)


def test_bca_leans_to_the_long_tail() -> None:
    values = np.random.default_rng(3).exponential(1.0, 40)
    low, high = stats.bca_interval(values) or (0, 0)
    assert high - values.mean() > 1.1 * (values.mean() - low)


def test_bca_of_equal_values_has_no_width_and_of_one_there_is_none() -> None:
    assert stats.bca_interval([0.3] * 30) == (0.3, 0.3)
    assert stats.bca_interval([0.3]) is None
    assert stats.bca_interval([]) is None


def test_bca_of_two_values_is_their_range() -> None:
    """The resampled means are 0, 1/2, 1 with chances 1/4, 1/2, 1/4: no bias, no skew."""
    assert stats.bca_interval([0.0, 1.0]) == (0.0, 1.0)


def test_bca_is_the_same_for_the_same_seed_only() -> None:
    values = np.random.default_rng(4).normal(0, 1, 30)
    assert stats.bca_interval(values, seed=1) == stats.bca_interval(values.copy(), seed=1)
    assert stats.bca_interval(values, seed=1) != stats.bca_interval(values, seed=2)


def test_bca_moves_and_stretches_with_the_values() -> None:
    values = np.random.default_rng(6).exponential(1.0, 30)
    low, high = stats.bca_interval(values) or (0, 0)
    assert stats.bca_interval(10 * values + 3) == pytest.approx((10 * low + 3, 10 * high + 3))


def test_the_board_shows_t_for_few_seeds_and_bca_from_twenty_on() -> None:
    values = np.random.default_rng(7).normal(0.6, 0.02, 20)
    assert stats.seed_interval(values[:19]) == stats.mean_interval(values[:19])
    assert stats.seed_interval(values) == stats.bca_interval(values, draws=_intervals.SEED_DRAWS)
    assert stats.seed_interval(values) != stats.mean_interval(values)
    assert stats.seed_interval([0.7]) is None
    assert stats.seed_interval([]) is None


def test_a_score_shows_no_interval_beyond_its_bounds() -> None:
    """0.9, 1.0: mean 0.95, half width 12.7062 * 0.0707107 / sqrt(2) = 0.63531."""
    assert stats.seed_interval([0.9, 1.0]) == pytest.approx((0.31469, 1.58531), abs=1e-5)
    assert stats.seed_interval([0.9, 1.0], low=0, high=1) == pytest.approx((0.31469, 1.0), abs=1e-5)
    assert stats.seed_interval([0.0, 0.1], low=0, high=1) == pytest.approx((0.0, 0.68531), abs=1e-5)


def test_a_value_beyond_the_bounds_shows_the_bounds_to_be_wrong() -> None:
    assert stats.seed_interval([0.9, 1.1], low=0, high=1) == pytest.approx((-0.27062, 2.27062), abs=1e-5)


def test_of_five_seeds_t_holds_the_mean_where_the_bootstraps_do_not() -> None:
    """A small repeat of the simulation in the docstring of seed_interval."""
    rng = np.random.default_rng(11)
    inside = {"t": 0, "bca": 0, "percentile": 0}
    for _ in range(1000):
        values = rng.normal(0.0, 1.0, 5)
        made = {
            "t": stats.mean_interval(values),
            "bca": stats.bca_interval(values, draws=1000),
            "percentile": stats.bootstrap_interval(values, draws=1000),
        }
        for name, interval in made.items():
            assert interval is not None
            inside[name] += interval.low <= 0.0 <= interval.high
    assert inside["t"] / 1000 == pytest.approx(0.95, abs=0.02)
    assert inside["bca"] < 880
    assert inside["percentile"] < 880


def test_of_twenty_skewed_seeds_bca_misses_more_evenly_than_t() -> None:
    rng = np.random.default_rng(12)
    missed = {"t": [0, 0], "bca": [0, 0]}
    for _ in range(1500):
        values = rng.beta(20, 1, 20)
        for name, interval in (("t", stats.mean_interval(values)), ("bca", stats.seed_interval(values))):
            assert interval is not None
            missed[name][0] += interval.low > 20 / 21
            missed[name][1] += interval.high < 20 / 21
    assert abs(missed["bca"][0] - missed["bca"][1]) < 0.75 * abs(missed["t"][0] - missed["t"][1])
    assert sum(missed["bca"]) / 1500 < 0.11
