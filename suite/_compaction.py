"""Compaction: many parts of a folder into one snapshot, while others read, write and compact.

Nothing is removed before a durable file holds its rows. A snapshot is named by the runs in it, so two
compactions of the same rows make the same file, and one that is already there is left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Collection
from pathlib import Path

from suite._arrow import rows_where
from suite._folder import Folder, Loaded, Note, listing, load, read_file, tasks
from suite._parquet import BadFile, encode, place, sync_folder
from suite._tables import COLUMNS, KINDS, SNAPSHOT


def compact(root: Path, note: Note, prune: bool) -> None:
    """Give every folder of the store one snapshot of all its committed runs.

    With `prune`, files whose rows the snapshot holds are removed. Raises OSError for what the disk says.
    """
    for task in sorted({task for kind in KINDS for task in tasks(root, kind)}):
        # Runs first: the scores and samples of a run that is listed here are already in place.
        runs = Folder(root, "runs", task)
        loaded = load(runs, list(COLUMNS["runs"]), note)
        committed = loaded.rows.column("run").to_pylist()
        _compact(runs, loaded, prune)
        for kind in KINDS[1:]:
            folder = Folder(root, kind, task)
            found = load(folder, list(COLUMNS[kind]), note)
            _compact(folder, Loaded(rows_where(found.rows, "run", committed), found.held), prune)


def snapshot_name(runs: Collection[str]) -> str:
    """The name of the snapshot of exactly these runs."""
    return SNAPSHOT + hashlib.sha256("\n".join(sorted(runs)).encode()).hexdigest()[:16]


def _compact(folder: Folder, loaded: Loaded, prune: bool) -> None:
    runs = frozenset(loaded.rows.column("run").unique().to_pylist())
    if not runs:
        return
    name = snapshot_name(runs)
    if loaded.snapshots.get(name) != runs:
        with contextlib.suppress(FileExistsError):
            place(encode(folder.kind, folder.task, loaded.rows), folder.file(name))
    if prune and _holds(folder, name, runs):
        _prune(folder, loaded, name, runs)


def _holds(folder: Folder, name: str, runs: frozenset[str]) -> bool:
    """Whether the snapshot reads back with every run: a damaged one of this name replaces nothing."""
    try:
        table = read_file(folder, name, list(COLUMNS[folder.kind]))
    except (BadFile, FileNotFoundError):
        return False
    return runs == set(table.column("run").unique().to_pylist())


def _prune(folder: Folder, loaded: Loaded, name: str, runs: frozenset[str]) -> None:
    """Remove what the snapshot replaces.

    Only snapshots that were read before this one was written may go: otherwise two compactions could each
    remove the other's.
    """
    sync_folder(folder.path)
    parts = [stem for stem in listing(folder).parts if stem in runs]
    older = [stem for stem, held in loaded.snapshots.items() if stem != name and held <= runs]
    for stem in [*parts, *older]:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(folder.file(stem))
