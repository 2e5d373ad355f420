"""The files of a bundle that a stranger made: nothing is believed before it is looked at, and all is capped.

A bundle has the layout of the store with one file a run and nothing else. A file that is not exactly that
is a `Fault`, one clear line each; the others become `Claimed` runs.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from suite._submit_vet import deadly
from suite._tables import COLUMNS, KINDS, SCHEMA, SUFFIX, Kind, folder_name, is_run_id, task_of
from suite.errors import UsageError
from suite.records import Run, ScoreRow

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

MOST_FILES = 10_000
MOST_ROWS = 5_000_000
MOST_FAULTS = 1_000
# A score is kept as a record, of samples only the sums: one weighs as much as ten.
SCORE_WEIGHT = 10
FILE_BYTES = 8 << 20
BUNDLE_BYTES = 64 << 20
# What one file may grow to once it is unpacked.
DECODED_BYTES = 128 << 20
ROWS = {"runs": 1, "scores": 5_000, "samples": 200_000}
NULLABLE = {"n", "higher_is_better", "input", "output", "target"}
TEXT_BYTES = {
    **dict.fromkeys(("settings", "task_settings", "overrides", "packages", "host"), 20_000),
    **dict.fromkeys(("input", "output", "target"), 20_000),
    **{"error": 8_000, "reason": 8_000, "modules": 200_000},
}
OTHER_TEXT_BYTES = 300
SHOWN = 100


class Fault(NamedTuple):
    """A file or folder of the bundle that is not what it must be; `run` where its name gives one."""

    path: str
    what: str
    run: str = ""


class Place(NamedTuple):
    """A file by what its path says it is."""

    kind: Kind
    task: str
    run: str
    path: str
    shown: str


class SampleFacts(NamedTuple):
    """What is needed of a run's samples: their number, mean of `correct`, and whether each index is new."""

    n: int
    mean: float
    distinct: bool


@dataclass(frozen=True)
class Claimed:
    """A run of the bundle with its scores and what its samples say."""

    run: Run
    scores: Sequence[ScoreRow] = ()
    samples: SampleFacts | None = None


class Refused(Exception):
    """Why a file is refused."""


def clean(value: object, most: int = SHOWN) -> str:
    """A stranger's text for one line of a terminal: no control characters, no more than `most` letters."""
    text = str(value)
    shown = "".join(c if c.isprintable() else "?" for c in text[:most])
    return shown + "..." if len(text) > most else shown


def read_bundle(root: Path) -> tuple[list[Claimed], list[Fault]]:
    """The runs that can be read, by task and run, and every fault; UsageError where there is no bundle."""
    if root.is_symlink() or not root.is_dir():
        raise UsageError(f"bundle {root} is no folder; `suite submit pack --out {root}` makes one")
    places, faults = _places(root)
    doomed = deadly(places)
    faults += [Fault(p.shown, doomed[p.path], p.run) for p in places if p.path in doomed]
    tables: dict[tuple[Kind, str, str], Any] = {}
    rows = 0
    for place in (p for p in places if p.path not in doomed):
        try:
            tables[place.kind, place.task, place.run] = found = read_file(place)
            rows += found.n if place.kind == "samples" else SCORE_WEIGHT * len(found)
        except Refused as error:
            faults.append(Fault(place.shown, str(error), place.run))
        if rows > MOST_ROWS:
            raise UsageError(f"bundle {root} has more than {MOST_ROWS:,} rows; make it smaller")
    return _joined(tables, faults), faults


def _places(root: Path) -> tuple[list[Place], list[Fault]]:
    """The files that a bundle may have, by kind, task and run; everything else is a fault."""
    places: list[Place] = []
    faults: list[Fault] = []
    total = 0
    for path, parts, info in _walk(os.fspath(root)):
        shown = clean("/".join(parts))
        place = _place(path, parts, shown)
        if len(places) + len(faults) >= MOST_FILES or len(faults) >= MOST_FAULTS:
            raise UsageError(f"bundle {root} has too many files; at most {MOST_FILES:,} make a bundle")
        if isinstance(place, str):
            faults.append(Fault(shown, place))
        elif not stat.S_ISREG(info.st_mode):
            faults.append(Fault(shown, "is no plain file", place.run))
        elif info.st_size > FILE_BYTES:
            what = f"has {info.st_size:,} bytes; at most {FILE_BYTES:,} are read"
            faults.append(Fault(shown, what, place.run))
        else:
            total += info.st_size
            places.append(place)
    if total > BUNDLE_BYTES:
        raise UsageError(f"bundle {root} has {total:,} bytes; at most {BUNDLE_BYTES:,} are read")
    return sorted(places, key=lambda p: (KINDS.index(p.kind), p.task, p.run)), faults


