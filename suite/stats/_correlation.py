"""Do two lists of scores rank the same methods alike?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean


def kendall_tau(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Kendall's tau-b of two lists of scores of the same methods; ties count for neither side.

    None where one list is constant: nothing is ranked. ValueError for lists of different lengths or NaN.
    """
    _paired(a, b)
    concordance = untied_a = untied_b = 0
    for i in range(len(a)):
        for j in range(i):
            first, second = _sign(a[i] - a[j]), _sign(b[i] - b[j])
            concordance += first * second
            untied_a += first != 0
            untied_b += second != 0
    return concordance / math.sqrt(untied_a * untied_b) if untied_a and untied_b else None


def spearman(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Spearman's correlation: Pearson's of the ranks, tied values sharing the mean of their ranks.

    None where one list is constant. ValueError for lists of different lengths or NaN.
    """
    _paired(a, b)
    middle = (len(a) + 1) / 2
    first, second = ([rank - middle for rank in shared_ranks(values)] for values in (a, b))
    spread = math.sqrt(sum(x * x for x in first) * sum(y * y for y in second))
    return sum(x * y for x, y in zip(first, second, strict=True)) / spread if spread else None


def shared_ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value from 1 for the smallest; tied values share the mean of their ranks."""
    ordered = sorted(values)
    places: dict[float, list[int]] = {}
    for place, value in enumerate(ordered, 1):
        places.setdefault(value, []).append(place)
    return [fmean(places[value]) for value in values]


def _paired(a: Sequence[float], b: Sequence[float]) -> None:
    if len(a) != len(b) or len(a) < 2:
        raise ValueError(f"rankings of {len(a)} and {len(b)} methods: both must be of the same two or more")
    if not all(map(math.isfinite, (*a, *b))):
        raise ValueError("a ranking has a score that is not finite; leave out the methods that have none")


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
