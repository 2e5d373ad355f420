"""Uncertainty of scores: intervals, paired tests, ranks and what a number of seeds can tell apart.

Two sources of chance are kept apart. Over *seeds* (3 to 5 trainings) the mean has a Student t interval;
over the *samples* of one test set (hundreds and more) it has a percentile bootstrap interval. All functions
are pure: a random draw has a fixed seed, so the same values give the same answer. Only numpy is needed,
and it is imported when a function is called.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from suite.bootstrap import CHUNK, finite
from suite.bootstrap import Interval as Interval
from suite.bootstrap import bootstrap_interval as bootstrap_interval

if TYPE_CHECKING:
    import numpy as np

EXACT_UP_TO = 12
SAME = 1e-12


class Rank(NamedTuple):
    """The places that a method may hold: `best` is its rank, `worst` the last place not ruled out."""

    best: int
    worst: int


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


def permutation_test(a: Sequence[float], b: Sequence[float], draws: int = 20_000, seed: int = 0) -> float:
    """Two-sided p value of the paired sign-flip test that a - b is symmetric around 0.

    `a` and `b` hold one value for each shared seed (or sample), in the same order. All 2^n sign patterns
    are tried up to n = 12; beyond, `draws` random ones, with the observed pattern counted among them so
    that p is never 0. With n pairs the smallest possible p is 2 / 2^n: 0.0625 at five seeds.
    """
    import numpy as np

    d = _differences(a, b)
    reached = abs(float(d.sum())) - SAME * float(np.abs(d).sum())
    if len(d) <= EXACT_UP_TO:
        patterns = np.arange(2 ** len(d))[:, None] >> np.arange(len(d)) & 1
        return float(np.mean(np.abs((1 - 2 * patterns) @ d) >= reached))
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // len(d))
    hits = 0
    for done in range(0, draws, step):
        signs = 1 - 2 * rng.integers(0, 2, (min(step, draws - done), len(d)), dtype=np.int8)
        hits += int(np.count_nonzero(np.abs(signs @ d) >= reached))
    return (1 + hits) / (1 + draws)


def effect_size(a: Sequence[float], b: Sequence[float]) -> float:
    """Cohen's d_z of paired values: mean(a - b) / sd(a - b).

    Infinite (with the sign of the difference) where every pair differs by the same amount, 0 where no
    pair differs; ValueError for fewer than two pairs.
    """
    import numpy as np

    d = _differences(a, b)
    if len(d) < 2:
        raise ValueError("an effect size needs two pairs or more")
    mean, sd = float(d.mean()), float(np.std(d, ddof=1))
    scale = float(np.abs(d).max())
    if sd > SAME * scale:
        return mean / sd
    return math.copysign(math.inf, mean) if scale else 0.0


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted for their number by Holm's step-down rule (Holm 1979), in the given order."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def ranks(
    groups: Sequence[Sequence[float]], higher_is_better: bool, level: float = 0.95
) -> list[Rank | None]:
    """The rank of each method from its values over seeds; None for a method with fewer than two seeds.

    Method i beats method j when the `level` Welch interval of the difference of their means lies wholly on
    the better side of 0. Then best(i) = 1 + the number of methods that beat i, and worst(i) = the number of
    methods - the number that i beats. Methods that nothing tells apart so share a rank. Being told apart is
    not transitive (A beats C, while B is told apart from neither); the interval best..worst shows that.

    Welch's interval is used and not the sign-flip test, whose smallest p at five seeds is 0.0625. Its
    degrees of freedom are rounded down, which errs on the side of a shared rank. Where no seed differs
    from another in both methods, any difference of the means counts. The level holds for each pair, with
    no correction for the number of methods.
    """
    places: list[Rank | None] = [None] * len(groups)
    known = [i for i, values in enumerate(groups) if len(values) >= 2]
    if not known:
        return places
    beats = _beats([finite(groups[i]) for i in known], 1.0 if higher_is_better else -1.0, level)
    for row, i in enumerate(known):
        places[i] = Rank(1 + int(beats[:, row].sum()), len(known) - int(beats[row].sum()))
    return places


def _beats(samples: Sequence[np.ndarray], sign: float, level: float) -> np.ndarray:
    """Boolean (methods, methods): whether the row's method is better than the column's."""
    import numpy as np

    n = np.array([len(s) for s in samples])
    mean = np.array([float(s.mean()) for s in samples])
    v = np.array([float(np.var(s, ddof=1)) for s in samples]) / n
    share = v**2 / (n - 1)
    square = v[:, None] + v[None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        df = np.floor(square**2 / (share[:, None] + share[None, :]) * (1 + SAME))
    df = np.where(np.isfinite(df), np.maximum(df, 1), 1).astype(int)
    critical = {int(d): t_quantile((1 + level) / 2, int(d)) for d in np.unique(df)}
    margin = np.vectorize(critical.__getitem__, otypes=[float])(df) * np.sqrt(square)
    rounding = SAME * np.maximum(np.abs(mean)[:, None], np.abs(mean)[None, :])
    better: np.ndarray = sign * (mean[:, None] - mean[None, :]) > np.maximum(margin, rounding)
    return better


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
    while _power(high, critical, df) < power:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _power(middle, critical, df) < power else (low, middle)
    return (low + high) / 2


def _power(shift: float, critical: float, df: int) -> float:
    """P(|T| > critical) for T = (Z + shift) / S, S^2 = chi^2(df) / df, by integrating over S."""
    import numpy as np

    nodes, weights = _gauss()
    top = 1 + 12 / math.sqrt(2 * df)
    s = (nodes + 1) * top / 2
    log_density = (
        math.log(2) + df / 2 * math.log(df / 2) - math.lgamma(df / 2) + (df - 1) * np.log(s) - df * s**2 / 2
    )
    tails = np.array([_normal(shift - critical * u) + _normal(-shift - critical * u) for u in s])
    return float(np.sum(weights * top / 2 * np.exp(log_density) * tails))


@cache
def _gauss() -> tuple[np.ndarray, np.ndarray]:
    """200 Gauss-Legendre nodes and weights."""
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(200)
    return nodes, weights


def _normal(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2


def t_cdf(t: float, df: float) -> float:
    """P(T <= t) of Student's t with `df` degrees of freedom."""
    square = t * t
    if square < df:
        # near 0 the tail is 1/2 less a little: the little comes from its own side, where nothing cancels
        half = _incomplete_beta(0.5, df / 2, square / (df + square)) / 2
        return 0.5 + math.copysign(half, t)
    tail = _incomplete_beta(df / 2, 0.5, df / (df + square)) / 2
    return 1 - tail if t > 0 else tail


@lru_cache(maxsize=1024)
def t_quantile(p: float, df: float) -> float:
    """The t with P(T <= t) = p, by bisection; 0 < p < 1."""
    if not 0 < p < 1:
        raise ValueError(f"a quantile is asked for 0 < p < 1, not {p}")
    if p < 0.5:
        return -t_quantile(1 - p, df)
    low, high = 0.0, 1.0
    while t_cdf(high, df) < p:
        high *= 2
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, df) < p else (low, middle)
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function I_x(a, b) by its continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, 500):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / (1 + term * d), 1 + term / c
            fraction *= c * d
        if abs(c * d - 1) < 1e-16:
            break
    return math.exp(log_front) * fraction / a


def _differences(a: Sequence[Any], b: Sequence[Any]) -> np.ndarray:
    x, y = finite(a), finite(b)
    if len(x) != len(y) or not len(x):
        raise ValueError(f"pairs are needed: {len(x)} and {len(y)} values were given")
    differences: np.ndarray = x - y
    return differences
