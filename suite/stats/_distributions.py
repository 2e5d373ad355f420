"""Student's t, the normal, F and the studentised range: the few functions of them that the tests need.

Written out because SciPy is a test dependency only; each is checked against SciPy.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


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


def f_tail(f: float, above: float, below: float) -> float:
    """P(F > f) of the F distribution with `above` and `below` degrees of freedom."""
    return _incomplete_beta(below / 2, above / 2, below / (below + above * f))


@lru_cache(maxsize=256)
def range_quantile(p: float, groups: int) -> float:
    """The q with P(range of `groups` standard normal values <= q) = p: the studentised range with infinite
    degrees of freedom, by bisection; 0 < p < 1."""
    low, high = 0.0, 1.0
    while _range_cdf(high, groups) < p:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _range_cdf(middle, groups) < p else (low, middle)
    return (low + high) / 2


def _range_cdf(q: float, groups: int) -> float:
    """k times the integral over the largest value z of phi(z) * (Phi(z) - Phi(z - q)) ** (k - 1)."""
    import numpy as np

    nodes, weights = gauss()
    z = 9 * nodes
    inside = _normal_cdfs(z) - _normal_cdfs(z - q)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return float(groups * 9 * np.sum(weights * density * inside ** (groups - 1)))


def power_of_t(shift: float, critical: float, df: int) -> float:
    """P(|T| > critical) for T = (Z + shift) / S, S^2 = chi^2(df) / df, by integrating over S."""
    import numpy as np

    nodes, weights = gauss()
    top = 1 + 12 / math.sqrt(2 * df)
    s = (nodes + 1) * top / 2
    log_density = (
        math.log(2) + df / 2 * math.log(df / 2) - math.lgamma(df / 2) + (df - 1) * np.log(s) - df * s**2 / 2
    )
    tails = _normal_cdfs(shift - critical * s) + _normal_cdfs(-shift - critical * s)
    return float(np.sum(weights * top / 2 * np.exp(log_density) * tails))


@cache
def gauss() -> tuple[np.ndarray, np.ndarray]:
    """200 Gauss-Legendre nodes and weights."""
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(200)
    return nodes, weights


def normal_cdf(z: float) -> float:
    """P(Z <= z) of the standard normal."""
    return math.erfc(-z / math.sqrt(2)) / 2


def _normal_cdfs(z: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.fromiter(map(math.erfc, (-z / math.sqrt(2)).tolist()), float, len(z)) / 2


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
