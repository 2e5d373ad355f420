"""`suite results`: query the scores as a table, csv, json or markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.api import PROFILES
from suite.cli import refuse, stored
from suite.cli.output import METHOD, TASK, format_option, results_option, table
from suite.errors import UsageError

if TYPE_CHECKING:
    from leaderboard.aggregate import Entry, Table
    from suite.store import Store

MEANS = (
    *("task", "method", "profile", "metric", "slice", "mean", "low", "high", "seeds", "n"),
    *("failed", "skipped", "rank", "base_model", "overrides", "origin"),
)
WHERE_TOLD = ("base_model", "overrides", "origin")
RAW = ("task", "method", "profile", "seed", "metric", "slice", "value", "n", "run")
RUNS = (
    *("task", "method", "profile", "seed", "status", "error", "wall_s", "overhead_s", "peak_mb"),
    *("origin", "run"),
)
# Columns that tell one method's entries from another's: a table is ranked whole, and its lines chosen after.
LINES = ("method", "base_model", "overrides")


@click.command()
@click.option("--where", multiple=True, metavar="COLUMN=VALUE", help="Only such rows; may be repeated.")
@click.option("--task", "tasks", multiple=True, type=TASK, help="Only this task; may be repeated.")
@click.option("--method", "methods", multiple=True, type=METHOD, help="Only this method; may be repeated.")
@click.option("--metric", "metrics", multiple=True, help="These metrics instead of each task's primary one.")
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    type=click.Choice(PROFILES),
    help="Only this profile; may be repeated.",
)
@click.option("--raw", is_flag=True, help="Every score of every run instead of means over seeds.")
@click.option("--runs", "as_runs", is_flag=True, help="The runs: how each ended and what it cost.")
@results_option
@format_option
def command(
    where: tuple[str, ...],
    tasks: tuple[str, ...],
    methods: tuple[str, ...],
    metrics: tuple[str, ...],
    profiles: tuple[str, ...],
    raw: bool,
    as_runs: bool,
    results: Path,
    fmt: str,
) -> None:
    """Query the scores.

    Without --raw or --runs: one row a task, method and metric with the mean over seeds, its 95 % interval
    and the number of seeds, newest runs only.
    """
    if raw and as_runs:
        raise UsageError("--raw and --runs exclude each other; choose one")
    named = {"task": tasks, "method": methods, "metric": metrics, "profile": profiles}
    conditions = stored.parse_where(where, **named)
    store = stored.open_store(results)
    stored.refuse_unknown(store, tasks, methods)
    if as_runs:
        short = fmt in ("text", "markdown")
        columns: Sequence[str] = RUNS if short else stored.RUN_COLUMNS
        rows = sorted(stored.runs(store, conditions, columns), key=_run_order)
        if short:
            columns = [c for c in RUNS if c != "origin" or any(row[c] == "claimed" for row in rows)]
    elif raw:
        columns, rows = RAW, sorted(stored.scores(store, conditions, RAW), key=_score_order)
    else:
        rows = _asked(store, conditions)
        columns = [c for c in MEANS if c not in WHERE_TOLD or any(row[c] for row in rows)]
    stored.warn_of_problems(store)
    if not rows:
        refuse.empty(store)
    click.echo(table(rows, columns, fmt), nl=False)
    if fmt == "text" and (same := _same(rows)):
        click.echo(f"note: the same for all seeds, so without an interval: {', '.join(same)}", err=True)


def _same(rows: Sequence[stored.Row]) -> list[str]:
    """The methods with a mean over several seeds and no interval: nothing in them varies with the seed."""
    means = [row for row in rows if "mean" in row and row["mean"] is not None]
    return sorted({row["method"] for row in means if row["seeds"] > 1 and row["low"] is None})


def _run_order(row: stored.Row) -> tuple[Any, ...]:
    return row["task"], row["method"], row["profile"], row["seed"], row["run"]


def _score_order(row: stored.Row) -> tuple[Any, ...]:
    return row["task"], row["method"], row["profile"], row["seed"], row["metric"], row["slice"], row["run"]


def _asked(store: Store, where: stored.Where) -> list[dict[str, Any]]:
    """The means of the entries asked for, ranked among all of their tables."""
    board = {column: values for column, values in where.items() if column not in LINES}
    chosen = {column: values for column, values in where.items() if column in LINES}
    if chosen and "task" not in board:
        board["task"] = tuple({row["task"] for row in stored.runs(store, chosen, ("task",))})
    tables = stored.means(store, board).tables
    # Among some of the runs only, nobody has the rank that the task's table gives.
    whole = set(board) <= {"task", "profile", "family", "metric", "slice"}
    return [row if whole else row | {"rank": None} for row in _means(tables, where, chosen)]


def _means(tables: Sequence[Table], where: stored.Where, chosen: stored.Where) -> list[dict[str, Any]]:
    refuse.metrics(tables, where.get("metric", ()))
    rows = []
    for shown in tables:
        metrics, slices = where.get("metric", (shown.primary,)), where.get("slice", ("all",))
        for entry in shown.entries:
            if any(entry.cell[column] not in values for column, values in chosen.items()):
                continue
            keys = [key for key in entry.values if key[0] in metrics and key[1] in slices]
            # An entry with no ok seed keeps its row: what failed must be seen.
            rows += [_mean(shown, entry, key) for key in sorted(keys) or [(metrics[0], "all")]]
    return rows


def _mean(shown: Table, entry: Entry, key: tuple[str, str]) -> dict[str, Any]:
    metric, part = key
    values = entry.per_seed(metric, part)
    interval = entry.interval(metric, part)
    rank = entry.rank if metric == shown.primary and part == "all" else None

    def unit(value: float | None) -> float | None:
        return stored.in_unit(value, shown.spec, metric)

    return {
        "task": shown.task,
        "method": entry.cell["method"],
        "profile": shown.profile,
        "metric": metric,
        "slice": part,
        "mean": unit(entry.mean(metric, part)),
        "low": unit(interval.low) if interval else None,
        "high": unit(interval.high) if interval else None,
        "seeds": len(values),
        "n": entry.examples.get(key),
        "failed": sum(n for status, n in entry.statuses.items() if status not in ("ok", "skipped")),
        "skipped": entry.statuses.get("skipped", 0),
        "rank": _spelled(rank.best, rank.worst) if rank else None,
        "base_model": entry.base_model or None,
        "overrides": stored.overrides(entry) or None,
        "origin": "claimed" if entry.only_claimed else None,
    }


def _spelled(best: int, worst: int) -> str:
    return str(best) if best == worst else f"{best}-{worst}"
