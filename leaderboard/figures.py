"""Numbers, texts and charts for the pages: what a reader sees of a value."""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from markupsafe import Markup

from leaderboard.aggregate import overrides
from leaderboard.board import Row
from suite.stats import Interval

MISSING = "–"
WIDTH, HEIGHT, EDGE = 160, 20, 5
UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
# Control characters mean nothing in HTML, and a parser may drop or refuse them.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
LONGEST_NAME = 80


class Axis(NamedTuple):
    """The range of a chart, in the metric's unit."""

    low: float
    high: float

    def x(self, value: float) -> float:
        """Where a value lies in the chart, in pixels; values outside the range lie on its edge."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return EDGE + share * (WIDTH - 2 * EDGE)


def number(value: float | None, unit: str) -> str:
    """A value without its unit: fractions in per cent with one decimal, a dash for a missing one."""
    if value is None or not math.isfinite(value):
        return MISSING
    if unit == "fraction":
        return f"{100 * value:.1f}"
    if unit == "s":
        return seconds(value)
    if unit == "count" or (abs(value) >= 1000 and value == int(value)):
        return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:,.1f}"
    return f"{value:.4g}"


def seconds(value: float | None) -> str:
    """A time as people say it: 0.42 s, 12 s, 3 min 5 s, 2 h 10 min."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value < 10:
        return f"{value:.2g} s" if value < 1 else f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"
    )


def memory(mib: float | None) -> str:
    """Mebibytes, in GiB from 1,024 on."""
    if mib is None or not math.isfinite(mib):
        return MISSING
    return f"{mib:,.0f} MiB" if mib < 1024 else f"{mib / 1024:.1f} GiB"


def unit_name(unit: str) -> str:
    """The unit in a column's heading; times carry theirs in each cell."""
    return {"fraction": "%", "s": "", "count": ""}.get(unit, unit)


def clean(text: object) -> str:
    """Text without control characters; the templates escape the rest."""
    return CONTROL.sub("\ufffd", str(text))


def slug(name: str) -> str:
    """A file name for any name: distinct for distinct names, safe in a path and in a link."""
    spelled = UNSAFE.sub(lambda m: f"~{ord(m[0]):x}~", name)
    if spelled.startswith("."):
        spelled = "~2e~" + spelled[1:]
    if len(spelled) <= LONGEST_NAME:
        return spelled or "~"
    return f"{spelled[:40]}~~{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:24]}"


def axis(values: Sequence[float], unit: str) -> Axis:
    """0 to 1 for a fraction, else the range of the values with a margin."""
    if unit == "fraction" or not values:
        return Axis(0.0, 1.0)
    low, high = min(values), max(values)
    margin = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    return Axis(low - margin, high + margin)


def strip(values: Sequence[float], mean: float, interval: Interval | None, scale: Axis, label: str) -> Markup:
    """One row's chart: a dot a seed, a bar for the interval, a line for the mean."""
    parts = [_rail()]
    if interval is not None:
        left, right = scale.x(interval.low), scale.x(interval.high)
        parts.append(
            f'<rect class="ci" x="{left:.1f}" y="5" width="{max(right - left, 1):.1f}" height="10" rx="3"/>'
        )
    parts += [f'<circle class="seed" cx="{scale.x(v):.1f}" cy="10" r="2.5"/>' for v in values]
    parts.append(f'<path class="mean" d="M{scale.x(mean):.1f} 2v16"/>')
    return _svg(parts, label)


def span(
    floors: Sequence[float], ceilings: Sequence[float], leader: float, scale: Axis, label: str
) -> Markup:
    """The front page's chart: floor and ceiling as ticks, the leader as a dot."""
    marks = [("floor", v) for v in floors] + [("ceiling", v) for v in ceilings]
    parts = [_rail(), *(f'<path class="{name}" d="M{scale.x(v):.1f} 4v12"/>' for name, v in marks)]
    return _svg([*parts, f'<circle class="leader" cx="{scale.x(leader):.1f}" cy="10" r="4.5"/>'], label)


def cells(shown: Sequence[str]) -> Markup:
    """Table cells of texts that `number`, `seconds` or `memory` made, which need no escaping: twenty
    thousand runs have many of them."""
    return Markup("".join(f'<td class="num">{text}</td>' for text in shown))


def _rail() -> str:
    return f'<path class="rail" d="M{EDGE} 10H{WIDTH - EDGE}"/>'


def _svg(parts: Sequence[str], label: str) -> Markup:
    """The shapes hold numbers only; the label is escaped."""
    head = Markup('<svg viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">').format(
        WIDTH, HEIGHT, WIDTH, HEIGHT, clean(label)
    )
    return head + Markup("".join(parts)) + Markup("</svg>")


def command(run: Row, seeds: Sequence[int]) -> str:
    """The command that makes these seeds of a run's cell again, quoted for a shell."""
    words = ["suite", "run", "--method", run["method"], "--task", run["task"], "--profile", run["profile"]]
    words += ["--seeds", seed_list(seeds)]
    if run["base_model"]:
        words += ["--base-model", run["base_model"]]
    for name, value in overrides(run).items():
        words += ["--set", f"{name}={_plain(value)}"]
    return clean(shlex.join(map(str, words)))


def seed_list(seeds: Sequence[int]) -> str:
    """Seeds as `--seeds` takes them: 0-4 for a run of numbers, else 0,2,5."""
    ordered = sorted(seeds)
    if len(ordered) > 1 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{ordered[0]}-{ordered[-1]}"
    return ",".join(map(str, ordered))


def settings(run: Row) -> str:
    """What was set by hand and the base model, as a short line beside a method's name."""
    told = [f"{name}={_plain(value)}" for name, value in overrides(run).items()]
    return clean(", ".join([run["base_model"]] * bool(run["base_model"]) + told))


def _plain(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else repr(value)


def date(started: float) -> str:
    """Seconds since 1970 as day and minute, UTC."""
    try:
        return f"{datetime.datetime.fromtimestamp(started, datetime.UTC):%Y-%m-%d %H:%M}"
    except (OverflowError, ValueError, OSError):
        return MISSING


@cache
def pairs(text: str) -> list[tuple[str, str]]:
    """A JSON object as names and values; other text as one value."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return [("", text)]
    return [(k, v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)) for k, v in found.items()]


def statuses(counts: Mapping[str, int]) -> str:
    """What did not end well, as words: '1 failed, 2 timeout'."""
    return ", ".join(f"{n} {clean(status)}" for status, n in counts.items() if status != "ok")
