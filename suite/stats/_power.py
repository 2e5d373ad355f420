"""What a number of seeds can tell apart, and how many would do."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

from suite.stats._distributions import power_of_t, t_quantile

HIGHEST_POWER = 0.9999


def detectable_difference(sd: float, seeds: int, power: float = 0.8, level: float = 0.95) -> float:
    """The smallest difference of two means that `seeds` seeds each would show with chance `power`.

    `sd` is the standard deviation over seeds, taken as equal in both methods; the test is the two-sided
    t test at 1 - `level`, its power from the noncentral t distribution. ValueError below two seeds.
    """
    if seeds < 2:
        raise ValueError("with one seed no difference can be told from chance")
    return _noncentrality(2 * seeds - 2, power, level) * sd * math.sqrt(2 / seeds)


@lru_cache(maxsize=4096)
def _noncentrality(df: int, power: float, level: float) -> float:
    """The noncentrality at which the t test with `df` degrees of freedom has that power: false position."""
    if not 0 < power <= HIGHEST_POWER:
        raise ValueError(f"a power is above 0 and at most {HIGHEST_POWER}, not {power}")
    critical = t_quantile((1 + level) / 2, df)
    low, high = 0.0, critical + 2.0
    while (above := power_of_t(high, critical, df) - power) < 0:
        high *= 2
    below = power_of_t(low, critical, df) - power
    if below >= 0:
        return 0.0
    moved = 0
    while high - low > 1e-10 * high:
        middle = high - above * (high - low) / (above - below)
        miss = power_of_t(middle, critical, df) - power
        if abs(miss) < 1e-11:
            return middle
        # the value of an end that stays twice is halved, so that it does not stay for ever (Illinois rule)
        if miss < 0:
            low, below, above = middle, miss, above / 2 if moved < 0 else above
            moved = -1
        else:
            high, above, below = middle, miss, below / 2 if moved > 0 else below
            moved = 1
    return high


def seeds_needed(
    difference: float, sd: float, power: float = 0.8, level: float = 0.95, limit: int = 1000
) -> int | None:
    """The seeds for each of two methods that show `difference` with chance `power`; None beyond `limit`.

    The inverse of `detectable_difference`, with the same two-sided test. It takes the difference and the
    sd (over seeds, equal in both methods) for the true ones; from a few seeds both are rough, and so is the
    answer. Without any spread two seeds do; a difference of 0 is never shown.
    """

    def reached(n: int) -> bool:
        return abs(difference) / sd * math.sqrt(n / 2) >= _noncentrality(2 * n - 2, power, level)

    return _fewest(reached, difference, sd, limit)


def paired_seeds_needed(
    difference: float, sd: float, power: float = 0.8, level: float = 0.95, limit: int = 1000
) -> int | None:
    """The seeds that would show a mean paired difference of `difference` with chance `power`.

    `sd` is that of the differences of the pairs. It also tells how many seeds show that one method's mean
    differs by `difference` from a fixed value, with `sd` that of the method. Otherwise as `seeds_needed`.
    """

    def reached(n: int) -> bool:
        return abs(difference) / sd * math.sqrt(n) >= _noncentrality(n - 1, power, level)

    return _fewest(reached, difference, sd, limit)


def _fewest(reached: Callable[[int], bool], difference: float, sd: float, limit: int) -> int | None:
    """The smallest n from 2 to `limit` that `reached` takes, as it does all larger ones."""
    if not (math.isfinite(difference) and 0 <= sd < math.inf):
        raise ValueError(
            "a difference and its standard deviation are finite numbers, the latter not negative"
        )
    if sd == 0 or difference == 0:
        return 2 if difference else None
    low, high = 1, 2
    while not reached(min(high, limit)):
        if high >= limit:
            return None
        low, high = high, 2 * high
    high = min(high, limit)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
