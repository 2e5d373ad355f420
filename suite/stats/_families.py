"""Several methods over several tasks: mean ranks with intervals, and the critical difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from suite.bootstrap import Interval, finite
from suite.stats._distributions import f_tail, range_quantile

if TYPE_CHECKING:
    import numpy as np


class CriticalDifference(NamedTuple):
    """Mean ranks over tasks, and how far apart two have to be (Demsar 2006).

    mean_ranks: of each method in the given order, 1 is best. statistic, p: the F test of Iman and Davenport
    that all methods are alike. cd: the critical difference of Nemenyi's test. groups: the largest sets of
    two methods or more, best first and by their place in the given order, whose mean ranks lie within cd.
    tasks: how many tasks have a value of every method; only these count. reason: why there is no test, then
    statistic, p and cd are None and mean_ranks holds what there is.
    """

    mean_ranks: tuple[float, ...]
    statistic: float | None
    p: float | None
    cd: float | None
    groups: tuple[tuple[int, ...], ...]
    tasks: int
    reason: str = ""


class MeanRank(NamedTuple):
    """A method's mean rank over tasks (1 is best) and the interval that its seeds leave it."""

    mean: float
    interval: Interval


def critical_difference(
    scores: Any, higher_is_better: Sequence[bool], level: float = 0.95
) -> CriticalDifference:
    """Friedman's test in the form of Iman and Davenport, then Nemenyi's critical difference (Demsar 2006,
    "Statistical comparisons of classifiers over multiple data sets", section 3.2.2).

    `scores` (tasks, methods) holds the mean of each method, NaN where it has none; `higher_is_better` one
    value a task. Equal scores share their mean rank, with the usual correction of the statistic. The tasks
    are taken as a sample of tasks like them, each with the same weight; the spread over seeds is not used.
    """
    import numpy as np

    table = np.atleast_2d(np.asarray(scores, dtype=float))
    if len(higher_is_better) != len(table):
        raise ValueError(f"{len(table)} tasks need as many directions, not {len(higher_is_better)}")
    table = np.where(np.asarray(higher_is_better, dtype=bool)[:, None], -table, table)
    table = table[~np.isnan(table).any(axis=1)]
    tasks, methods = table.shape
    ranks = _mean_ranks(_to_12_digits(table))
    mean = tuple(float(r) for r in ranks.mean(axis=0)) if tasks else ()
    if tasks < 2 or methods < 3:
        reason = f"the test needs three methods on two tasks that all ran; here: {methods} on {tasks}"
        return CriticalDifference(mean, None, None, None, (), tasks, reason)
    statistic, p = _iman_davenport(ranks)
    cd = range_quantile(level, methods) * math.sqrt(methods * (methods + 1) / (12 * tasks))
    return CriticalDifference(mean, statistic, p, cd, _within(mean, cd), tasks)


def _to_12_digits(table: np.ndarray) -> np.ndarray:
    """Scores that differ by rounding are equal."""
    import numpy as np

    return np.array([[float(f"{x:.12g}") for x in row] for row in table.tolist()]).reshape(table.shape)


def _mean_ranks(table: np.ndarray) -> np.ndarray:
    """Ranks along the last axis, the smallest value first; equal values share their mean rank.

    The mean of two rankings that break ties in opposite order.
    """
    mean: np.ndarray = (_places(table) + _places(table[..., ::-1])[..., ::-1]) / 2
    return mean


def _places(table: np.ndarray) -> np.ndarray:
    """Ranks along the last axis, of equal values in their order."""
    import numpy as np

    made = np.empty(table.shape)
    order = np.argsort(table, axis=-1, kind="stable")
    np.put_along_axis(made, order, np.arange(1.0, table.shape[-1] + 1), axis=-1)
    return made


