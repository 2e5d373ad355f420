"""The percentile bootstrap over test samples. Apart from `suite.stats`, so that a task which reports an
interval does not change its code fingerprint whenever a test of means does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

CHUNK = 4_000_000


class Interval(NamedTuple):
    """The two ends of an interval, in the unit of the values."""

    low: float
    high: float

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2


def bootstrap_interval(
    values: Sequence[float], level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> Interval | None:
    """Percentile bootstrap interval of the mean over test samples; None for fewer than two values.

    A resample of n values is a multinomial draw of how often each distinct value appears, so the cost
    grows with the number of distinct values; for values of 0 and 1 that is one binomial draw.
    """
    import numpy as np

    x = finite(values)
    if len(x) < 2:
        return None
    distinct, counts = np.unique(x, return_counts=True)
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(_resampled_means(distinct, counts, draws, seed), [tail, 100 - tail])
    return Interval(float(low), float(high))


def _resampled_means(distinct: np.ndarray, counts: np.ndarray, draws: int, seed: int) -> np.ndarray:
    import numpy as np

    rng = np.random.default_rng(seed)
    n = int(counts.sum())
    if distinct.tolist() == [0.0, 1.0]:
        return rng.binomial(n, counts[1] / n, draws) / n
    step = max(1, CHUNK // len(distinct))
    parts = [
        rng.multinomial(n, counts / n, min(step, draws - done)) @ distinct / n
        for done in range(0, draws, step)
    ]
    return np.concatenate(parts)


def finite(values: Sequence[float]) -> np.ndarray:
    """The values as float64; ValueError where one is missing, NaN or infinite."""
    import numpy as np

    x = np.asarray(values, dtype=float)
    if not np.isfinite(x).all():
        raise ValueError("statistics are taken of finite values only; a missing score is left out, never 0")
    return x
