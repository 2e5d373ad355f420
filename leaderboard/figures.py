"""Numbers, texts and commands for the pages: what a reader sees of a value."""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from leaderboard.aggregate import overrides
from leaderboard.board import Row
from suite.stats import Interval

MISSING = "–"
UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
# Control characters mean nothing in HTML, and a parser may drop or refuse them.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
LONGEST_NAME = 80


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


SAME = "same for all seeds"
"""Stands where an interval would, for what does not vary over the seeds."""


def between(interval: Interval, unit: str) -> str:
    """The two ends of an interval, in the unit of the value beside it."""
    return f"{number(interval.low, unit)} to {number(interval.high, unit)}"


def seconds(value: float | None) -> str:
    """A time as people say it: < 1 ms, 0.42 s, 12 s, 3 min 5 s, 2 h 10 min."""
    if value is None or not math.isfinite(value):
        return MISSING
    if 0 < abs(value) < 0.001:
        return "< 1 ms"
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


def compact(value: float | None) -> str:
    """A count or a size in few characters: 950, 1.5k, 2M, 3.2G; small ones with two digits."""
    if value is None or not math.isfinite(value):
        return MISSING
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def natural(text: str) -> list[tuple[int, str]]:
    """A key that sorts names as people count: len=9-16 before len=17-24."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)]


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
        return _minute(int(started // 60))
    except (OverflowError, ValueError, OSError):
        return MISSING


@lru_cache(maxsize=4096)
def _minute(minutes: int) -> str:
    return f"{datetime.datetime.fromtimestamp(60 * minutes, datetime.UTC):%Y-%m-%d %H:%M}"


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
