"""Charts as inline SVG: made of numbers and escaped names, so they need neither a script nor a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from leaderboard.figures import clean
from suite.stats import Interval

WIDTH, HEIGHT, EDGE = 200, 24, 6
MIDDLE = HEIGHT / 2
LONGEST_LABEL = 34
TICKS = 6


class Axis(NamedTuple):
    """The range of a chart, in the metric's unit, and its width in pixels; on a log scale where `log`."""

    low: float
    high: float
    width: float = WIDTH
    edge: float = EDGE
    log: bool = False

    def x(self, value: float) -> float:
        """Where a value lies in the chart, in pixels; values outside the range lie on its edge."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        share = (at - low) / (high - low)
        return self.edge + share * (self.width - 2 * self.edge)


def axis(values: Sequence[float], unit: str) -> Axis:
    """0 to 1 for a fraction, else the range of the values with a margin; of perplexities on a log scale."""
    if unit == "fraction" or not values:
        return Axis(0.0, 1.0)
    low, high = min(values), max(values)
    if unit == "perplexity" and low >= 1 and math.isfinite(high):
        factor = (high / low) ** 0.08 if high > low else 1.1
        return Axis(max(1.0, low / factor), high * factor, log=True)
    margin = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    if not math.isfinite(margin):
        # The range of the numbers that fit is larger than any number that fits.
        return Axis(-1.0, 1.0)
    return Axis(low - margin, high + margin)


def strip(values: Sequence[float], mean: float, interval: Interval | None, scale: Axis, label: str) -> Markup:
    """One row's chart: a dot a seed, a bar for the interval, a line for the mean.

    What all rows of a table share is drawn once a cell by `backdrop`: a page may have hundreds of rows, and
    every shape in them makes sorting slower.
    """
    dots = "".join(f"M{scale.x(v):.1f} 12h0" for v in _thinned(values))
    parts = [*_interval(interval, scale), f'<path class="seed" d="{dots}"/>']
    parts.append(f'<path class="mean" d="M{scale.x(mean):.1f} 4v16"/>')
    return drawn(parts, label, scale.width, HEIGHT)


def backdrop(marks: Mapping[str, Sequence[float]], scale: Axis) -> str:
    """The style of the cells behind strips: the axis, and floors and ceilings as lines from row to row."""
    lines = [
        f"linear-gradient(var(--{name}),var(--{name})) {scale.x(v) - 0.75:.2f}px 0/1.5px 100% no-repeat"
        for name in marks
        for v in dict.fromkeys(marks[name])
    ]
    width = scale.width - 2 * scale.edge
    lines.append(f"linear-gradient(var(--line),var(--line)) {scale.edge:g}px 12px/{width:g}px 1px no-repeat")
    return f"--marks:{','.join(lines)}"


def span(
    marks: Mapping[str, Sequence[float]],
    others: Sequence[float],
    leader: tuple[float, Interval | None],
    scale: Axis,
    label: str,
) -> Markup:
    """The front page's chart: floor and ceiling as lines, the field as ticks, the leader with interval."""
    parts = [_rail(scale)]
    if others:
        ticks = "".join(f"M{x:g} 9v6" for x in sorted({round(scale.x(v)) for v in others}))
        parts.append(f'<path class="other" d="{ticks}"/>')
    parts += _lines(marks, scale)
    parts += _interval(leader[1], scale)
    parts.append(f'<circle class="leader" cx="{scale.x(leader[0]):.1f}" cy="12" r="4.5"/>')
    return drawn(parts, label, scale.width, HEIGHT)


def difference(
    value: float | None, interval: Interval | None, margin: float, verdict: str, scale: Axis, label: str
) -> Markup:
    """A claim's chart: the difference with its interval against the line of what was claimed."""
    parts = [_rail(scale), f'<path class="zero" d="M{scale.x(0.0):.1f} 3v18"/>']
    parts.append(f'<path class="margin" d="M{scale.x(margin):.1f} 3v18"/>')
    kind = verdict.replace(" ", "-")
    if interval is not None:
        left, right = scale.x(interval.low), scale.x(interval.high)
        parts.append(f'<path class="whisker {kind}" d="M{left:.1f} 12H{right:.1f}"/>')
    if value is not None and math.isfinite(value):
        parts.append(f'<circle class="dot {kind}" cx="{scale.x(value):.1f}" cy="12" r="4"/>')
    return drawn(parts, label, scale.width, HEIGHT)


