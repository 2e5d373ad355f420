"""The results folder: three parquet tables, appended to without locks and read without surprises.

    <root>/runs/task=<task>/<run id>.parquet      one row: what was run, how it ended, what it cost
    <root>/scores/task=<task>/<run id>.parquet    one row a metric and slice
    <root>/samples/task=<task>/<run id>.parquet   one row a logged example

A file never changes. The runs file is written last and commits the cell: scores and samples without it are
what a killed cell left, and are not read. `compact` merges the parts of a folder into a snapshot beside them.
docs/columns.md explains every column.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite._tables import COLUMNS, REPEATING, Kind, Problem, folder_name, is_run_id
from suite.errors import StoreError, UsageError
from suite.records import Outcome, Run

if TYPE_CHECKING:
    import pyarrow as pa

    from suite._answers import Answers

__all__ = ["Problem", "Store", "new_run_id", "runs_as_records"]

Where = Mapping[str, Collection[Any]]
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def new_run_id(cell_id: str) -> str:
    """A name no other run has: the cell it is of, the time in nanoseconds, and chance."""
    return f"{cell_id[:16]}-{time.time_ns():016x}-{os.urandom(4).hex()}"


class Store:
    """The results below one folder; a folder that does not exist yet holds none."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._problems: dict[tuple[str, str], Problem] = {}
        self._answers: Answers | None = None

    @property
    def problems(self) -> list[Problem]:
        """The bad files met by this store's reads so far; each was skipped."""
        return list(self._problems.values())

    def ready(self) -> None:
        """Make the folder and try a write, before hours of work depend on it; raises StoreError."""
        import tempfile

        try:
            _make_folder(os.fspath(self.root))
            with tempfile.NamedTemporaryFile(dir=self.root, prefix=".ready-") as file:
                file.write(b"ready")
                file.flush()
        except OSError as error:
            raise _refused(self.root, error) from None

    def append(self, outcome: Outcome) -> None:
        """Write a finished run: wholly or not at all. StoreError says why it could not be written."""
        from suite._rows import tables_of

        run = outcome.run
        if not is_run_id(run.run):
            raise StoreError(f"run id '{run.run}' cannot name a file; use letters, digits, '-', '_' and '.'")
        files, placed = list(tables_of(outcome)), list[str]()
        try:
            for kind, data in files:
                self._place(kind, run, data, placed)
        except BaseException as error:
            for path in reversed(placed):
                with contextlib.suppress(OSError):
                    os.unlink(path)
            if isinstance(error, FileExistsError):
                raise StoreError(f"run {run.run} is already in the results folder {self.root}") from None
            if isinstance(error, OSError):
                raise _refused(self.root, error) from None
            raise
        if self._answers is not None:
            self._answers.add(run)

    def _place(self, kind: Kind, run: Run, data: pa.Buffer, placed: list[str]) -> None:
        from suite._parquet import place

        folder = os.path.join(self.root, kind, folder_name(run.task))
        path = os.path.join(folder, f"{run.run}.parquet")
        try:
            place(data, path)
        except FileNotFoundError:
            _make_folder(folder)
            place(data, path)
        placed.append(path)

    def runs(self, where: Where | None = None) -> pa.Table:
        """The runs whose columns have one of the values asked for, sorted by task and run.

        Raises UsageError for a column that the table lacks or a value of another type.
        """
        return self._read("runs", list(COLUMNS["runs"]), where)

    def scores(self, where: Where | None = None) -> pa.Table:
        """The scores of committed runs, filtered like `runs`."""
        checked = _checked("scores", where)
        # Runs before scores: whoever commits a run between the two reads has written its scores already.
        tasks = {"task": checked["task"]} if "task" in checked else None
        committed = self._read("runs", ["run", "task"], tasks).column("run")
        from suite._arrow import rows_in

        return rows_in(self._read("scores", list(COLUMNS["scores"]), checked), "run", [committed])

    def parts(
        self, runs: Sequence[str], scores: Sequence[str], tasks: Collection[str] | None = None
    ) -> Iterator[tuple[str, pa.Table, pa.Table]]:
        """Task by task its committed runs and all its scores, with the columns named.

        For whoever goes through the whole store: texts that repeat come as dictionary arrays, and no more
        than one task is in memory. Scores may be of runs that are not committed yet: go by the runs. The
        task itself is no column here; ValueError for one that the table lacks.
        """
        from suite._folder import tasks as listed

        asked: list[tuple[Kind, Sequence[str]]] = [("runs", runs), ("scores", scores)]
        for kind, columns in asked:
            if lacking := [c for c in columns if c == "task" or c not in COLUMNS[kind]]:
                raise ValueError(f"{kind} have no such column here: {', '.join(lacking)}")

        for task in self._tasks(listed, "runs"):
            if tasks is None or task in tasks:
                yield task, self._encoded("runs", task, runs), self._encoded("scores", task, scores)

    def _encoded(self, kind: Kind, task: str, columns: Sequence[str]) -> pa.Table:
        """A task's rows, with texts that repeat, but for the run's name, as dictionary arrays."""
        from suite._folder import Folder, load

        repeating = [c for c in columns if c in REPEATING[kind] and c != "run"]
        texts = [c for c in repeating if COLUMNS[kind][c] == "string"]
        return load(Folder(self.root, kind, task), columns, self._note, texts).rows

    def samples(self, runs: Iterable[str]) -> pa.Table:
        """The logged examples of these runs."""
        import pyarrow as pa

        from suite._arrow import empty
        from suite._folder import Folder, load_runs

        wanted = [runs] if isinstance(runs, str) else list(runs)
        committed = self._read("runs", ["run", "task"], {"run": wanted}).to_pylist()
        by_task: dict[str, list[str]] = {}
        for row in committed:
            by_task.setdefault(row["task"], []).append(row["run"])
        pieces = [empty("samples", list(COLUMNS["samples"]))]
        for task, ids in by_task.items():
            pieces.append(load_runs(Folder(self.root, "samples", task), ids, self._note))
        return pa.concat_tables(pieces).combine_chunks()

    def _read(self, kind: Kind, columns: list[str], where: Where | None) -> pa.Table:
        import pyarrow as pa

        from suite._arrow import empty, rows_where
        from suite._folder import Folder, load, tasks

        checked = _checked(kind, where)
        chosen = [t for t in self._tasks(tasks, kind) if "task" not in checked or t in checked["task"]]
        pieces = [load(Folder(self.root, kind, task), columns, self._note).rows for task in chosen]
        table = pa.concat_tables([empty(kind, columns), *pieces])
        for name, values in checked.items():
            table = rows_where(table, name, values)
        return table

    def _tasks(self, tasks: Callable[[Path, Kind], list[str]], kind: Kind) -> list[str]:
        if self.root.exists() and not self.root.is_dir():
            raise StoreError(f"{self.root} is a file, not a results folder; choose another with --results")
        return tasks(self.root, kind)

    def _note(self, problem: Problem) -> None:
        self._problems[problem.path, problem.kind] = problem

    def find(self, cell_id: str, code: str) -> Run | None:
        """The newest run of this cell by this code that ended ok or skipped.

        The index is read once; of what comes later only this store's own appends are seen.
        """
        if self._answers is None:
            from suite._answers import Answers

            self._answers = Answers(self.runs({"status": ["ok", "skipped"]}))
        return self._answers.find(cell_id, code)

    def history(self, cell_id: str) -> list[Run]:
        """All runs of a cell, oldest first."""
        return sorted(runs_as_records(self.runs({"cell": [cell_id]})), key=lambda run: (run.started, run.run))

    def run(self, name: str) -> Run:
        """The run with this id, or the only one whose id begins so; UsageError otherwise."""
        import pyarrow.compute as pc

        from suite._arrow import rows_where

        table = self.runs()
        exact = rows_where(table, "run", [name])
        near = exact if len(exact) else table.filter(pc.starts_with(table.column("run"), name))
        found = runs_as_records(near)
        if not found:
            raise UsageError(f"run '{name}' not found in {self.root}; `suite results` shows the runs")
        if len(found) > 1:
            ids = ", ".join(run.run for run in found[:3]) + (", ..." if len(found) > 3 else "")
            raise UsageError(f"run '{name}' begins {len(found)} runs: {ids}; give more of the id")
        return found[0]

    def check(self) -> list[Problem]:
        """Open every file and report the truncated, foreign, leftover, missing and duplicate ones."""
        from suite._check import check

        return check(self.root)

    def compact(self, prune: bool = False) -> None:
        """Merge the files of every folder into a snapshot; with `prune`, remove what it replaces.

        Safe at any moment beside readers, writers and other compactions; a second call changes nothing.
        """
        from suite._compaction import compact

        try:
            compact(self.root, self._note, prune)
        except OSError as error:
            raise _refused(self.root, error) from None


