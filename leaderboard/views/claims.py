"""Claims as pages show them: the verdict, what it rests on, and a chart of the difference."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING

from leaderboard import charts, figures
from leaderboard.content import Content, View
from leaderboard.views import names
from suite.papers import slug

if TYPE_CHECKING:
    from leaderboard.claims import Judged
    from leaderboard.verdicts import Pair
    from suite.claims import AnyClaim

UP = ""
VERDICTS = ("supported", "contradicted", "undecided", "not run")
ASKED = "not in the paper"
TONES = {"supported": "good", "contradicted": "bad", "undecided": "warn", "not run": ""}


def view(content: Content) -> View:
    """The page of all claims, by family in the order they are written down."""
    counts = Counter(j.verdict for j in content.judged)
    return {
        "claims": [line(j, UP) for j in content.judged],
        "counts": [(word, TONES[word], counts[word]) for word in VERDICTS],
        "families": sorted({j.family for j in content.judged}),
        "asked": sum(_asked(j.claim) for j in content.judged),
    }


def methods_of(claim: AnyClaim) -> tuple[str, ...]:
    """The methods that a claim is about; none for a check."""
    if hasattr(claim, "methods"):
        return tuple(claim.methods)
    if hasattr(claim, "better"):
        return (claim.better, *claim.worse)
    return (claim.method,) if hasattr(claim, "method") else ()


def _asked(claim: AnyClaim) -> bool:
    """Whether the project asks it of its own accord: the claim's place says that the paper does not."""
    return claim.where.startswith(ASKED)


def line(judged: Judged, up: str) -> View:
    """A claim as a line of a table, with a link to where all of it stands."""
    claim, deciding = judged.claim, judged.deciding
    page = up + names.paper_page(slug(claim.paper))
    return {
        "id": claim.id,
        "page": f"{page}#{figures.slug(claim.id)}",
        "paper": {"title": claim.paper.title, "year": claim.paper.year, "page": page},
        "family": judged.family,
        "where": claim.where,
        "asked": _asked(claim),
        "statement": claim.statement,
        "verdict": judged.verdict,
        "tone": TONES[judged.verdict],
        "summary": sentence(judged.summary, _names(judged)),
        "chart": _chart(deciding) if deciding else "",
        "difference": _difference(deciding) if deciding else "",
        "needs": max((p.seeds_needed or 0 for p in judged.pairs if p.verdict == "undecided"), default=0),
        "check": not judged.pairs,
    }


def _names(judged: Judged) -> set[str]:
    """The names of methods and tasks in a claim's summary, which keep their first letter."""
    return {*methods_of(judged.claim), *getattr(judged.claim, "tasks", ())}


def sentence(text: str, names: Collection[str] = ()) -> str:
    """A line of text with a full stop, and with a capital unless a name begins it."""
    if not text:
        return ""
    first = text if text.split(maxsplit=1)[0].strip(",:;") in names else text[0].upper() + text[1:]
    return first + ("" if text.endswith((".", "!", "?")) else ".")


def whole(content: Content, judged: Judged, up: str) -> View:
    """A claim with everything it rests on."""
    claim = judged.claim
    return line(judged, up) | {
        "anchor": figures.slug(claim.id),
        "note": claim.note,
        "found": sentence(judged.found),
        "pairs": [_pair(content, pair, up) for pair in judged.pairs],
        "audits": [note for note in judged.audits if note.about == claim.id],
        "commands": judged.commands,
    }


def _pair(content: Content, pair: Pair, up: str) -> View:
    return {
        "task": pair.task,
        "task_page": up + names.task_page(pair.task) if pair.task in content.by_task else "",
        "profile": pair.profile,
        "a": _side(content, pair, 0, up),
        "b": _side(content, pair, 1, up),
        "target": figures.number(pair.target, pair.unit),
        "difference": _difference(pair),
        "chart": _chart(pair),
        "verdict": pair.verdict,
        "tone": TONES[pair.verdict],
        "p": _p(pair.holm),
        "effect": figures.MISSING if pair.effect is None else _effect(pair.effect),
        "needs": pair.seeds_needed,
        "reason": pair.reason,
    }


def _side(content: Content, pair: Pair, which: int, up: str) -> View | None:
    side = (pair.a, pair.b)[which]
    if side is None:
        return None
    return {
        "method": side.method,
        "page": up + names.method_page(side.method) if side.method in content.by_method else "",
        "mean": figures.number(side.mean, pair.unit),
        "seeds": len(side.values),
        "marks": [getattr(mark, "text", mark) for mark in side.marks],
    }


def _p(value: float | None) -> str:
    if value is None:
        return figures.MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _effect(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "no spread"


def _difference(pair: Pair) -> str:
    """The difference with the ends of its interval; positive favours the claim."""
    if pair.difference is None:
        return figures.MISSING
    shown = signed(pair.difference, pair.unit)
    if pair.interval is None:
        return shown
    return f"{shown} ({signed(pair.interval.low, pair.unit)} to {signed(pair.interval.high, pair.unit)})"


def signed(value: float, unit: str) -> str:
    shown = figures.number(value, unit)
    if shown.startswith("<"):
        return shown
    return f"+{shown}" if value > 0 else shown.replace("-", "−")


def _chart(pair: Pair) -> object:
    if pair.difference is None:
        return ""
    ends = pair.interval or (pair.difference, pair.difference)
    scale = _scale([*ends, pair.difference, pair.margin, 0.0], pair.unit)
    label = f"difference {_difference(pair)}, claimed {signed(pair.margin, pair.unit)}: {pair.verdict}"
    return charts.difference(pair.difference, pair.interval, pair.margin, pair.verdict, scale, label)


def _scale(values: list[float], unit: str) -> charts.Axis:
    """All differences of shares on one axis from -1 to 1, else around what is shown."""
    if unit == "fraction" and all(abs(v) <= 1 for v in values):
        return charts.Axis(-1.0, 1.0, 140.0)
    return charts.axis(values, "")._replace(width=140.0)
