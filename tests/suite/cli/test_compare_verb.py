"""`suite compare`, against numbers worked out by hand.

toy-slow has 0.7, 0.9 on seeds 0, 1 and toy-coin 0.4, 0.5, 0.6 on seeds 0, 1, 2. Over the shared seeds the
differences are 0.3 and 0.4: mean 0.35, sd 0.1 / sqrt(2), t(0.975, 1) = 12.7062047, so half = 0.635310. The
interval of a share stays between 0 and 1, that of a difference does not.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from suite.store import Store

TEXT = """\
task  metric    toy-slow                 toy-coin                 difference                     p    Holm  seeds  A wins  B wins
toy   accuracy  80.0 % [0.0 %, 100.0 %]  45.0 % [0.0 %, 100.0 %]  35.0 % [-28.5 %, 98.5 %]  0.5000  0.5000      2       4       2
"""  # noqa: E501


def test_text_pairs_over_shared_seeds(suite, results: Path) -> None:
    answer = suite("compare", "toy-slow", "toy-coin", "--results", results)
    assert (answer.exit_code, answer.stdout) == (0, TEXT)


def test_seeds_that_only_one_has_are_said(suite, results: Path) -> None:
    answer = suite("compare", "toy-slow", "toy-coin", "--results", results)
    assert answer.stderr == (
        "note: toy: seeds differ, only shared ones count (toy-slow has 0, 1; toy-coin has 0, 1, 2)\n"
        "note: 2 seeds cannot give a p below 0.5; go by the intervals\n"
    )


def test_json_has_difference_interval_p_and_wins(suite, results: Path) -> None:
    (row,) = json.loads(
        suite("compare", "toy-slow", "toy-coin", "--results", results, "--format", "json").stdout
    )
    assert row["difference"] == pytest.approx(0.35, abs=1e-12)
    assert row["low"] == pytest.approx(0.35 - 0.635310237, abs=1e-8)
    assert row["high"] == pytest.approx(0.35 + 0.635310237, abs=1e-8)
    # Both sign patterns that reach |0.7| out of four.
    assert row["p"] == 0.5
    # One task: nothing to correct for. Effect size: 0.35 / (0.1 / sqrt(2)).
    assert row["holm"] == 0.5
    assert row["effect"] == pytest.approx(3.5 * 2**0.5, abs=1e-9)
    # Of four examples toy-slow alone has two right and toy-coin one, on each of two seeds.
    assert (row["a_wins"], row["b_wins"], row["ties"]) == (4, 2, 2)
    # Over examples the gaps are 1, 1, -1, 0: every pattern of signs reaches |sum| = 1.
    assert (row["examples"], row["examples_p"]) == (4, 1.0)


def test_swapping_the_methods_turns_the_sign(suite, results: Path) -> None:
    (row,) = json.loads(
        suite("compare", "toy-coin", "toy-slow", "--results", results, "--format", "json").stdout
    )
    assert row["difference"] == pytest.approx(-0.35, abs=1e-12) and row["a_wins"] == 2


def test_another_metric_can_be_compared(suite, results: Path) -> None:
    words = (
        "compare",
        "toy-slow",
        "toy-coin",
        "--metric",
        "errors",
        "--results",
        results,
        "--format",
        "json",
    )
    (row,) = json.loads(suite(*words).stdout)
    assert row["difference"] == pytest.approx(-3.5, abs=1e-12)
    # Which examples were right says nothing of another metric.
    about = ("a_wins", "b_wins", "ties", "examples", "examples_low", "examples_high", "examples_p")
    assert [row[name] for name in about] == [None] * 7


def test_the_primary_metric_by_name_is_as_without_a_name(suite, results: Path) -> None:
    answer = suite("compare", "toy-slow", "toy-coin", "--metric", "accuracy", "--results", results)
    assert answer.stdout == TEXT


def test_examples_are_left_empty_where_none_were_logged(suite, results: Path) -> None:
    (row,) = json.loads(
        suite("compare", "toy-good", "toy-slow", "--results", results, "--format", "json").stdout
    )
    assert (row["a_wins"], row["b_wins"], row["ties"]) == (None, None, None)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("toy-coin", "toy-coin"), 2, "cannot be compared with itself"),
        (("toy-coin", "toy-god"), 2, "did you mean 'toy-good'?"),
        (("toy-coin", "lstm"), 2, "'toy-coin' is of family toy and 'lstm' of family compositional"),
        (("toy-coin", "toy-oom"), 3, "`suite run --method toy-oom --task TASK`"),
        (("toy-raise", "toy-coin"), 3, "toy-raise has none"),
        (("toy-slow", "toy-coin", "--profile", "paper"), 3, "in profile paper"),
        (("toy-slow", "toy-coin", "--task", "toi"), 2, "did you mean 'toy'?"),
        (
            ("toy-slow", "toy-coin", "--metric", "erors"),
            2,
            "metric 'erors' not found; did you mean 'errors'?",
        ),
        (("toy-slow", "toy-coin", "--profile", "bogus"), 2, "'bogus' is not one of"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_line(suite, results: Path, words, code: int, said: str) -> None:
    answer = suite("compare", *words, "--results", results)
    assert answer.exit_code == code and said in answer.stderr and answer.stderr.count("\n") == 1


def test_a_failed_seed_is_said(suite, results: Path, make_outcome) -> None:
    Store(results).append(make_outcome("toy-slow", 2, None))
    answer = suite("compare", "toy-slow", "toy-coin", "--results", results)
    assert "seeds of toy-slow without a score: 1 failed" in answer.stderr


def test_two_that_do_not_vary_are_compared_over_the_examples_and_without_intervals(
    suite, results: Path, make_outcome
) -> None:
    store = Store(results)
    # Of ten examples toy-skip has 9 right and toy-nan 3, all of these 3 among the 9.
    for seed in range(3):
        store.append(make_outcome("toy-skip", seed, 0.9, (1,) * 9 + (0,)))
        store.append(make_outcome("toy-nan", seed, 0.3, (1,) * 3 + (0,) * 7))
    words = ("compare", "toy-skip", "toy-nan", "--results", results)
    (row,) = json.loads(suite(*words, "--format", "json").stdout)
    assert (row["a_mean"], row["b_mean"], row["difference"]) == (0.9, 0.3, pytest.approx(0.6))
    over_seeds = ("a_low", "a_high", "b_low", "b_high", "low", "high", "p", "holm", "effect")
    assert [row[name] for name in over_seeds] == [None] * 9
    # Six examples differ, all for toy-skip: McNemar's exact p is 2 / 2^6.
    assert (row["examples"], row["examples_p"]) == (10, 2 / 64)
    text = suite(*words)
    shown = " ".join(text.stdout.splitlines()[1].split())
    assert shown == "toy accuracy 90.0 % 30.0 % 60.0 % 3 18 0"
    assert text.stderr == (
        "note: toy: toy-skip and toy-nan are the same for all seeds; over 10 test examples p = 0.0312\n"
    )


def test_one_that_does_not_vary_has_no_interval_and_the_difference_has_one(suite, results: Path) -> None:
    words = ("compare", "toy-good", "toy-coin", "--results", results)
    (row,) = json.loads(suite(*words, "--format", "json").stdout)
    # Differences 0.6, 0.5, 0.4: t(0.975, 2) = 4.3026527, sd 0.1.
    assert (row["a_low"], row["a_high"]) == (None, None)
    assert row["low"] == pytest.approx(0.5 - 4.3026527297 * 0.1 / 3**0.5, abs=1e-9)
    assert row["p"] == 0.25
    assert "toy-good is the same for all seeds" in suite(*words).stderr


def test_a_field_that_one_of_the_two_rows_lacks_has_its_default(suite, results: Path, make_outcome) -> None:
    # The toy task has size = 10 unless told otherwise.
    for method, settings in (("toy-skip", '{"size":10}'), ("toy-nan", '{"size":3}')):
        made = make_outcome(method, 0, 0.5)
        run = dataclasses.replace(made.run, task_settings=settings)
        Store(results).append(dataclasses.replace(made, run=run))
    warning = "with other task settings or data"
    assert warning not in suite("compare", "toy-skip", "toy-coin", "--results", results).stderr
    assert warning in suite("compare", "toy-nan", "toy-coin", "--results", results).stderr
