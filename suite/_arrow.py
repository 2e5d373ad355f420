"""Arrow arrays from Python values, without pandas.

`pyarrow.array` and `pyarrow.scalar` import pandas (0.4 s) to see whether they were handed one of its objects.
Every verb that reads the store would pay for that, so arrays are put together from their buffers here.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from suite._tables import COLUMNS, Kind

if TYPE_CHECKING:
    import pyarrow as pa

_CODES = {"int32": "i", "float32": "f", "float64": "d"}


@cache
def schema(kind: Kind) -> pa.Schema:
    """The Arrow schema of a table as readers get it."""
    import pyarrow as pa

    return pa.schema([(name, pa.type_for_alias(alias)) for name, alias in COLUMNS[kind].items()])


@cache
def stored(kind: Kind) -> pa.Schema:
    """The schema inside a file: the task stands in the folder's name instead."""
    import pyarrow as pa

    return pa.schema([field for field in schema(kind) if field.name != "task"])


def empty(kind: Kind, columns: Sequence[str], encoded: Collection[str] = ()) -> pa.Table:
    """A table without rows; columns in `encoded` are dictionary arrays."""
    import pyarrow as pa

    aliases = COLUMNS[kind]
    arrays = [column([], aliases[name]) for name in columns]
    arrays = [a.dictionary_encode() if n in encoded else a for n, a in zip(columns, arrays, strict=True)]
    return pa.Table.from_arrays(arrays, names=list(columns))


def column(values: Sequence[Any], alias: str) -> pa.Array:
    """An array of type string, int32, float32, float64 or bool; None is null.

    Half a surrogate pair in a text becomes '?'. Raises TypeError or OverflowError for another kind of value.
    """
    import pyarrow as pa

    valid = None
    if None in values:
        valid = _bits([value is not None for value in values])
    return pa.Array.from_buffers(pa.type_for_alias(alias), len(values), [valid, *_buffers(values, alias)])


def _buffers(values: Sequence[Any], alias: str) -> list[pa.Buffer]:
    import pyarrow as pa

    if alias == "string":
        texts = [b"" if value is None else _encoded(value) for value in values]
        offsets = array("i", accumulate(map(len, texts), initial=0))
        return [pa.py_buffer(offsets), pa.py_buffer(b"".join(texts))]
    if alias == "bool":
        return [_bits([bool(value) for value in values])]
    return [pa.py_buffer(array(_CODES[alias], [0 if value is None else value for value in values]))]


def _encoded(value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value.encode(errors="replace")


def _bits(flags: Sequence[bool]) -> pa.Buffer:
    """Eight flags a byte, the first in the lowest bit."""
    import numpy as np
    import pyarrow as pa

    return pa.py_buffer(np.packbits(np.array(flags, bool), bitorder="little").tobytes())


def repeated(value: str, times: int) -> pa.Array:
    """The same text `times` times."""
    import pyarrow as pa

    return pa.repeat(column([value], "string")[0], times)


def rows_where(table: pa.Table, name: str, values: Collection[Any], keep: bool = True) -> pa.Table:
    """The rows whose column holds one of `values`; with keep=False, the others."""
    import pyarrow.compute as pc

    mask = pc.is_in(table.column(name), value_set=column(list(values), str(_alias(table, name))))
    return table.filter(mask if keep else pc.invert(mask))


def rows_in(table: pa.Table, name: str, sets: Sequence[pa.ChunkedArray], keep: bool = True) -> pa.Table:
    """The rows whose column holds a value of one of the arrays `sets`; with keep=False, the others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = _plain(table.column(name))
    chunks = [chunk for held in sets for chunk in _plain(held).chunks]
    mask = pc.is_in(column, value_set=pa.chunked_array(chunks, column.type))
    return table.filter(mask if keep else pc.invert(mask))


def sorted_by_run(table: pa.Table) -> pa.Table:
    """The rows by run. Arrow's sort is stable, so the rows of a run stay as they were logged."""
    import pyarrow as pa
    import pyarrow.compute as pc

    runs = pa.table({"run": _plain(table.column("run"))})
    return table.take(pc.sort_indices(runs, sort_keys=[("run", "ascending")]))


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values themselves where they are kept as numbers of a dictionary: arrays compare only if alike."""
    import pyarrow as pa

    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def _alias(table: pa.Table, name: str) -> str:
    return {"double": "float64", "float": "float32"}.get(kind := str(table.schema.field(name).type), kind)
