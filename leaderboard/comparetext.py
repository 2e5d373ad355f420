"""A comparison in words and numbers: what a reader sees of a difference and of its test."""

from __future__ import annotations

import json
from typing import Any

from leaderboard import figures
from leaderboard.pairs import Pair


def turn(pair: Pair) -> Pair:
    """The same pair seen from the other side."""
    if pair.difference is None:
        return pair
    low = None if pair.high is None else -pair.high
    high = None if pair.low is None else -pair.low
    return pair._replace(
        difference=-pair.difference,
        low=low,
        high=high,
        effect=None if pair.effect is None else -pair.effect,
    )


def verdict(pair: Pair, higher: bool | None) -> str:
    """Which of the two is better by the 95 % interval: "better" for the first, "worse", else "even"."""
    if pair.low is None or pair.high is None or higher is None:
        return "even"
    above, below = pair.low > 0, pair.high < 0
    return "even" if not (above or below) else "better" if above == higher else "worse"


def signed(value: float | None, unit: str) -> str:
    """A difference with its sign; fractions in points of per cent."""
    if value is None:
        return figures.MISSING
    text = figures.number(abs(value), unit)
    # A time too small to show has no sign worth showing.
    return text if not text.strip("0.,") or text.startswith("<") else ("+" if value > 0 else "\u2212") + text


def ends(pair: Pair, unit: str) -> str:
    """The interval of a difference in words; over several seeds it is missing only where they do not vary."""
    if pair.low is None or pair.high is None:
        return figures.SAME if pair.seeds > 1 else figures.MISSING
    return f"{signed(pair.low, unit)} to {signed(pair.high, unit)}"


def p_value(p: float | None) -> str:
    """A p value with as many digits as it deserves."""
    if p is None:
        return figures.MISSING
    return "&lt; 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def effect(size: float | None) -> str:
    """Cohen's d_z; infinite where every seed differs by the same."""
    if size is None:
        return figures.MISSING
    if size in (float("inf"), float("-inf")):
        return "∞" if size > 0 else "\u2212∞"
    return f"{size:+.2f}".replace("-", "\u2212")


def escaped(value: Any) -> str:
    """JSON that stays data wherever a page puts it: no '<', '>' or '&', only ASCII; NaN is null."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