def _interval(interval: Interval | None, scale: Axis) -> list[str]:
    if interval is None:
        return []
    left, right = scale.x(interval.low), scale.x(interval.high)
    return [f'<rect class="ci" x="{left:.1f}" y="7" width="{max(right - left, 1):.1f}" height="10" rx="3"/>']


def _lines(marks: Mapping[str, Sequence[float]], scale: Axis) -> list[str]:
    return [f'<path class="{name}" d="M{scale.x(v):.1f} 2v20"/>' for name in marks for v in marks[name]]


def _thinned(values: Sequence[float], most: int = 40) -> Sequence[float]:
    """No more dots than the eye can tell apart: the ends and evenly many between them."""
    if len(values) <= most:
        return values
    ordered = sorted(values)
    return [ordered[round(i * (len(ordered) - 1) / (most - 1))] for i in range(most)]


def _rail(scale: Axis) -> str:
    return f'<path class="rail" d="M{scale.edge:g} 12H{scale.width - scale.edge:g}"/>'


def drawn(parts: Sequence[str], label: str, width: float, height: float, kind: str = "") -> Markup:
    """The shapes hold numbers and escaped names only; the label is escaped."""
    head = Markup('<svg{} viewBox="0 0 {:g} {:g}" width="{:g}" height="{:g}" role="img" aria-label="{}">')
    named = Markup(' class="{}"').format(kind) if kind else ""
    return head.format(named, width, height, width, height, clean(label)) + Markup("".join(parts) + "</svg>")


class Place(NamedTuple):
    """A method on the view of mean ranks: its name, mean rank, and the interval of it."""

    label: str
    mean: float
    interval: Interval | None


def mean_ranks(places: Sequence[Place], groups: Sequence[tuple[int, int]], label: str) -> Markup:
    """Critical-difference view: a row a method, best first; brackets join methods that do not differ.

    groups: (first, last) row of each run of methods whose mean ranks differ by less than the critical
    difference.
    """
    left, step, top = 190.0, 24.0, 30.0
    count = max([len(places), *(math.ceil(p.interval.high) for p in places if p.interval)], default=1)
    scale = Axis(1.0, float(max(count, 2)), 420.0, 12.0)
    height = top + step * len(places) + 6
    parts = []
    for tick in _ranks_to_name(count):
        x = left + scale.x(tick)
        parts.append(f'<path class="grid" d="M{x:.1f} {top - 6:g}V{height - 4:g}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{top - 12:g}" text-anchor="middle">{tick}</text>')
    for i, place in enumerate(places):
        y = top + step * (i + 0.5)
        name = escape(shortened(place.label))
        at = f'x="{left - 10:g}" y="{y + 4:g}"'
        parts.append(f'<text class="name" {at} text-anchor="end">{name}</text>')
        if place.interval is not None:
            x = left + scale.x(place.interval.low)
            wide = max(left + scale.x(place.interval.high) - x, 1)
            parts.append(f'<rect class="ci" x="{x:.1f}" y="{y - 4:g}" width="{wide:.1f}" height="8" rx="3"/>')
        parts.append(f'<circle class="leader" cx="{left + scale.x(place.mean):.1f}" cy="{y:g}" r="4"/>')
        parts.append(f'<text class="tick" x="{left + 428:g}" y="{y + 4:g}">{place.mean:.1f}</text>')
    for lane, (first, last) in enumerate(groups):
        x = left + 470 + 9 * lane
        parts.append(
            f'<path class="group" d="M{x:g} {top + step * first + 5:g}V{top + step * (last + 1) - 5:g}"/>'
        )
    return drawn(parts, label, left + 480 + 9 * len(groups), height, "ranks")


def _ranks_to_name(count: int) -> list[int]:
    step = max(1, math.ceil(count / 12))
    return [1, *range(1 + step, count + 1, step)]


def shortened(text: str, most: int = LONGEST_LABEL) -> str:
    """A name that fits beside a chart."""
    plain = " ".join(clean(text).split())
    return plain if len(plain) <= most else plain[: most - 1] + "…"
