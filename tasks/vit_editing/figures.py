"""Pictures for the site: a run's GR-LR points and its row of edits; on a task's page all editors' fronts.

The site asks for them (`leaderboard.pictures`). All are text and shapes made here of numbers and escaped
names; nothing in them runs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import NamedTuple

from tasks.vit_editing.fronts import Point, hull, pareto

Values = Mapping[tuple[str, str], float]
"""Scores by metric and slice."""

LEFT, TOP, WIDE, HIGH = 56, 16, 420, 280
ASIDE, BELOW, LINE = 190, 44, 17
KNOB = re.compile(r"knob (\S+)")
AFTER = re.compile(r"after (\d+)")
FRONT = "#0b6159"
COLOURS = (
    *("#0b6159", "#c27c2c", "#3b6ea5", "#a5506b", "#6f5aa5", "#8a8a34", "#3f8f91", "#b05a3c", "#4d8b57"),
    *("#777777", "#1f4e79", "#99582a", "#7b2d43", "#44633f", "#5a4fcf", "#b8860b"),
)
DASHES = ("", "6 3", "2 3")
"""Of lines once the colours are used up: three times as many editors can be told apart."""
ROW = (("row_sr", "SR", COLOURS[0]), ("row_gr", "GR", COLOURS[1]), ("row_lr", "LR", COLOURS[2]))


class Frame(NamedTuple):
    """What a plot's axes span: LR across, or edits; a share upwards."""

    x_low: float
    x_high: float
    y_high: float

    def x(self, value: float) -> float:
        return LEFT + WIDE * (value - self.x_low) / (self.x_high - self.x_low)

    def y(self, value: float) -> float:
        return TOP + HIGH * (1 - value / self.y_high)


def of_run(values: Values) -> list[tuple[str, str]]:
    """(title, picture) of the run's front, and of its edits in a row where there are any."""
    found = []
    if points := points_of(values):
        found.append(("Generalization against locality, a point a value of the knob", front(points)))
    if len(steps := row_of(values)) > 1:
        found.append(("After so many edits in a row", in_a_row(steps)))
    return found


def of_board(task: str, means: Callable[[str], Mapping[str, Values]]) -> list[tuple[str, str]]:
    """The fronts of all editors of the task in one plot, from their means over seeds."""
    editors = {method: list(points_of(values).values()) for method, values in sorted(means(task).items())}
    editors = {method: points for method, points in editors.items() if points}
    if len(editors) < 2:
        return []
    areas = {method: means(task)[method].get(("front_area", "all"), 0.0) for method in editors}
    ordered = sorted(editors, key=lambda method: -areas[method])
    title = f"Fronts of {len(editors)} editors, the largest area first"
    known = (means(task)[method].get(("always_lr", "all")) for method in ordered)
    always = next((lr for lr in known if lr is not None), None)
    return [(title, fronts([(method, areas[method], editors[method]) for method in ordered], always))]


def points_of(values: Values) -> dict[str, Point]:
    """By knob its (GR, LR), in order of numbers."""
    found = {
        told[1]: Point(value, values["lr", part])
        for (metric, part), value in values.items()
        if metric == "gr" and (told := KNOB.fullmatch(part)) and ("lr", part) in values
    }
    return dict(sorted(found.items(), key=lambda item: float(item[0])))


def row_of(values: Values) -> dict[int, dict[str, float]]:
    """By number of edits in a row what was measured then."""
    found: dict[int, dict[str, float]] = {}
    for (metric, part), value in values.items():
        if metric in {name for name, *_ in ROW} and (told := AFTER.fullmatch(part)):
            found.setdefault(int(told[1]), {})[metric] = value
    return dict(sorted(found.items()))