def _walk(root: str, above: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...], os.stat_result]]:
    """Everything three levels down that is no folder, and what lies deeper as it is; no link is followed."""
    try:
        entries = sorted(os.scandir(root), key=lambda e: e.name)
    except OSError as error:
        raise UsageError(f"bundle folder {clean(root)} cannot be read: {error.strerror}") from None
    for entry in entries:
        parts = (*above, entry.name)
        if entry.is_dir(follow_symlinks=False) and len(parts) < 3:
            yield from _walk(entry.path, parts)
        else:
            yield entry.path, parts, entry.stat(follow_symlinks=False)


def _place(path: str, parts: tuple[str, ...], shown: str) -> Place | str:
    """What a path of the bundle is, or why it is nothing."""
    kind = next((kind for kind in KINDS if kind == parts[0]), None)
    if kind is None or len(parts) < 3:
        return "does not belong in a bundle, which holds runs/, scores/ and samples/ only"
    task = task_of(parts[1])
    if not task or folder_name(task) != parts[1] or len(parts[1]) > 200:
        return "is in no folder of a task"
    run = parts[2].removesuffix(SUFFIX)
    if run == parts[2] or not is_run_id(run):
        return "is no file of one run"
    return Place(kind, task, run, path, shown)


def read_file(place: Place) -> Any:
    """The rows of a file; of samples only the facts. Raises Refused."""
    import pyarrow as pa

    try:
        table = _decoded(place)
    except (OSError, ValueError, KeyError, TypeError, MemoryError, OverflowError, pa.ArrowException) as error:
        raise Refused(f"cannot be read as parquet: {clean(str(error).partition(chr(10))[0])}") from None
    _refuse_nulls_and_long_texts(table)
    if set(table.column("run").unique().to_pylist()) != {place.run}:
        raise Refused("holds another run than its name says")
    if place.kind != "samples":
        return table
    import numpy as np

    index, correct = _numbers(table, "index"), _numbers(table, "correct").astype(float)
    if not np.isfinite(correct).all():
        raise Refused("has a sample whose 'correct' is no finite number")
    return SampleFacts(len(index), float(correct.mean()), len(np.unique(index)) == len(index))


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    column: np.ndarray = table.column(name).to_numpy()
    return column


