"""A method's page: what it is, every task it ran, its settings by profile, where its source is."""

from __future__ import annotations

import json
from collections.abc import Sequence

from leaderboard import charts, figures
from leaderboard.board import Entry, Table
from leaderboard.content import SMOKE, Content, View
from leaderboard.views import claims, names

UP = "../"


def view(content: Content, method: str) -> View:
    spec = content.methods.get(method)
    found = content.by_method[method]
    shown = sorted(found, key=lambda pair: pair[0].profile == SMOKE)
    about = [j for j in content.judged if method in claims.methods_of(j.claim)]
    family = spec.family if spec and spec.family in content.by_family else found[0][0].family
    role = spec.role if spec else found[0][1].role
    return {
        "method": method,
        "spec": spec,
        "family": family,
        "family_page": UP + names.family_page(family),
        "role": names.ROLES.get(role, role),
        "paper": names.paper(spec.paper if spec else None, UP),
        "source": source(spec.where) if spec else None,
        "rows": [_row(content, table, entry) for table, entry in shown],
        "settings": _settings(found),
        "claims": [claims.line(j, UP) for j in about],
    }


def source(where: str) -> View:
    """The file and the class of a method, from "module:class"."""
    module, _, name = where.partition(":")
    return {"file": module.replace(".", "/") + ".py", "name": name}


def _row(content: Content, table: Table, entry: Entry) -> View:
    unit, standing = names.unit(table), content.standing(table)
    values, found = entry.per_seed(), content.measured(entry, names.unit(table))
    marks = standing.marks
    scale = charts.axis([*values.values(), *found.extent, *marks["floor"], *marks["ceiling"]], unit)
    label = f"{table.task}: {found.whole} {figures.unit_name(unit)}"
    return {
        **names.named(entry, UP),
        "task": table.task,
        "task_page": UP + names.task_page(table.task),
        "profile": table.profile,
        "metric": table.primary,
        "unit": figures.unit_name(unit),
        "rank": entry.rank,
        "of": standing.ranked,
        "mean": found.mean,
        "score": found.score,
        "ends": found.ends,
        "seeds": len(values),
        "backdrop": charts.backdrop(marks, scale),
        "chart": charts.strip(list(values.values()), found.mean, found.interval, scale, label)
        if found.mean is not None
        else "",
        "marks": entry.marks,
        "problems": figures.statuses(entry.statuses),
        "costs": names.shown_costs(entry),
        "command": figures.command(entry.cell, list(values) or [0]),
    }


def _settings(found: Sequence[tuple[Table, Entry]]) -> View | None:
    """Hyper-parameters as they were run without settings by hand, one column a profile."""
    columns: dict[str, dict[str, dict[str, list[str]]]] = {}
    for table, entry in found:
        if entry.overrides in ("", "{}"):
            for name, value in figures.pairs(entry.cell["settings"]):
                by_value = columns.setdefault(table.profile, {}).setdefault(name, {})
                by_value.setdefault(value, []).append(table.task)
    fields = sorted({name for told in columns.values() for name in told})
    if not fields:
        return None
    return {
        "profiles": list(columns),
        "rows": [(name, [_value(told.get(name)) for told in columns.values()]) for name in fields],
    }


def _value(told: dict[str, list[str]] | None) -> str:
    """One value, or each with the tasks that it was used on."""
    if not told:
        return figures.MISSING
    if len(told) == 1:
        return _plain(next(iter(told)))
    return "; ".join(f"{_plain(value)} ({', '.join(dict.fromkeys(tasks))})" for value, tasks in told.items())


def _plain(value: str) -> str:
    return value if value else json.dumps(value)
