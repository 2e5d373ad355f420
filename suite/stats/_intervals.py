"""Intervals of a mean over seeds: Student's t for a few, the BCa bootstrap for many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from suite.bootstrap import Interval, finite
from suite.stats._distributions import normal_cdf, t_quantile

if TYPE_CHECKING:
    import numpy as np

BCA_FROM = 20


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval | None:
    """Student t interval of the mean over seeds: mean -+ t(level, n-1) * sd / sqrt(n).

    None for fewer than two values: one seed says nothing about the next. The t interval is used because a
    percentile bootstrap of 3 to 5 values holds the true mean far less often than it says: it can never
    reach beyond the values it saw, and it divides the sum of squares by n where n-1 is due (Hesterberg,
    "What teachers should know about the bootstrap", 2015, section 3.2).
    """
    import numpy as np

    x = finite(values)
    if len(x) < 2:
        return None
    half = t_quantile((1 + level) / 2, len(x) - 1) * float(np.std(x, ddof=1)) / math.sqrt(len(x))
    return Interval(float(x.mean()) - half, float(x.mean()) + half)


def bca_interval(
    values: Sequence[float], level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> Interval | None:
    """Bias-corrected and accelerated bootstrap interval of the mean (Efron 1987, "Better bootstrap
    confidence intervals"); None for fewer than two values, no width where all are equal.

    The acceleration is that of the jackknife, which for a mean is a sixth of its skewness. All sets of n
    values are resampled by the same draws, so a page of a thousand intervals makes them once.
    """
    import numpy as np

    x = finite(values)
    if len(x) < 2:
        return None
    if float(np.ptp(x)) == 0.0:
        return Interval(float(x[0]), float(x[0]))
    mean = float(x.mean())
    means = _resample_weights(len(x), draws, seed) @ x
    gap = x - mean
    acceleration = float(np.sum(gap**3) / (6 * np.sum(gap**2) ** 1.5))
    shares = [
        _bca_share(tail, _bias(means, mean), acceleration) for tail in ((1 - level) / 2, (1 + level) / 2)
    ]
    low, high = np.quantile(means, shares)
    return Interval(float(low), float(high))


def _bias(means: np.ndarray, mean: float) -> float:
    """The normal quantile of the share of resampled means below the mean; equal ones count half."""
    from statistics import NormalDist

    import numpy as np

    rounding = 1e-12 * float(np.abs(means).max())
    below = np.count_nonzero(means < mean - rounding) + np.count_nonzero(means <= mean + rounding)
    share = min(max(float(below) / (2 * len(means)), 0.5 / len(means)), 1 - 0.5 / len(means))
    return NormalDist().inv_cdf(share)


def _bca_share(tail: float, bias: float, acceleration: float) -> float:
    """Which share of the resampled means lies below the end of the interval (Efron 1987, eq. 2.3)."""
    from statistics import NormalDist

    shifted = bias + NormalDist().inv_cdf(tail)
    return normal_cdf(bias + shifted / (1 - acceleration * shifted))


@lru_cache(maxsize=8)
def _resample_weights(n: int, draws: int, seed: int) -> np.ndarray:
    """(draws, n): the weight of each value in each resample, times of its being drawn over n."""
    import numpy as np

    rng = np.random.default_rng(seed)
    weights: np.ndarray = rng.multinomial(n, np.full(n, 1 / n), draws) / n
    return weights


def seed_interval(
    values: Sequence[float], level: float = 0.95, low: float | None = None, high: float | None = None
) -> Interval | None:
    """What the board shows for the values of several seeds: `mean_interval` below BCA_FROM of them and
    `bca_interval` from there on; None for one seed.

    `low` and `high` are the bounds of the metric: where all values lie within them, so does the interval.

    COVERAGE
    """
    made = mean_interval(values, level) if len(values) < BCA_FROM else bca_interval(values, level)
    if made is None:
        return None
    bottom, top = made
    if low is not None and min(values) >= low:
        bottom = max(bottom, low)
    if high is not None and max(values) <= high:
        top = min(top, high)
    return Interval(bottom, top)
