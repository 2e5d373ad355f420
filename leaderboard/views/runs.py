"""The runs of a method on a task: one row a run, made without a template, for there may be a million."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from leaderboard import figures
from leaderboard.board import Entry, Row, Table
from leaderboard.content import Content, Rows, View
from leaderboard.views import names

UP = "../../"
PLAIN = re.compile(r"[A-Za-z0-9_. -]*")
COSTS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("wall_s", "Time", figures.seconds),
    ("overhead_s", "Harness", figures.seconds),
    ("peak_mb", "Memory", figures.memory),
)
TOLD = ("device", "git_commit", "code", "origin")
TITLES = {"device": "Device", "git_commit": "Commit", "code": "Code", "origin": "Made by"}


def view(content: Content, task: str, method: str, found: Rows) -> View:
    spec = content.methods.get(method)
    return {
        "task": task,
        "task_page": UP + names.task_page(task),
        "method": method,
        "method_page": UP + names.method_page(method),
        "family": found[0][0].family,
        "family_page": UP + names.family_page(found[0][0].family),
        "role": names.ROLES.get(found[0][1].role, ""),
        "spec": spec,
        "paper": names.paper(spec.paper if spec else None, UP),
        "entries": [_entry(content, table, entry) for table, entry in found],
    }


def by_method(tables: Sequence[Table]) -> dict[str, Rows]:
    """The entries of a task's tables by method, sorted by its name."""
    found: dict[str, Rows] = {}
    for table in tables:
        for entry in table.entries:
            found.setdefault(entry.method, []).append((table, entry))
    return dict(sorted(found.items()))


def _entry(content: Content, table: Table, entry: Entry) -> View:
    runs = entry.runs
    unit = names.unit(table)
    units = {m: names.unit(table, m) for m in content.standing(table).metrics if entry.per_seed(m)}
    same = {name: _told(runs[0], name) for name in TOLD if len({_told(run, name) for run in runs}) == 1}
    varying = [name for name in TOLD if name not in same]
    return {
        "id": names.anchor(entry),
        "profile": entry.cell["profile"],
        "with": figures.settings(entry.cell),
        "score": content.measured(entry, unit).whole,
        "primary": table.primary,
        "unit": figures.unit_name(unit),
        "rank": entry.rank,
        "marks": entry.marks,
        "columns": [(m, figures.unit_name(u)) for m, u in units.items()],
        "costs": [title for _, title, _ in COSTS],
        "varying": [TITLES[name] for name in varying],
        "same": [(TITLES[name], value) for name, value in same.items()],
        "rows": rows(entry, runs, units, varying, content.logged),
        "command": figures.command(entry.cell, [run["seed"] for run in runs]),
        "verify": f"suite verify {runs[0]['run']}",
        "settings": figures.pairs(entry.cell["settings"]),
        "task_settings": figures.pairs(entry.cell["task_settings"]),
        "versions": (entry.cell["method_version"], entry.cell["task_version"]),
        "environments": _environments(runs),
    }


def rows(
    entry: Entry,
    runs: Sequence[Row],
    units: Mapping[str, str],
    varying: Sequence[str],
    logged: frozenset[str],
) -> Markup:
    """The table's rows: every text in them is escaped here, numbers need no escaping."""
    cells = [
        [figures.number(entry.per_seed(m).get(run["seed"]), u) for run in runs] for m, u in units.items()
    ]
    cells += [[show(run[column]) for run in runs] for column, _, show in COSTS]
    numbers = ["</td><td>".join(row) for row in zip(*cells, strict=True)]
    told = ["" for _ in runs]
    for name in varying:
        told = [
            f'{so_far}<td class="t"><code>{_safe(_told(run, name))}</code></td>'
            for so_far, run in zip(told, runs, strict=True)
        ]
    width = len(units) + len(COSTS) + len(varying) + 3
    made = []
    for run, values, more in zip(runs, numbers, told, strict=True):
        name, shown = run["run"], _safe(run["run"])
        status = "ok" if run["status"] == "ok" else f'<span class="bad">{_safe(run["status"])}</span>'
        stale = '<small class="warn">older code</small>' if name in entry.stale else ""
        link = f'<a href="{UP}run/{figures.slug(name)}.html">{shown}</a>' if name in logged else shown
        made.append(
            f'<tr id="{shown}"><th scope="row">{run["seed"]}</th><td class="t">{status}{stale}</td>'
            f"<td>{values}</td>{more}<td>{figures.date(run['started'])}</td>"
            f'<td class="t"><code>{link}</code></td></tr>\n'
        )
        if run["error"] or run["status"] != "ok":
            made.append(_error(run, width))
    return Markup("".join(made))


def _error(run: Row, width: int) -> str:
    """The row below a run's own that says why it has no scores; "" where nothing is known."""
    text = run["error"] or run["reason"]
    if not text:
        return ""
    shown = escape(figures.clean(text))
    return f'<tr class="error"><td></td><td colspan="{width}"><pre>{shown}</pre></td></tr>\n'


def _safe(text: str) -> str:
    """Text as HTML; most names need no change, which is quicker to see than to make."""
    return text if PLAIN.fullmatch(text) else str(escape(figures.clean(text)))


def _told(run: Row, name: str) -> str:
    """What is said of a run: fingerprints by their beginning."""
    if name == "git_commit":
        return str(run[name])[:10] + (" + changes" if run["git_dirty"] else "")
    value = str(run.get(name) or "")
    return value[:10] if name == "code" else value


def _environments(runs: Sequence[Row]) -> list[list[tuple[str, str]]]:
    """Machine and packages, once for all runs that share them."""
    distinct = dict.fromkeys((run["host"], run["packages"]) for run in runs)
    return [[*figures.pairs(host), *figures.pairs(packages)] for host, packages in distinct]
