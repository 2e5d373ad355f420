"""`suite results`, by hand: t(0.975, 2) = 4.302653 and t(0.975, 1) = 12.706205.

toy-slow has 0.7 and 0.9: 0.8 -+ 12.706205 * 0.141421 / sqrt(2) = 0.8 -+ 1.270621, cut to 0 and 1. toy-coin
has 0.4, 0.5 and 0.6: 0.5 -+ 4.302653 * 0.1 / sqrt(3) = 0.5 -+ 0.248414.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from math import sqrt
from pathlib import Path

import pytest

from suite.store import Store

TEXT = """\
task  method     profile  metric    slice     mean     low     high  seeds   n  failed  skipped  rank
toy   toy-good   small    accuracy  all    100.0 %                       3  10       0        0
toy   toy-slow   small    accuracy  all     80.0 %   0.0 %  100.0 %      2  10       0        0  1-2
toy   toy-coin   small    accuracy  all     50.0 %  25.2 %   74.8 %      3  10       0        0  1-2
toy   toy-raise  small    accuracy  all                                  0           1        0
"""
MARKDOWN = """\
| task | method | profile | seed | metric | slice | value | n | run |
| --- | --- | --- | ---: | --- | --- | ---: | ---: | --- |
| toy | toy-slow | small | 0 | accuracy | even | 0.3500 | 5 | RUN0 |
| toy | toy-slow | small | 1 | accuracy | even | 0.4500 | 5 | RUN1 |
"""


def test_text_shows_means_with_intervals_best_first_and_what_failed(suite, results: Path) -> None:
    answer = suite("results", "--results", results)
    assert (answer.exit_code, answer.stdout) == (0, TEXT)
    # toy-good is 1.0 on all three of its seeds.
    assert answer.stderr == "note: the same for all seeds, so without an interval: toy-good\n"


def test_json_keeps_every_digit_and_says_null_for_what_is_missing(suite, results: Path) -> None:
    rows = {
        row["method"]: row
        for row in json.loads(suite("results", "--results", results, "--format", "json").stdout)
    }
    half = 4.302652729911275 * 0.1 / sqrt(3)
    assert rows["toy-coin"]["mean"] == pytest.approx(0.5, abs=1e-12)
    assert rows["toy-coin"]["low"] == pytest.approx(0.5 - half, abs=1e-9)
    assert rows["toy-coin"]["high"] == pytest.approx(0.5 + half, abs=1e-9)
    assert (rows["toy-good"]["mean"], rows["toy-good"]["low"], rows["toy-good"]["high"]) == (1.0, None, None)
    assert rows["toy-raise"]["mean"] is None and rows["toy-raise"]["failed"] == 1


def test_raw_markdown_has_one_line_a_score(suite, results: Path) -> None:
    words = ("results", "--results", results, "--raw", "--method", "toy-slow", "--where", "slice=even")
    shown = suite(*words, "--format", "markdown").stdout
    runs = [row["run"] for row in json.loads(suite(*words, "--format", "json").stdout)]
    assert shown == MARKDOWN.replace("RUN0", runs[0]).replace("RUN1", runs[1])


def test_runs_csv_has_every_column_of_the_runs_table(suite, results: Path) -> None:
    answer = suite("results", "--results", results, "--runs", "--where", "status=failed", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(answer.stdout))
    assert (row["method"], row["error"], row["git_dirty"]) == (
        "toy-raise",
        "ValueError: the toy is broken",
        "false",
    )


def test_conditions_on_one_column_are_alternatives_and_on_several_all_hold(suite, results: Path) -> None:
    where = ("--where", "seed=0", "--where", "seed=2", "--where", "status=ok", "--method", "toy-coin")
    rows = json.loads(suite("results", "--results", results, "--runs", *where, "--format", "json").stdout)
    assert [row["seed"] for row in rows] == [0, 2]


def test_raw_scores_can_be_chosen_by_a_column_that_only_runs_have(suite, results: Path) -> None:
    where = ("--where", "wall_s=4.0", "--where", "metric=errors")
    rows = json.loads(suite("results", "--results", results, "--raw", *where, "--format", "json").stdout)
    assert [(row["method"], row["seed"], row["value"]) for row in rows] == [
        ("toy-coin", 2, 4.0),
        ("toy-good", 2, 0.0),
    ]


def test_another_metric_is_sorted_and_shown_in_its_own_unit(suite, results: Path) -> None:
    shown = suite("results", "--results", results, "--metric", "errors", "--method", "toy-coin").stdout
    assert shown.splitlines()[1].split()[5] == "5.0000"


def listed(suite, results: Path, *words: str) -> list[dict]:
    return json.loads(suite("results", "--results", results, "--format", "json", *words).stdout)


def test_a_rank_is_among_all_methods_whichever_are_shown(suite, results: Path, make_outcome) -> None:
    # 0.1 in every seed is below toy-coin by 0.4 -+ 0.2484; toy-slow, 0.8 -+ 1.2706, is told from neither.
    for seed in range(3):
        Store(results).append(make_outcome("toy-nan", seed, 0.1))
    everyone = {row["method"]: row["rank"] for row in listed(suite, results)}
    ranks = {"toy-coin": "1-2", "toy-slow": "1-3", "toy-nan": "2-3"}
    assert everyone == ranks | {"toy-good": None, "toy-raise": None}
    for method, rank in everyone.items():
        for words in (("--task", "toy"), ("--profile", "small"), ()):
            assert [r["rank"] for r in listed(suite, results, "--method", method, *words)] == [rank]
    both = listed(suite, results, "--method", "toy-nan", "--method", "toy-coin")
    assert {row["method"]: row["rank"] for row in both} == {m: everyone[m] for m in ("toy-nan", "toy-coin")}


def test_among_some_of_the_runs_nobody_has_a_rank(suite, results: Path) -> None:
    words = ("--where", "seed=0", "--where", "seed=1")
    rows = {row["method"]: row for row in listed(suite, results, *words)}
    assert (rows["toy-coin"]["seeds"], rows["toy-coin"]["mean"]) == (2, pytest.approx(0.45))
    assert {row["rank"] for row in rows.values()} == {None}


def test_runs_say_their_origin_where_one_is_claimed(suite, results: Path, make_outcome) -> None:
    words = ("results", "--results", results, "--runs", "--method", "toy-coin")
    assert "origin" not in suite(*words).stdout.splitlines()[0].split()
    made = make_outcome("toy-coin", 7, 0.5)
    Store(results).append(dataclasses.replace(made, run=dataclasses.replace(made.run, origin="claimed")))
    head, *lines = suite(*words).stdout.splitlines()
    assert head.split()[-2:] == ["origin", "run"]
    assert [line.split()[-2] for line in lines] == ["project"] * 3 + ["claimed"]


@pytest.mark.parametrize("how", [(), ("--raw",), ("--runs",), ("--format", "json")])
def test_a_folder_without_any_run_is_exit_code_3(suite, tmp_path: Path, how: tuple[str, ...]) -> None:
    answer = suite("results", "--results", tmp_path, *how)
    assert (answer.exit_code, answer.stdout) == (3, "")
    assert answer.stderr.startswith(f"error: no run in {tmp_path}; ") and answer.stderr.count("\n") == 1


def test_a_filter_that_no_run_passes_is_no_error(suite, results: Path) -> None:
    assert suite("results", "--results", results, "--profile", "paper").exit_code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--where", "seed"), 2, "write column=value"),
        (("--where", "sed=1"), 2, "did you mean 'seed'?"),
        (("--where", "seed=one"), 2, "column 'seed' of runs holds int32"),
        (("--task", "toi"), 2, "did you mean 'toy'?"),
        (("--method", "toy-god"), 2, "did you mean 'toy-good'?"),
        (("--metric", "erors"), 2, "did you mean 'errors'?"),
        (("--raw", "--runs"), 2, "exclude each other"),
        (("--profile", "bogus"), 2, "'bogus' is not one of"),
        (("--results", "nowhere"), 3, "no results in nowhere"),
    ],
)
def test_a_wrong_request_is_one_clear_line(suite, results: Path, words, code: int, said: str) -> None:
    answer = suite("results", "--results", results, *words)
    assert answer.exit_code == code and said in answer.stderr
    assert answer.stderr.startswith("error: ") and answer.stderr.count("\n") == 1


def test_a_damaged_file_is_said_on_stderr_and_the_rest_is_shown(suite, results: Path) -> None:
    (results / "runs" / "task=toy" / "0123456789abcdef-9.parquet").write_bytes(b"PAR1")
    answer = suite("results", "--results", results)
    assert (answer.exit_code, answer.stdout) == (0, TEXT)
    assert answer.stderr.startswith("warning: ") and "0123456789abcdef-9.parquet" in answer.stderr


def test_store_check_names_the_cell_of_a_damaged_file_and_exits_1(suite, results: Path) -> None:
    assert suite("store", "check", "--results", results).exit_code == 0
    (results / "runs" / "task=toy" / "0123456789abcdef-9.parquet").write_bytes(b"PAR1")
    answer = suite("store", "check", "--results", results, "--format", "json")
    assert answer.exit_code == 1
    assert [row["cell"] for row in json.loads(answer.stdout)] == ["0123456789abcdef"]


def test_store_compact_changes_no_answer(suite, results: Path) -> None:
    assert suite("store", "compact", "--prune", "--quiet", "--results", results).exit_code == 0
    assert suite("results", "--results", results).stdout == TEXT
