"""The plot of score against cost, with the methods that nothing beats in both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from leaderboard import figures
from leaderboard.charts import Axis, axis, drawn, shortened
from leaderboard.ledger import pareto

WIDTH, HEIGHT = 640.0, 330.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 20.0, 16.0, 46.0
LABEL_WIDTH, LABEL_HEIGHT = 7.0, 15.0
# Where a name may stand from its point, the best place first: right and down in pixels, and its anchor.
NEAR = ((8.0, 4.0, "start"), (-8.0, 4.0, "end"), (0.0, -10.0, "middle"), (0.0, 20.0, "middle"))
FAR = tuple(
    (side * dx, dy, "start" if side > 0 else "end")
    for dy in (-22.0, 28.0, 44.0, -38.0, 60.0, 76.0)
    for dx in (20.0, 36.0)
    for side in (1, -1)
)
FEW = 30
Box = tuple[float, float, float, float]


class Point(NamedTuple):
    """A method by what it costs and what it scores; `kind` is floor, ceiling or method."""

    label: str
    cost: float
    score: float
    kind: str = "method"


def plot(points: Sequence[Point], higher: bool, unit: str, cost: str, label: str) -> Markup:
    """Score against cost on a logarithmic axis, the undominated methods joined by a step line.

    Perplexities stand on a logarithmic axis as well. cost: what the axis says it is. Points without a
    positive cost are left out by the caller. The axis fits the competitors: a floor or ceiling that costs far
    less or more stands at its edge.
    """
    rivals = [p for p in points if p.kind == "method"]
    cheap, dear = _decades([p.cost for p in rivals or points])
    place = _Frame(_range([p.score for p in points], unit), math.log10(cheap), math.log10(dear))
    parts = [*_score_axis(place, unit), *_cost_axis(place, cost)]
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
            f"<title>{escape(shortened(p.label))}: {escape(shown)}{_beyond(p, place)}</title></circle>"
        )
    parts += _labels(points, on_front, place)
    return drawn(parts, label, WIDTH, HEIGHT, "plot")


class _Frame(NamedTuple):
    scores: Axis
    cheap: float
    dear: float

    def x(self, cost: float) -> float:
        share = (min(max(math.log10(cost), self.cheap), self.dear) - self.cheap) / (self.dear - self.cheap)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, score: float) -> float:
        return HEIGHT - BOTTOM - self.scores.x(score)


def _beyond(p: Point, place: _Frame) -> str:
    """What a reader must know of a point that stands at the edge."""
    if math.log10(p.cost) < place.cheap:
        return ", costs less than the axis shows"
    return ", costs more than the axis shows" if math.log10(p.cost) > place.dear else ""


def _range(scores: Sequence[float], unit: str) -> Axis:
    """As long as the plot is high; a fraction outside 0 to 1 is as any other number."""
    whole = unit == "fraction" and all(0 <= s <= 1 for s in scores)
    found = axis(scores, "" if unit == "fraction" and not whole else unit)
    return found._replace(width=HEIGHT - TOP - BOTTOM, edge=0.0)


def _decades(costs: Sequence[float]) -> tuple[float, float]:
    """The ends of the cost axis: beyond the cheapest and the dearest by a tenth of the decades between.

    By a fifth of a decade at least, so that one of 1, 2 and 5 times a power of ten lies between the ends.
    """
    beyond = 10 ** max(0.1 * (math.log10(max(costs)) - math.log10(min(costs))), 0.2)
    return min(costs) / beyond, max(costs) * beyond


def _score_axis(place: _Frame, unit: str) -> list[str]:
    parts = []
    low, high = place.scores.low, place.scores.high
    for i in range(5):
        value = low * (high / low) ** (i / 4) if place.scores.log else low + (high - low) * i / 4
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
    """Names beside the points: those of the front first, others only where they cover nothing.

    A name of the front, or of few points, that finds no room beside its point stands further off, with a
    line to it.
    """
    taken: list[Box] = [
        (place.x(p.cost) - 5, place.y(p.score) - 5, place.x(p.cost) + 5, place.y(p.score) + 5) for p in points
    ]
    spots = [(place.x(p.cost), place.y(p.score)) for p in points]
    parts = []
    for p in sorted(points, key=lambda p: (p.label not in wanted, p.cost, p.label)):
        name = shortened(p.label, 20)
        width = LABEL_WIDTH * len(name)
        x, y = place.x(p.cost), place.y(p.score)
        for dx, dy, anchor in NEAR + FAR * (p.label in wanted or len(points) <= FEW):
            left = x + dx - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
            box = (left, y + dy - LABEL_HEIGHT + 4, left + width, y + dy + 4)
            inside = box[0] >= LEFT and box[2] <= WIDTH and box[1] >= 0 and box[3] <= HEIGHT - BOTTOM + 4
            near = (dx, dy, anchor) in NEAR
            if not inside or any(_cross(box, other) for other in taken):
                continue
            if near and _gap(box, (x, y)) > min(_gap(box, spot) for spot in spots):
                # It would read as the name of another point.
                continue
            taken.append(box)
            if not near:
                end = f"{x + dx * 0.85:.1f} {y + dy - (4 if dy > 0 else 0):.1f}"
                parts.append(f'<path class="pointer" d="M{x:.1f} {y:.1f}L{end}"/>')
            parts.append(
                f'<text class="name" x="{x + dx:.1f}" y="{y + dy:.1f}" text-anchor="{anchor}">'
                f"{escape(name)}</text>"
            )
            break
    return parts


def _gap(box: Box, spot: tuple[float, float]) -> float:
    """How far a point is from a box, in pixels; 0 inside."""
    x, y = spot
    return math.hypot(max(box[0] - x, 0, x - box[2]), max(box[1] - y, 0, y - box[3]))


def _cross(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
