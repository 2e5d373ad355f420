"""What a number of seeds shows, against SciPy's noncentral t."""

from __future__ import annotations

import math

import pytest
from scipy import stats as scipy_stats

from suite import stats


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


def chance(shift: float, df: int, level: float = 0.95) -> float:
    critical = scipy_stats.t.ppf((1 + level) / 2, df)
    return float(scipy_stats.nct.sf(critical, df, shift) + scipy_stats.nct.cdf(-critical, df, shift))


@pytest.mark.parametrize("difference", [0.2, -0.5, 1.0, 3.0, 40.0])
@pytest.mark.parametrize(("power", "level"), [(0.8, 0.95), (0.9, 0.99)])
def test_seeds_needed_are_the_first_with_the_power_by_scipys_noncentral_t(
    difference: float, power: float, level: float
) -> None:
    n = stats.seeds_needed(difference, 1.0, power, level)
    assert n is not None
    assert chance(abs(difference) * math.sqrt(n / 2), 2 * n - 2, level) >= power
    assert n == 2 or chance(abs(difference) * math.sqrt((n - 1) / 2), 2 * n - 4, level) < power


@pytest.mark.parametrize("difference", [0.2, -0.5, 1.0, 3.0, 40.0])
def test_paired_seeds_needed_are_the_first_with_the_power(difference: float) -> None:
    n = stats.paired_seeds_needed(difference, 1.0)
    assert n is not None
    assert chance(abs(difference) * math.sqrt(n), n - 1) >= 0.8
    assert n == 2 or chance(abs(difference) * math.sqrt(n - 1), n - 2) < 0.8


def test_seeds_needed_of_textbook_cases() -> None:
    """Cohen 1988: d = 0.5 takes 64 in each group, d = 0.8 takes 26; a paired d_z = 0.5 takes 34."""
    assert stats.seeds_needed(0.5, 1.0) == 64
    assert stats.seeds_needed(0.8, 1.0) == 26
    assert stats.paired_seeds_needed(0.5, 1.0) == 34


@pytest.mark.parametrize("sd", [0.013, 1.0, 250.0])
def test_seeds_needed_undoes_the_detectable_difference(sd: float) -> None:
    for seeds in (2, 5, 17, 400):
        assert stats.seeds_needed(stats.detectable_difference(sd, seeds) * (1 + 1e-6), sd) == seeds


def test_seeds_needed_at_the_ends() -> None:
    assert stats.seeds_needed(0.1, 0.0) == stats.paired_seeds_needed(-0.1, 0.0) == 2
    assert stats.seeds_needed(0.0, 0.0) is None
    assert stats.seeds_needed(0.0, 1.0) is None
    assert stats.seeds_needed(0.01, 1.0) is None
    assert stats.seeds_needed(0.5, 1.0, limit=63) is None
    assert stats.seeds_needed(0.5, 1.0, limit=64) == 64


def test_a_power_that_nothing_reaches_is_refused() -> None:
    with pytest.raises(ValueError, match="power"):
        stats.seeds_needed(0.5, 1.0, power=1.0)
    with pytest.raises(ValueError, match="power"):
        stats.detectable_difference(1.0, 5, power=0.0)


@pytest.mark.parametrize(("difference", "sd"), [(math.nan, 1.0), (1.0, math.inf), (1.0, -1.0)])
def test_a_difference_that_is_no_number_is_refused(difference: float, sd: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        stats.seeds_needed(difference, sd)
