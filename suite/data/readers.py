"""Reads data files as arrow tables or `datasets.Dataset`: text, tab-separated, JSON and parquet.

A registered file is verified before it is parsed, so that what is parsed is what the registry promises; other
files are read within bounds. Nothing is unpickled, and nothing is written outside the suite's cache.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.data.files import resolve
from suite.data.registry import Entry, File, select
from suite.errors import DataError

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

BLOCK = 1 << 20
TEXT_BYTES = 1 << 30
"""No text file is read that has more, uncompressed."""
IN_MEMORY_BYTES = 1 << 30
"""A parquet file that is larger is not read whole: `dataset` maps it."""


def read(name: str) -> pa.Table:
    """The rows of a data file, by 'dataset/file' (or 'dataset', where it has one file alone).

    lines: column text. jsonl, json: the fields of the objects, in the order they first appear, null where
    an object lacks one; where some values of a field are lists and others strings, a string becomes a list
    of one. tsv: the registered columns. parquet: its own. DataError for a file that is not at
    hand, damaged, or not what it says; it names the file and the line.
    """
    entry, file = _one(name)
    path = resolve(f"{entry.name}/{file.name}")
    table = _parse(file, path)
    if file.rows is not None and table.num_rows != file.rows:
        raise DataError(f"{path} has {table.num_rows:,} rows where {file.rows:,} are registered")
    return table


def dataset(name: str) -> datasets.Dataset:
    """The rows of a data file as a `datasets.Dataset`, in memory up to 1 GiB, else mapped from the cache.

    Columns of encoded images become `datasets.Image`: an image is decoded when its row is looked at, and
    only JPEG and PNG of a sane size are (DataError otherwise).
    """
    import datasets

    from suite.data.files import cache_dir, content_sha256

    entry, file = _one(name)
    path = resolve(f"{entry.name}/{file.name}")
    if file.format == "parquet" and path.stat().st_size > IN_MEMORY_BYTES:
        _inspected(path, IN_MEMORY_BYTES * 1024)
        found = datasets.Dataset.from_parquet(str(path), cache_dir=str(cache_dir() / "arrow"))
    else:
        # Without a fingerprint of its own the library would pickle the table to make one.
        found = datasets.Dataset(read(name), fingerprint=file.sha256 or content_sha256(path))
    from suite.data._decoding import guarded

    return guarded(found)


def _one(name: str) -> tuple[Entry, File]:
    pairs = select(name)
    if len(pairs) != 1:
        raise DataError(
            f"'{name}' has {len(pairs)} files; name one, as `suite data list {name.partition('/')[0]}` "
            "shows them"
        )
    return pairs[0]


def _parse(file: File, path: Path) -> pa.Table:
    kind = file.format
    if kind == "parquet":
        return _trusted_parquet(path) if file.sha256 else parquet(path)
    if kind == "tsv":
        return tsv(path, file.columns)
    if kind not in READERS:
        raise DataError(f"{path}: nothing reads '.{kind}' files; the readers are {', '.join(READERS)}")
    return READERS[kind](path)


def content(path: Path, *, max_bytes: int = TEXT_BYTES) -> bytes:
    """The uncompressed content. DataError for what is cut, no gzip file, or has more than `max_bytes`."""
    blocks, size = [], 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            while block := file.read(BLOCK):
                size += len(block)
                if size > max_bytes:
                    raise DataError(f"{path} holds more than {max_bytes:,} bytes; it is not read")
                blocks.append(block)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read: {error or type(error).__name__}; remove it and get it again"
        ) from None
    return b"".join(blocks)


def _lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file: only a line feed ends one, whatever else Unicode calls a line."""
    try:
        text = content(path).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no UTF-8 text (byte {error.start:,})") from None
    return text.removesuffix("\n").split("\n") if text else []


def lines(path: Path) -> pa.Table:
    """One column, text: a row a line, without its line feed."""
    import pyarrow as pa

    return pa.table({"text": pa.array(_lines(path), pa.string())})


def tsv(path: Path, columns: tuple[str, ...] = ()) -> pa.Table:
    """Tab-separated text without quoting or header; columns c0, c1, ... where no names are given."""
    import pyarrow as pa

    rows = [line.split("\t") for line in _lines(path)]
    names = columns or tuple(f"c{k}" for k in range(len(rows[0]) if rows else 0))
    for number, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise DataError(f"{path}, line {number:,}: {len(row)} fields where {len(names)} are expected")
    return pa.table({name: pa.array([row[k] for row in rows], pa.string()) for k, name in enumerate(names)})


def jsonl(path: Path) -> pa.Table:
    """One JSON object a line; empty lines are passed over."""
    return _table(
        path,
        (
            (f"line {number:,}", _value(path, f"line {number:,}", line))
            for number, line in enumerate(_lines(path), 1)
            if line.strip()
        ),
    )


def json_(path: Path) -> pa.Table:
    """A JSON list of objects, one a row, or one object, which is one row."""
    value = _value(path, "the file", "\n".join(_lines(path)))
    rows = value if isinstance(value, list) else [value]
    return _table(path, ((f"item {number:,}", row) for number, row in enumerate(rows, 1)))


def _value(path: Path, where: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}, {where}: no JSON ({error})") from None


def _table(path: Path, rows: Iterable[tuple[str, Any]]) -> pa.Table:
    """Columns in the order in which fields first appear. Types are found by arrow, strings stay strings."""
    import pyarrow as pa

    columns: dict[str, list[Any]] = {}
    for count, (where, row) in enumerate(rows):
        if not isinstance(row, Mapping):
            raise DataError(f"{path}, {where}: a JSON object is expected, not {type(row).__name__}")
        for name in row:
            if name not in columns:
                columns[name] = [None] * count
        for name, values in columns.items():
            values.append(row.get(name))
    return pa.table({name: _column(path, name, values) for name, values in columns.items()})


def _column(path: Path, name: str, values: list[Any]) -> pa.Array:
    import pyarrow as pa

    if any(isinstance(value, list) for value in values):
        values = [[value] if isinstance(value, str) else value for value in values]
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: the values of '{name}' make no column ({reason})") from None


def parquet(path: Path, *, max_bytes: int = 4 << 30) -> pa.Table:
    """A parquet file that nobody has verified: its claims are looked at first, then its rows are counted.

    DataError for what is no parquet file, is damaged, or has or claims more than `max_bytes` in memory; it
    stops there, whatever a dictionary or a run of nulls would expand to. A footer that lies about the size of
    its columns is noticed only after a batch of 256 rows.
    """
    from suite.data import _parquet

    return _parquet.bounded(path, max_bytes)


def _inspected(path: Path, max_bytes: int) -> None:
    from suite.data import _parquet

    with _parquet.opened(path, max_bytes):
        pass


def _trusted_parquet(path: Path) -> pa.Table:
    from suite.data import _parquet

    return _parquet.whole(path)


READERS: dict[str, Callable[[Path], pa.Table]] = {
    "lines": lines,
    "txt": lines,
    "tsv": tsv,
    "jsonl": jsonl,
    "json": json_,
    "parquet": parquet,
}
"""Reader by its registered name, or by the ending of the file's own."""
