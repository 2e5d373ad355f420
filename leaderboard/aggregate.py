"""From raw rows to the board: which runs count, their mean over seeds, and the ranks inside a task.

The rules, in order:

1. An *entry* is a (task, method, profile, base model, overrides). Runs of one entry that differ in
   anything else of the cell but the seed (versions, settings, fingerprints of data and model) are never
   mixed: the group with the newest run is shown, the others are superseded and only counted.
2. Inside the group, the newest run of each seed counts, however it ended.
3. Only runs with status ok have values. Every other status is shown and never averaged.
4. A run whose code differs from the checkout's (from that of the group's newest run, where the checkout
   lacks the method or the task) stays, marked.
5. A *table* is a (task, profile). Entries of an older task version are superseded. Entries with other task
   settings or other data than the table's, or of an older version of their method than the catalogue's, are
   listed, but not ranked.
6. Nulls and ceilings are shown and not ranked, and so is a method with a single seed.
7. A run of origin `claimed` was made elsewhere. Where the project has runs of the entry, these alone count
   and the claimed values stand beside them; where it has none, the entry is shown and not ranked.
8. Where settings are compared in rules 1 and 5, a field that a row lacks was added after the row was made: it
   has the value of the field's default in today's class of the task or method (suite/defaults.py). A default
   that changes what was measured raises the version. What nobody knows any more is compared as stored.

All is a pure function of the rows and these classes: the same rows in any order give the same board. It goes
task by task, column by column, so that a million rows take a second or two.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from leaderboard import columns
from leaderboard._choice import CHOICE_COLUMNS, choose
from leaderboard._choice import ENTRY as ENTRY
from leaderboard._choice import GROUP as GROUP
from leaderboard._entries import SCORE_COLUMNS as SCORE_COLUMNS
from leaderboard._entries import entries
from leaderboard._tables import tables
from leaderboard.board import Board as Board
from leaderboard.board import Entry as Entry
from leaderboard.board import Row, Source
from leaderboard.board import Table as Table
from leaderboard.board import overrides as overrides
from leaderboard.marks import Checkout, unknown
from suite._tables import COLUMNS
from suite.api import MethodSpec, TaskSpec

if TYPE_CHECKING:
    import pyarrow as pa

    from suite.store import Store

RUN_COLUMNS = (
    *("run", "cell", "family", "seed", "code", *ENTRY, *GROUP),
    *("status", "error", "reason", "started", "wall_s", "cpu_s", "overhead_s", "peak_mb"),
    *("device", "threads", "git_commit", "git_dirty", "packages", "host", "origin"),
)
Part = tuple[str, "pa.Table", "pa.Table"]
PROFILES = ("small", "paper", "smoke")


def aggregate(
    runs: Iterable[Row] | pa.Table,
    scores: Iterable[Row] | pa.Table,
    tasks: Mapping[str, TaskSpec],
    methods: Mapping[str, MethodSpec],
    today: Checkout = unknown,
) -> Board:
    """The board of these rows. Names that the catalogue no longer has are kept, without a spec.

    `today` says what the checkout's fingerprints are; without it nothing is compared with the checkout.
    """
    run_table = runs if hasattr(runs, "schema") else columns.table_of(runs, COLUMNS["runs"])
    score_table = scores if hasattr(scores, "schema") else columns.table_of(scores, COLUMNS["scores"])
    parts = _by_task(run_table.sort_by("run"), score_table)
    made = (_task(name, r, s, Source.of(r), today, tasks, methods) for name, r, s in parts)
    return _board(made, tasks, methods)


def of_store(
    store: Store,
    tasks: Mapping[str, TaskSpec],
    methods: Mapping[str, MethodSpec],
    today: Checkout = unknown,
) -> Board:
    """The board of a whole store; the runs behind an entry are read when they are asked for."""
    chosen = [c for c in CHOICE_COLUMNS if c != "task"]
    parts = _ahead(store.parts(chosen, SCORE_COLUMNS))
    made = (_task(name, r, s, Source.stored(store, name, r), today, tasks, methods) for name, r, s in parts)
    return _board(made, tasks, methods)


def _ahead(parts: Iterator[Part]) -> Iterator[Part]:
    """The parts, each read while the one before is worked on."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = reader.submit(next, parts, None)
            yield part


def _by_task(runs: pa.Table, scores: pa.Table) -> Iterator[Part]:
    from suite._arrow import rows_where

    for name in sorted(set(runs.column("task").to_pylist())):
        found = rows_where(runs, "task", [name])
        if "task" in scores.schema.names:
            yield name, found, rows_where(scores, "task", [name])
        else:
            yield name, found, scores


def _task(
    name: str,
    runs: pa.Table,
    scores: pa.Table,
    source: Source,
    today: Checkout,
    specs: Mapping[str, TaskSpec],
    methods: Mapping[str, MethodSpec],
) -> Any:
    choice = choose(runs, specs.get(name), methods)
    return name, choice, entries(name, choice, scores, source, today)


def _board(made: Iterable[Any], specs: Mapping[str, TaskSpec], methods: Mapping[str, MethodSpec]) -> Board:
    with _no_collection():
        built = [table for part in made for table in tables(*part, specs, methods)]
    return Board(sorted(built, key=lambda t: (t.family, t.task, _profile_place(t.profile))))


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """A million small objects that all stay are made here: looking for garbage among them costs a second."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _profile_place(profile: str) -> tuple[int, str]:
    return (PROFILES.index(profile) if profile in PROFILES else len(PROFILES)), profile
