"""What each page shows, as plain values for the templates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from leaderboard import figures
from leaderboard.board import Board, Entry, Row, Table
from suite.api import MethodSpec, Metric, Paper

View = dict[str, Any]
ROLES = {
    "null": "floor",
    "ceiling": "ceiling",
    "control": "control",
    "paper": "paper's method",
    "baseline": "",
}
SMOKE = "smoke"


def index(board: Board) -> View:
    """The front page: one line a task and profile, by family; smoke runs are never on it."""
    families: dict[str, list[View]] = defaultdict(list)
    for table in board.tables:
        if table.profile != SMOKE:
            families[table.family].append(_front(table))
    runs = sum(len(e.runs) for t in board.tables for e in t.entries if t.profile != SMOKE)
    methods = {e.method for t in board.tables for e in t.entries if t.profile != SMOKE}
    smoke = sorted(
        {t.task for t in board.tables} - {line["task"] for lines in families.values() for line in lines}
    )
    return {
        "families": sorted(families.items()),
        "tasks": len({line["task"] for lines in families.values() for line in lines}),
        "methods": len(methods),
        "runs": runs,
        "older": board.older + sum(e.older for t in board.tables for e in t.entries),
        "smoke": [{"name": name, "page": f"task/{figures.slug(name)}.html"} for name in smoke],
    }


def _front(table: Table) -> View:
    unit = _unit(table.spec.metric(table.primary) if table.spec else None)
    ranked = table.ranked
    view: View = {
        "task": table.task,
        "page": f"task/{figures.slug(table.task)}.html",
        "summary": table.spec.summary if table.spec else "",
        "profile": table.profile,
        "metric": table.primary,
        "unit": figures.unit_name(unit),
        "methods": len(ranked),
        "floor": _best(table, "null", unit),
        "ceiling": _best(table, "ceiling", unit),
        "problems": figures.statuses(_all_statuses(table)),
        "leader": None,
        "seeds": 0,
    }
    if not ranked:
        return view
    leader = next((e for e in ranked if e.rank is not None and e.rank.best == 1), ranked[0])
    marks = [[e.mean() or 0.0 for e in table.of_role(role)] for role in ("null", "ceiling")]
    scale = figures.axis([*marks[0], *marks[1], leader.mean() or 0.0], unit)
    label = f"{leader.method}: {_score(leader, unit)} {figures.unit_name(unit)}"
    return view | {
        "leader": _name(table, leader, ""),
        "sharing": sum(e.rank is not None and e.rank.best == 1 for e in ranked if e is not leader),
        "score": _score(leader, unit),
        "seeds": len(leader.per_seed()),
        "chart": figures.span(*marks, leader.mean() or 0.0, scale, label),
    }


def _best(table: Table, role: str, unit: str) -> str:
    """The best mean of a role: the highest floor is the one to be above."""
    return figures.number(next((e.mean() for e in table.of_role(role)), None), unit)


def _all_statuses(table: Table) -> Mapping[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for entry in table.entries:
        for status, n in entry.statuses.items():
            counts[status] += n
    return dict(sorted(counts.items()))


def tasks(board: Board) -> Iterator[tuple[str, View]]:
    """(page, view) of each task, with a table for each profile."""
    by_task: dict[str, list[Table]] = defaultdict(list)
    for table in board.tables:
        by_task[table.task].append(table)
    for task, tables in sorted(by_task.items()):
        spec = tables[0].spec
        yield (
            f"task/{figures.slug(task)}.html",
            {
                "task": task,
                "family": tables[0].family,
                "spec": spec,
                "paper": _paper(spec.paper if spec else None),
                "metrics": [_metric(m, m.name == spec.primary) for m in spec.metrics] if spec else [],
                "tables": [_table_view(table) for table in tables],
            },
        )


def _metric(metric: Metric, primary: bool) -> View:
    better = {"higher": "higher is better", "lower": "lower is better", "neutral": "explains, is no score"}
    return {
        "name": metric.name,
        "better": better[metric.better],
        "summary": metric.summary,
        "primary": primary,
    }


def _paper(paper: Paper | None) -> View | None:
    """A paper; its address is a link only where it is one of the web."""
    if paper is None:
        return None
    link = paper.link if paper.link.startswith(("https://", "http://")) else ""
    return {"title": paper.title, "year": paper.year, "link": link}


def _table_view(table: Table) -> View:
    metric = table.spec.metric(table.primary) if table.spec else None
    unit = _unit(metric)
    # A name that begins with the primary metric's is a companion of it (an end of its interval).
    others = [m for m in table.metrics if not m.startswith(table.primary)]
    units = {name: _unit(table.spec.metric(name) if table.spec else None) for name in others}
    ends = [x for e in table.entries for x in (*e.per_seed().values(), *(e.interval() or ()))]
    scale = figures.axis(ends, unit)
    return {
        "profile": table.profile,
        "primary": table.primary,
        "direction": {True: "higher is better", False: "lower is better", None: ""}[table.higher],
        "unit": figures.unit_name(unit),
        "ends": [figures.number(x, unit) for x in scale],
        "columns": [
            {"name": m, "unit": figures.unit_name(units[m]), "about": _about(table, m)} for m in others
        ],
        "rows": [_line(table, entry, scale, unit, units) for entry in table.entries],
        "slices": table.slices,
        "floor": _noise_floor(table, unit),
        "older": table.older + sum(e.older for e in table.entries),
        "others": any(not e.comparable for e in table.entries),
        "stale": any(e.stale for e in table.entries),
    }


def _noise_floor(table: Table, unit: str) -> str:
    """What its seeds let the table tell apart, as a sentence; empty where no method has two."""
    floor = table.noise_floor()
    if floor is None:
        return ""
    difference, seeds = floor
    name = "points" if unit == "fraction" else figures.unit_name(unit)
    size = f"{figures.number(difference, unit)} {name}".strip()
    return (
        f"With {seeds} seeds each, a difference of {size} between two methods is found with a chance of "
        "80 %; smaller ones may be chance."
    )


def _about(table: Table, name: str) -> str:
    metric = table.spec.metric(name) if table.spec else None
    return metric.summary if metric else ""


def _line(table: Table, entry: Entry, scale: figures.Axis, unit: str, units: Mapping[str, str]) -> View:
    values = entry.per_seed()
    mean = entry.mean()
    score = _score(entry, unit)
    return {
        **_name(table, entry, "../"),
        "rank": entry.rank,
        "mean": mean,
        "score": score,
        "chart": figures.strip(
            list(values.values()), mean, entry.interval(), scale, f"{entry.method}: {score}"
        )
        if mean is not None
        else "",
        "per_seed": [f"seed {seed}: {figures.number(value, unit)}" for seed, value in values.items()],
        "seeds": len(values),
        "n": entry.examples.get((table.primary, "all")),
        "problems": figures.statuses(entry.statuses),
        "stale": len(entry.stale),
        "comparable": entry.comparable,
        "others": [(entry.mean(m), figures.number(entry.mean(m), u)) for m, u in units.items()],
        "seconds": (entry.seconds, figures.seconds(entry.seconds)),
        "memory": (entry.peak_mb, figures.memory(entry.peak_mb)),
        "command": figures.command(entry.cell, [run["seed"] for run in entry.runs]),
        "parts": [(entry.mean(part=p), figures.number(entry.mean(part=p), unit)) for p in table.slices],
    }


def _name(table: Table, entry: Entry, up: str) -> View:
    """A method as a table names it; `up` leads from the page to the site's folder."""
    page = f"{up}task/{figures.slug(table.task)}/{figures.slug(entry.method)}.html"
    return {
        "method": entry.method,
        "page": f"{page}#{entry.runs[0]['run']}",
        "with": figures.settings(entry.cell),
        "role": ROLES.get(entry.role, entry.role),
    }


