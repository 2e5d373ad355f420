"""Two methods compared over what they share: the same seeds, or the same examples of a test set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from suite.bootstrap import CHUNK, Interval, bootstrap_interval, finite
from suite.stats._intervals import mean_interval

if TYPE_CHECKING:
    import numpy as np

EXACT_UP_TO = 12
FEW_DISTINCT = 256
SAME = 1e-12


class Paired(NamedTuple):
    """Two methods over the seeds that both have.

    difference: mean of a - b, in the unit of the metric. interval: of that mean. p: two-sided, by sign
    flips. effect: d_z. pairs: number of shared seeds.
    """

    difference: float
    interval: Interval
    p: float
    effect: float
    pairs: int


class PairedSamples(NamedTuple):
    """As `Paired`, over the test examples that both answered; won, lost, tied count those where the mean
    over seeds of a is above, below, equal to that of b."""

    difference: float
    interval: Interval
    p: float
    effect: float
    pairs: int
    won: int
    lost: int
    tied: int


def paired_seeds(a: Mapping[int, float], b: Mapping[int, float], level: float = 0.95) -> Paired | None:
    """a - b over shared seeds: Student t interval of the mean difference, sign-flip p, d_z.

    None below two shared seeds. Pairing helps as far as a seed means the same draw (of data, order, start)
    for both methods; where it does not, nothing is gained and nothing is wrong.
    """
    seeds = sorted(a.keys() & b.keys())
    x, y = [a[s] for s in seeds], [b[s] for s in seeds]
    if len(seeds) < 2:
        return None
    d = _differences(x, y)
    interval = mean_interval(d.tolist(), level)
    assert interval is not None
    return Paired(float(d.mean()), interval, permutation_test(x, y), effect_size(x, y), len(seeds))


def paired_samples(
    a: Any, b: Any, level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> PairedSamples | None:
    """a - b over the examples of one test set, from arrays (seeds, examples) or (examples,), NaN where a
    seed did not answer an example.

    Each example counts once, with its mean over the seeds that answered it; examples that one method never
    answered are left out, and below two examples there is nothing to say (None). The interval is the
    percentile bootstrap over examples, all seeds of an example together; p is the sign-flip test over
    examples, which for one seed of right and wrong is McNemar's exact test. Both speak of these trained
    models on new examples, not of new trainings: for those see `paired_seeds`.
    """
    import numpy as np

    x, y = _over_seeds(a), _over_seeds(b)
    if x.shape != y.shape:
        raise ValueError(f"pairs are needed: {len(x)} and {len(y)} examples were given")
    told = ~(np.isnan(x) | np.isnan(y))
    d = _without_rounding(x[told], y[told])
    if len(d) < 2:
        return None
    counts = [int(np.count_nonzero(c)) for c in (d > 0, d < 0, d == 0)]
    interval = _resampled_interval(d, level, draws, seed)
    effect = effect_size(d.tolist(), [0.0] * len(d))
    return PairedSamples(float(d.mean()), interval, _sign_flip(d, 2 * draws, seed), effect, len(d), *counts)


def _over_seeds(values: Any) -> np.ndarray:
    """The mean of each example over the seeds that answered it, NaN where none did."""
    import numpy as np

    table = np.atleast_2d(np.asarray(values, dtype=float))
    if table.ndim != 2 or np.isinf(table).any():
        raise ValueError("per-example values are finite, in an array (seeds, examples)")
    told = ~np.isnan(table)
    count = told.sum(axis=0)
    mean: np.ndarray = np.where(told, table, 0.0).sum(axis=0) / np.where(count, count, np.nan)
    return mean


def _without_rounding(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x - y to 12 digits of the largest value: 3/5 - 2/5 and 2/5 - 1/5 have to be one and the same gap."""
    import numpy as np

    largest = float(max(np.abs(x).max(initial=0.0), np.abs(y).max(initial=0.0)))
    scale = math.ldexp(1.0, math.frexp(largest)[1])
    gaps: np.ndarray = np.round((x - y) / scale, 12) * scale
    return gaps


