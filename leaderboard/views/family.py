"""A family's page: methods by tasks, mean ranks over the tasks, and what its papers claim."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from leaderboard import charts, figures
from leaderboard.board import Entry, Table
from leaderboard.content import SMOKE, Content, View
from leaderboard.views import claims, names

if TYPE_CHECKING:
    from suite.stats import CriticalDifference

UP = "../"
Key = tuple[str, str, str]
PLACES = {"ceiling": 0, "null": 2}
MOST_RANKS = 60


def view(content: Content, family: str) -> View:
    tables = content.by_family[family]
    profiles = list(dict.fromkeys(t.profile for t in tables))
    judged = [j for j in content.judged if j.family == family]
    counts = Counter(j.verdict for j in judged)
    sections = [_section(content, [t for t in tables if t.profile == p], p) for p in profiles]
    return {
        "family": family,
        "tasks": len({t.task for t in tables}),
        "sections": sorted(sections, key=lambda s: s["smoke"]),
        "claims": [claims.line(j, UP) for j in judged],
        "counts": [(word, claims.TONES[word], counts[word]) for word in claims.VERDICTS if counts[word]],
    }


def _section(content: Content, tables: Sequence[Table], profile: str) -> View:
    rows: dict[Key, dict[str, Entry]] = {}
    for table in tables:
        for entry in table.entries:
            if entry.comparable and not entry.only_claimed:
                key = entry.method, entry.base_model, entry.overrides
                rows.setdefault(key, {})[table.task] = entry
    places = {key: _mean_place(found, tables) for key, found in rows.items()}
    ordered = sorted(rows, key=lambda key: (_role_place(rows[key]), places[key], key))
    return {
        "profile": profile,
        "smoke": profile == SMOKE,
        "heads": [_head(table) for table in tables],
        "rows": [_row(content, rows[key], tables) for key in ordered],
        "ranks": mean_ranks(tables),
    }


def _head(table: Table) -> View:
    return {
        "task": table.task,
        "page": UP + names.task_page(table.task),
        "metric": table.primary,
        "unit": figures.unit_name(names.unit(table)),
        "lower": table.higher is False,
    }


def _role_place(found: dict[str, Entry]) -> int:
    return PLACES.get(next(iter(found.values())).role, 1)


def _mean_place(found: dict[str, Entry], tables: Sequence[Table]) -> float:
    """The mean of the better end of the method's rank over the tasks that rank it; last where none does."""
    ranks = [e.rank.best for t in tables if (e := found.get(t.task)) is not None and e.rank is not None]
    return math.fsum(ranks) / len(ranks) if ranks else math.inf


def _row(content: Content, found: dict[str, Entry], tables: Sequence[Table]) -> View:
    first = next(iter(found.values()))
    return {
        **names.named(first, UP),
        "method_page": UP + names.method_page(first.method),
        "aside": first.role in PLACES,
        "cells": [_cell(content, found.get(table.task), table) for table in tables],
    }


def _cell(content: Content, entry: Entry | None, table: Table) -> View:
    if entry is None:
        return {"score": figures.MISSING, "value": None, "ends": "", "rank": None, "page": "", "share": None}
    found = content.measured(entry, names.unit(table))
    return {
        "score": found.score if found.mean is not None else ", ".join(entry.statuses) or figures.MISSING,
        "value": found.mean,
        "ends": found.ends,
        "rank": entry.rank,
        "page": names.named(entry, UP)["page"],
        "share": _share(entry, content.standing(table).ranked),
    }


def _share(entry: Entry, ranked: int) -> int | None:
    """How strongly a cell is tinted, 0 to 4: by the better end of its rank among the ranked ones."""
    if entry.rank is None:
        return None
    return round(4 * (1 - (entry.rank.best - 1) / max(ranked - 1, 1)))


def mean_ranks(tables: Sequence[Table]) -> View | None:
    """The critical-difference view: None with fewer than two tasks, or two methods ranked on all of them."""
    from suite import stats

    ranked = [{_key(e): e for e in t.ranked if e.rank is not None} for t in tables]
    directions = [t.higher for t in tables]
    shared = sorted(set.intersection(*map(set, ranked))) if ranked else []
    if len(ranked) < 2 or len(shared) < 2 or None in directions:
        return None
    higher = [bool(direction) for direction in directions]
    entries = [[found[key] for key in shared] for found in ranked]
    values = [[e.compared for e in row] for row in entries]
    intervals = stats.mean_rank_intervals(values, higher)
    test = stats.critical_difference([[e.mean() for e in row] for row in entries], higher)
    order = sorted(range(len(shared)), key=lambda i: (test.mean_ranks[i], shared[i]))[:MOST_RANKS]
    row_of = {method: row for row, method in enumerate(order)}
    places = [
        charts.Place(_label(entries[0][i]), test.mean_ranks[i], found.interval if found else None)
        for i, found in ((i, intervals[i]) for i in order)
    ]
    groups = []
    for group in test.groups:
        rows = [row_of[i] for i in group if i in row_of]
        if len(rows) > 1:
            groups.append((min(rows), max(rows)))
    chart = charts.mean_ranks(places, groups, f"mean rank of {len(places)} methods over {len(ranked)} tasks")
    return {"chart": chart, "about": _told(test, len(ranked), len(shared), len(places))}


def _told(test: CriticalDifference, tasks: int, methods: int, shown: int) -> str:
    """What the view shows and what its test says, in plain words."""
    text = (
        f"{methods} methods that were run with two seeds or more on all {tasks} tasks; 1 is best. "
        "A bar is the 95 % interval that the seeds leave the mean rank."
    )
    if shown < methods:
        text += f" The best {shown} are shown."
    if test.cd is None or test.p is None:
        return f"{text} No test over tasks: {test.reason}."
    p = "p < 0.001" if test.p < 0.001 else f"p = {test.p:.3f}"
    return (
        f"{text} Friedman's test (Iman and Davenport) that all are alike: {p}. A bracket joins methods "
        f"whose mean ranks differ by less than {test.cd:.2f}, the critical difference of Nemenyi's test: "
        "taken as a sample of tasks like them, these tasks do not tell them apart."
    )


def _label(entry: Entry) -> str:
    told = figures.settings(entry.cell)
    return f"{entry.method} ({told})" if told else entry.method


def _key(entry: Entry) -> Key:
    return entry.method, entry.base_model, entry.overrides
