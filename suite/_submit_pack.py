"""Packing a bundle: the newest runs of chosen cells as claims, in the layout of the store."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from suite._submit_files import BUNDLE_BYTES, FILE_BYTES
from suite._submit_identity import CLAIMED
from suite._tables import Problem, task_of
from suite.api import Sample
from suite.errors import StoreError, UsageError
from suite.records import Outcome, Run, ScoreRow
from suite.store import Store, runs_as_records

if TYPE_CHECKING:
    import pyarrow as pa

ENDED = ("ok", "skipped")
# What a kill leaves behind: no run was lost by it.
HARMLESS = ("leftover", "duplicate")


class Packed(NamedTuple):
    """What a bundle holds; `dirty` counts the runs made from a working tree with changes."""

    runs: int
    size_bytes: int
    dirty: int
    samples: bool


def pack(
    store: Store,
    out: Path,
    *,
    methods: Collection[str],
    tasks: Collection[str] = (),
    profiles: Collection[str] = (),
    samples: bool = True,
    failed: bool = False,
) -> Packed:
    """Write the newest run of each chosen cell, with origin `claimed`, to a new bundle at `out`.

    Raises UsageError where nothing was chosen, where a run ended badly (unless `failed`), where the folder
    is taken, and where the bundle would be larger than a check reads; StoreError where files of the store
    are damaged, and where the bundle cannot be written.
    """
    chosen = _chosen(store, methods, tasks, profiles)
    _refuse_damage(store, tasks)
    bad = [run for run in chosen if run.status not in ENDED]
    if bad and not failed:
        first = f"{bad[0].method} on {bad[0].task} (seed {bad[0].seed}) {bad[0].status}"
        raise UsageError(
            f"{len(bad)} of {len(chosen)} cells did not end well ({first}); --failed packs them too"
        )
    if out.is_symlink() or out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already; give --out a new folder")
    made = _written(store, out, chosen, samples)
    try:
        _refuse_damage(store, tasks)
        size = _size(made)
        made.chmod(0o755)
        os.replace(made, out)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return Packed(len(chosen), size, sum(run.git_dirty for run in chosen), samples)


def _written(store: Store, out: Path, chosen: Sequence[Run], samples: bool) -> Path:
    """A new folder beside `out` with the chosen runs; none is left where one cannot be written."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    except OSError as error:
        raise StoreError(f"bundle {out} cannot be written: {error.strerror or error}") from None
    try:
        for outcome in outcomes(store, chosen, samples):
            Store(made).append(outcome)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return made


def _refuse_damage(store: Store, tasks: Collection[str]) -> None:
    """StoreError where a file of these tasks (none named: of any) that was read is damaged.

    Nobody knows whose rows the bundle would lack.
    """
    damaged = [p for p in store.problems if p.kind not in HARMLESS and (not tasks or _task(p) in tasks)]
    if damaged:
        files = f"{len(damaged)} damaged file{'' if len(damaged) == 1 else 's'}"
        raise StoreError(
            f"{files} in {store.root} ({damaged[0]}): a bundle would lack rows; `suite store check` names "
            "them all, --task leaves other tasks out"
        )


def _task(problem: Problem) -> str | None:
    """The task that a damaged file is of; None where its place does not say."""
    folders = Path(problem.path).parts
    return task_of(folders[1]) if len(folders) > 2 else None


def _chosen(
    store: Store, methods: Collection[str], tasks: Collection[str], profiles: Collection[str]
) -> list[Run]:
    """The newest of the project's own runs of each cell; what was claimed to us is not ours to claim."""
    named = (("method", methods), ("task", tasks), ("profile", profiles))
    where = {column: list(values) for column, values in named if values} | {"origin": ["project"]}
    newest: dict[str, Run] = {}
    for run in sorted(runs_as_records(store.runs(where)), key=lambda r: (r.started, r.run)):
        newest[run.cell] = run
    if not newest:
        _refuse_damage(store, tasks)
        of, on, at = (" or ".join(values) for _, values in named)
        asked = f"of {of or 'any method'}{f' on {on}' if on else ''}{f' in profile {at}' if at else ''}"
        raise UsageError(
            f"{store.root} has no run of its own {asked}; `suite results --runs` shows what there is"
        )
    return sorted(newest.values(), key=lambda run: (run.task, run.run))


def outcomes(store: Store, runs: Sequence[Run], samples: bool) -> Iterator[Outcome]:
    """Each run as a claim, with its scores and samples; a task is read at a time."""
    by_task: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_task[run.task].append(run)
    for task, members in by_task.items():
        ids = [run.run for run in members]
        scores = _by_run(store.scores({"task": [task], "run": ids}), ScoreRow._fields)
        logged = _by_run(store.samples(ids), Sample._fields) if samples else {}
        for run in members:
            yield Outcome(
                dataclasses.replace(run, origin=CLAIMED),
                [ScoreRow(**row) for row in scores.get(run.run, ())],
                [Sample(**row) for row in logged.get(run.run, ())],
            )


def _by_run(table: pa.Table, columns: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    rows = table.select(list(columns)).to_pylist()
    for run, row in zip(table.column("run").to_pylist(), rows, strict=True):
        found[run].append(row)
    return found


def _size(bundle: Path) -> int:
    """Bytes of all files; UsageError where a check would not read them."""
    sizes = [path.stat().st_size for path in bundle.rglob("*.parquet")]
    if max(sizes) > FILE_BYTES or sum(sizes) > BUNDLE_BYTES:
        raise UsageError(
            f"the bundle would have {sum(sizes):,} bytes, its largest file {max(sizes):,}; at most "
            f"{BUNDLE_BYTES:,} and {FILE_BYTES:,} are read: leave samples out with --no-samples or pack less"
        )
    return sum(sizes)
