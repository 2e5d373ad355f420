"""Adversaries on frozen oracles: how close to the best sequence they come for how many simulations.

A sequence costs trainings; a search is worth what it finds for a budget of them. Oracles are the same for
every adversary, and all sequences of each are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from suite.api import Context, Metric, Score, Task
from suite.errors import MethodError, Skip
from tasks.cldyb.contract import Adversary
from tasks.cldyb.mdp import History, Ledger
from tasks.cldyb.oracles import DRAWN, Range, drawn, recorded, span
from tasks.cldyb.tabular import Tabular

SEARCHED = (
    Metric("closeness", "higher", "fraction", "of the return: 0 the mean of all sequences, 1 the best one"),
    Metric("hit", "higher", "fraction", "searches that found a best sequence"),
    Metric(
        "edges", "lower", "count", "distinct steps whose reward was asked for: a training each, a learner"
    ),
    Metric("simulations", "lower", "count", "sequences, whole or in part, that were looked at"),
)
CLOSE = 1e-9
"""Returns that differ by less are the same."""


class Trial(NamedTuple):
    """One search."""

    closeness: float
    hit: float
    edges: float
    simulations: float


@dataclass(frozen=True, kw_only=True)
class SearchTask(Task):
    """recorded: the packaged oracle of the headline. drawn: others, commas between.

    budgets: simulations of a whole sequence; headline: which of them "all" is of. repeats: searches of each
    oracle, under other seeds, and of drawn oracles on other draws.
    """

    recorded: str = "real"
    drawn: str = ",".join(DRAWN)
    budgets: str = "12,24,48,96,192"
    headline: int = 48
    repeats: int = 100

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise ValueError(f"repeats must be at least 1, not {self.repeats}")
        if self.headline not in self.sizes:
            raise ValueError(f"headline {self.headline} is not among the budgets {self.budgets}")
        for name in self.others:
            if name not in DRAWN:
                raise ValueError(f"oracle '{name}': one of {', '.join(DRAWN)}")

    @property
    def sizes(self) -> list[int]:
        """The budgets."""
        parts = self.budgets.split(",")
        if not all(part.strip().isdigit() and int(part) > 0 for part in parts):
            raise ValueError(f"budgets '{self.budgets}': whole numbers above 0, like 12,48")
        return [int(part) for part in parts]

    @property
    def others(self) -> list[str]:
        """The drawn oracles."""
        return [part.strip() for part in self.drawn.split(",") if part.strip()]

    def run(self, method: Adversary, ctx: Context) -> Iterator[Score]:
        """See `SEARCHED`. Slices: the oracle, the oracle with a budget ("real at 24"); "all" is the recorded
        oracle at the headline. A drawn oracle that the adversary cannot search is left out. Skip for a
        learner.
        """
        if not isinstance(method, Adversary):
            raise Skip("a learner searches for nothing: see cl-static and cldyb-joint")
        names = [self.recorded, *self.others]
        for name in ctx.track(names, "oracles", len(names)):
            try:
                found = {size: self._searches(method, name, size, ctx) for size in self.sizes}
            except Skip:
                if name == self.recorded:
                    raise
                continue
            if name == self.recorded:
                yield from _scores(found[self.headline], "all")
            yield from _scores(found[self.headline], name)
            for size, trials in found.items():
                yield from _scores(trials, f"{name} at {size}")

    def _searches(self, method: Adversary, name: str, size: int, ctx: Context) -> list[Trial]:
        found = []
        for k in range(self.repeats):
            oracle, known = self._oracle(name, k, ctx)
            ledger = Ledger(oracle)
            seed = ctx.seed_for(f"search {name} {k}")
            got = method.within(size, oracle.horizon).find(ledger, seed)
            edges, earned = float(ledger.edges), _earned(oracle, got.tasks)
            hit = float(earned >= known.best - CLOSE)
            found.append(Trial(known.closeness(earned), hit, edges, float(got.simulations)))
        return found

    def _oracle(self, name: str, k: int, ctx: Context) -> tuple[Tabular, Range]:
        oracle = recorded(name) if name == self.recorded else drawn(name, ctx.rng(f"{name} {k}"))
        return oracle, span(oracle)


def _earned(oracle: Tabular, tasks: History) -> float:
    """The return by the table, whatever the adversary says; MethodError for what is no whole sequence."""
    steps = [tuple(tasks[: t + 1]) for t in range(len(tasks))]
    if len(steps) != oracle.horizon or not all(one in oracle.table for one in steps):
        raise MethodError(
            f"{tasks} is no sequence of {oracle.horizon} tasks on offer without a class in common"
        )
    return sum(oracle.table[one] for one in steps)


def _scores(trials: Sequence[Trial], part: str) -> Iterator[Score]:
    for name in Trial._fields:
        yield Score(name, fmean(getattr(one, name) for one in trials), len(trials), part)
