"""`suite ledger`: what is allowed and spent as a table, and ranks at equal budget."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suite.cli.ledger import Rounded


def rows(suite, results: Path, *words: str) -> dict[str, dict]:
    answer = suite("ledger", "--results", results, "--format", "json", *words)
    assert answer.exit_code == 0, answer.output
    return {row["method"]: row for row in json.loads(answer.stdout)}


def test_what_is_measured_is_shown_and_what_is_not_stays_empty(suite, results: Path) -> None:
    slow = rows(suite, results)["toy-slow"]
    # wall_s is 2 and 3, accuracies are 0.7 and 0.9
    assert (slow["seconds"], slow["cpu_seconds"], slow["peak_mb"]) == (2.5, 1.0, 100.0)
    assert slow["mean"] == pytest.approx(0.8)
    assert (slow["trials"], slow["tuned_on"]) == ("not declared", "not declared")
    assert [slow[c] for c in ("examples", "tokens", "images", "steps", "parameters")] == [None] * 5


def test_the_text_leaves_out_columns_without_a_value(suite, results: Path) -> None:
    head = suite("ledger", "--results", results).stdout.splitlines()[0].split()
    assert head == [
        *("task", "method", "profile", "rank", "mean", "trials", "tuned_on"),
        *("seconds", "cpu_seconds", "peak_mb"),
    ]


def test_at_equal_budget_the_others_say_why_they_have_no_rank(suite, results: Path) -> None:
    # toy-coin takes 2, 3 and 4 seconds, the median is 3
    limited = rows(suite, results, "--max", "seconds=2.5")
    assert (limited["toy-slow"]["rank"], limited["toy-coin"]["rank"]) == ("1", "over")
    assert rows(suite, results, "--max", "parameters=1e6")["toy-slow"]["rank"] == "not known"
    # 0.7 and 0.9 against 0.4, 0.5 and 0.6: two and three seeds do not tell them apart
    assert rows(suite, results, "--max", "seconds=3")["toy-coin"]["rank"] == "1-2"


def test_only_the_task_and_method_asked_for(suite, results: Path) -> None:
    assert set(rows(suite, results, "--method", "toy-coin")) == {"toy-coin"}
    assert set(rows(suite, results, "--task", "toy")) == {"toy-good", "toy-slow", "toy-coin", "toy-raise"}


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--profile", "paper"), "profile paper"),
        (("--task", "scan-jump", "--format", "json"), "profile small, task scan-jump"),
        (("--method", "lstm", "--method", "toy-oom"), "profile small, method lstm or toy-oom"),
    ],
)
def test_nothing_to_show_is_one_line_and_exit_code_3(suite, results: Path, words, what: str) -> None:
    answer = suite("ledger", "--results", results, *words)
    assert (answer.exit_code, answer.stdout) == (3, "")
    assert answer.stderr.startswith(f"error: no results of {what} in ") and answer.stderr.count("\n") == 1


def test_a_folder_without_any_run_is_exit_code_3(suite, tmp_path: Path) -> None:
    answer = suite("ledger", "--results", tmp_path)
    assert answer.exit_code == 3 and answer.stderr.startswith(f"error: no run in {tmp_path}; ")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(2.5, "2.5"), (0.123456, "0.1235"), (123.456, "123.5"), (123456.0, "123,500"), (0.0, "0")],
)
def test_a_measured_number_shows_with_four_digits(value: float, shown: str) -> None:
    assert str(Rounded(value)) == shown


def test_the_text_rounds_and_json_does_not(suite, results: Path) -> None:
    assert "2.5000" not in suite("ledger", "--results", results, "--method", "toy-slow").stdout
    assert rows(suite, results)["toy-slow"]["seconds"] == 2.5


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--max", "parameter=3"), "error: limit 'parameter' not found; did you mean 'parameters'?"),
        (("--max", "seconds=soon"), "error: --max seconds=soon: write NAME=NUMBER"),
        (("--max", "seconds"), "error: --max seconds: write NAME=NUMBER"),
        (("--max", "seconds=nan"), "error: limit seconds=nan: a limit is a number from 0 on"),
        (("--max", "seconds=-1", "--task", "toy"), "error: limit seconds=-1: a limit is a number from 0 on"),
        (("--task", "ty"), "error: task 'ty' not found; did you mean 'toy'?"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(suite, results: Path, words, line: str) -> None:
    answer = suite("ledger", "--results", results, *words)
    assert answer.exit_code == 2 and answer.stderr.startswith(line) and answer.stderr.count("\n") == 1


def test_no_results_yet_is_exit_code_3(suite, tmp_path: Path) -> None:
    assert suite("ledger", "--results", tmp_path / "none").exit_code == 3
