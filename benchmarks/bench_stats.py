"""What our statistics cost beside SciPy's and beside the plain way, measured in the same run.

    python benchmarks/bench_stats.py [--quick]

Each peer does the same work: the same number of draws over the same values. Both answers are compared before
they are timed. Our BCa interval draws its resamples once for all sets of as many values, SciPy for each; both
costs stand below. The last line is the budget: all statistics of a family of 100 tasks with 40 methods and 5
seeds (intervals, ranks, every pair over seeds with Holm's correction, seeds needed, mean ranks, critical
difference) within 10 s. Exits 1 when it is missed or an answer differs.

CPU milliseconds, one thread of a shared 2-core machine, SciPy 1.17.1; the ratios are the message:

                                                              ours    SciPy   ratio
    BCa interval, 30 values, the first                         9.3      4.9    0.5
    BCa interval, 30 values, each more                         0.7      4.8      7
    BCa interval, 100 values, each more                        1.5     10.3      7
    sign flips, 10 seeds, all 1,024 patterns                  0.02      4.2    200
    interval and p, 5 seeds x 8,000 examples                   7.4     2397    325   (SciPy: p alone)
    who beats whom, 40 methods x 5 seeds                       0.2      4.0     19
    all statistics of 40 methods x 100 tasks                 5.2 s                   budget 10 s
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats as scipy_stats

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from leaderboard import pairs  # noqa: E402
from suite import stats  # noqa: E402
from suite.stats import _intervals  # noqa: E402

BUDGET_S = 10.0
SEED = 7
TASKS, METHODS, SEEDS = 100, 40, 5


class Line(NamedTuple):
    """A measured cost beside the peer's; `agrees`: whether both gave the same answer."""

    what: str
    ours_ms: float
    peer: str
    peer_ms: float
    agrees: bool


def cpu_ms(work: Callable[[], object], rounds: int) -> float:
    """CPU milliseconds of one call, the best of a few rounds: what it costs when no neighbour disturbs it."""
    costs = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        costs.append((time.process_time() - start) * 1e3)
    return min(costs)


def line(what: str, ours: Callable[[], object], peer: str, theirs: Callable[[], object], near: float) -> Line:
    a, b = np.asarray(ours(), dtype=float), np.asarray(theirs(), dtype=float)
    agrees = bool(np.all(np.abs(a - b) <= near))
    return Line(what, cpu_ms(ours, 5), peer, cpu_ms(theirs, 3), agrees)


def bca(n: int, fresh: bool = False) -> Line:
    """`fresh`: the resamples are drawn anew, as for the first interval of a run."""
    values = np.random.default_rng(SEED).exponential(1.0, n)

    def theirs() -> tuple[float, float]:
        rng = np.random.default_rng(1)
        made = scipy_stats.bootstrap((values,), np.mean, method="BCa", n_resamples=10_000, rng=rng)
        return made.confidence_interval.low, made.confidence_interval.high

    def ours() -> tuple[float, ...]:
        if fresh:
            _intervals._resample_weights.cache_clear()
        return stats.bca_interval(values) or ()

    ours()
    near = 0.1 * float(values.std()) / math.sqrt(n)
    name = f"BCa interval, {n} values, 10,000 draws, {'the first' if fresh else 'each more'}"
    return line(name, ours, "scipy.stats.bootstrap", theirs, near)


def sign_flips_over_seeds() -> Line:
    a, b = np.random.default_rng(SEED).normal(0.5, 0.1, (2, 10))

    def theirs() -> float:
        made = scipy_stats.permutation_test(
            (a, b),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=np.inf,
        )
        return float(made.pvalue)

    name = "sign flips, 10 seeds, all 1,024 patterns"
    return line(name, lambda: stats.permutation_test(a, b), "scipy.stats.permutation_test", theirs, 1e-12)


def sign_flips_over_examples(examples: int) -> Line:
    rng = np.random.default_rng(SEED)
    a, b = rng.random((2, 5, examples)) < np.array([0.62, 0.61])[:, None, None]
    gaps = (a.astype(float) - b).mean(axis=0)

    def theirs() -> float:
        made = scipy_stats.permutation_test(
            (gaps, np.zeros(examples)),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=2_000,
            batch=100,
            rng=np.random.default_rng(1),
        )
        return float(made.pvalue)

    def ours() -> float:
        made = stats.paired_samples(a, b, draws=1_000)
        return made.p if made else math.nan

    name = f"interval and p, 5 seeds x {examples:,} examples, 2,000 draws"
    return line(name, ours, "scipy.stats.permutation_test (p alone)", theirs, 0.05)


def who_beats_whom(methods: int, seeds: int) -> Line:
    rng = np.random.default_rng(SEED)
    values = rng.normal(rng.normal(0, 0.3, methods)[:, None], 1.0, (methods, seeds))

    def theirs() -> float:
        made = scipy_stats.ttest_ind(values[:, None], values[None], axis=-1, equal_var=False)
        with np.errstate(invalid="ignore"):
            return float((made.confidence_interval().low > 0).mean())

    # SciPy does not round the degrees of freedom down: a pair on the edge may differ
    return line(
        f"who beats whom, {methods} methods x {seeds} seeds",
        lambda: stats.beats(values, True).mean(),
        "scipy.stats.ttest_ind, all pairs at once",
        theirs,
        0.002,
    )


def everything() -> float:
    """CPU seconds of all statistics of one family."""
    rng = np.random.default_rng(SEED)
    strength = rng.normal(0.6, 0.05, METHODS)[:, None]
    values = np.clip(strength + rng.normal(0, 0.03, (TASKS, METHODS, SEEDS)), 0, 1)
    start = time.process_time()
    for task in values.tolist():
        for seeds in task:
            stats.seed_interval(seeds, low=0.0, high=1.0)
        stats.ranks(task, True)
        pairs.compare(
            [dict(enumerate(seeds)) for seeds in task], list(itertools.combinations(range(METHODS), 2))
        )
        for a, b in itertools.pairwise(task):
            stats.seeds_needed(np.mean(a) - np.mean(b), float(np.std([a, b], axis=1, ddof=1).mean()))
    stats.mean_rank_intervals(values.tolist(), [True] * TASKS)
    stats.critical_difference(values.mean(axis=2), [True] * TASKS)
    return time.process_time() - start


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smaller tables, for a trial")
    quick = parser.parse_args().quick
    lines = [
        bca(30, fresh=True),
        bca(30),
        bca(100),
        sign_flips_over_seeds(),
        sign_flips_over_examples(1_000 if quick else 8_000),
        who_beats_whom(10 if quick else 40, 5),
    ]
    print(f"{'CPU milliseconds':62} {'ours':>9} {'peer':>9} {'ratio':>7}")
    for one in lines:
        ratio = one.peer_ms / one.ours_ms
        print(f"{one.what:62} {one.ours_ms:9.2f} {one.peer_ms:9.1f} {ratio:6.1f}x  {one.peer}")
        if not one.agrees:
            print("  the answers differ")
    spent = everything()
    print(f"all statistics of {METHODS} methods x {TASKS} tasks: {spent:.1f} s CPU, budget {BUDGET_S:.0f} s")
    return 0 if spent <= BUDGET_S and all(one.agrees for one in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
