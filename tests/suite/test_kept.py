"""What a cell keeps against a kill: found once, found again after it, and never lost to a damaged file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suite.kept import Kept


def test_what_was_found_is_not_found_again(tmp_path: Path) -> None:
    kept = Kept.at(tmp_path)
    assert kept.once("a", lambda: {"x": 1}) == {"x": 1} and kept.once("a", lambda: {"x": 2}) == {"x": 1}
    assert Kept.at(tmp_path).once("a", lambda: {"x": 3}) == {"x": 1}
    assert json.loads((tmp_path / "found.json").read_text()) == {"a": {"x": 1}}
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]


def test_a_maker_that_breaks_leaves_what_was_there(tmp_path: Path) -> None:
    kept = Kept.at(tmp_path)
    kept.once("a", lambda: {"x": 1})
    with pytest.raises(ZeroDivisionError):
        kept.once("b", lambda: {"x": 1 // 0})
    assert Kept.at(tmp_path).found == {"a": {"x": 1}}


def test_a_damaged_file_counts_for_nothing_and_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "found.json").write_text('{"a": {"x"')
    assert Kept.at(tmp_path).once("a", lambda: {"x": 5}) == {"x": 5}
    assert Kept.at(None).once("a", lambda: {"x": 1}) == {"x": 1}
