"""Numbers, names, charts and commands as a reader sees them."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

from leaderboard import figures


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.7486, "fraction", "74.9"),
        (0.0, "fraction", "0.0"),
        (None, "fraction", "–"),
        (float("nan"), "count", "–"),
        (7706.0, "count", "7,706"),
        (3079.4, "count", "3,079"),
        (2.5, "count", "2.5"),
        (12.3456, "nats", "12.35"),
        (0.42, "s", "0.42 s"),
        (1.3e-05, "s", "< 1 ms"),
        (0.001, "s", "0.001 s"),
        (0.0, "s", "0 s"),
        (9.96, "s", "10.0 s"),
        (59.6, "s", "1 min 0 s"),
        (7805.0, "s", "2 h 10 min"),
    ],
)
def test_numbers_are_shown_in_their_unit(value: float | None, unit: str, shown: str) -> None:
    assert figures.number(value, unit) == shown


def test_names_with_numbers_sort_as_people_count() -> None:
    names = ["len=17-24", "len=9-16", "all", "len=1-8", "9", "10", "len"]
    assert sorted(names, key=figures.natural) == ["9", "10", "all", "len", "len=1-8", "len=9-16", "len=17-24"]


def test_memory_is_shown_in_mib_or_gib() -> None:
    assert [figures.memory(x) for x in (None, 512.4, 1536.0)] == ["–", "512 MiB", "1.5 GiB"]


def test_file_names_are_distinct_safe_and_short() -> None:
    names = ["<b>", "..", ".", "", "a/b", "a\nb", "nul\x00", "x" * 9_999, "a b", "a~20~b", "A", "scan-jump"]
    slugs = [figures.slug(name) for name in names]
    assert len(set(slugs)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9~_-][A-Za-z0-9~_.-]{0,90}", s) for s in slugs)
    assert figures.slug("scan-jump") == "scan-jump"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (float("inf"), "–"), (0.0, "0"), (0.01234, "0.0123"), (950.0, "950"), (999.6, "1k")]
    + [(1500.0, "1.5k"), (139_274.0, "139k"), (2e6, "2M"), (999_600.0, "1M"), (3.2e9, "3.2G")],
)
def test_large_counts_are_shown_in_few_characters(value: float | None, shown: str) -> None:
    assert figures.compact(value) == shown


def test_the_command_of_a_row_is_quoted_for_a_shell(rows: Any) -> None:
    rows.add(
        "toy; rm", 3, 0.5, base_model="org/model", overrides={"parser": "lstm", "dedup": True, "task.size": 4}
    )
    words = shlex.split(figures.command(rows.runs[0], [3, 0, 1]))
    assert words == [
        "suite",
        "run",
        "--method",
        "toy; rm",
        "--task",
        "toy",
        "--profile",
        "small",
        "--seeds",
        "0,1,3",
        "--base-model",
        "org/model",
        "--set",
        "dedup=true",
        "--set",
        "parser=lstm",
        "--set",
        "task.size=4",
    ]


def test_a_date_is_day_and_minute_in_utc() -> None:
    assert [figures.date(x) for x in (0.0, 1e9, float("nan"), 1e30)] == [
        "1970-01-01 00:00",
        "2001-09-09 01:46",
        "–",
        "–",
    ]


def test_settings_that_are_no_json_are_shown_whole() -> None:
    assert figures.pairs('{"lr":0.1,"name":"x","deep":null}') == [
        ("lr", "0.1"),
        ("name", "x"),
        ("deep", "null"),
    ]
    assert figures.pairs("<nonsense>") == [("", "<nonsense>")]
