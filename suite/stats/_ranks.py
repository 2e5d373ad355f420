"""Ranks of methods in one table, by what the seeds can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from suite.bootstrap import finite
from suite.stats._distributions import t_quantile
from suite.stats._paired import SAME

if TYPE_CHECKING:
    import numpy as np


class Rank(NamedTuple):
    """The places that a method may hold: `best` is its rank, `worst` the last place not ruled out."""

    best: int
    worst: int


def ranks(
    groups: Sequence[Sequence[float]], higher_is_better: bool, level: float = 0.95
) -> list[Rank | None]:
    """The rank of each method from its values over seeds; None for a method with fewer than two seeds.

    Method i beats method j when the `level` Welch interval of the difference of their means lies wholly on
    the better side of 0. Then best(i) = 1 + the number of methods that beat i, and worst(i) = the number of
    methods - the number that i beats. Methods that nothing tells apart so share a rank. Being told apart is
    not transitive (A beats C, while B is told apart from neither); the interval best..worst shows that.

    Welch's interval is used and not the sign-flip test, whose smallest p at five seeds is 0.0625. Its
    degrees of freedom are rounded down, which errs on the side of a shared rank. Where no seed differs
    from another in both methods, any difference of the means counts. The level holds for each pair, with
    no correction for the number of methods.
    """
    places: list[Rank | None] = [None] * len(groups)
    known = [i for i, values in enumerate(groups) if len(values) >= 2]
    if not known:
        return places
    better = beats(groups, higher_is_better, level)
    for i in known:
        places[i] = Rank(1 + int(better[:, i].sum()), len(known) - int(better[i].sum()))
    return places


def beats(groups: Sequence[Any] | np.ndarray, higher_is_better: bool, level: float = 0.95) -> np.ndarray:
    """Boolean (methods, methods): whether the row's method is better than the column's beyond Welch's
    interval at `level` (see `ranks`). A method with fewer than two seeds neither beats nor is beaten.

    `groups` holds the values over seeds of each method: sequences, or an array (methods, seeds).
    """
    import numpy as np

    n = np.array([len(g) for g in groups], dtype=int)
    told = np.flatnonzero(n >= 2)
    made = np.zeros((len(n), len(n)), dtype=bool)
    mean, error = np.zeros(len(n)), np.zeros(len(n))
    for size in np.unique(n[told]):
        of_size = np.flatnonzero(n == size)
        block = finite([groups[i] for i in of_size.tolist()])
        mean[of_size], error[of_size] = block.mean(axis=1), block.var(axis=1, ddof=1) / size
    if len(told):
        signed = mean if higher_is_better else -mean
        made[np.ix_(told, told)] = _beyond(signed[told], error[told], n[told], level)
    return made


def _beyond(mean: np.ndarray, error: np.ndarray, n: np.ndarray, level: float) -> np.ndarray:
    """Which means are above which; `error` holds their squared standard errors over `n` seeds."""
    import numpy as np

    share = error**2 / (n - 1)
    square = error[:, None] + error[None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        df = np.floor(square**2 / (share[:, None] + share[None, :]) * (1 + SAME))
    df = np.where(np.isfinite(df), np.maximum(df, 1), 1).astype(int)
    critical = np.zeros(int(df.max()) + 1)
    for d in np.flatnonzero(np.bincount(df.ravel())).tolist():
        critical[d] = t_quantile((1 + level) / 2, d)
    margin = critical[df] * np.sqrt(square)
    rounding = SAME * np.maximum(np.abs(mean)[:, None], np.abs(mean)[None, :])
    better: np.ndarray = mean[:, None] - mean[None, :] > np.maximum(margin, rounding)
    return better
