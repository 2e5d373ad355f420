"""Tables in four formats."""

from __future__ import annotations

import json
import math

import pytest

from suite.cli.output import shown, table
from suite.cli.stored import Percent

ROWS = [
    {"name": "a|b", "value": 0.12345678, "count": 7, "ok": True, "share": Percent(0.5)},
    {"name": "c, d", "value": math.nan, "count": None, "ok": False, "share": None},
]
COLUMNS = ("name", "value", "count", "ok", "share")


def test_text_is_aligned_and_rounded() -> None:
    assert table(ROWS, COLUMNS) == (
        "name   value  count  ok    share\na|b   0.1235      7  yes  50.0 %\nc, d                 no\n"
    )


def test_csv_quotes_and_keeps_digits() -> None:
    assert table(ROWS, COLUMNS, "csv") == (
        'name,value,count,ok,share\na|b,0.12345678,7,true,0.5\n"c, d",,,false,\n'
    )


def test_markdown_escapes_bars_and_aligns_numbers() -> None:
    assert table(ROWS, COLUMNS, "markdown") == (
        "| name | value | count | ok | share |\n| --- | ---: | ---: | --- | ---: |\n"
        "| a\\|b | 0.1235 | 7 | yes | 50.0 % |\n| c, d |  |  | no |  |\n"
    )


def test_json_is_strict() -> None:
    rows = json.loads(table(ROWS, COLUMNS, "json"), parse_constant=pytest.fail)
    assert rows[0] == {"name": "a|b", "value": 0.12345678, "count": 7, "ok": True, "share": 0.5}
    assert rows[1]["value"] is None


def test_no_rows_still_have_a_heading() -> None:
    assert table([], ("a", "b")) == "a  b\n"
    assert table([], ("a", "b"), "csv") == "a,b\n"
    assert table([], ("a", "b"), "json") == "[]\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234.56, "1,234.6"),
        (0.00001, "1e-05"),
        (0.0, "0.0000"),
        (-0.5, "-0.5000"),
        (math.inf, "inf"),
        (None, ""),
        ("two\nlines", "two lines"),
        (12345, "12345"),
    ],
)
def test_values_for_the_eye(value: object, text: str) -> None:
    assert shown(value) == text
