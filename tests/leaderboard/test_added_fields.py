"""Rows made before and after a task or a method got a field: what a row lacks has today's default."""

from __future__ import annotations

from typing import Any

import pytest
from store_rows import only_entry, only_table

from suite import defaults
from suite.stats import Rank


def test_rows_before_and_after_a_field_was_added_share_a_table(rows: Any) -> None:
    # The toy task has size = 10 unless told otherwise, so a row that lacks it was measured at 10.
    rows.seeds("toy-slow", [0.8, 0.9], task_settings='{"size":3}')
    rows.seeds("toy-coin", [0.1, 0.2], task_settings="{}")
    rows.seeds("toy-nan", [0.5, 0.6], task_settings='{"size":10}')
    table = only_table(rows)
    assert [(e.method, e.comparable, e.rank) for e in table.entries] == [
        ("toy-nan", True, Rank(1, 1)),
        ("toy-coin", True, Rank(2, 2)),
        ("toy-slow", False, None),
    ]
    # The same whichever is the newest and so sets the protocol.
    rows.seeds("toy-coin", [0.1, 0.2], task_settings="{}")
    assert [(e.method, e.comparable) for e in only_table(rows).entries] == [
        ("toy-nan", True),
        ("toy-coin", True),
        ("toy-slow", False),
    ]


def test_seeds_before_and_after_a_field_was_added_are_one_group(rows: Any) -> None:
    rows.add("toy-good", 0, 0.4, settings='{"rounds":5}', task_settings="{}")
    # mode, rate and verbose at their defaults, as the row before has them without saying so
    full = '{"mode":"fast","rate":0.5,"rounds":5,"verbose":false}'
    rows.add("toy-good", 1, 0.6, settings=full, task_settings='{"size":10}')
    entry = only_entry(rows)
    assert (entry.per_seed(), entry.older) == ({0: 0.4, 1: 0.6}, 0)


def test_a_field_at_another_value_than_its_default_makes_another_group(rows: Any) -> None:
    rows.add("toy-good", 0, 0.4, settings='{"rounds":5}')
    rows.add("toy-good", 1, 0.6, settings='{"rate":0.1,"rounds":5}')
    entry = only_entry(rows)
    assert (entry.per_seed(), entry.older) == ({1: 0.6}, 1)


def test_settings_of_what_nobody_knows_any_more_are_compared_as_stored(rows: Any) -> None:
    rows.add("gone", 0, 0.4, settings="{}")
    rows.add("gone", 1, 0.6, settings='{"rate":0.5}')
    assert only_entry(rows).per_seed() == {1: 0.6}
    rows.seeds("toy-nan", [0.5, 0.6], task="gone", task_settings="{}")
    rows.seeds("toy-coin", [0.1, 0.2], task="gone", task_settings='{"size":10}')
    (table,) = (t for t in rows.board().tables if t.task == "gone")
    assert [(e.method, e.comparable) for e in table.entries] == [("toy-coin", True), ("toy-nan", False)]


def test_no_class_is_loaded_for_rows_with_the_same_fields(rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(where: str) -> Any:
        raise AssertionError(f"{where} was loaded")

    monkeypatch.setattr(defaults, "_defaults", refuse)
    rows.seeds("toy-nan", [0.1, 0.2], task_settings='{"size":90}', settings='{"x":1}')
    rows.seeds("toy-nan", [0.3, 0.4], task_settings='{"size":91}', settings='{"x":2}')
    assert only_entry(rows).mean() == pytest.approx(0.35)
