"""A task's page: its protocol, and for each profile the table, the cost plot, slices and other metrics."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence

from leaderboard import charts, comparepages, figures, ledger, pareto, pictures
from leaderboard.board import Entry, Table
from leaderboard.content import SMOKE, Content, Measured, View
from leaderboard.views import names
from leaderboard.views.search import embedded

UP = "../"
KINDS = {"null": "floor", "ceiling": "ceiling"}
COST_AXES = {
    "seconds": "median seconds of a run",
    "parameters": "trained parameters",
    "examples": "examples trained on",
    "peak_mb": "peak memory, MiB",
}

LEDGER: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("examples", "Examples", figures.compact),
    ("tokens", "Tokens", figures.compact),
    ("images", "Images", figures.compact),
    ("steps", "Steps", figures.compact),
    ("parameters", "Parameters", figures.compact),
    ("seconds", "Time", figures.seconds),
    ("cpu_seconds", "CPU time", figures.seconds),
    ("peak_mb", "Memory", figures.memory),
)


def view(content: Content, task: str) -> View:
    tables = content.by_task[task]
    spec = tables[0].spec
    shown = sorted(tables, key=lambda t: t.profile == SMOKE)
    return {
        "task": task,
        "family": tables[0].family,
        "family_page": UP + names.family_page(tables[0].family),
        "spec": spec,
        "paper": names.paper(spec.paper if spec else None, UP),
        "metrics": [names.metric(m, m.name == spec.primary) for m in spec.metrics] if spec else [],
        "charts": content.charts,
        "tables": [_table(content, table, place) for place, table in enumerate(shown)],
    }


def _table(content: Content, table: Table, place: int) -> View:
    unit = names.unit(table)
    # A name that begins with the primary metric's is a companion of it (an end of its interval).
    shown_costs = ("parameters", "examples_seen")
    others = [m for m in table.metrics if not m.startswith(table.primary) and m not in shown_costs]
    found = [content.measured(entry, unit) for entry in table.entries]
    standing = content.standing(table)
    marks = standing.marks
    ends = [x for e in table.entries for x in e.per_seed().values()]
    scale = charts.axis([*ends, *(x for one in found for x in one.extent)], unit)
    scored = [e for e in table.entries if e.mean() is not None]
    parts = [(part, part) for part in sorted(table.slices, key=figures.natural)]
    return {
        "profile": table.profile,
        "key": "" if place == 0 else figures.slug(table.profile),
        "number": place + 1,
        "smoke": table.profile == SMOKE,
        "primary": table.primary,
        "direction": {True: "higher is better", False: "lower is better", None: ""}[table.higher],
        "unit": figures.unit_name(unit),
        "ends": [figures.number(x, unit) for x in (scale.low, scale.high)],
        "marks": [name for name, values in marks.items() if values],
        "backdrop": charts.backdrop(marks, scale),
        "costs": [(key, *names.COSTS[key]) for key in names.COSTS],
        "roles": sorted({role for e in table.entries if (role := _role(e))}),
        "rows": [
            _row(table, entry, one, scale)
            | {"place": standing.places.get(id(entry)), "compare": UP + address if address else ""}
            for entry, one, address in zip(table.entries, found, comparepages.hrefs(table), strict=True)
        ],
        "slices": _matrix(scored, [(None, p, label, unit) for p, label in parts]),
        "others": _matrix(scored, [(m, "all", m, names.unit(table, m)) for m in others]),
        "about": {m.name: m.summary for m in table.spec.metrics} if table.spec else {},
        "floor": _noise_floor(table, unit),
        "older": table.older,
        "beats": embedded(_beaten(table)),
        "plot": _plot(table, found, unit, place),
        "ledger": _ledger(table),
        "pictures": _pictures(content, table),
    }


def _pictures(content: Content, table: Table) -> list[pictures.Picture]:
    """Of the settings that the table's first plain entry was measured with, then of what was measured."""
    plain = next(iter(_plain(table)), None)
    if plain is None:
        return []

    def means(task: str) -> dict[str, dict[tuple[str, str], float]]:
        tables = content.by_task.get(task, ())
        return _means(next((one for one in tables if one.profile == table.profile), None))

    settings = json.loads(plain.cell["task_settings"])
    return [*pictures.of_task(table.spec, settings), *pictures.of_board(table.spec, means)]


