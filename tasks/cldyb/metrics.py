"""What is said about accuracy matrices and about sequences: accuracy, retention, forgetting, agreement.

A[t][j] is the accuracy on task j after learning task t, N the number of tasks. CLDyB (arXiv 2503.04655)
reports final accuracy and final retention; that retention is a mean of ratios, and which forgetting the paper
means, is taken from memory. Libraries mean three things by "forgetting": all are here, each by its own name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean, variance
from typing import NamedTuple

from suite.stats import Interval, t_quantile
from tasks.cldyb.matrix import Rows, triangle

RANDOM_SEQUENCES = 5
"""Fewer random sequences say little about what random ones are like."""


class Retention(NamedTuple):
    """mean: of A[N-1][j] / A[j][j] over all tasks; without_last: over all but the last, whose ratio is 1 by
    definition. None where no ratio is left. dropped: tasks of which nothing was right when they were new
    (A[j][j] = 0) and something in the end; their ratio is infinite and counts in neither mean.
    """

    mean: float | None
    without_last: float | None
    dropped: tuple[int, ...]


class Gap(NamedTuple):
    """How much lower a metric is on found sequences than on random ones of the same pool, length and width.

    absolute: random - found; relative: that as a share of `random`, None where it is 0. random, found: means.
    """

    absolute: float
    relative: float | None
    random: float
    found: float


def final_average(rows: Rows) -> float:
    """AA, the mean accuracy on all tasks after the last: mean_j A[N-1][j]."""
    return fmean(triangle(rows)[-1])


def incremental_average(rows: Rows) -> float:
    """mean_t mean_{j<=t} A[t][j]: what PILOT reports as average accuracy."""
    return fmean(fmean(row) for row in triangle(rows))


def learning_accuracy(rows: Rows) -> float:
    """ALA, how well tasks are learned when they come: mean_j A[j][j]."""
    return fmean(row[-1] for row in triangle(rows))


def retention(rows: Rows) -> Retention:
    """AR. A learner that learns nothing retains it all (0 / 0 counts as 1): read it beside ALA."""
    held = triangle(rows)
    last = len(held) - 1
    ratios: dict[int, float] = {}
    for j in range(last + 1):
        learned, kept = held[j][j], held[last][j]
        if learned > 0 or kept == 0:
            ratios[j] = kept / learned if learned > 0 else 1.0
    before = [ratio for j, ratio in ratios.items() if j != last]
    return Retention(
        fmean(ratios.values()) if ratios else None,
        fmean(before) if before else None,
        tuple(j for j in range(last + 1) if j not in ratios),
    )


def forgetting_init(rows: Rows) -> float:
    """mean_{j<N-1} (A[j][j] - A[N-1][j]): against the accuracy when the task was new (Avalanche); negative
    where later tasks helped, 0 for one task.

    final_average = learning_accuracy - (N - 1) / N * forgetting_init.
    """
    held = triangle(rows)
    return _mean(held[j][j] - held[-1][j] for j in range(len(held) - 1))


def forgetting_max_before(rows: Rows) -> float:
    """mean_{j<N-1} (max_{j<=t<N-1} A[t][j] - A[N-1][j]): against the best before the last task (Chaudhry et
    al., ECCV 2018); negative where the last row is the best, 0 for one task.
    """
    held = triangle(rows)
    return _mean(max(row[j] for row in held[j:-1]) - held[-1][j] for j in range(len(held) - 1))


def forgetting_max_incl(rows: Rows) -> float:
    """mean_{j<N-1} (max_{j<=t<=N-1} A[t][j] - A[N-1][j]): against the best of all rows, the last among them
    (PILOT, Mammoth); never negative, 0 for one task.
    """
    held = triangle(rows)
    return _mean(max(row[j] for row in held[j:]) - held[-1][j] for j in range(len(held) - 1))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return fmean(found) if found else 0.0


def gap(random: Sequence[float], found: Sequence[float]) -> Gap:
    """Of a metric's values on random sequences and on those that an adversary found.

    ValueError with fewer than five random ones, none found, or a value that is not finite.
    """
    if len(random) < RANDOM_SEQUENCES or not found:
        raise ValueError(
            f"a gap of {len(random)} random and {len(found)} found sequences: it needs {RANDOM_SEQUENCES} "
            "random ones and one found"
        )
    if not all(map(math.isfinite, (*random, *found))):
        raise ValueError("a gap needs finite values: leave out the sequences that have none")
    base, value = fmean(random), fmean(found)
    return Gap(base - value, (base - value) / base if base else None, base, value)


def gap_interval(random: Sequence[float], found: Sequence[float]) -> Interval | None:
    """95 % interval of the absolute gap, sequences being the sample: Welch's, for two means.

    None for fewer than two found sequences, or where neither side varies. Sequences that share classes are
    not independent, so that it is too narrow where found ones overlap much.
    """
    if len(found) < 2:
        return None
    errors = [variance(values) / len(values) for values in (random, found)]
    if not (total := sum(errors)):
        return None
    df = total**2 / sum(e * e / (len(v) - 1) for e, v in zip(errors, (random, found), strict=True))
    half = t_quantile(0.975, max(1, math.floor(df))) * math.sqrt(total)
    middle = fmean(random) - fmean(found)
    return Interval(middle - half, middle + half)


def class_overlap(a: Sequence[Sequence[int]], b: Sequence[Sequence[int]]) -> float:
    """Jaccard index of the classes of two sequences of tasks, in whatever order: 1 for the same classes."""
    return _jaccard({c for task in a for c in task}, {c for task in b for c in task})


def pair_overlap(a: Sequence[Sequence[int]], b: Sequence[Sequence[int]]) -> float:
    """Jaccard index of the pairs of classes that stand in one task: do both put the same ones together?"""
    return _jaccard(_pairs(a), _pairs(b))


def _pairs(sequence: Sequence[Sequence[int]]) -> set[frozenset[int]]:
    return {frozenset((c, d)) for task in sequence for c in task for d in task if c != d}


def _jaccard(a: set[int] | set[frozenset[int]], b: set[int] | set[frozenset[int]]) -> float:
    """1 where both are empty: there is nothing in which they differ."""
    either: set[object] = {*a, *b}
    return len({*a} & {*b}) / len(either) if either else 1.0
