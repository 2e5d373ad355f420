"""The plot of score against cost, with the methods that nothing beats in both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from leaderboard import figures
from leaderboard.charts import axis, drawn, shortened
from leaderboard.ledger import pareto

WIDTH, HEIGHT = 640.0, 330.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 20.0, 16.0, 46.0
LABEL_WIDTH, LABEL_HEIGHT = 7.0, 15.0


class Point(NamedTuple):
    """A method by what it costs and what it scores; `kind` is floor, ceiling or method."""

    label: str
    cost: float
    score: float
    kind: str = "method"


def plot(points: Sequence[Point], higher: bool, unit: str, cost: str, label: str) -> Markup:
    """Score against cost on a logarithmic axis, the undominated methods joined by a step line.

    cost: what the axis says it is. Points without a positive cost are left out by the caller.
    """
    low, high = _range([p.score for p in points], unit)
    cheap, dear = _decades([p.cost for p in points])
    place = _Frame(low, high, math.log10(cheap), math.log10(dear))
    parts = [*_score_axis(place, unit), *_cost_axis(place, cost)]
    rivals = [p for p in points if p.kind == "method"]
    chosen = pareto([(p.score, p.cost) for p in rivals], higher)
    best = sorted((rivals[i] for i in chosen), key=lambda p: p.cost)
    if best:
        steps = f"M{place.x(best[0].cost):.1f} {place.y(best[0].score):.1f}"
        steps += "".join(f"H{place.x(p.cost):.1f}V{place.y(p.score):.1f}" for p in best[1:])
        parts.append(f'<path class="front" d="{steps}H{WIDTH - RIGHT:g}"/>')
    on_front = {p.label for p in best}
    for p in points:
        kind = "best" if p.label in on_front and p.kind == "method" else p.kind
        shown = figures.number(p.score, unit)
        parts.append(
            f'<circle class="point {kind}" cx="{place.x(p.cost):.1f}" cy="{place.y(p.score):.1f}" r="5">'
            f"<title>{escape(shortened(p.label))}: {escape(shown)}</title></circle>"
        )
    parts += _labels(points, on_front, place)
    return drawn(parts, label, WIDTH, HEIGHT, "plot")


class _Frame(NamedTuple):
    low: float
    high: float
    cheap: float
    dear: float

    def x(self, cost: float) -> float:
        share = (math.log10(cost) - self.cheap) / (self.dear - self.cheap)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, score: float) -> float:
        share = (min(max(score, self.low), self.high) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _range(scores: Sequence[float], unit: str) -> tuple[float, float]:
    if unit == "fraction" and all(0 <= s <= 1 for s in scores):
        return 0.0, 1.0
    low, high, *_ = axis(scores, "")
    return low, high


def _decades(costs: Sequence[float]) -> tuple[float, float]:
    """The ends of the cost axis: a quarter of a decade beyond the cheapest and the dearest."""
    return min(costs) / 1.78, max(costs) * 1.78


def _score_axis(place: _Frame, unit: str) -> list[str]:
    parts = []
    for i in range(5):
        value = place.low + (place.high - place.low) * i / 4
        y = place.y(value)
        shown = f"{100 * value:.0f} %" if unit == "fraction" else figures.number(value, unit)
        parts.append(f'<path class="grid" d="M{LEFT:g} {y:.1f}H{WIDTH - RIGHT:g}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 8:g}" y="{y + 4:.1f}" text-anchor="end">{escape(shown)}</text>'
        )
    return parts


def _cost_axis(place: _Frame, cost: str) -> list[str]:
    parts = [f'<text class="axis" x="{WIDTH - RIGHT:g}" y="{HEIGHT - 6:g}" text-anchor="end">{cost} →</text>']
    for value in _ticks(place.cheap, place.dear):
        x = place.x(value)
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP:g}V{HEIGHT - BOTTOM:g}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 17:g}" text-anchor="middle">'
            f"{escape(figures.compact(value))}</text>"
        )
    return parts


def _ticks(low: float, high: float) -> list[float]:
    """Powers of ten between the ends, with 2 and 5 where there are few of them."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    steps = (1, 2, 5) if high - low < 2.5 else (1,)
    values = [10.0**p * s for p in powers for s in steps]
    inside = [v for v in values if low <= math.log10(v) <= high]
    return inside[:: max(1, math.ceil(len(inside) / 9))]


def _labels(points: Sequence[Point], wanted: set[str], place: _Frame) -> list[str]:
    """Names beside the points: those of the front first, others only where they cover nothing."""
    taken: list[tuple[float, float, float, float]] = [
        (place.x(p.cost) - 5, place.y(p.score) - 5, place.x(p.cost) + 5, place.y(p.score) + 5) for p in points
    ]
    parts = []
    for p in sorted(points, key=lambda p: (p.label not in wanted, p.cost, p.label)):
        name = shortened(p.label, 20)
        width = LABEL_WIDTH * len(name)
        x, y = place.x(p.cost), place.y(p.score)
        for left, low, anchor in (
            (x + 8, y + 4, "start"), (x - 8 - width, y + 4, "end"),
            (x - width / 2, y - 10, "middle"), (x - width / 2, y + 20, "middle"),
        ):  # fmt: skip
            box = (left, low - LABEL_HEIGHT + 4, left + width, low + 4)
            inside = box[0] >= LEFT and box[2] <= WIDTH and box[1] >= 0 and box[3] <= HEIGHT - BOTTOM + 4
            if inside and not any(_cross(box, other) for other in taken):
                taken.append(box)
                at = {"start": x + 8, "end": x - 8, "middle": x}[anchor]
                parts.append(
                    f'<text class="name" x="{at:.1f}" y="{low:.1f}" text-anchor="{anchor}">'
                    f"{escape(name)}</text>"
                )
                break
    return parts


def _cross(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
