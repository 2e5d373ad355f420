"""The fairness ledger: what each method of a table was allowed and spent, and the ranks at equal budget.

Measured parts come from the runs: examples, tokens and images that training went through, optimiser steps and
trained parameters are the largest value of any seed, times are medians over seeds, memory is the largest.
Declared parts come from the families (suite/budgets.py). What nobody measured or declared is None, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from leaderboard.board import Entry, Table
from suite.budgets import Budget, declared
from suite.errors import UsageError, unknown
from suite.stats import Rank, ranks

# Name in the ledger to the name of the neutral metric that measures it.
MEASURED = {
    "examples": "examples_seen",
    "tokens": "tokens_seen",
    "images": "images_seen",
    "steps": "steps",
    "parameters": "parameters",
}
LIMITS = ("trials", *MEASURED, "seconds", "cpu_seconds", "peak_mb")


@dataclass(frozen=True)
class LedgerRow:
    """What one entry was allowed and spent: counts, seconds, MiB."""

    entry: Entry
    budget: Budget
    examples: float | None
    tokens: float | None
    images: float | None
    steps: float | None
    parameters: float | None
    seconds: float | None
    cpu_seconds: float | None
    peak_mb: float | None

    @property
    def method(self) -> str:
        return self.entry.method

    @property
    def trials(self) -> int | None:
        return self.budget.trials

    @property
    def tuned_on(self) -> tuple[str, ...] | None:
        return self.budget.tuned_on

    @property
    def saw_test(self) -> bool | None:
        return self.budget.saw_test


class Placed(NamedTuple):
    """A competitor within the limits with its place among those; no rank for a single seed."""

    row: LedgerRow
    rank: Rank | None


@dataclass(frozen=True)
class Equal:
    """A table at equal budget: who is within, best first; who spent more; of whom it is not known."""

    within: Sequence[Placed] = field(default_factory=tuple)
    over: Sequence[LedgerRow] = field(default_factory=tuple)
    unknown: Sequence[LedgerRow] = field(default_factory=tuple)


def ledger(table: Table) -> list[LedgerRow]:
    """One row an entry, in the table's order."""
    return [_row(table, entry) for entry in table.entries]


def _row(table: Table, entry: Entry) -> LedgerRow:
    measured = {name: _largest(entry, metric) for name, metric in MEASURED.items()}
    return LedgerRow(
        entry,
        declared(table.family, entry.method, table.task, table.profile),
        **measured,
        seconds=entry.seconds,
        cpu_seconds=entry.cpu_seconds,
        peak_mb=entry.peak_mb,
    )


def _largest(entry: Entry, metric: str) -> float | None:
    return max(entry.per_seed(metric).values(), default=None)


def refuse_limits(limits: Mapping[str, float]) -> None:
    """UsageError for a name that is no limit, and for one that is no number from 0 on."""
    for name, most in limits.items():
        if name not in LIMITS:
            raise unknown("limit", name, LIMITS, "suite ledger --help")
        if not most >= 0:
            raise UsageError(f"limit {name}={most:g}: a limit is a number from 0 on")


def equal_budget(table: Table, **limits: float) -> Equal:
    """The competitors of a table that spent at most `limits`, ranked among themselves as a table ranks them.

    A limit has a name of LIMITS. An entry of which a limited quantity is not known is not within the limits,
    for nobody can say that it is. Raises UsageError for another name or a limit that is no number from 0 on.
    """
    refuse_limits(limits)
    within, over, open_ = [], [], []
    for row in (_row(table, entry) for entry in table.ranked):
        spent = [(getattr(row, name), most) for name, most in limits.items()]
        if any(value is not None and value > most for value, most in spent):
            over.append(row)
        elif any(value is None for value, _ in spent):
            open_.append(row)
        else:
            within.append(row)
    values = [row.entry.compared for row in within]
    places: Sequence[Rank | None] = [None] * len(values)
    if table.higher is not None:
        places = ranks(values, table.higher)
    return Equal([Placed(*pair) for pair in zip(within, places, strict=True)], over, open_)


def pareto(points: Sequence[tuple[float | None, float | None]], higher: bool = True) -> list[int]:
    """Indices, in the given order, of the (score, cost) points that no other point makes pointless.

    One point makes another pointless when its score is no worse and its cost no larger, and one of the two
    is better. Equal points stand or fall together. A point without a finite score and cost is on no front.
    """
    sign = 1.0 if higher else -1.0
    known = [(cost, -sign * score, i) for i, (score, cost) in enumerate(points) if _known(score, cost)]
    front: list[int] = []
    best, cheapest = math.inf, -math.inf
    for cost, badness, i in sorted(known):
        if badness < best:
            best, cheapest = badness, cost
            front.append(i)
        elif badness == best and cost == cheapest:
            front.append(i)
    return sorted(front)


def _known(*values: Any) -> bool:
    return all(value is not None and math.isfinite(value) for value in values)