def _iman_davenport(ranks: np.ndarray) -> tuple[float, float]:
    """The statistic and its p from ranks (tasks, methods).

    Where every task has the same order the statistic is infinite; p is then the chance that the other
    tasks repeat the order of the first, and not the 0 of the F distribution.
    """
    import numpy as np

    n, k = ranks.shape
    spread = float(np.sum((ranks.mean(axis=0) - (k + 1) / 2) ** 2)) * n
    within = float(np.sum((ranks - (k + 1) / 2) ** 2)) / n
    if within < 1e-9:
        return 0.0, 1.0
    # Friedman's chi square over its largest value n (k - 1), corrected for ties
    share = spread / within / n
    if share > 1 - 1e-12:
        _, ties = np.unique(ranks[0], return_counts=True)
        log_orders = math.lgamma(k + 1) - sum(math.lgamma(t + 1) for t in ties.tolist())
        return math.inf, math.exp(-(n - 1) * log_orders)
    statistic = (n - 1) * share / (1 - share)
    return statistic, f_tail(statistic, k - 1, (k - 1) * (n - 1))


def _within(mean: Sequence[float], cd: float) -> tuple[tuple[int, ...], ...]:
    order = sorted(range(len(mean)), key=lambda i: mean[i])
    groups: list[tuple[int, ...]] = []
    reached = 0
    for start, first in enumerate(order):
        end = start + sum(mean[i] - mean[first] <= cd for i in order[start:])
        if end > reached and end - start > 1:
            groups.append(tuple(order[start:end]))
        reached = max(reached, end)
    return tuple(groups)


def mean_rank_intervals(
    values: Sequence[Sequence[Sequence[float]]],
    higher_is_better: Sequence[bool],
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> list[MeanRank | None]:
    """The mean rank of each method over tasks, with the interval that chance over seeds leaves it.

    `values[task][method]` holds the values over seeds. A method with fewer than two on any task has no
    mean rank (None) and takes no place: mean ranks over different tasks do not compare.

    Each draw replaces the mean of every cell by mean + sd / sqrt(n) * t with n - 1 degrees of freedom, and
    ranks anew. The bootstrap of three seeds would be far too narrow: its draws never leave the values seen
    (see `seed_interval`). The tasks stay as they are: the interval says nothing of other tasks, for which
    see `critical_difference`. Noise pulls drawn ranks to the middle, so the interval of a first or last
    method may miss its own mean rank; it is then stretched to hold it.
    """
    import numpy as np

    methods = len(values[0]) if values else 0
    if any(len(task) != methods for task in values) or len(higher_is_better) != len(values):
        raise ValueError("every task needs a direction and one list of values a method")
    told = [m for m in range(methods) if all(len(task[m]) >= 2 for task in values)]
    made: list[MeanRank | None] = [None] * methods
    if not told:
        return made
    rng = np.random.default_rng(seed)
    drawn, observed = np.zeros((draws, len(told))), np.zeros(len(told))
    for task, higher in zip(values, higher_is_better, strict=True):
        mean, error, df = _cells([finite(task[m]) for m in told], -1.0 if higher else 1.0)
        observed += _mean_ranks(_to_12_digits(mean[None]))[0]
        # only cells without spread can tie in a draw
        rank = _mean_ranks if np.count_nonzero(error == 0) > 1 else _places
        drawn += rank(mean + error * rng.standard_t(df, (draws, len(told))))
    tails = np.quantile(drawn / len(values), [(1 - level) / 2, (1 + level) / 2], axis=0)
    for m, point, low, high in zip(told, (observed / len(values)).tolist(), *tails.tolist(), strict=True):
        made[m] = MeanRank(point, Interval(min(low, point), max(high, point)))
    return made


def _cells(samples: Sequence[np.ndarray], sign: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, standard errors and degrees of freedom; a spread that is rounding is none."""
    import numpy as np

    n = np.array([len(s) for s in samples])
    mean = np.array([float(f"{s.mean():.12g}") for s in samples])
    error = np.array([s.std(ddof=1) for s in samples]) / np.sqrt(n)
    error[error <= 1e-12 * np.abs(mean)] = 0.0
    return sign * mean, error, n - 1