def _resampled_interval(d: np.ndarray, level: float, draws: int, seed: int) -> Interval:
    import numpy as np

    if len(np.unique(d)) <= FEW_DISTINCT:
        interval = bootstrap_interval(d.tolist(), level, draws, seed)
        assert interval is not None
        return interval
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // len(d))
    starts = range(0, draws, step)
    picks = (rng.integers(0, len(d), (min(step, draws - done), len(d)), dtype=np.int32) for done in starts)
    means = np.concatenate([d[pick].mean(axis=1) for pick in picks])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def _sign_flip(d: np.ndarray, draws: int, seed: int) -> float:
    """`permutation_test` of the differences against 0, by how often each size of them occurs."""
    import numpy as np

    sizes, counts = np.unique(np.abs(d[d != 0]), return_counts=True)
    if not len(sizes):
        return 1.0
    if len(sizes) == 1:
        return _binomial_p(int(np.count_nonzero(d > 0)), int(counts[0]))
    moved = d[d != 0]
    if len(moved) <= EXACT_UP_TO or len(sizes) > FEW_DISTINCT:
        return permutation_test(moved.tolist(), [0.0] * len(moved), draws, seed)
    # the sum of m random signs is 2 * Binomial(m, 1/2) - m: one draw a size instead of one an example
    heads = np.random.default_rng(seed).binomial(counts, 0.5, (draws, len(counts)))
    reached = abs(float(moved.sum())) - SAME * float(np.abs(moved).sum())
    hits = int(np.count_nonzero(np.abs((2 * heads - counts) @ sizes) >= reached))
    return (1 + hits) / (1 + draws)


def _binomial_p(heads: int, n: int) -> float:
    """Two-sided P of a split of n fair coins at least as uneven as this one, exact."""
    term = total = 1
    for k in range(1, min(heads, n - heads) + 1):
        term = term * (n - k + 1) // k
        total += term
    return min(1.0, 2 * total / (1 << n))


def permutation_test(a: Sequence[float], b: Sequence[float], draws: int = 20_000, seed: int = 0) -> float:
    """Two-sided p value of the paired sign-flip test that a - b is symmetric around 0.

    `a` and `b` hold one value for each shared seed (or sample), in the same order. All 2^n sign patterns
    are tried up to n = 12; beyond, `draws` random ones, with the observed pattern counted among them so
    that p is never 0. With n pairs the smallest possible p is 2 / 2^n: 0.0625 at five seeds.
    """

    return float(sign_flips(_differences(a, b)[:, None], draws, seed)[0])


def sign_flips(gaps: np.ndarray, draws: int = 20_000, seed: int = 0) -> np.ndarray:
    """The p value of `permutation_test` for each column of paired differences (pairs, columns).

    All columns meet the same sign patterns, so that many comparisons go through one product of matrices.
    """
    import numpy as np

    n = len(gaps)
    reached = np.abs(gaps.sum(axis=0)) - SAME * np.abs(gaps).sum(axis=0)
    if n <= EXACT_UP_TO:
        exact: np.ndarray = np.count_nonzero(np.abs(_sign_patterns(n) @ gaps) >= reached, axis=0) / (1 << n)
        return exact
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // n)
    hits = np.zeros(gaps.shape[1], np.int64)
    for done in range(0, draws, step):
        signs = 1 - 2 * rng.integers(0, 2, (min(step, draws - done), n), dtype=np.int8)
        hits += np.count_nonzero(np.abs(signs.astype(float) @ gaps) >= reached, axis=0)
    drawn: np.ndarray = (1 + hits) / (1 + draws)
    return drawn


@cache
def _sign_patterns(n: int) -> np.ndarray:
    """(2^n, n): every pattern of signs."""
    import numpy as np

    patterns: np.ndarray = 1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    return patterns


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


def _differences(a: Sequence[Any], b: Sequence[Any]) -> np.ndarray:
    x, y = finite(a), finite(b)
    if len(x) != len(y) or not len(x):
        raise ValueError(f"pairs are needed: {len(x)} and {len(y)} values were given")
    differences: np.ndarray = x - y
    return differences
