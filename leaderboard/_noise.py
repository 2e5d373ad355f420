"""What chance alone does to a score: the tests behind the gate's noise rule, over seeds, examples and counts.

Each gives a `Chance`: how large a difference the noise hides, and how often noise makes one as large as
the one seen. A difference is told from noise only where both say so. docs/gate.md says the same for users.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

from suite.stats import detectable_difference, permutation_test, t_cdf

ROUNDING = 1e-12
EQUALLY_LIKELY = 1e-7
# Of the two-sided 5 % test with 80 % power: 1.960 + 0.842 standard errors.
STANDARD_ERRORS = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)


class Chance(NamedTuple):
    """`floor`: the smallest difference that counts, in the metric's unit. `p`: two-sided. `how`: in words."""

    floor: float
    p: float
    how: str


def over_seeds(before: Sequence[float], after: Sequence[float]) -> Chance:
    """Two seeds and more, paired by place, whose values in `before` differ.

    The floor is what so many seeds detect in a two-sided t test at 5 % with a chance of 80 %, given the
    standard deviation of `before`. The p value is the smaller one of two t tests, doubled for the choice:
    paired, which is sharp where a seed means the same on both sides, and two-sample with a common
    variance, which has twice the degrees of freedom where a seed is only another draw.
    """
    n = len(before)
    shift = (math.fsum(after) - math.fsum(before)) / n
    scale = max(map(abs, (*before, *after)))
    both = math.sqrt((deviation(before) ** 2 + deviation(after) ** 2) / n)
    paired = deviation([b - a for a, b in zip(before, after, strict=True)]) / math.sqrt(n)
    p = min(_p(shift, both, 2 * n - 2, scale), _p(shift, paired, n - 1, scale))
    return Chance(detectable_difference(deviation(before), n), min(1.0, 2 * p), f"mean of {n} seeds")


def over_examples(before: Mapping[int, float], after: Mapping[int, float]) -> Chance | None:
    """The same examples on both sides, by index; None where they are other ones or fewer than two.

    Right or wrong answers get McNemar's exact test, others a sign-flip permutation of the differences. The
    floor is 2.8 standard errors of the mean difference: what is detected at 5 % with a chance of 80 %.
    """
    if before.keys() != after.keys() or len(before) < 2:
        return None
    indices = sorted(before)
    old, new = [before[k] for k in indices], [after[k] for k in indices]
    differences = [b - a for a, b in zip(old, new, strict=True)]
    floor = STANDARD_ERRORS * deviation(differences) / math.sqrt(len(indices))
    if not {*old, *new} <= {0.0, 1.0}:
        return Chance(floor, permutation_test(old, new), f"{len(indices)} examples")
    lost, won = differences.count(-1.0), differences.count(1.0)
    how = f"{len(indices)} examples, {lost} lost and {won} won"
    return Chance(floor, mcnemar(lost, won), how)


def over_counts(before: float, after: float, n: int) -> Chance:
    """Two shares of `n` examples each, whose pairs are not known: Fisher's exact test of the counts.

    It takes the two sides as independent, which is on the safe side for answers to the same examples.
    """
    right = (round(before * n), round(after * n))
    share = (before + after) / 2
    floor = STANDARD_ERRORS * math.sqrt(max(0.0, 2 * share * (1 - share)) / n)
    return Chance(floor, fisher(*right, n), f"counts of {n} examples")


def mcnemar(lost: int, won: int) -> float:
    """Two-sided p of the exact test that a changed answer is as often lost as won (McNemar 1947)."""
    n, few = lost + won, min(lost, won)
    tail = math.fsum(math.exp(_log_choose(n, k) - n * math.log(2)) for k in range(few + 1))
    return min(1.0, 2 * tail)


def fisher(a: int, b: int, n: int) -> float:
    """Two-sided p of Fisher's exact test for `a` and `b` right answers of `n` each.

    The sum of the chances of all tables with these margins that are no likelier than the one seen.
    """
    seen = _log_choose(n, a) + _log_choose(n, b)
    whole = _log_choose(2 * n, a + b)
    tables = (
        _log_choose(n, k) + _log_choose(n, a + b - k) for k in range(max(0, a + b - n), min(n, a + b) + 1)
    )
    return min(1.0, math.fsum(math.exp(t - whole) for t in tables if t <= seen + EQUALLY_LIKELY))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def deviation(values: Sequence[float]) -> float:
    """Standard deviation (n - 1); exactly 0 for equal values."""
    if min(values) == max(values):
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def _p(shift: float, error: float, df: int, scale: float) -> float:
    """Two-sided p of `shift` over its standard error; an error below rounding of values of `scale` is 0."""
    if abs(shift) <= ROUNDING * scale:
        return 1.0
    return 0.0 if error <= ROUNDING * scale else 2 * t_cdf(-abs(shift) / error, df)