def _plain(table: Table | None) -> list[Entry]:
    """The entries that nobody changed by hand and that compare with each other."""
    entries = table.entries if table else ()
    return [e for e in entries if e.overrides in ("", "{}") and e.comparable and not e.only_claimed]


def _means(table: Table | None) -> dict[str, dict[tuple[str, str], float]]:
    """Method, then (metric, slice), to the mean over seeds; a method on several base models is left out, for
    it has no one value.
    """
    entries = _plain(table)
    once = Counter(e.method for e in entries)
    return {
        e.method: {key: mean for key in e.values if (mean := e.mean(*key)) is not None}
        for e in entries
        if once[e.method] == 1
    }


def _role(entry: Entry) -> str:
    return names.ROLES.get(entry.role, entry.role) or "baseline"


def _row(
    table: Table,
    entry: Entry,
    found: Measured,
    scale: charts.Axis,
) -> View:
    unit = names.unit(table)
    values, mean = list(entry.per_seed().values()), found.mean
    claimed = list(entry.claimed.values())
    label = f"{entry.method}: {found.whole} {figures.unit_name(unit)}"
    return {
        **names.named(entry, UP),
        "method_page": UP + names.method_page(entry.method),
        "kind": _role(entry),
        "rank": entry.rank,
        "mean": mean,
        "score": found.score,
        "ends": found.ends,
        "chart": charts.strip(values, mean, found.interval, scale, label) if mean is not None else "",
        "seeds": len(values),
        "claimed": _claimed(claimed, unit) if claimed and not entry.only_claimed else "",
        "marks": [mark for mark in entry.marks if mark.kind != "single-seed"],
        "marked": bool(entry.marks),
        "problems": figures.statuses(entry.statuses) if not _said(entry) else "",
        "aside": not entry.competes,
        "costs": names.shown_costs(entry),
        "command": figures.command(entry.cell, _seeds(entry)),
    }


def _said(entry: Entry) -> bool:
    return any(mark.kind == "failed" for mark in entry.marks)


def _claimed(values: Sequence[float], unit: str) -> str:
    return figures.number(sum(values) / len(values), unit)


def _seeds(entry: Entry) -> list[int]:
    """The seeds that have a value, else one: a command must name some."""
    return list(entry.per_seed()) or [0]


def _matrix(entries: Sequence[Entry], columns: Sequence[tuple[str | None, str, str, str]]) -> View | None:
    """A table of means, one column a (metric, slice, label, unit); None where there are no columns."""
    if not columns:
        return None
    return {
        "heads": [(label, figures.unit_name(unit)) for _, _, label, unit in columns],
        "rows": [
            {
                **names.named(entry, UP),
                "cells": [
                    (entry.mean(metric, part), figures.number(entry.mean(metric, part), unit))
                    for metric, part, _, unit in columns
                ],
            }
            for entry in entries
        ],
    }


def _noise_floor(table: Table, unit: str) -> str:
    """What its seeds let the table tell apart, as a sentence; empty where no method has two
    or no seed differs from another."""
    noise = table.noise()
    if noise is None or not noise.floor:
        return ""
    difference, seeds = noise.floor, noise.seeds
    if table.by_factor:
        return (
            f"With {seeds} seeds each, a factor of {math.exp(difference):.2f} between two methods is found "
            "with a chance of 80 %; smaller ones may be chance."
        )
    name = "points" if unit == "fraction" else figures.unit_name(unit)
    size = f"{figures.number(difference, unit)} {name}".strip()
    return (
        f"With {seeds} seeds each, a difference of {size} between two methods is found with a chance of "
        "80 %; smaller ones may be chance."
    )


