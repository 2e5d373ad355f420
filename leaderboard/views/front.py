"""The front page: one matrix of all tasks by family, with who leads, how sure that is and what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from leaderboard import charts, figures
from leaderboard.board import Entry, Table
from leaderboard.content import SMOKE, Content, View
from leaderboard.views import names

MOST_LINKS = 12


def front(content: Content) -> View:
    """One line a task and profile, by family; smoke runs are tests and never on it."""
    published = [t for t in content.board.tables if t.profile != SMOKE]
    shown = {t.task for t in published}
    return {
        "families": [_family(content, name, tables) for name, tables in content.by_family.items()],
        "tasks": len(shown),
        "methods": len({e.method for t in published for e in t.entries}),
        "runs": sum(len(e.rows) for t in published for e in t.entries),
        "claims": len(content.judged),
        "older": content.board.older,
        "smoke": [
            {"name": name, "page": names.task_page(name)} for name in content.by_task if name not in shown
        ],
        "index": _index(content),
        "most": MOST_LINKS,
    }


def _family(content: Content, name: str, tables: Sequence[Table]) -> View:
    published = [t for t in tables if t.profile != SMOKE]
    verdicts = Counter(j.verdict for j in content.judged if j.family == name)
    return {
        "name": name,
        "page": names.family_page(name),
        "methods": len({e.method for t in published for e in t.entries}),
        "verdicts": [
            (word, verdicts[word]) for word in ("supported", "contradicted", "undecided", "not run")
        ],
        "claims": verdicts.total(),
        "lines": [_line(content, table) for table in published],
    }


def _line(content: Content, table: Table) -> View:
    unit = names.unit(table)
    ranked = table.ranked
    view: View = {
        "task": table.task,
        "page": names.task_page(table.task),
        "summary": table.spec.summary if table.spec else "",
        "profile": table.profile,
        "metric": table.primary,
        "unit": figures.unit_name(unit),
        "methods": len(ranked),
        "floor": _best(table, "null", unit),
        "ceiling": _best(table, "ceiling", unit),
        "problems": figures.statuses(all_statuses(table)),
        "leader": None,
    }
    return view | _leader(content, table, ranked, unit) if ranked else view


def _leader(content: Content, table: Table, ranked: Sequence[Entry], unit: str) -> View:
    leader = table.leader or ranked[0]
    found = content.measured(leader, unit)
    marks = content.standing(table).marks
    others = [mean for e in ranked if e is not leader and (mean := e.mean()) is not None]
    scale = charts.axis([*marks["floor"], *marks["ceiling"], *others, *found.extent], unit)
    label = f"{leader.method}: {found.whole} {figures.unit_name(unit)}"
    return {
        "leader": names.named(leader, ""),
        "score": found.score,
        "ends": found.ends,
        "alone": len(ranked) == 1,
        "seeds": len(leader.per_seed()),
        "sharing": table.not_told_apart,
        "sure": sure(leader, table.not_told_apart, len(ranked)),
        "marks": [mark.text for mark in leader.marks if mark.kind != "single-seed"],
        "chart": charts.span(marks, others, (found.mean or 0.0, found.interval), scale, label),
        "costs": names.shown_costs(leader)[:3],
    }


def sure(leader: Entry, sharing: int, rivals: int) -> str:
    """How far the lead can be trusted, in a few words."""
    if leader.rank is None or len(leader.per_seed()) < 2:
        return "one seed: not ranked"
    if rivals == 1:
        return "no rival was run: no lead"
    if sharing:
        return f"not told apart from {sharing} other{'s' if sharing != 1 else ''}"
    return "ahead of every other"


def _best(table: Table, role: str, unit: str) -> str:
    """The best mean of a role: the highest floor is the one to be above."""
    return figures.number(next((e.mean() for e in table.of_role(role)), None), unit)


def all_statuses(table: Table) -> Mapping[str, int]:
    """How many seeds of all entries ended in each status, sorted."""
    counts: Counter[str] = Counter()
    for entry in table.entries:
        counts.update(entry.statuses)
    return dict(sorted(counts.items()))


def _index(content: Content) -> list[View]:
    """Every task, method and paper as a link: what the search finds, for readers without scripts."""
    groups = [
        ("Tasks", [(task, names.task_page(task)) for task in content.by_task]),
        ("Methods", [(method, names.method_page(method)) for method in content.by_method]),
        ("Papers", [(p.title, names.paper_page(slug)) for slug, p in content.papers.items()]),
    ]
    return [{"name": name, "links": links} for name, links in groups if links]
