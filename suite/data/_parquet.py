"""Parquet files within bounds: what a file claims is checked before memory is given to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from suite.errors import DataError

MAGIC = b"PAR1"
FOOTER_BYTES = 64 << 20
ROWS = 100_000_000
BATCH = 256
BROKEN = (pa.ArrowException, OSError, EOFError, ValueError, OverflowError, MemoryError)


def whole(path: Path) -> pa.Table:
    """Every row of a file whose checksum has been verified."""
    with _readable(path):
        return pq.read_table(path)


def bounded(path: Path, max_bytes: int) -> pa.Table:
    """Every row of any file, as long as they take no more than `max_bytes` in memory."""
    batches, size = [], 0
    with opened(path, max_bytes) as file:
        for batch in file.iter_batches(batch_size=_rows_at_once(file.metadata, max_bytes)):
            size += batch.nbytes
            if size > max_bytes:
                raise DataError(f"{path} expands beyond {max_bytes:,} bytes in memory; it is not read")
            batches.append(batch)
        return pa.Table.from_batches(batches, file.schema_arrow).combine_chunks()


def _rows_at_once(metadata: pq.FileMetaData, max_bytes: int) -> int:
    """So few rows that even if each held the longest value, that of a whole column, they would fit."""
    largest = max(
        (
            group.column(k).total_uncompressed_size
            for group in map(metadata.row_group, range(metadata.num_row_groups))
            for k in range(group.num_columns)
        ),
        default=0,
    )
    return max(1, min(BATCH, max_bytes // max(largest, 1)))


@contextmanager
def opened(path: Path, max_bytes: int) -> Iterator[pq.ParquetFile]:
    """The file with its footer read and its claims found sane; errors of reading it become a DataError."""
    with _readable(path):
        _framed(path)
        with pq.ParquetFile(
            path, thrift_string_size_limit=FOOTER_BYTES, thrift_container_size_limit=1_000_000
        ) as file:
            _sane(path, file.metadata, max_bytes)
            yield file


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path} is no readable parquet file ({reason})") from None


def _framed(path: Path) -> None:
    """The magic bytes at both ends, and a footer that fits between them."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(0, size - 8))
        tail = file.read(8)
    if size < 12 or head != MAGIC or tail[4:] != MAGIC:
        raise ValueError("it does not begin and end as one")
    length = int.from_bytes(tail[:4], "little")
    if length > min(size - 12, FOOTER_BYTES):
        raise ValueError(f"its footer claims {length:,} bytes")


def _sane(path: Path, metadata: pq.FileMetaData, max_bytes: int) -> None:
    groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
    rows, claimed = metadata.num_rows, sum(group.total_byte_size for group in groups)
    if rows != sum(group.num_rows for group in groups) or any(
        group.num_rows < 0 or group.total_byte_size < 0 for group in groups
    ):
        raise ValueError("its row groups do not add up")
    if rows > ROWS:
        raise DataError(f"{path} claims {rows:,} rows, more than {ROWS:,}; it is not read")
    if claimed > max_bytes:
        raise DataError(f"{path} claims {claimed:,} bytes, more than {max_bytes:,}; it is not read")
    size = path.stat().st_size
    for group in groups:
        for k in range(group.num_columns):
            if not 0 <= group.column(k).total_compressed_size <= size:
                raise ValueError("a column claims more bytes than the file has")