def _decoded(place: Place) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open(os.open(place.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
        data = file.read(FILE_BYTES + 1)
    _check_footer(pq.read_metadata(pa.BufferReader(data)), place)
    # As dictionaries, a text that stands in every row is in memory once, so that its length can be looked at.
    texts = [name for name, alias in COLUMNS[place.kind].items() if alias == "string" and name != "task"]
    source = pa.BufferReader(data)
    table = pq.ParquetFile(source, page_checksum_verification=True, read_dictionary=texts).read(
        use_threads=False
    )
    table.validate(full=True)
    return table


def _check_footer(footer: Any, place: Place) -> None:
    """Refuse by what the file says of itself, before a row is unpacked."""
    said = footer.metadata or {}
    version = said.get(b"touchstone.schema", b"")
    if b"ARROW:schema" in said or not version.isdigit() or len(version) > 4:
        raise Refused("is a parquet file that this suite did not write")
    if int(version) > SCHEMA:
        raise Refused(f"has schema version {int(version)}, newer than {SCHEMA}; update the suite to read it")
    for key, wanted in (("table", place.kind), ("task", place.task)):
        if said.get(f"touchstone.{key}".encode()) != wanted.encode():
            raise Refused(f"belongs to another {key} than its folder says")
    _check_columns(footer.schema.to_arrow_schema(), place.kind)
    if not 1 <= footer.num_rows <= ROWS[place.kind]:
        raise Refused(f"has {footer.num_rows:,} rows; a run has 1 to {ROWS[place.kind]:,} {place.kind}")
    groups = [footer.row_group(i) for i in range(min(footer.num_row_groups, 16))]
    if len(groups) < footer.num_row_groups or sum(g.total_byte_size for g in groups) > DECODED_BYTES:
        raise Refused(f"would unpack to more than {DECODED_BYTES >> 20} MiB")
    packed = {g.column(k).compression for g in groups for k in range(g.num_columns)}
    if not packed <= {"SNAPPY", "UNCOMPRESSED"}:
        raise Refused(f"is packed with {clean(', '.join(sorted(packed)))}; the store writes snappy")


def _check_columns(schema: pa.Schema, kind: Kind) -> None:
    from suite._arrow import stored

    found = {field.name: str(field.type) for field in schema}
    wanted = {field.name: str(field.type) for field in stored(kind)}
    if len(found) != len(schema):
        raise Refused("has a column twice")
    if missing := [name for name in wanted if name not in found]:
        raise Refused(f"lacks column '{missing[0]}'")
    if stray := [name for name in found if name not in wanted]:
        raise Refused(f"has a column '{clean(stray[0])}' that the table does not have")
    for name, alias in wanted.items():
        if found[name] != alias:
            raise Refused(f"column '{name}' holds {clean(found[name])}, not {alias}")


def _refuse_nulls_and_long_texts(table: pa.Table) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    total = 0
    for name in table.schema.names:
        column = table.column(name)
        if column.null_count and name not in NULLABLE:
            raise Refused(f"column '{name}' has a row without a value")
        if not pa.types.is_dictionary(column.type):
            continue
        most = TEXT_BYTES.get(name, OTHER_TEXT_BYTES)
        for chunk in column.chunks:
            lengths = pc.binary_length(chunk.dictionary).to_numpy(zero_copy_only=False)
            if len(lengths) and lengths.max() > most:
                raise Refused(
                    f"column '{name}' has a text of {lengths.max():,} bytes; at most {most:,} are read"
                )
            used = chunk.indices.drop_null().to_numpy(zero_copy_only=False)
            total += int(lengths[used].astype(np.int64).sum()) if len(used) else 0
    if total > DECODED_BYTES:
        raise Refused(f"has more than {DECODED_BYTES >> 20} MiB of text")


def _joined(tables: dict[tuple[Kind, str, str], Any], faults: list[Fault]) -> list[Claimed]:
    """Each run with its scores and samples; what belongs to no run, or to two, is a fault."""
    found, seen = [], set()
    for kind, task, run in tables:
        if kind != "runs":
            if ("runs", task, run) not in tables:
                faults.append(
                    Fault(f"{kind}/{folder_name(task)}/{run}", "belongs to no run of the bundle", run)
                )
            continue
        if run in seen:
            faults.append(Fault(f"{kind}/{folder_name(task)}/{run}", "has the run id of another run", run))
            continue
        seen.add(run)
        record = _record(tables[kind, task, run], task)
        try:
            scores = _scores(tables.get(("scores", task, run)), record)
        except Refused as error:
            faults.append(Fault(f"scores/{folder_name(task)}/{run}", str(error), run))
            continue
        found.append(Claimed(record, scores, tables.get(("samples", task, run))))
    return found


def _record(table: pa.Table, task: str) -> Run:
    values = {name: table.column(name)[0].as_py() for name in COLUMNS["runs"] if name != "task"}
    return Run(task=task, **values)


def _scores(table: pa.Table | None, run: Run) -> tuple[ScoreRow, ...]:
    if table is None:
        return ()
    for name in ("cell", "method", "profile", "seed"):
        if set(table.column(name).unique().to_pylist()) != {getattr(run, name)}:
            raise Refused(f"column '{name}' is not what the run says")
    columns = [table.column(name).to_pylist() for name in ScoreRow._fields]
    return tuple(ScoreRow(*row) for row in zip(*columns, strict=True))
