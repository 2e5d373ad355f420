"""Paired comparisons of many methods at once: over shared seeds, and over shared examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from leaderboard.samples import Logged
from suite.stats import holm, paired_samples, sign_flips, t_quantile

if TYPE_CHECKING:
    import numpy as np

# As in suite.stats, so that `suite compare` says the same.
DRAWS = 20_000
FEWER_DRAWS = 4_000
SAME = 1e-12
Seeds = Mapping[int, float]


class Pair(NamedTuple):
    """The first method less the second over the seeds that both have; None where `seeds` are too few.

    `low` and `high` are the ends of the 95 % Student t interval of the mean difference, `p` is that of
    the sign-flip test, `adjusted` the same by Holm's rule over the pairs asked for together, `effect`
    Cohen's d_z. A difference needs one shared seed, the rest two and a method whose seeds vary.
    """

    difference: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    adjusted: float | None = None
    effect: float | None = None
    seeds: int = 0


class Wins(NamedTuple):
    """Over shared seeds and examples: how often only the first was better, only the second, none."""

    won: int
    lost: int
    tied: int


def compare(values: Sequence[Seeds], pairs: Sequence[tuple[int, int]], draws: int = DRAWS) -> list[Pair]:
    """Each pair (i, j) of `values` compared over its shared seeds; the same as suite.stats one by one.

    Pairs that share the same number of seeds go through one product of matrices. Of two methods that do not
    vary over their seeds, which are then one run said several times, only the difference is known.
    """
    import numpy as np

    fixed = [len(of_seed) > 1 and len(set(of_seed.values())) == 1 for of_seed in values]
    made = [Pair(None) for _ in pairs]
    gaps: dict[int, list[tuple[int, list[float]]]] = {}
    for place, (i, j) in enumerate(pairs):
        shared = sorted(values[i].keys() & values[j].keys())
        gaps.setdefault(len(shared), []).append((place, [values[i][s] - values[j][s] for s in shared]))
    for n, group in sorted(gaps.items()):
        if n == 0:
            continue
        places = [place for place, _ in group]
        for place, pair in zip(places, _group(np.array([d for _, d in group]).T, draws), strict=True):
            both = all(fixed[k] for k in pairs[place])
            made[place] = Pair(pair.difference, seeds=pair.seeds) if both else pair
    tested = [place for place, pair in enumerate(made) if pair.p is not None]
    adjusted = holm([made[place].p or 0.0 for place in tested])
    for place, p in zip(tested, adjusted, strict=True):
        made[place] = made[place]._replace(adjusted=p)
    return made


def _group(gaps: np.ndarray, draws: int) -> list[Pair]:
    """Pairs from their differences (seeds, pairs)."""
    import numpy as np

    n = len(gaps)
    mean = gaps.mean(axis=0)
    if n == 1:
        return [Pair(d, seeds=1) for d in mean.tolist()]
    sd = gaps.std(axis=0, ddof=1)
    half = t_quantile(0.975, n - 1) * sd / math.sqrt(n)
    scale = np.abs(gaps).max(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.where(sd > SAME * scale, mean / sd, np.where(scale > 0, np.copysign(np.inf, mean), 0.0))
    rows = zip(
        mean.tolist(),
        (mean - half).tolist(),
        (mean + half).tolist(),
        sign_flips(gaps, draws).tolist(),
        effect.tolist(),
        strict=True,
    )
    return [Pair(d, low, high, p, None, size, n) for d, low, high, p, size in rows]


def wins(a: Mapping[int, Logged], b: Mapping[int, Logged]) -> Wins | None:
    """Counts over the examples that both logged at the same seed; None where there are none."""
    import numpy as np

    won = lost = tied = 0
    for seed in sorted(a.keys() & b.keys()):
        x, y = shared(a[seed], b[seed])
        told = ~(np.isnan(x) | np.isnan(y))
        won += int((x > y)[told].sum())
        lost += int((x < y)[told].sum())
        tied += int((x == y)[told].sum())
    return Wins(won, lost, tied) if won + lost + tied else None


def shared(a: Logged, b: Logged) -> tuple[np.ndarray, np.ndarray]:
    """How right both were on the examples that both logged, in order of their numbers."""
    import numpy as np

    if np.array_equal(a.index, b.index):
        return a.correct, b.correct
    _, at_a, at_b = np.intersect1d(a.index, b.index, return_indices=True)
    return a.correct[at_a], b.correct[at_b]


def over_examples(a: Mapping[int, Logged], b: Mapping[int, Logged]) -> float | None:
    """The p value of `suite.stats.paired_samples` over shared seeds; None without shared examples."""
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        return None
    index = _indices([*(a[s] for s in seeds), *(b[s] for s in seeds)])
    found = paired_samples(*(_grid([of[s] for s in seeds], index) for of in (a, b)))
    return found.p if found else None


def _indices(runs: Sequence[Logged]) -> np.ndarray:
    """The numbers of all examples that one of the runs logged."""
    import numpy as np

    first = runs[0].index
    if all(np.array_equal(run.index, first) for run in runs[1:]):
        return first
    found: np.ndarray = np.unique(np.concatenate([run.index for run in runs]))
    return found


def _grid(runs: Sequence[Logged], index: np.ndarray) -> np.ndarray:
    """How right each run was (runs, examples), NaN where it did not say."""
    import numpy as np

    made = np.full((len(runs), len(index)), np.nan)
    for row, run in zip(made, runs, strict=True):
        row[np.searchsorted(index, run.index)] = run.correct
    return made