def _score(entry: Entry, unit: str) -> str:
    """Mean and half width of the interval, the mean alone for one seed."""
    interval = entry.interval()
    mean = figures.number(entry.mean(), unit)
    return mean if interval is None else f"{mean} ± {figures.number(interval.half, unit)}"


def _unit(metric: Metric | None) -> str:
    return metric.unit if metric else ""


def methods(board: Board, specs: Mapping[str, MethodSpec]) -> Iterator[tuple[str, View]]:
    """(page, view) of each method on each task, with all its shown runs."""
    by_pair: dict[tuple[str, str], list[tuple[Table, Entry]]] = defaultdict(list)
    for table in board.tables:
        for entry in table.entries:
            by_pair[table.task, entry.method].append((table, entry))
    for (task, method), found in sorted(by_pair.items(), key=lambda item: item[0]):
        spec = specs.get(method)
        yield (
            f"task/{figures.slug(task)}/{figures.slug(method)}.html",
            {
                "task": task,
                "task_page": f"../{figures.slug(task)}.html",
                "method": method,
                "role": ROLES.get(found[0][1].role, ""),
                "spec": spec,
                "paper": _paper(spec.paper if spec else None),
                "entries": [_runs(table, entry) for table, entry in found],
            },
        )


def _runs(table: Table, entry: Entry) -> View:
    unit = _unit(table.spec.metric(table.primary) if table.spec else None)
    names = [m for m in table.metrics if entry.per_seed(m)]
    units = {m: _unit(table.spec.metric(m) if table.spec else None) for m in names}
    return {
        "profile": table.profile,
        "with": figures.settings(entry.cell),
        "score": _score(entry, unit),
        "primary": table.primary,
        "unit": figures.unit_name(unit),
        "rank": entry.rank,
        "columns": [{"name": m, "unit": figures.unit_name(units[m])} for m in names],
        "runs": [_run(entry, run, units) for run in entry.runs],
        "settings": figures.pairs(entry.cell["settings"]),
        "task_settings": figures.pairs(entry.cell["task_settings"]),
        "versions": (entry.cell["method_version"], entry.cell["task_version"]),
        "environments": _environments(entry.runs),
    }


def _run(entry: Entry, run: Row, units: Mapping[str, str]) -> View:
    values = [figures.number(entry.per_seed(m).get(run["seed"]), u) for m, u in units.items()]
    cost = figures.seconds(run["wall_s"]), figures.seconds(run["overhead_s"]), figures.memory(run["peak_mb"])
    return {
        "id": run["run"],
        "seed": run["seed"],
        "status": run["status"],
        "stale": run["run"] in entry.stale,
        "error": run["error"] or (run["reason"] if run["status"] != "ok" else ""),
        "cells": figures.cells([*values, *cost]),
        "device": run["device"],
        "started": figures.date(run["started"]),
        "commit": run["git_commit"][:10] + (" + changes" if run["git_dirty"] else ""),
        "code": run["code"][:10],
        "command": figures.command(run, [run["seed"]]),
    }


def _environments(runs: Sequence[Row]) -> list[list[tuple[str, str]]]:
    """Machine and packages, once for all runs that share them."""
    distinct = dict.fromkeys((run["host"], run["packages"]) for run in runs)
    return [[*figures.pairs(host), *figures.pairs(packages)] for host, packages in distinct]
