"""Columns of a table as numpy arrays: what grouping, choosing and joining a million rows needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


class Codes(NamedTuple):
    """A column as numbers: row i holds `values[ids[i]]`; a missing value is a value like others."""

    ids: np.ndarray
    values: list[Any]

    def of(self, value: Any) -> int:
        """The number of a value, -1 where no row has it."""
        return self.values.index(value) if value in self.values else -1


def codes(table: pa.Table, name: str, default: Any = None) -> Codes:
    """A column of texts, whole numbers or truths; `default` stands for a missing value or column."""
    import numpy as np

    if name not in table.schema.names:
        return Codes(np.zeros(len(table), np.int64), [default])
    array = whole(table.column(name))
    if not hasattr(array, "dictionary"):
        array = array.dictionary_encode()
    values = array.dictionary.to_pylist()
    ids = numbers(array.indices, -1).astype(np.int64)
    if (missing := ids < 0).any():
        ids = np.where(missing, len(values), ids)
        values.append(default)
    return Codes(ids, values)


def numbers(array: pa.Array | pa.ChunkedArray, default: float) -> np.ndarray:
    """A column of whole or floating numbers, with `default` for a missing one.

    Read from the buffers: Arrow's own way to numpy imports pandas.
    """
    import numpy as np

    array = whole(array)
    kind = np.dtype({"double": "float64", "float": "float32"}.get(name := str(array.type), name))
    values = _buffer(array.buffers()[1], kind, len(array), array.offset)
    if not array.null_count:
        return values
    valid = array.is_valid()
    bits = _buffer(valid.buffers()[1], np.dtype("uint8"), (len(array) + valid.offset + 7) // 8, 0)
    there = np.unpackbits(bits, bitorder="little")[valid.offset : valid.offset + len(array)].astype(bool)
    return np.where(there, values, kind.type(default))


def _buffer(buffer: pa.Buffer | None, kind: np.dtype, count: int, offset: int) -> np.ndarray:
    import numpy as np

    if buffer is None or not count:
        return np.zeros(count, kind)
    return np.frombuffer(buffer, kind, count, offset * kind.itemsize)


def whole(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One array of a column, however many pieces it came in."""
    return array.combine_chunks() if hasattr(array, "chunks") else array


def joined(keys: Sequence[Codes]) -> np.ndarray:
    """A number for each row, equal for rows that are equal in all keys, counted from 0 without gaps."""
    import numpy as np

    key = np.zeros(len(keys[0].ids), np.int64)
    for ids, values in keys:
        if len(values) > 1:
            key = np.unique(_small(key * len(values) + ids), return_inverse=True)[1]
    return key


def sorted_by(*keys: np.ndarray) -> np.ndarray:
    """The order of the rows by the last key, then the one before it, as `numpy.lexsort` gives it."""
    import numpy as np

    order: np.ndarray = np.lexsort([_small(key) for key in keys])
    return order


def _small(key: np.ndarray) -> np.ndarray:
    """Numbers below 65,536 in 16 bits, for which numpy has a radix sort; others as they are."""
    import numpy as np

    fits = len(key) and key.min() >= 0 and key.max() < 1 << 16
    return key.astype(np.uint16) if fits else key


def lasts(order: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """Of rows in an order that keeps equal keys together, the last one of each group."""
    import numpy as np

    if not len(order):
        return order
    differ = np.zeros(len(order) - 1, bool)
    for key in keys:
        differ |= key[order[1:]] != key[order[:-1]]
    return order[np.append(differ, True)]


def places(wanted: pa.ChunkedArray, column: pa.ChunkedArray) -> np.ndarray:
    """For each row of a text column its place in `wanted`, -1 for a text that is not there."""
    import numpy as np
    import pyarrow.compute as pc

    if column.equals(wanted):
        return np.arange(len(column))
    return numbers(pc.index_in(column, value_set=whole(wanted)), -1)


def listed(table: pa.Table) -> dict[str, list[Any]]:
    """Every column as a list of Python values; a text that repeats is made once."""
    made = {}
    for name in table.schema.names:
        array = whole(table.column(name))
        if hasattr(array, "dictionary") and not array.null_count:
            values = array.dictionary.to_pylist()
            made[name] = [values[i] for i in array.indices.to_pylist()]
        else:
            made[name] = array.to_pylist()
    return made


def table_of(rows: Iterable[Mapping[str, Any]], kinds: Mapping[str, str]) -> pa.Table:
    """Rows as a table of the columns in `kinds` that the first row has."""
    import pyarrow as pa

    from suite._arrow import column

    given = list(rows)
    names = [name for name in kinds if not given or name in given[0]]
    arrays = [column([row[name] for row in given], kinds[name]) for name in names]
    return pa.Table.from_arrays(arrays, names=names)


def indices(rows: Sequence[int] | np.ndarray) -> pa.Array:
    """Row numbers as Arrow takes them; `pyarrow.array` would import pandas."""
    import numpy as np
    import pyarrow as pa

    plain = np.ascontiguousarray(rows, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(plain), [None, pa.py_buffer(plain)])
