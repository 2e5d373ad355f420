"""The tables of the README and the docs: what they hold, and that the committed ones are true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leaderboard import summary
from suite.cli import stored
from suite.errors import UsageError
from suite.store import Store

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def filled(rows: Any) -> Any:
    rows.seeds("toy-nan", [0.5, 0.6])
    rows.seeds("toy-slow", [0.3, 0.4])
    rows.seeds("toy-good", [1.0, 1.0])
    rows.seeds("toy-bad", [0.05, 0.05])
    rows.add("toy-raise", 0, status="failed")
    return rows


def test_the_front_names_the_leader_with_its_interval_floor_and_ceiling(filled: Any) -> None:
    # 0.55 -+ 12.706 * 0.0707 / sqrt(2) = 0.55 -+ 0.635, within 0 and 1; toy-slow is within
    # 4.303 * 0.0707 = 0.304, so it cannot be told apart
    assert summary.front(filled.board()).split("\n")[2:] == [
        "| toy | toy-nan | 55.0 (0.0 to 100.0) % | 1 | 5.0 | 100.0 |"
    ]


def test_a_leader_without_a_rival_is_no_lead(rows: Any) -> None:
    rows.seeds("toy-nan", [0.5, 0.5])
    assert summary.front(rows.board()).endswith("| 50.0 % (same for all seeds) | no rival | – | – |")


def test_a_familys_table_has_the_ceiling_first_the_null_last_and_says_how_a_run_ended(filled: Any) -> None:
    lines = summary.family(filled.board(), "toy").split("\n")
    assert lines[0] == "| method | toy, % | seeds |"
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == [
        "toy-good",
        "toy-nan",
        "toy-slow",
        "toy-raise",
        "toy-bad",
    ]
    assert lines[5] == "| toy-raise | failed | – |"


def test_methods_are_ordered_by_mean_place_over_the_tasks(rows: Any) -> None:
    # toy-nan is first on one task and last on two: (0 + 2 + 2) / 3; toy-slow has (1 + 0 + 1) / 3
    for task, values in {"a": (0.9, 0.5, 0.1), "b": (0.1, 0.9, 0.5), "c": (0.1, 0.8, 0.9)}.items():
        for method, value in zip(("toy-nan", "toy-slow", "toy-coin"), values, strict=True):
            rows.seeds(method, [value, value], task=task)
    lines = summary.family(rows.board(), "toy").split("\n")
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == ["toy-slow", "toy-coin", "toy-nan"]


def test_smoke_runs_and_claimed_rows_are_in_no_table(rows: Any) -> None:
    rows.seeds("toy-nan", [0.5, 0.6])
    rows.seeds("toy-slow", [0.9, 0.9], profile="smoke")
    rows.seeds("toy-coin", [0.9, 0.9], origin="claimed")
    board = rows.board()
    assert "toy-slow" not in summary.front(board) + summary.family(board, "toy")
    assert "toy-coin" not in summary.front(board) + summary.family(board, "toy")


def test_names_that_mean_something_to_markdown_are_shown_as_they_are(rows: Any) -> None:
    rows.seeds("a|b <i>`*_", [0.5, 0.6])
    assert r"a\|b \<i\>\`\*\_" in summary.front(rows.board())


def test_only_what_stands_between_marks_is_replaced(filled: Any) -> None:
    board = filled.board()
    text = "above\n<!-- board: front -->\nold\n<!-- board: end -->\nbelow\n"
    new = summary.renewed(text, board, "x.md")
    assert new == f"above\n<!-- board: front -->\n\n{summary.front(board)}\n\n<!-- board: end -->\nbelow\n"
    assert summary.renewed(new, board, "x.md") == new


def test_a_pattern_chooses_tasks_and_leaves_out_who_never_ran_there(rows: Any) -> None:
    rows.seeds("toy-nan", [0.5, 0.5], task="cogs-a")
    rows.seeds("toy-nan", [0.7, 0.7], task="scan-b")
    rows.seeds("toy-slow", [0.6, 0.6], task="scan-b")
    text = summary.renewed("<!-- board: family toy cogs* -->\n<!-- board: end -->", rows.board(), "x.md")
    assert text.split("\n")[2:-2] == [
        "| method | cogs-a | seeds |",
        "|---|---:|---:|",
        "| toy-nan | 0.5 (same for all seeds) | 2 |",
    ]
    with pytest.raises(UsageError, match=r"family 'toy' with tasks 'lm\*' has no results"):
        summary.family(rows.board(), "toy", "lm*")


def test_a_mark_without_an_end_and_an_unknown_family_are_refused(filled: Any) -> None:
    with pytest.raises(UsageError, match="no '<!-- board: end -->'"):
        summary.renewed("<!-- board: front -->\nrest", filled.board(), "x.md")
    with pytest.raises(UsageError, match="family 'none' has no results"):
        summary.renewed("<!-- board: family none -->\n<!-- board: end -->", filled.board(), "x.md")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\n\n<!-- board: end -->", "x.md, line 3: '<!-- board: end -->' opens no table"),
        ("<!-- board: front-->\n<!-- board: end -->", "x.md, line 1: "),
        (" <!-- board: front -->\n<!-- board: end -->", "x.md, line 1: "),
        ("<!-- board: front -->", "x.md, line 1: '<!-- board: front -->' has no"),
        ("<!-- board: front -->\n<!-- board: end -->\n<!-- board: families -->", "x.md, line 3: "),
        ("", "x.md has no mark of a table"),
    ],
)
def test_a_mark_that_is_none_is_refused_with_its_line(filled: Any, text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        summary.renewed(text, filled.board(), "x.md")
    assert str(error.value).startswith(said)


def test_marks_shown_as_code_are_left_alone(filled: Any) -> None:
    shown = "<!-- board: nosuch -->"
    asked = "<!-- board: front -->\n<!-- board: end -->"
    board = filled.board()
    table = summary.renewed(asked, board, "x.md")
    for code in (f"```\n{shown}\n```", f"~~~~ html\n~~~\n{shown}\n~~~~~", f"````\n```\n{shown}\n````"):
        assert summary.renewed(f"{code}\n{asked}", board, "x.md") == f"{code}\n{table}"
    assert summary.renewed(f"    {shown}\n{asked}", board, "x.md") == f"    {shown}\n{table}"
    with pytest.raises(UsageError, match="line 4"):
        summary.renewed(f"```\n```\n\n{shown}\n{asked}", board, "x.md")


def test_the_committed_tables_are_what_the_published_store_says() -> None:
    board = stored.board(Store(ROOT / "results"))
    files = [ROOT / "README.md", ROOT / "docs" / "results.md"]
    assert all("<!-- board: " in path.read_text() for path in files)
    assert summary.outdated(files, board) == {}, "run `suite leaderboard tables`"
