"""Claims about the toy task and how they are judged; imported by name because tests/ is on the path."""

from __future__ import annotations

import math
from typing import Any

import toy_plugin
from scipy import stats

from leaderboard.claims import Judged, judge
from suite.claims import AnyClaim, Book, Bound, Check, Claim, Ranking

TASKS = {spec.name: spec for spec in toy_plugin.TASKS}
METHODS = {spec.name: spec for spec in toy_plugin.METHODS}
HIGH, LOW = [0.8, 0.9, 1.0], [0.1, 0.2, 0.3]
"""Values of toy-coin and toy-slow: means 0.9 and 0.2, both variances 0.01."""


def claim(better: str = "toy-coin", *worse: str, **more: Any) -> Claim:
    fields: dict[str, Any] = {
        "id": "a-claim",
        "paper": toy_plugin.PAPER,
        "where": "Table 1",
        "statement": "One is better.",
        "tasks": ("toy",),
        "metric": "accuracy",
        "better": better,
        "worse": worse or ("toy-slow",),
    }
    return Claim(**fields | more)


def bound(method: str, relation: Any, value: float, **more: Any) -> Bound:
    fields: dict[str, Any] = {
        "id": "a-bound",
        "paper": toy_plugin.PAPER,
        "where": "Table 1",
        "statement": "It is so.",
        "tasks": ("toy",),
        "metric": "accuracy",
        "method": method,
        "relation": relation,
        "value": value,
    }
    return Bound(**fields | more)


def ranking(**more: Any) -> Ranking:
    fields: dict[str, Any] = {
        "id": "a-ranking",
        "paper": toy_plugin.PAPER,
        "where": "Table 1",
        "statement": "Ranks differ.",
        "reference": "toy",
        "tasks": ("toy-two",),
        "metric": "accuracy",
        "methods": ("toy-coin", "toy-slow", "toy-sum"),
        "slice": "found",
        "control": "random",
    }
    return Ranking(**fields | more)


def check(function: str) -> Check:
    return Check(id="a-check", paper=toy_plugin.PAPER, where="", statement="It is so.", where_code=function)


def verdict(rows: Any, wanted: AnyClaim) -> Judged:
    """The verdict on a claim of a book without figures and notes."""
    return judge(rows.board(), Book("toy"), wanted, TASKS, METHODS)


def filled(rows: Any, a: list[float] = HIGH, b: list[float] = LOW) -> Any:
    """The rows with toy-coin at `a` and toy-slow at `b`, one value a seed."""
    rows.seeds("toy-coin", a)
    rows.seeds("toy-slow", b)
    return rows


def scipy_seeds(effect: float, level: float = 0.95) -> int:
    """The smallest n of each of two groups with 80 % power, from the noncentral t distribution."""
    for n in range(2, 1000):
        df = 2 * n - 2
        critical, shift = stats.t.ppf((1 + level) / 2, df), effect * math.sqrt(n / 2)
        if stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift) >= 0.8:
            return n
    raise AssertionError