def front(points: Mapping[str, Point]) -> str:
    """Every point with its knob, the Pareto set filled, and the line along which GR at an LR is read."""
    frame = _around(list(points.values()))
    best = set(pareto(points.values()))
    parts = [_opening(LEFT + WIDE + ASIDE // 2, "GR against LR over the knob"), *_axes(frame)]
    parts.append(_line([(p.lr, p.gr) for p in hull(points.values())], frame, FRONT))
    for knob, point in points.items():
        x, y = frame.x(point.lr), frame.y(point.gr)
        fill = FRONT if point in best else "none"
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="{FRONT}"><title>knob '
            f"{escape(knob)}: GR {100 * point.gr:.1f} %, LR {100 * point.lr:.1f} %</title></circle>"
            f'<text x="{x + 7:.1f}" y="{y - 6:.1f}">{escape(knob)}</text>'
        )
    return "".join([*parts, "</svg>"])


def fronts(editors: Sequence[tuple[str, float, Sequence[Point]]], always: float | None = None) -> str:
    """(name, area of the front, points) of each editor: its Pareto set as a line, its name at the side.

    always: LR of answering everything with the edit's class; the line from there to not editing is dotted.
    """
    frame = _around([point for *_, points in editors for point in points])
    height = max(TOP + HIGH + BELOW, TOP + LINE * len(editors) + 8)
    parts = [_opening(LEFT + WIDE + ASIDE + 70, "Fronts of all editors", height), *_axes(frame)]
    if always is not None and always < 1:
        left = max(frame.x_low, 1 - frame.y_high * (1 - always))
        parts.append(
            f'<path d="M{frame.x(1):.1f} {frame.y(0):.1f}L{frame.x(left):.1f} '
            f'{frame.y((1 - left) / (1 - always)):.1f}" stroke="currentColor" stroke-dasharray="2 3">'
            "<title>not editing and always saying the class, mixed at random</title></path>"
        )
    for k, (name, area, points) in enumerate(editors):
        colour, dash = COLOURS[k % len(COLOURS)], DASHES[k // len(COLOURS) % len(DASHES)]
        best = pareto(points)
        parts.append(_line([(p.lr, p.gr) for p in best], frame, colour, dash))
        parts += [
            f'<circle cx="{frame.x(p.lr):.1f}" cy="{frame.y(p.gr):.1f}" r="3" fill="{colour}"><title>'
            f"{escape(name)}: GR {100 * p.gr:.1f} %, LR {100 * p.lr:.1f} %</title></circle>"
            for p in best
        ]
        y = TOP + LINE * k + 10
        x = LEFT + WIDE + 24
        parts.append(
            f'<path d="M{x} {y - 4}h20" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
            f'<text x="{x + 26}" y="{y}">{escape(name)} {100 * area:.1f}</text>'
        )
    return "".join([*parts, "</svg>"])


def in_a_row(steps: Mapping[int, Mapping[str, float]]) -> str:
    """SR of all edits so far, GR and LR, on a logarithmic axis of edits."""
    logs = {n: math.log10(n) for n in steps}
    frame = Frame(min(logs.values()), max(logs.values()), 1.0)
    parts = [_opening(LEFT + WIDE + ASIDE // 2, "SR, GR and LR after so many edits in a row")]
    parts += _heights(frame)
    parts += [
        f'<text x="{frame.x(at):.1f}" y="{TOP + HIGH + 18}" text-anchor="middle">{n}</text>'
        for n, at in logs.items()
    ]
    for metric, label, colour in ROW:
        held = [(logs[n], told[metric]) for n, told in steps.items() if metric in told]
        if not held:
            continue
        parts.append(_line(held, frame, colour))
        parts += [
            f'<circle cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="4" fill="{colour}"><title>{label} '
            f"{100 * y:.1f} %</title></circle>"
            for x, y in held
        ]
        parts.append(
            f'<text x="{frame.x(held[-1][0]) + 10:.1f}" y="{frame.y(held[-1][1]) + 4:.1f}" fill="{colour}">'
            f"{label}</text>"
        )
    return "".join([*parts, "</svg>"])


def _around(points: Sequence[Point]) -> Frame:
    """All points and LR 1, GR 0, in whole tenths."""
    low = min(math.floor(10 * min(p.lr for p in points)) / 10, 0.9)
    high = max(math.ceil(10 * max(p.gr for p in points)) / 10, 0.1)
    return Frame(low, 1.0, high)


def _axes(frame: Frame) -> Iterator[str]:
    yield from _heights(frame)
    steps = round(10 * (frame.x_high - frame.x_low))
    for k in range(steps + 1):
        value = frame.x_low + k / 10
        x = frame.x(value)
        yield f'<path d="M{x:.1f} {TOP}v{HIGH}" stroke="currentColor" stroke-opacity=".15"/>'
        yield f'<text x="{x:.1f}" y="{TOP + HIGH + 18}" text-anchor="middle">{100 * value:.0f}</text>'
    yield f'<text x="{LEFT + WIDE}" y="{TOP + HIGH + 36}" text-anchor="end">LR, % →</text>'
    yield f'<text x="{LEFT + 6}" y="{TOP + 12}">↑ GR, %</text>'


def _heights(frame: Frame) -> Iterator[str]:
    steps = round(10 * frame.y_high)
    for k in range(0, steps + 1, 1 if steps <= 5 else 2):
        y = frame.y(k / 10)
        yield f'<path d="M{LEFT} {y:.1f}h{WIDE}" stroke="currentColor" stroke-opacity=".15"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10 * k}</text>'


def _line(held: Sequence[tuple[float, float]], frame: Frame, colour: str, dash: str = "") -> str:
    path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in held)
    return (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" '
        f'stroke-dasharray="{dash}"/>'
    )


def _opening(width: float, label: str, height: float = TOP + HIGH + BELOW) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" role="img" '
        f'aria-label="{escape(label, quote=True)}" font-size="12" fill="currentColor">'
    )
