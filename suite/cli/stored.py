"""What verbs read from the results folder: filtered rows, the board, and short summaries for `suite show`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from suite._tables import COLUMNS
from suite.api import TaskSpec
from suite.errors import Incomplete, UsageError, unknown

if TYPE_CHECKING:
    import pyarrow as pa

    from leaderboard.aggregate import Board, Entry, Table
    from suite.store import Store

Row = Mapping[str, Any]
Where = Mapping[str, tuple[Any, ...]]
RUN_COLUMNS, SCORE_COLUMNS = tuple(COLUMNS["runs"]), tuple(COLUMNS["scores"])


class Percent(float):
    """A share, shown to the eye in per cent; a plain float to machines."""

    def __str__(self) -> str:
        return f"{100 * self:.1f} %"


def parse_where(conditions: Sequence[str], **named: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """`column=value` texts and named options as allowed values by column.

    Several values of one column are alternatives, several columns must all hold.
    """
    known = dict.fromkeys((*RUN_COLUMNS, *SCORE_COLUMNS))
    where: dict[str, list[Any]] = {}
    for condition in conditions:
        column, equals, value = condition.partition("=")
        if not equals:
            raise UsageError(f"--where {condition}: write column=value; columns: {', '.join(known)}")
        if column not in known:
            raise unknown("column", column, known, "suite results --runs --format csv")
        where.setdefault(column, []).append(value)
    for column, values in named.items():
        if values:
            where.setdefault(column, []).extend(values)
    return {column: tuple(values) for column, values in where.items()}


def open_store(results: Path) -> Store:
    """The results folder; Incomplete where there is none yet."""
    if not results.exists():
        raise Incomplete(f"no results in {results}; `suite run` makes some, --results names another folder")
    from suite.store import Store

    return Store(results)


def refuse_unknown(store: Store, tasks: Sequence[str] = (), methods: Sequence[str] = ()) -> None:
    """UsageError for a name that neither the catalogue nor the store has; a deleted method has its rows."""
    from suite import catalog

    for column, names, specs in (("task", tasks, catalog.tasks()), ("method", methods, catalog.methods())):
        for name in names:
            if name not in specs and not store.runs({column: [name]}).num_rows:
                raise unknown(column, name, specs, f"suite list {column}s")


def warn_of_problems(store: Store) -> None:
    """Say on standard error which files could not be read: a missing row must not pass in silence."""
    for problem in store.problems:
        print(f"warning: {problem}", file=sys.stderr)


def runs(store: Store, where: Where, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The matching runs; conditions on scores do not count here."""
    conditions = {c: v for c, v in where.items() if c in RUN_COLUMNS}
    table = store.runs(conditions or None)
    rows: list[dict[str, Any]] = (table.select(list(columns)) if columns else table).to_pylist()
    return rows


def scores(store: Store, where: Where, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The matching scores; conditions on columns that only runs have are met through their runs."""
    table = store.scores({c: v for c, v in where.items() if c in SCORE_COLUMNS} or None)
    if columns:
        table = table.select(list(columns))
    rows: list[dict[str, Any]] = table.to_pylist()
    if set(where) - set(SCORE_COLUMNS):
        kept = {row["run"] for row in runs(store, where, ("run",))}
        rows = [row for row in rows if row["run"] in kept]
    return rows


def board(store: Store) -> Board:
    """The newest runs of every entry with all their scores, compared with the checkout's code and data.

    By the rules of leaderboard/aggregate.py.
    """
    from leaderboard import aggregate, marks
    from suite import catalog

    tasks, methods = catalog.tasks(), catalog.methods()
    return aggregate.of_store(store, tasks, methods, marks.checkout(tasks, methods))


def means(store: Store, where: Where) -> Board:
    """The board with no more than a mean needs: turning rows into Python values is most of a query's cost.

    Without a condition on metrics only each task's primary one is read, without one on slices only the
    whole test set; of a run only what tells entries apart and how it ended.
    """
    from leaderboard import aggregate
    from suite import catalog

    columns = (
        "run",
        "family",
        "seed",
        "code",
        "status",
        "started",
        "origin",
        *aggregate.ENTRY,
        *aggregate.GROUP,
    )
    conditions = {c: v for c, v in where.items() if c in RUN_COLUMNS}
    runs = store.runs(conditions or None).select(list(columns))
    narrow = {c: v for c, v in where.items() if c in ("task", "method", "profile", "metric")}
    table = store.scores({**narrow, "slice": where.get("slice", ("all",))})
    if "metric" not in where:
        table = _primary_only(table, catalog.tasks())
    return aggregate.aggregate(runs, table, catalog.tasks(), catalog.methods())


def _primary_only(table: pa.Table, specs: Mapping[str, TaskSpec]) -> pa.Table:
    """The scores in a primary metric of their tasks; all of them when one task is in no catalogue."""
    from suite._arrow import rows_where

    tasks = set(table.column("task").unique().to_pylist())
    if tasks - set(specs):
        return table
    return rows_where(table, "metric", {specs[task].primary for task in tasks})


def overrides(entry: Entry) -> str:
    """What the user set by hand, as JSON; "" for a method as it comes."""
    text: str = entry.cell["overrides"]
    return "" if text == "{}" else text


def in_unit(value: float | None, spec: TaskSpec | None, metric: str) -> float | None:
    """A value that shows as the metric's unit asks: fractions in per cent."""
    known = spec.metric(metric) if spec else None
    return Percent(value) if value is not None and known and known.unit == "fraction" else value


def costs(results: Path, column: str, name: str) -> list[dict[str, Any]]:
    """What the runs of a task or method took, one row an entry; empty where nothing was run.

    overhead_s is the harness's own share of wall_s; both are medians over the ok runs.
    """
    if not results.exists():
        return []
    store = open_store(results)
    other = "method" if column == "task" else "task"
    columns = ("task", "method", "profile", "status", "wall_s", "overhead_s", "peak_mb")
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in runs(store, {column: (name,)}, columns):
        groups.setdefault((row[other], row["profile"]), []).append(row)
    warn_of_problems(store)
    return [_cost(other, key, rows) for key, rows in sorted(groups.items())]


def _cost(other: str, key: tuple[str, str], rows: Sequence[Row]) -> dict[str, Any]:
    ok = [row for row in rows if row["status"] == "ok"]
    return {
        other: key[0],
        "profile": key[1],
        "runs": len(rows),
        "ok": len(ok),
        "wall_s": _median(row["wall_s"] for row in ok),
        "overhead_s": _median(row["overhead_s"] for row in ok),
        "peak_mb": max((row["peak_mb"] for row in ok), default=None),
    }


def _median(values: Iterable[float]) -> float | None:
    listed = list(values)
    return median(listed) if listed else None


def noise(results: Path, spec: TaskSpec) -> list[dict[str, Any]]:
    """A task's seeds and noise floor by profile: the smallest difference of two methods that shows.

    sd and floor are as `Table.noise` has them, in the metric's unit.
    """
    if not results.exists():
        return []
    tables = means(open_store(results), {"task": (spec.name,)}).tables
    return [row for table in tables if (row := _noise(table, spec)) is not None]


def _noise(table: Table, spec: TaskSpec) -> dict[str, Any] | None:
    noise = table.noise()
    if noise is None:
        return None
    return {
        "profile": table.profile,
        "metric": f"log {spec.primary}" if table.by_factor else spec.primary,
        "methods": noise.methods,
        "seeds": noise.seeds,
        "sd": in_unit(noise.sd, spec, spec.primary),
        "noise floor": in_unit(noise.floor, spec, spec.primary),
    }
