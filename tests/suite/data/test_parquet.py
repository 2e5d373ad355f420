"""Parquet files from strangers: refused by what they claim, or by what they turn out to hold."""

from __future__ import annotations

import io
import random
import resource
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from suite.data import readers
from suite.errors import DataError

ROWS = 54_321


def written(path: Path, table: pa.Table, **options: object) -> bytes:
    pq.write_table(table, path, **options)
    return path.read_bytes()


def varint(value: int) -> bytes:
    """A 64-bit integer as the footer writes it: zigzag, seven bits a byte, the low ones first."""
    value, out = value << 1, bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def footer_changed(whole: bytes, old: bytes, new: bytes, count: int) -> bytes:
    """The file with `old` replaced in its footer, whose length follows."""
    length = int.from_bytes(whole[-8:-4], "little")
    footer = whole[-8 - length : -8]
    assert footer.count(old) == count
    footer = footer.replace(old, new)
    return whole[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


@pytest.fixture
def numbers(tmp_path: Path) -> tuple[Path, bytes]:
    path = tmp_path / "a.parquet"
    return path, written(path, pa.table({"n": list(range(ROWS))}), write_statistics=False)


def test_an_honest_file_is_read(numbers: tuple[Path, bytes]) -> None:
    assert readers.parquet(numbers[0])["n"].to_pylist() == list(range(ROWS))


def test_a_file_without_rows_or_columns_is_read(tmp_path: Path) -> None:
    written(tmp_path / "rows.parquet", pa.table({"n": pa.array([], pa.int64())}))
    assert readers.parquet(tmp_path / "rows.parquet").column_names == ["n"]
    written(tmp_path / "columns.parquet", pa.table({}))
    assert readers.parquet(tmp_path / "columns.parquet").num_columns == 0


def test_a_huge_number_of_rows_is_refused(numbers: tuple[Path, bytes]) -> None:
    path, whole = numbers
    claims = footer_changed(whole, b"\x16" + varint(ROWS), b"\x16" + varint(10**12), 3)
    path.write_bytes(claims)
    assert pq.read_metadata(path).num_rows == 10**12  # the forgery works
    with pytest.raises(DataError, match=r"claims 1,000,000,000,000 rows, more than 100,000,000"):
        readers.parquet(path)


def test_row_groups_that_do_not_add_up_are_refused(numbers: tuple[Path, bytes]) -> None:
    path, whole = numbers
    length = int.from_bytes(whole[-8:-4], "little")
    at = whole.index(b"\x16" + varint(ROWS), len(whole) - 8 - length)
    forged = bytearray(whole)
    forged[at + 1] ^= 2  # one row more or less in the file than in its group
    path.write_bytes(forged)
    with pytest.raises(DataError, match="its row groups do not add up"):
        readers.parquet(path)


def test_a_huge_claimed_size_is_refused(numbers: tuple[Path, bytes]) -> None:
    path, whole = numbers
    group = pq.read_metadata(path).row_group(0)
    assert group.total_byte_size == group.column(0).total_uncompressed_size
    old = b"\x16" + varint(group.total_byte_size)
    path.write_bytes(footer_changed(whole, old, b"\x16" + varint(10**13), 2))
    with pytest.raises(DataError, match=r"claims 10,000,000,000,000 bytes, more than 4,294,967,296"):
        readers.parquet(path)


def test_a_column_larger_than_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    whole = written(path, pa.table({"n": ["a" * 50_000]}), write_statistics=False)
    packed = pq.read_metadata(path).row_group(0).column(0).total_compressed_size
    forged = footer_changed(whole, b"\x16" + varint(packed), b"\x16" + varint(10**9), 2)
    path.write_bytes(forged)
    with pytest.raises(DataError, match="a column claims more bytes than the file has"):
        readers.parquet(path)


def test_a_footer_that_claims_more_than_the_file_is_refused(numbers: tuple[Path, bytes]) -> None:
    path, whole = numbers
    path.write_bytes(whole[:-8] + (2**31).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(DataError, match=r"its footer claims 2,147,483,648 bytes"):
        readers.parquet(path)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1PAR1", b"PAR1" + bytes(8), bytes(100)])
def test_what_is_no_parquet_file_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a.parquet is no readable parquet file") as caught:
        readers.parquet(path)
    assert "\n" not in str(caught.value)


def repeated(path: Path, length: int, rows: int) -> None:
    """A small file whose rows all are one long value, kept once."""
    value = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * length]))
    pq.write_table(pa.table({"x": value}), path, store_schema=False, compression="zstd")


def test_a_file_that_expands_is_stopped_before_memory_is(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    repeated(path, 4_000_000, 20_000)  # 80 GB
    assert path.stat().st_size < 100_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match="expands beyond 50,000,000 bytes in memory"):
        readers.parquet(path, max_bytes=50_000_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_a_repeated_value_within_the_bound_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    repeated(path, 1000, 300)
    assert readers.parquet(path)["x"].to_pylist() == ["x" * 1000] * 300


def test_a_damaged_file_is_a_data_error_or_a_table_whatever_the_damage(tmp_path: Path) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2, 3], "b": ["x", None, "z"], "c": [[1], [], [2, 3]]}), out)
    whole, path = out.getvalue(), tmp_path / "a.parquet"
    rng = random.Random(0)
    refused = 0
    for k in range(200):
        damaged = bytearray(whole)
        if k % 4:
            for _ in range(rng.randrange(1, 4)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        else:
            damaged = damaged[: rng.randrange(len(damaged))]
        path.write_bytes(damaged)
        try:
            readers.parquet(path, max_bytes=1 << 20)
        except DataError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 100