def runs_as_records(table: pa.Table) -> list[Run]:
    """Rows of the runs table as `Run`s; what an older file lacks gets the field's default."""
    from suite._rows import records

    return records(table)


def _make_folder(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder) from None


def _refused(root: Path, error: OSError) -> StoreError:
    """What the disk said, as one line with a next step."""
    if error.errno in _FULL:
        return StoreError(f"results folder {root}: no space left on the disk; free some and run again")
    said = (error.strerror or str(error)).lower()
    return StoreError(f"results folder {root} cannot be written: {said}; choose another with --results")


def _checked(kind: Kind, where: Where | None) -> dict[str, list[Any]]:
    """The filter with its values in the columns' types; UsageError names what is wrong."""
    checked: dict[str, list[Any]] = {}
    for name, values in (where or {}).items():
        if name not in COLUMNS[kind]:
            near = difflib.get_close_matches(name, list(COLUMNS[kind]), n=1, cutoff=0.5)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise UsageError(f"{kind} have no column '{name}'{hint} Columns: {', '.join(COLUMNS[kind])}")
        alias = COLUMNS[kind][name]
        for value in [values] if isinstance(values, str) else values:
            try:
                checked.setdefault(name, []).append(_typed(value, alias))
            except (KeyError, ValueError, TypeError):
                raise UsageError(f"column '{name}' of {kind} holds {alias}, not '{value}'") from None
        checked.setdefault(name, [])
    return checked


def _typed(value: Any, alias: str) -> Any:
    """A filter's value, perhaps as a user typed it, in its column's type; ValueError where it has none."""
    if value is None or alias == "string":
        return value if value is None else str(value)
    if alias == "bool":
        return {"true": True, "false": False}[str(value).lower()]
    if alias == "int32":
        if not -(2**31) <= int(value) < 2**31 or int(value) != float(value):
            raise ValueError
        return int(value)
    return float(value)
