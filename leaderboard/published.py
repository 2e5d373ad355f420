"""Figures that papers report, beside what the project's own runs give."""

from __future__ import annotations

from typing import NamedTuple

from leaderboard.board import Board
from suite.claims import Published
from suite.stats import Interval

SHOWN = ("paper", "small")


class Ours(NamedTuple):
    """Our value of a published figure in one profile, in the metric's own unit.

    interval: over seeds, None where there is one or where they do not vary (`unvarying`).
    """

    profile: str
    mean: float
    interval: Interval | None
    seeds: int
    unvarying: bool = False


def beside(board: Board, figure: Published) -> list[Ours]:
    """Our values of this figure, one a profile that has own runs; `smoke` is for tests and left out.

    The entry is the method as it comes: no settings by hand, measured here, with the table's protocol.
    """
    found = []
    tables = [t for t in board.tables if t.task == figure.task and t.profile in SHOWN]
    for table in sorted(tables, key=lambda t: SHOWN.index(t.profile)):
        for entry in table.entries:
            mean = entry.mean(figure.metric, figure.slice)
            plain = entry.method == figure.method and entry.overrides in ("", "{}")
            if plain and entry.comparable and not entry.only_claimed and mean is not None:
                key = figure.metric, figure.slice
                seeds, same = len(entry.per_seed(*key)), entry.unvarying(*key)
                found.append(Ours(table.profile, mean, entry.interval(*key), seeds, same))
                break
    return found
