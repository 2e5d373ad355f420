"""A paper's page: its claims with verdicts, published figures beside ours, notes of the audit."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from leaderboard import figures
from leaderboard.content import Content, View
from leaderboard.views import claims, names
from suite import papers

if TYPE_CHECKING:
    from suite.claims import Published

UP = "../"


def index(content: Content) -> View:
    """All papers, with what they brought."""
    return {"papers": [_listed(content, slug) for slug in content.papers]}


def _listed(content: Content, slug: str) -> View:
    judged = content.claims_of.get(slug, [])
    return {
        **(names.paper(content.papers[slug], "") or {}),
        "tasks": _tasks(content, slug, ""),
        "methods": _methods(content, slug, ""),
        "verdicts": _verdicts(judged),
    }


def _verdicts(judged: list[claims.Judged]) -> list[tuple[str, str, int]]:
    found = [j.verdict for j in judged]
    return [(word, claims.TONES[word], n) for word in claims.VERDICTS if (n := found.count(word))]


def view(content: Content, slug: str) -> View:
    paper = content.papers[slug]
    judged = content.claims_of.get(slug, [])
    books = [book for _, book in sorted(content.books.items())]
    told = [figure for book in books for figure in book.published if papers.slug(figure.paper) == slug]
    same = _shared(told)
    published = [_figure(content, figure, same) for figure in told]
    notes = [note for book in books for note in book.audits if papers.slug(note.paper) == slug]
    return {
        **(names.paper(paper, UP) or {}),
        "bibtex": papers.bibtex(paper),
        "tasks": _tasks(content, slug, UP),
        "methods": _methods(content, slug, UP),
        "verdicts": _verdicts(judged),
        "claims": [claims.whole(content, j, UP) for j in judged],
        "published": published,
        "remarks": any(f["differs"] or f["setting"] or f["source"] for f in published),
        "same": same,
        "spread": any(figure.sd is not None for figure in told),
        "notes": [note for note in notes if not note.about],
    }


def _tasks(content: Content, slug: str, up: str) -> list[View]:
    return [
        {"name": task, "page": up + names.task_page(task)}
        for task, tables in content.by_task.items()
        if (spec := tables[0].spec) and papers.slug(spec.paper) == slug
    ]


def _methods(content: Content, slug: str, up: str) -> list[View]:
    return [
        {"name": name, "page": up + names.method_page(name)}
        for name in content.by_method
        if name in content.methods and papers.slug(content.methods[name].paper) == slug
    ]


def _shared(told: Sequence[Published]) -> View:
    """What is said of every figure and needs saying once; of why ours differ, whole sentences."""
    if not told:
        return {"differs": "", "setting": "", "source": ""}
    differs = os.path.commonprefix([f"{figure.differs} " for figure in told])
    only = {name: {getattr(figure, name) for figure in told} for name in ("setting", "source")}
    return {
        "differs": differs[: differs.rfind(". ") + 1],
        **{name: found.pop() if len(found) == 1 else "" for name, found in only.items()},
    }


def _figure(content: Content, figure: Published, same: View) -> View:
    """A published figure with ours of each profile, and how far apart they are."""
    from leaderboard.published import beside

    spec = content.spec(figure.task)
    metric = spec.metric(figure.metric) if spec else None
    unit = metric.unit if metric else ""
    known_task, known_method = figure.task in content.by_task, figure.method in content.by_method
    said = figures.number(figure.value, unit)
    return {
        "task": figure.task,
        "task_page": UP + names.task_page(figure.task) if known_task else "",
        "method": figure.method,
        "method_page": UP + names.method_page(figure.method) if known_method else "",
        "metric": figure.metric,
        "slice": figure.slice,
        "unit": figures.unit_name(unit),
        "where": figure.where,
        "value": f"{said} ± {figures.number(figure.sd, unit)}" if figure.sd is not None else said,
        "setting": "" if same["setting"] else figure.setting,
        "source": "" if same["source"] else figure.source,
        "differs": figure.differs.removeprefix(same["differs"]).strip(),
        "ours": [_ours(ours, figure, unit) for ours in beside(content.board, figure)],
    }


def _ours(ours: object, figure: Published, unit: str) -> View:
    mean, interval = ours.mean, ours.interval  # type: ignore[attr-defined]
    shown = figures.number(mean, unit)
    if interval is not None:
        shown = f"{shown} ({figures.number(interval.low, unit)} to {figures.number(interval.high, unit)})"
    elif ours.unvarying:  # type: ignore[attr-defined]
        shown = f"{shown} ({figures.SAME})"
    gap = mean - figure.value
    return {
        "profile": ours.profile,  # type: ignore[attr-defined]
        "value": shown,
        "seeds": ours.seeds,  # type: ignore[attr-defined]
        "gap": claims.signed(gap, unit) if math.isfinite(gap) else figures.MISSING,
    }
