"""Uncertainty of scores: intervals, paired tests, ranks and what a number of seeds can tell apart.

Two sources of chance are kept apart. Over *seeds* (3 to 5 trainings) the mean has a Student t interval;
over the *samples* of one test set (hundreds and more) it has a percentile bootstrap interval. All functions
are pure: a random draw has a fixed seed, so the same values give the same answer. Only numpy is needed,
and it is imported when a function is called. docs/statistics.md says where the board uses which.
"""

from suite.bootstrap import Interval, bootstrap_interval
from suite.stats._correlation import kendall_tau, spearman
from suite.stats._distributions import t_cdf, t_quantile
from suite.stats._families import CriticalDifference, MeanRank, critical_difference, mean_rank_intervals
from suite.stats._intervals import BCA_FROM, bca_interval, mean_interval, seed_interval
from suite.stats._paired import (
    Paired,
    PairedSamples,
    effect_size,
    holm,
    paired_samples,
    paired_seeds,
    permutation_test,
    sign_flips,
)
from suite.stats._power import detectable_difference, paired_seeds_needed, seeds_needed
from suite.stats._ranks import Rank, beats, ranks

__all__ = [
    "BCA_FROM",
    "CriticalDifference",
    "Interval",
    "MeanRank",
    "Paired",
    "PairedSamples",
    "Rank",
    "bca_interval",
    "beats",
    "bootstrap_interval",
    "critical_difference",
    "detectable_difference",
    "effect_size",
    "holm",
    "kendall_tau",
    "mean_interval",
    "mean_rank_intervals",
    "paired_samples",
    "paired_seeds",
    "paired_seeds_needed",
    "permutation_test",
    "ranks",
    "seed_interval",
    "seeds_needed",
    "sign_flips",
    "spearman",
    "t_cdf",
    "t_quantile",
]
