"""One parquet file of the store: to bytes, onto the disk in one step, and back with every doubt spoken."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from suite._arrow import repeated, schema
from suite._tables import REPEATING, SCHEMA, Kind, Problem, Wrong

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROW_GROUP = 1 << 16
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP)


class BadFile(Exception):
    """A file that cannot be used; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def encode(kind: Kind, task: str, table: pa.Table) -> pa.Buffer:
    """The bytes of a file with these rows: the same rows in the same order give the same bytes.

    The task stands in the folder's name and the file's metadata, not in a column: a hive reader adds the
    column, and pandas refuses a folder in which the file has it too.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if "task" in table.schema.names:
        table = table.drop_columns(["task"])
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="snappy",
        store_schema=False,
        write_page_checksum=True,
        write_statistics=["run"],
        use_dictionary=list(REPEATING[kind]) if len(table) > 1 else False,
        column_encoding={"index": "DELTA_BINARY_PACKED"} if kind == "samples" else None,
    ) as writer:
        writer.write_table(table, row_group_size=ROW_GROUP)
        writer.add_key_value_metadata(
            {"touchstone.schema": str(SCHEMA), "touchstone.table": kind, "touchstone.task": task}
        )
    return sink.getvalue()


def place(data: bytes | pa.Buffer, final: str) -> None:
    """Write a file that must not exist yet: wholly or not at all, whoever else writes or dies meanwhile.

    Raises FileExistsError for a name that is taken, OSError for what the disk says.
    """
    folder, name = os.path.split(final)
    temp = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.tmp")
    try:
        with open(temp, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _link(temp, final)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temp)


def _link(temp: str, final: str) -> None:
    """Give the finished file its name. A disk without hard links gets a rename: run ids never repeat."""
    try:
        os.link(temp, final)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(final):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), final) from None
        os.rename(temp, final)


def sync_folder(folder: str) -> None:
    """Make new names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(
    path: str,
    kind: Kind,
    task: str,
    columns: Sequence[str],
    runs: Collection[str] | None = None,
    encoded: Collection[str] = (),
) -> pa.Table:
    """The columns asked for, in the types of this version; columns that an older file lacks are null.

    With `runs`, row groups that hold none of them are left out. Text columns in `encoded` come as dictionary
    arrays. Raises BadFile for a file that is not
    a whole file of this table and task, FileNotFoundError for one that has gone.
    """
    import pyarrow as pa

    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise bad("unreadable", path, f"cannot be read: {error.strerror}") from None
    _check_frame(data, path)
    try:
        return _decode(data, path, (kind, task), columns, runs, encoded)
    except (OSError, ValueError, KeyError, TypeError, MemoryError, pa.ArrowException) as error:
        raise bad("damaged", path, f"cannot be decoded: {str(error).splitlines()[0]}") from None


def _decode(
    data: bytes,
    path: str,
    owner: tuple[Kind, str],
    columns: Sequence[str],
    runs: Collection[str] | None,
    encoded: Collection[str],
) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(
        pa.BufferReader(data), page_checksum_verification=True, read_dictionary=list(encoded) or None
    )
    _check_origin(file.metadata.metadata or {}, path, *owner)
    present = [name for name in file.schema_arrow.names if name in columns]
    groups = range(file.num_row_groups) if runs is None else _groups_with(file, runs)
    table = file.read_row_groups(list(groups), columns=present, use_threads=len(data) > 1 << 20)
    if "run" in columns and ("run" not in present or table.column("run").null_count):
        raise bad("foreign", path, "has rows that name no run")
    return _conform(table, *owner, columns, encoded)


def _check_frame(data: bytes, path: str) -> None:
    """A parquet file begins and ends with the same four letters."""
    if not data:
        raise bad("truncated", path, "is empty")
    if data[:4] != b"PAR1":
        raise bad("foreign", path, "is no parquet file")
    if len(data) < 12 or data[-4:] != b"PAR1":
        raise bad("truncated", path, f"ends too early, after {len(data)} bytes")


def _check_origin(metadata: dict[bytes, bytes], path: str, kind: Kind, task: str) -> None:
    version = metadata.get(b"touchstone.schema", b"")
    if not version.isdigit():
        raise bad("foreign", path, "is a parquet file that this suite did not write")
    if int(version) > SCHEMA:
        what = f"has schema version {int(version)}, newer than {SCHEMA}; update the suite to read it"
        raise bad("newer", path, what)
    for key, wanted in (("table", kind), ("task", task)):
        found = metadata.get(f"touchstone.{key}".encode(), wanted.encode()).decode()
        if found != wanted:
            raise bad("foreign", path, f"belongs to {key} '{found}', not here")


def _groups_with(file: pq.ParquetFile, runs: Collection[str]) -> list[int]:
    """Row groups whose range of run ids holds one of `runs`; all of a file without statistics."""
    column = file.schema_arrow.names.index("run")
    chosen = []
    for group in range(file.num_row_groups):
        bounds = file.metadata.row_group(group).column(column).statistics
        if bounds is None or not bounds.has_min_max or any(bounds.min <= run <= bounds.max for run in runs):
            chosen.append(group)
    return chosen


def _conform(
    table: pa.Table, kind: Kind, task: str, columns: Sequence[str], encoded: Collection[str]
) -> pa.Table:
    """The columns in order and type; the task comes from the folder."""
    import pyarrow as pa

    kinds = schema(kind)
    arrays = []
    for name in columns:
        wanted = kinds.field(name).type
        if name in encoded:
            wanted = pa.dictionary(pa.int32(), wanted)
        if name == "task":
            arrays.append(repeated(task, len(table)))
        elif name not in table.schema.names:
            arrays.append(pa.nulls(len(table), wanted))
        else:
            column = table.column(name)
            arrays.append(column if column.type == wanted else column.cast(wanted))
    return pa.Table.from_arrays(arrays, names=list(columns))


def bad(kind: Wrong, path: str, what: str) -> BadFile:
    """A BadFile whose run is not known yet."""
    return BadFile(Problem(kind, path, what))
