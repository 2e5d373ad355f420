"""One task's folder of one table: which files count, read so that every run appears once.

A folder holds parts (one file a run) and snapshots (many runs). A part that a snapshot covers is not
opened. Files may vanish at any moment, because somebody prunes: then the folder is listed again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from suite._arrow import column, empty, rows_in, rows_where, sorted_by_run
from suite._parquet import BadFile, bad, read
from suite._tables import COLUMNS, SNAPSHOT, SUFFIX, Kind, Problem, cell_of, folder_name, task_of
from suite.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

Note = Callable[[Problem], None]


@dataclass(frozen=True)
class Folder:
    """The files of one task in one table below `root`."""

    root: Path
    kind: Kind
    task: str

    @property
    def path(self) -> str:
        return os.path.join(self.root, self.kind, folder_name(self.task))

    def file(self, stem: str) -> str:
        return os.path.join(self.path, stem + SUFFIX)


@dataclass(frozen=True)
class Listing:
    """Names without suffix, sorted."""

    parts: list[str]
    snapshots: list[str]


@dataclass(frozen=True)
class Loaded:
    """The rows of a folder, sorted by run, and the run column of each snapshot that could be read."""

    rows: pa.Table
    held: dict[str, pa.ChunkedArray]

    @cached_property
    def snapshots(self) -> dict[str, frozenset[str]]:
        """The runs of each snapshot: a second's work for a million of them, which most readers do without."""
        return {stem: frozenset(runs.unique().to_pylist()) for stem, runs in self.held.items()}


def tasks(root: Path, kind: Kind) -> list[str]:
    """The tasks with a folder in a table; none where there is no table yet."""
    try:
        names = os.listdir(os.path.join(root, kind))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"results folder {root} cannot be read: {error.strerror}") from None
    return sorted(task for task in map(task_of, names) if task is not None)


def listing(folder: Folder) -> Listing:
    """The files of a folder at one moment.

    A snapshot linked while the folder is being listed can be missed although parts that it replaces
    are already gone. So the folder is listed until no snapshot has come or gone meanwhile.
    """
    names = _names(folder)
    while True:
        again = _names(folder)
        if _snapshots(names) == _snapshots(again):
            break
        names = again
    return Listing(sorted(name for name in names if not name.startswith(SNAPSHOT)), _snapshots(names))


def _snapshots(names: Collection[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(SNAPSHOT))


def _names(folder: Folder) -> set[str]:
    try:
        found = os.listdir(folder.path)
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as error:
        raise StoreError(f"results folder {folder.path} cannot be read: {error.strerror}") from None
    return {name[: -len(SUFFIX)] for name in found if name.endswith(SUFFIX) and not name.startswith(".")}


def read_file(
    folder: Folder,
    stem: str,
    columns: Sequence[str],
    runs: Collection[str] | None = None,
    encoded: Collection[str] = (),
) -> pa.Table:
    """One file; BadFile also for a part that holds another run than its name says."""
    path = folder.file(stem)
    try:
        table = read(path, folder.kind, folder.task, columns, runs, encoded)
    except FileNotFoundError:
        if os.path.lexists(path):
            raise bad("unreadable", path, "is a link to nothing") from None
        raise
    if not stem.startswith(SNAPSHOT):
        held = set(table.column("run").unique().to_pylist())
        if held != {stem}:
            raise bad("foreign", path, "holds another run than its name says")
    return table


class Reader:
    """Reads files of a folder once each, skipping bad ones with a note."""

    def __init__(
        self, folder: Folder, columns: Sequence[str], note: Note, encoded: Collection[str] = ()
    ) -> None:
        self.folder, self.note, self.encoded = folder, note, encoded
        self.columns = columns if "run" in columns else ["run", *columns]
        self.read: dict[str, pa.Table | None] = {}

    def table(self, stem: str, runs: Collection[str] | None = None) -> pa.Table | None:
        """The rows of a file or None for a bad one; FileNotFoundError when it has gone."""
        if stem not in self.read:
            try:
                self.read[stem] = read_file(self.folder, stem, self.columns, runs, self.encoded)
            except BadFile as error:
                self.note(owned(error.problem, self.folder, stem))
                self.read[stem] = None
        return self.read[stem]


def owned(problem: Problem, folder: Folder, stem: str) -> Problem:
    """The problem with the run and cell that the file's name gives."""
    path = os.path.relpath(problem.path, folder.root)
    run = "" if stem.startswith(SNAPSHOT) else stem
    return problem._replace(path=path, run=run, cell=cell_of(run))


def load(folder: Folder, columns: Sequence[str], note: Note, encoded: Collection[str] = ()) -> Loaded:
    """All rows of a folder, each run once, sorted by run; rows of one run keep their order.

    The columns named in `encoded` come as dictionary arrays, which costs a fraction where values repeat.
    """
    reader = Reader(folder, columns, note, encoded)
    while True:
        try:
            return _load(reader, listing(folder))
        except FileNotFoundError:
            continue


def _load(reader: Reader, files: Listing) -> Loaded:
    pieces: list[pa.Table] = []
    held: dict[str, pa.ChunkedArray] = {}
    for stem in files.snapshots:
        table = reader.table(stem)
        if table is not None:
            pieces.append(rows_in(table, "run", list(held.values()), keep=False) if held else table)
            held[stem] = table.column("run")
    for stem in _uncovered(files.parts, held):
        if (table := reader.table(stem)) is not None:
            pieces.append(table)
    return Loaded(_joined(pieces, reader, ordered=not held or len(pieces) == 1), held)


def _uncovered(parts: list[str], held: dict[str, pa.ChunkedArray]) -> list[str]:
    """The parts of which no snapshot has the run."""
    import pyarrow as pa

    if not parts or not held:
        return parts
    names = pa.Table.from_arrays([column(parts, "string")], names=["run"])
    left: list[str] = rows_in(names, "run", list(held.values()), keep=False).column("run").to_pylist()
    return left


def _joined(pieces: list[pa.Table], reader: Reader, ordered: bool) -> pa.Table:
    import pyarrow as pa

    if not pieces:
        pieces = [empty(reader.folder.kind, reader.columns, reader.encoded)]
    table = pa.concat_tables(pieces)
    if reader.encoded:
        table = table.unify_dictionaries()
    return table.combine_chunks() if ordered else sorted_by_run(table).combine_chunks()


def load_runs(folder: Folder, runs: Collection[str], note: Note) -> pa.Table:
    """The rows of some runs only: from their parts where they stand, else from the snapshots."""
    while True:
        try:
            return _load_runs(Reader(folder, list(COLUMNS[folder.kind]), note), listing(folder), set(runs))
        except FileNotFoundError:
            continue


def _load_runs(reader: Reader, files: Listing, wanted: set[str]) -> pa.Table:
    found = {stem: reader.table(stem) for stem in files.parts if stem in wanted}
    pieces = [table for table in found.values() if table is not None]
    missing = wanted - {stem for stem, table in found.items() if table is not None}
    for stem in files.snapshots:
        table = reader.table(stem, missing) if missing else None
        if table is not None:
            table = rows_where(table, "run", missing)
            pieces.append(table)
            missing -= set(table.column("run").unique().to_pylist())
    return _joined(pieces, reader, ordered=False)
