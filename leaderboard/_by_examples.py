"""Two methods that draw nothing, compared over the test examples: their seeds are one run said several times.

Over such seeds any difference counts, although the test set is a sample. Where both logged how right every
example was, that sample decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from leaderboard.samples import Logged
from suite.stats import Interval, paired_samples

if TYPE_CHECKING:
    import numpy as np

    from leaderboard.board import Entry

DRAWS = 10_000
# Samples are stored as float32.
EXPLAINED = 1e-6
Answers = Mapping[int, Logged]


class ByExamples(NamedTuple):
    """A difference over test examples: how many, its 95 % interval, and the p of its being the margin."""

    examples: int
    interval: Interval
    p: float


def answers(entry: Entry, metric: str, part: str) -> Answers:
    """By seed what the entry logged, where all of it together is the value of the metric; else nothing."""
    if (metric, part) != (entry.primary, "all"):
        return {}
    found = {seed: entry.answers.get(seed) for seed in entry.per_seed()}
    told = {seed: run for seed, run in found.items() if run and _explains(run, entry.per_seed()[seed])}
    return told if len(told) == len(found) else {}


def _explains(run: Logged, value: float) -> bool:
    """Whether the examples are all of those that the value is the mean of; NaN explains nothing."""
    return abs(float(run.correct.mean()) - value) <= EXPLAINED


def compare(a: Answers, b: Answers, sign: float, margin: float) -> ByExamples | None:
    """sign * (a - b) over the examples, each with its mean over seeds, against the margin; None where the two
    logged other examples or fewer than two.

    Against a margin of 0 p is that of the sign-flip test (for right and wrong McNemar's exact test), against
    another twice the smaller share of the bootstrap's means on either side of it, at least 2 / 10,001.
    """
    import numpy as np

    runs = [*a.values(), *b.values()]
    if not a or not b or any(not np.array_equal(run.index, runs[0].index) for run in runs):
        return None
    x, y = (np.array([run.correct for run in side.values()]).mean(axis=0) for side in (a, b))
    x, y = (x, y) if sign > 0 else (y, x)
    found = paired_samples(x, y, draws=DRAWS)
    if found is None:
        return None
    p = found.p if margin == 0.0 else _share_beyond(x - y, margin)
    return ByExamples(found.pairs, found.interval, p)


def _share_beyond(gaps: np.ndarray, margin: float) -> float:
    import numpy as np

    sizes, counts = np.unique(np.round(gaps, 12), return_counts=True)
    draws = np.random.default_rng(0).multinomial(len(gaps), counts / len(gaps), DRAWS)
    means = draws @ sizes / len(gaps)
    rounding = 1e-12 * max(1.0, math.fabs(margin))
    below, above = (int(np.count_nonzero(s * (means - margin) <= rounding)) for s in (1, -1))
    return min(1.0, 2 * (1 + min(below, above)) / (1 + DRAWS))
