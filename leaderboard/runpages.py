"""The page of a run that logged examples: provenance, settings, scores, and what it answered."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from leaderboard import figures, pictures
from leaderboard.board import Board, Entry, Row, Table
from leaderboard.samples import Logged, Text, of_runs, picture
from leaderboard.samples import logged as logged

if TYPE_CHECKING:
    from suite.store import Store

View = dict[str, Any]
Render = Callable[[str, str, Mapping[str, Any]], str]
TEXTS = 500
LONGEST = 2_000
BINS = 240
STRIP_WIDTH, STRIP_HEIGHT = 960, 48
PROVENANCE = (
    ("run", "Run"),
    ("cell", "Cell"),
    ("code", "Code"),
    ("data_fingerprint", "Data"),
    ("model_fingerprint", "Base model's bytes"),
    ("git_commit", "Commit"),
    ("origin", "Made by"),
)


def page(run: str) -> str:
    """Where the page of a run lies below the site's folder."""
    return f"run/{figures.slug(run)}.html"


def pages(board: Board, store: Store, render: Render, logged: Collection[str]) -> Iterator[tuple[str, str]]:
    """(page, text) of each shown run that logged examples."""
    by_task: dict[str, list[Table]] = defaultdict(list)
    for table in board.tables:
        by_task[table.task].append(table)
    for task, tables in by_task.items():
        shown = [(table, entry, _of_entry(entry, logged)) for table in tables for entry in table.entries]
        samples = of_runs(store, task, {run["run"] for *_, runs in shown for run in runs})
        for table, entry, runs in shown:
            runs = [run for run in runs if run["run"] in samples]
            for place, run in enumerate(runs):
                neighbours = (runs[place - 1] if place else None, *runs[place + 1 : place + 2])
                view = _view(table, entry, run, neighbours, samples[run["run"]])
                yield page(run["run"]), render("run.html", "../", view)


def _of_entry(entry: Entry, logged: Collection[str]) -> list[Row]:
    return [run for run in entry.runs if run["run"] in logged] if logged else []


def _view(table: Table, entry: Entry, run: Row, neighbours: Sequence[Row | None], samples: Logged) -> View:
    before, after = (*neighbours, None)[:2]
    task_page = f"../task/{figures.slug(table.task)}"
    return {
        "task": table.task,
        "task_page": f"{task_page}.html",
        "method": entry.method,
        "method_page": f"{task_page}/{figures.slug(entry.method)}.html#{run['run']}",
        "profile": table.profile,
        "with": figures.settings(entry.cell),
        "seed": run["seed"],
        "status": run["status"],
        "error": run["error"] or (run["reason"] if run["status"] != "ok" else ""),
        "stale": run["run"] in entry.stale,
        "before": _neighbour(before),
        "after": _neighbour(after),
        "scores": _halves(table, _scores(table, entry, run["seed"])),
        "pictures": pictures.of_run(table.spec, _values(entry, run["seed"])),
        "costs": _costs(run),
        "provenance": _provenance(entry, run),
        "settings": [(k, v) for k, v in figures.pairs(run["settings"])],
        "task_settings": [(k, v) for k, v in figures.pairs(run["task_settings"])],
        "host": [*figures.pairs(run["host"]), *figures.pairs(run["packages"])],
        "again": figures.command(run, [run["seed"]]),
        "verify": f"suite verify {run['run']}",
        "parquet": f"../data/samples-{figures.slug(table.task)}.parquet",
        **_samples(samples),
    }


def _neighbour(run: Row | None) -> View | None:
    return None if run is None else {"seed": run["seed"], "page": f"../{page(run['run'])}"}


def _scores(table: Table, entry: Entry, seed: int) -> list[View]:
    """Every metric and slice with a value at this seed: the whole test set first."""
    names = {metric for metric, _ in entry.values} - pictures.shown(table.spec)
    order = [*(m for m in table.metrics if m in names), *sorted(names.difference(table.metrics))]
    found = []
    for metric in order:
        known = table.spec.metric(metric) if table.spec else None
        unit = known.unit if known else ""
        parts = [part for name, part in entry.values if name == metric]
        parts.sort(key=lambda part: (part != "all", figures.natural(part)))
        for part in parts:
            value = entry.per_seed(metric, part).get(seed)
            if value is not None:
                found.append(
                    {
                        "metric": metric,
                        "ranks": metric == table.primary and part == "all",
                        "part": "" if part == "all" else part,
                        "value": figures.number(value, unit),
                        "unit": figures.unit_name(unit),
                        "n": entry.examples.get((metric, part)),
                    }
                )
    return found


def _values(entry: Entry, seed: int) -> dict[tuple[str, str], float]:
    """The run's scores by metric and slice."""
    found = {key: entry.per_seed(*key).get(seed) for key in entry.values}
    return {key: value for key, value in found.items() if value is not None}


