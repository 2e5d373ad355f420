"""What a number of seeds can tell apart, and how many would do."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

from suite.stats._distributions import power_of_t, t_quantile


def detectable_difference(sd: float, seeds: int, power: float = 0.8, level: float = 0.95) -> float:
    """The smallest difference of two means that `seeds` seeds each would show with chance `power`.

    `sd` is the standard deviation over seeds, taken as equal in both methods; the test is the two-sided
    t test at 1 - `level`, its power from the noncentral t distribution. ValueError below two seeds.
    """
    if seeds < 2:
        raise ValueError("with one seed no difference can be told from chance")
    return _noncentrality(seeds, power, level) * sd * math.sqrt(2 / seeds)


@lru_cache(maxsize=256)
def _noncentrality(seeds: int, power: float, level: float) -> float:
    """The noncentrality at which the t test with 2 * seeds - 2 degrees of freedom has that power."""
    df = 2 * seeds - 2
    critical = t_quantile((1 + level) / 2, df)
    low, high = 0.0, 1.0
    while power_of_t(high, critical, df) < power:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if power_of_t(middle, critical, df) < power else (low, middle)
    return (low + high) / 2


def seeds_needed(
    difference: float, sd: float, power: float = 0.8, level: float = 0.95, limit: int = 1000
) -> int | None:
    """The seeds for each of two methods that show `difference` with chance `power`; None beyond `limit`.

    The inverse of `detectable_difference`, with the same two-sided test. It takes the difference and the
    sd (over seeds, equal in both methods) for the true ones; from a few seeds both are rough, and so is the
    answer. Without any spread two seeds do; a difference of 0 is never shown.
    """

    def reached(n: int) -> float:
        return _chance(difference / sd * math.sqrt(n / 2), 2 * n - 2, level)

    return _fewest(reached, difference, sd, power, limit)


def paired_seeds_needed(
    difference: float, sd: float, power: float = 0.8, level: float = 0.95, limit: int = 1000
) -> int | None:
    """The seeds that would show a mean paired difference of `difference` with chance `power`.

    `sd` is that of the differences of the pairs. It also tells how many seeds show that one method's mean
    differs by `difference` from a fixed value, with `sd` that of the method. Otherwise as `seeds_needed`.
    """

    def reached(n: int) -> float:
        return _chance(difference / sd * math.sqrt(n), n - 1, level)

    return _fewest(reached, difference, sd, power, limit)


def _chance(shift: float, df: int, level: float) -> float:
    return power_of_t(abs(shift), t_quantile((1 + level) / 2, df), df)


def _fewest(
    reached: Callable[[int], float], difference: float, sd: float, power: float, limit: int
) -> int | None:
    """The smallest n from 2 to `limit` at which `reached`, which grows with n, is `power`."""
    if not (math.isfinite(difference) and 0 <= sd < math.inf):
        raise ValueError(
            "a difference and its standard deviation are finite numbers, the latter not negative"
        )
    if sd == 0 or difference == 0:
        return 2 if difference else None
    if reached(limit) < power:
        return None
    low, high = 1, limit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if reached(middle) < power else (low, middle)
    return high
