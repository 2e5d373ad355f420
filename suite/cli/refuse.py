"""What several verbs refuse: a results folder without any run, a metric that nobody knows, no number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from suite.errors import Incomplete, unknown

if TYPE_CHECKING:
    from leaderboard.aggregate import Table
    from suite.store import Store


class Finite(click.FloatRange):
    """A number from 0 on; neither infinity nor "not a number", with which every comparison passes."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; click.BadParameter for any other text."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return number


def empty(store: Store) -> None:
    """Incomplete where a results folder holds no run at all: most likely it is the wrong folder."""
    if not store.runs().num_rows:
        raise Incomplete(
            f"no run in {store.root}; `suite run` makes some, --results names another results folder"
        )


def metrics(tables: Sequence[Table], names: Sequence[str]) -> None:
    """UsageError for a metric that no task shown declares and no run measured."""
    declared = {m.name for shown in tables if shown.spec for m in shown.spec.metrics}
    measured = {metric for shown in tables for entry in shown.entries for metric, _ in entry.values}
    for name in names:
        if tables and name not in declared | measured:
            raise unknown("metric", name, declared | measured, f"suite show {tables[0].task}")
