"""The store's health: opens every file, also those that readers leave alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from suite._folder import Folder, owned, read_file, tasks
from suite._parquet import BadFile
from suite._tables import COLUMNS, KINDS, SNAPSHOT, SUFFIX, Kind, Problem, Wrong, cell_of, task_of

if TYPE_CHECKING:
    import pyarrow as pa


class _Table:
    """What the files of one table hold: which run stands where, and what is wrong."""

    def __init__(self, root: Path, kind: Kind) -> None:
        self.root, self.kind = root, kind
        self.where: dict[str, str] = {}
        self.broken: set[str] = set()
        self.status: dict[str, str] = {}
        self.titles: dict[str, str] = {}
        self.problems: list[Problem] = []
        self._rows: dict[str, pa.Table] = {}

    def problem(self, kind: Wrong, path: str, what: str, run: str = "") -> None:
        relative = os.path.relpath(path, self.root)
        self.problems.append(Problem(kind, relative, what, run, cell_of(run)))

    def read(self) -> None:
        base = os.path.join(self.root, self.kind)
        for name in sorted(os.listdir(base)) if os.path.isdir(base) else ():
            if task_of(name) is None and not name.startswith("."):
                self.problem("foreign", os.path.join(base, name), "is no folder of a task")
        for task in tasks(self.root, self.kind):
            folder = Folder(self.root, self.kind, task)
            for name in sorted(os.listdir(folder.path)) if os.path.isdir(folder.path) else ():
                self._file(folder, name)

    def _file(self, folder: Folder, name: str) -> None:
        path = os.path.join(folder.path, name)
        if name.startswith("."):
            if name.endswith(".tmp"):
                run = name[1:].partition(SUFFIX)[0]
                self.problem("leftover", path, "was being written when its writer died", run)
        elif not name.endswith(SUFFIX):
            self.problem("foreign", path, "is no file of this store")
        else:
            self._parquet(folder, name[: -len(SUFFIX)])

    def _parquet(self, folder: Folder, stem: str) -> None:
        try:
            table = read_file(folder, stem, list(COLUMNS[folder.kind]))
        except FileNotFoundError:
            return
        except BadFile as error:
            self.problems.append(owned(error.problem, folder, stem))
            self.broken.add(stem)
            return
        self._learn(table)
        if stem.startswith(SNAPSHOT):
            self._snapshot(folder, stem, table)
        else:
            self._rows_of(folder.file(stem), stem, table)

    def _learn(self, table: pa.Table) -> None:
        """Which cell each run is of, and how it ended."""
        if self.kind == "samples":
            return
        names = ("run", "method", "task", "profile", "seed")
        columns = (table.column(name).to_pylist() for name in names)
        for run, method, task, profile, seed in set(zip(*columns, strict=True)):
            self.titles[cell_of(run) or run] = f"{method} on {task} ({profile}, seed {seed})"
        if self.kind == "runs":
            ends = zip(table.column("run").to_pylist(), table.column("status").to_pylist(), strict=True)
            self.status.update(ends)

    def _snapshot(self, folder: Folder, stem: str, table: pa.Table) -> None:
        """Split a snapshot, whose rows are sorted by run, into its runs."""
        path = folder.file(stem)
        runs = table.column("run").to_pylist()
        starts = [i for i in range(len(runs)) if i == 0 or runs[i] != runs[i - 1]]
        if len(starts) != len(set(runs)):
            self.problem("damaged", path, "is not sorted by run")
        for start, end in zip(starts, [*starts[1:], len(runs)], strict=True):
            self._rows_of(path, runs[start], table.slice(start, end - start))

    def _rows_of(self, path: str, run: str, rows: pa.Table) -> None:
        """A run may stand in a part and in snapshots, each time the same; one row of `runs` is enough."""
        if self.kind == "runs" and len(rows) > 1:
            self.problem("duplicate", path, f"has {len(rows)} rows for one run", run)
        first = self.where.setdefault(run, path)
        if first == path:
            self._rows[run] = rows
        elif os.path.dirname(first) != os.path.dirname(path) or not self._rows[run].equals(rows):
            self.problem("duplicate", path, f"contradicts {os.path.relpath(first, self.root)}", run)

    def beside(self, path: str) -> str:
        """The file of this table that belongs to a file of another table."""
        return os.path.join(self.root, self.kind, os.path.relpath(path, self.root).partition(os.sep)[2])


def check(root: Path) -> list[Problem]:
    """Every problem of the store, by path."""
    runs, scores, samples = (_Table(root, kind) for kind in KINDS)
    for table in (runs, scores, samples):
        table.read()
    for table in (scores, samples):
        for run in sorted(set(table.where) - set(runs.where) - runs.broken):
            # A cell that was committed since the runs were read is no leftover.
            if not os.path.exists(runs.beside(table.where[run])):
                table.problem(
                    "leftover", table.where[run], "has no run: its cell was killed or is not done", run
                )
    for run in sorted(set(runs.where) - set(scores.where) - scores.broken):
        if runs.status[run] == "ok":
            runs.problem("missing", runs.where[run], "ended ok, but its scores are missing", run)
    titles = scores.titles | runs.titles
    found = [problem for table in (runs, scores, samples) for problem in table.problems]
    return sorted(p._replace(title=titles.get(p.cell or p.run, "")) for p in found)