def _halves(table: Table, scores: Sequence[View]) -> list[tuple[str, list[View]]]:
    """The primary metric by slice, then all others."""
    halves = [(table.primary, [s for s in scores if s["metric"] == table.primary])]
    halves.append(("Other metrics", [s for s in scores if s["metric"] != table.primary]))
    return [(title, rows) for title, rows in halves if rows]


def _costs(run: Row) -> list[tuple[str, str]]:
    return [
        ("Started", f"{figures.date(run['started'])} UTC"),
        ("Time", figures.seconds(run["wall_s"])),
        ("Processor time", figures.seconds(run.get("cpu_s"))),
        ("Harness's share", figures.seconds(run["overhead_s"])),
        ("Peak memory", figures.memory(run["peak_mb"])),
        ("Device", f"{run['device']}, {run['threads']} thread{'s' if run['threads'] != 1 else ''}"),
    ]


def _provenance(entry: Entry, run: Row) -> list[tuple[str, str]]:
    told = [(label, str(run[name] or "")) for name, label in PROVENANCE]
    told = [(label, text) for label, text in told if text]
    if run["git_dirty"]:
        told.append(("Sources", "differed from that commit"))
    versions = f"method {entry.cell['method_version']}, task {entry.cell['task_version']}"
    return [*told, ("Versions", versions)]


def _samples(samples: Logged) -> View:
    wrong = int((samples.correct < 1).sum())
    shown = samples.texts[:TEXTS]
    return {
        "total": len(samples.index),
        "right": samples.right,
        "wrong": wrong,
        "unsaid": len(samples.index) - samples.right - wrong,
        "graded": samples.graded,
        "chart": _strip(samples),
        "texts": len(samples.texts),
        "cap": TEXTS,
        "lines": [_line(text) for text in shown],
    }


def _line(text: Text) -> View:
    right = text.correct >= 1
    return {
        "index": text.index,
        "right": right,
        "word": _word(text.correct),
        "input": shown(text.input),
        "output": differing(text.output, text.target) if not right else shown(text.output),
        "target": shown(text.target),
    }


def _word(correct: float) -> str:
    if math.isnan(correct):
        return figures.MISSING
    return {1.0: "right", 0.0: "wrong"}.get(correct, f"{100 * correct:.0f} %")


def shown(text: str | None) -> Markup:
    """A text as it was logged, or as a picture where it is one; a dash for a missing one."""
    if text is None:
        return Markup('<span class="none">–</span>')
    if picture(text):
        return Markup('<img class="sample" src="{}" alt="logged picture">').format(text)
    return Markup("<bdi>{}</bdi>").format(_short(text))


def differing(output: str | None, target: str | None) -> Markup:
    """A wrong output with the stretch marked in which it differs from the target, word by word."""
    if output is None or target is None or max(len(output), len(target)) > LONGEST or picture(output):
        return shown(output)
    glue = " " if " " in target or " " in output else ""
    a = output.split(" ") if glue else list(output)
    b = target.split(" ") if glue else list(target)
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    end = 0
    while end < min(len(a), len(b)) - start and a[len(a) - 1 - end] == b[len(b) - 1 - end]:
        end += 1
    pieces = [glue.join(part) for part in (a[:start], a[start : len(a) - end], a[len(a) - end :])]
    if not pieces[1]:
        pieces[1] = "…"
    told = [escape(figures.clean(piece)) for piece in pieces]
    told[1] = Markup("<mark>{}</mark>").format(told[1])
    return Markup("<bdi>{}</bdi>").format(Markup(glue).join(piece for piece in told if piece))


def _short(text: str) -> str:
    told = figures.clean(text)
    return told if len(told) <= LONGEST else f"{told[:LONGEST]}… ({len(told):,} characters)"


def _strip(samples: Logged) -> Markup:
    """The share of right answers along the test set, as bars over as many stretches of it as fit."""
    import numpy as np

    told = samples.correct[~np.isnan(samples.correct)]
    if not len(told):
        return Markup("")
    edges = np.linspace(0, len(told), min(BINS, len(told)) + 1).round().astype(int)
    shares = [float(told[a:b].mean()) for a, b in zip(edges, edges[1:], strict=False)]
    width = STRIP_WIDTH / len(shares)
    bars = "".join(
        f"M{i * width:.1f} {STRIP_HEIGHT}v{-share * STRIP_HEIGHT:.1f}h{width:.1f}V{STRIP_HEIGHT}z"
        for i, share in enumerate(shares)
        if share > 0
    )
    label = f"Share of right answers along the test set: {100 * float(told.mean()):.1f} % in all"
    return Markup(
        '<svg class="along" viewBox="0 0 {0} {1}" preserveAspectRatio="none" role="img" aria-label="{2}">'
        '<path class="miss" d="M0 0H{0}V{1}H0z"/><path class="hit" d="{3}"/></svg>'
    ).format(STRIP_WIDTH, STRIP_HEIGHT, label, Markup(bars))