def _beaten(table: Table) -> list[list[int]]:
    """For each ranked method, the places of those that it is better than: what a new ranking needs."""
    import numpy as np

    return [np.flatnonzero(row).tolist() for row in table.beats]


def _plot(table: Table, found: Sequence[Measured], unit: str, place: int) -> View | None:
    """Score against cost: the first cost that most of the methods have, and all costs as data."""
    pairs = zip(table.entries, found, strict=True)
    shown = [(e, m) for e, m in pairs if e.comparable and not e.only_claimed and m.mean is not None]
    costs = {id(e): names.costs(e) for e, _ in shown}
    known = {key: [e for e, _ in shown if (costs[id(e)][key] or 0) > 0] for key in COST_AXES}
    axis = next((key for key in COST_AXES if len(known[key]) * 2 > len(shown)), None)
    if axis is None or len(known[axis]) < 2 or table.higher is None:
        return None
    entries = [e for e, _ in shown]
    label = dict(zip(map(id, entries), comparepages.labels(entries), strict=True))
    points = [
        pareto.Point(label[id(e)], costs[id(e)][axis] or 0.0, e.mean() or 0.0, KINDS.get(e.role, "method"))
        for e in known[axis]
    ]
    rivals = [p for p in points if p.kind == "method"]
    best = ledger.pareto([(p.score, p.cost) for p in rivals], table.higher)
    return {
        "id": f"pareto-data-{place + 1}",
        "cost": COST_AXES[axis],
        "aside": len(rivals) < len(points),
        "chart": pareto.plot(
            points,
            table.higher,
            unit,
            COST_AXES[axis],
            f"{table.primary} against {COST_AXES[axis]}, {len(points)} methods",
        ),
        "best": [rivals[i].label for i in sorted(best, key=lambda i: rivals[i].cost)],
        "data": embedded(
            {
                "metric": table.primary,
                "unit": unit,
                "higher": table.higher,
                "points": [_point(e, m, label[id(e)]) | costs[id(e)] for e, m in shown],
            }
        ),
    }


def _ledger(table: Table) -> View | None:
    """What each method was allowed and spent; columns that nobody measured or declared are left out."""
    found = ledger.ledger(table)
    columns = [column for column in LEDGER if any(getattr(row, column[0]) is not None for row in found)]
    told = any(row.trials is not None or row.tuned_on is not None for row in found)
    if not columns and not told:
        return None
    rows = [
        {
            **names.named(row.entry, UP),
            "trials": row.trials,
            "tuned_on": row.tuned_on,
            "saw_test": row.saw_test,
            "note": row.budget.note,
            "cells": [(value := getattr(row, name), show(value)) for name, _, show in columns],
        }
        for row in found
    ]
    return {"heads": [title for _, title, _ in columns], "rows": rows, "notes": _notes(found)}


def _notes(found: Sequence[ledger.LedgerRow]) -> list[View]:
    """What is declared in words, each text once with the methods that it is about."""
    about: dict[tuple[str, str], list[str]] = {}
    for row in found:
        if row.budget.note:
            about.setdefault((row.budget.note, row.budget.source), []).append(row.method)
    return [
        {"methods": list(dict.fromkeys(methods)), "text": text, "source": source}
        for (text, source), methods in about.items()
    ]


def _point(entry: Entry, found: Measured, label: str) -> View:
    page = names.runs_page(entry.cell["task"], entry.method).removeprefix("task/")
    return {
        "method": figures.clean(entry.method),
        "label": charts.shortened(label, 60),
        "role": entry.role,
        "value": found.mean,
        "low": found.interval.low if found.interval else None,
        "high": found.interval.high if found.interval else None,
        "href": f"{page}#{names.anchor(entry)}",
    }
