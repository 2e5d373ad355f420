"""Published figures beside our own values."""

from __future__ import annotations

from typing import Any

import toy_plugin

from leaderboard import published
from suite.claims import Published


def ours(rows, **more: Any) -> list[published.Ours]:
    fields = {
        "paper": toy_plugin.PAPER,
        "where": "",
        "task": "toy",
        "method": "toy-coin",
        "metric": "accuracy",
    }
    return published.beside(rows.board(), Published(**fields | {"value": 0.5} | more))


def test_published_figures_stand_beside_ours_by_profile(rows) -> None:
    rows.seeds("toy-coin", [0.4, 0.6])
    rows.seeds("toy-coin", [0.7], profile="paper")
    rows.seeds("toy-coin", [0.1], profile="smoke")
    first, second = ours(rows)
    assert (first.profile, first.mean, first.interval, first.seeds) == ("paper", 0.7, None, 1)
    assert (second.profile, second.mean, second.seeds) == ("small", 0.5, 2)
    # t(0.975, 1) = 12.7 standard errors of 0.1 reach beyond 0 and 1, where the board cuts them off.
    assert second.interval.low <= 0.0 and second.interval.high >= 1.0


def test_only_own_plain_and_comparable_rows_stand_beside_published_figures(rows) -> None:
    rows.seeds("toy-coin", [0.9, 0.9], origin="claimed")
    rows.seeds("toy-coin", [0.8, 0.8], overrides={"rate": 9})
    rows.seeds("toy-slow", [0.1, 0.1])
    assert ours(rows) == [] == ours(rows, method="toy-oom") == ours(rows, task="elsewhere")
    assert [o.mean for o in ours(rows, method="toy-slow")] == [0.1]
    assert ours(rows, method="toy-slow", metric="errors") == [] == ours(rows, method="toy-slow", slice="even")
