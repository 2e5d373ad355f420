"""docs/columns.md lists exactly the columns of the tables, in order and with their types."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from suite._tables import COLUMNS, KINDS, SCHEMA, Kind
from suite.records import STATUSES

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "columns.md").read_text()


def section(kind: str) -> str:
    """The text below a table's heading."""
    return re.split(r"^## ", TEXT.split(f"## {kind}\n")[1], flags=re.MULTILINE)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_lists_the_columns_of_the_table(kind: Kind) -> None:
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (.+) \|$", section(kind), flags=re.MULTILINE)
    documented = {name: alias for name, alias, _ in rows if name != "column"}
    assert list(documented.items()) == list(COLUMNS[kind].items())
    assert all(meaning.strip().endswith(".") for name, _, meaning in rows if name != "column")


def test_the_page_lists_every_table() -> None:
    assert re.findall(r"^## (\w+)$", TEXT, flags=re.MULTILINE) == list(KINDS)


def test_the_page_names_every_status_and_the_schema_version() -> None:
    assert all(f"`{status}`" in section("runs") for status in STATUSES)
    assert f"now {SCHEMA})" in TEXT
