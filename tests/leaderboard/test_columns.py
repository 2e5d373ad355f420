"""Columns as numpy arrays, against Arrow's own conversion to Python values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard import columns

texts = st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "", "é"])), max_size=20)


@settings(deadline=None)
@given(texts, st.integers(0, 3), st.booleans())
def test_codes_give_back_every_value(values: list[str | None], skipped: int, encoded: bool) -> None:
    array = pa.array(values, pa.string())
    table = pa.table({"x": pa.chunked_array([array.dictionary_encode() if encoded else array])}).slice(
        skipped
    )
    ids, found = columns.codes(table, "x", "none")
    assert [found[i] for i in ids] == ["none" if v is None else v for v in values[skipped:]]


@pytest.mark.parametrize("kind", [pa.int32(), pa.int64(), pa.float32(), pa.float64()])
@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-5, 5)), max_size=20), st.integers(0, 9))
def test_numbers_are_the_columns_with_a_default_for_what_is_missing(
    kind: Any, values: list[int | None], skipped: int
) -> None:
    array = pa.array(values, kind).slice(skipped)
    assert columns.numbers(array, -9).tolist() == [-9 if v is None else v for v in values[skipped:]]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2)), max_size=20))
def test_rows_get_the_same_number_exactly_where_all_keys_agree(rows: list[tuple[str, int]]) -> None:
    table = pa.table(
        {"x": pa.array([r[0] for r in rows], pa.string()), "y": pa.array([r[1] for r in rows], pa.int32())}
    )
    made = columns.joined([columns.codes(table, "x"), columns.codes(table, "y")]).tolist()
    assert all(
        (made[i] == made[j]) == (rows[i] == rows[j]) for i in range(len(rows)) for j in range(len(rows))
    )
    assert set(made) == set(range(len(set(rows))))


def test_the_last_of_each_group_is_the_last_in_the_given_order() -> None:
    key, other = np.array([1, 0, 1, 0, 1]), np.array([0, 0, 0, 1, 0])
    order = np.array([1, 3, 0, 4, 2])
    assert columns.lasts(order, key).tolist() == [3, 2]
    assert columns.lasts(order, key, other).tolist() == [1, 3, 2]
    assert columns.lasts(order[:0], key).tolist() == []


@settings(deadline=None)
@given(texts)
def test_places_find_each_text_among_those_wanted(values: list[str | None]) -> None:
    column = pa.chunked_array([pa.array(values, pa.string())])
    found = columns.places(pa.chunked_array([["b", "a"]]), column).tolist()
    assert found == [{"b": 0, "a": 1}.get(v or "", -1) for v in values]


def test_the_places_of_a_column_in_itself_are_its_rows() -> None:
    column = pa.chunked_array([["b", "a"], ["c"]])
    assert columns.places(column, pa.chunked_array([["b", "a", "c"]])).tolist() == [0, 1, 2]


@settings(deadline=None)
@given(texts, st.booleans())
def test_lists_are_what_arrow_gives(values: list[str | None], encoded: bool) -> None:
    array = pa.array(values, pa.string())
    table = pa.table(
        {"x": array.dictionary_encode() if encoded else array, "n": pa.array(range(len(values)))}
    )
    assert columns.listed(table) == {"x": values, "n": list(range(len(values)))}
