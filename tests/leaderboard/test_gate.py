"""What the gate lets pass, what it stops, and what it refuses to judge."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import toy_plugin

from leaderboard import report
from leaderboard.gate import Report, Results, Rule, compare
from suite.api import Metric, TaskSpec

SPREAD = [0.60, 0.66, 0.63, 0.69, 0.62]


def clocked() -> TaskSpec:
    """The toy task with a clock reading and an explaining metric beside its scores."""
    from dataclasses import replace

    (spec,) = toy_plugin.TASKS
    extra = (
        Metric("seconds", "lower", "s", "time", exact=False),
        Metric("overlap", "neutral", "fraction", "overlap"),
    )
    return replace(spec, metrics=spec.metrics + extra)


def gate(before: Any, after: Any, rule: Rule = "exact", tolerance: float = 0.0) -> Report:
    old, new = Results(before.runs, before.scores), Results(after.runs, after.scores)
    return compare(old, new, {"toy": clocked()}, rule, tolerance)


def two(new_rows: Any, before: Sequence[float], after: Sequence[float]) -> tuple[Any, Any]:
    old, new = new_rows(), new_rows()
    old.seeds("toy-coin", before)
    new.seeds("toy-coin", after)
    return old, new


def verdicts(found: Report) -> list[str]:
    return [f.verdict for f in found.findings]


def test_equal_results_pass(new_rows: Any) -> None:
    found = gate(*two(new_rows, SPREAD, SPREAD))
    assert (found.exit_code, found.findings, found.values) == (0, [], 5)
    assert found.summary == "gate passed: no change; 5 values of 5 cells compared"


def test_a_planted_regression_of_one_seed_is_caught(new_rows: Any) -> None:
    found = gate(*two(new_rows, SPREAD, [*SPREAD[:4], 0.61]))
    (finding,) = found.findings
    assert (finding.verdict, finding.before, finding.after) == ("regression", 0.62, 0.61)
    assert finding.cell == "toy-coin on toy (small, seed 4)"
    assert found.exit_code == 1


def test_the_last_digit_counts_without_a_tolerance(new_rows: Any) -> None:
    assert gate(*two(new_rows, [0.5], [math.nextafter(0.5, 0)])).exit_code == 1


def test_an_improvement_is_reported_and_no_failure(new_rows: Any) -> None:
    found = gate(*two(new_rows, [0.5], [0.6]))
    assert (verdicts(found), found.exit_code) == (["improvement"], 0)


@pytest.mark.parametrize(("after", "code"), [(4.0, 1), (2.0, 0)])
def test_a_metric_where_lower_is_better_fails_when_it_rises(new_rows: Any, after: float, code: int) -> None:
    old, new = new_rows(), new_rows()
    old.add("toy-coin", 0, 0.5, scores={"errors": 3.0})
    new.add("toy-coin", 0, 0.5, scores={"errors": after})
    assert gate(old, new).exit_code == code


def test_a_regression_of_one_slice_is_caught(new_rows: Any) -> None:
    old, new = new_rows(), new_rows()
    old.add("toy-coin", 0, 0.5, scores={("accuracy", "odd"): 0.4})
    new.add("toy-coin", 0, 0.5, scores={("accuracy", "odd"): 0.3})
    assert gate(old, new).of("regression")[0].metric == "accuracy [odd]"


def test_a_neutral_metric_that_moves_is_told_and_passes(new_rows: Any) -> None:
    old, new = new_rows(), new_rows()
    old.add("toy-coin", 0, 0.5, scores={"overlap": 0.1})
    new.add("toy-coin", 0, 0.5, scores={"overlap": 0.9})
    found = gate(old, new)
    assert (verdicts(found), found.exit_code) == (["changed"], 0)


def test_clock_readings_are_not_held(new_rows: Any) -> None:
    old, new = new_rows(), new_rows()
    old.add("toy-coin", 0, 0.5, scores={"seconds": 1.0})
    new.add("toy-coin", 0, 0.5, scores={"seconds": 99.0})
    assert (gate(old, new).findings, gate(old, new).values) == ([], 1)


@pytest.mark.parametrize("after", [0.49, 0.51])
def test_a_change_within_the_tolerance_passes(new_rows: Any, after: float) -> None:
    """0.5 - 0.49 is 0.010000000000000009: rounding does not break a tolerance of 0.01."""
    assert gate(*two(new_rows, [0.5], [after]), tolerance=0.01).findings == []
    assert gate(*two(new_rows, [0.5], [0.4899]), tolerance=0.01).exit_code == 1


def test_a_missing_cell_is_incomplete(new_rows: Any) -> None:
    found = gate(*two(new_rows, [0.5, 0.6], [0.5]))
    assert (verdicts(found), found.exit_code) == (["incomplete"], 3)


@pytest.mark.parametrize("status", ["failed", "timeout", "out-of-memory", "skipped"])
def test_a_cell_that_no_longer_ends_well_is_incomplete(new_rows: Any, status: str) -> None:
    old, new = two(new_rows, [0.5, 0.6], [0.5])
    new.add("toy-coin", 1, status=status, error="it broke")
    found = gate(old, new)
    assert found.exit_code == 3
    assert found.findings[0].note == f"{status} in the candidate: it broke"


def test_a_new_cell_that_fails_is_incomplete(new_rows: Any) -> None:
    old, new = two(new_rows, [0.5], [0.5])
    new.add("toy-raise", 0, status="failed")
    assert gate(old, new).exit_code == 3


def test_a_cell_that_failed_before_and_still_does_is_no_finding(new_rows: Any) -> None:
    old, new = two(new_rows, [0.5], [0.5])
    for rows in (old, new):
        rows.add("toy-raise", 0, status="failed")
    assert gate(old, new).findings == []


def test_new_cells_are_told_apart_and_pass(new_rows: Any) -> None:
    old, new = two(new_rows, [0.5], [0.5, 0.6])
    found = gate(old, new)
    assert (verdicts(found), found.exit_code) == (["new"], 0)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("side", ["baseline", "candidate"])
def test_a_value_that_is_no_number_never_passes(new_rows: Any, value: float | None, side: str) -> None:
    old, new = two(new_rows, [0.5], [0.5])
    (old if side == "baseline" else new).scores[0]["value"] = value
    found = gate(old, new)
    assert found.exit_code == 3
    assert found.findings[0].note == f"the value of the {side} is no finite number"


def test_a_metric_that_is_gone_is_incomplete(new_rows: Any) -> None:
    old, new = two(new_rows, [0.5], [0.5])
    old.score(old.runs[0]["run"], "errors", 5.0)
    found = gate(old, new)
    assert (found.exit_code, found.findings[0].metric) == (3, "errors")


def test_a_direction_that_is_turned_round_is_incomplete(new_rows: Any) -> None:
    old, new = two(new_rows, [0.5], [0.1])
    new.scores[0]["higher_is_better"] = False
    assert gate(old, new).exit_code == 3


def test_an_empty_baseline_is_incomplete(new_rows: Any) -> None:
    assert gate(*two(new_rows, [], [0.5])).exit_code == 3
    assert gate(*two(new_rows, [], [])).exit_code == 3


def test_a_regression_outweighs_what_is_missing(new_rows: Any) -> None:
    assert gate(*two(new_rows, [0.5, 0.6], [0.4])).exit_code == 1


def test_another_version_is_superseded_and_not_compared(new_rows: Any) -> None:
    old, new = two(new_rows, [0.5], [0.5])
    old.add("toy-nan", 0, 0.9)
    new.add("toy-nan", 0, 0.1, method_version=2)
    found = gate(old, new)
    assert (verdicts(found), found.exit_code) == (["superseded"], 0)


def test_other_settings_without_a_new_version_are_compared(new_rows: Any) -> None:
    old, new = new_rows(), new_rows()
    old.add("toy-coin", 0, 0.5, settings='{"rate":1}')
    new.add("toy-coin", 0, 0.4, settings='{"rate":2}')
    assert gate(old, new).exit_code == 1


def test_the_newest_run_of_a_cell_is_judged(new_rows: Any) -> None:
    old, new = two(new_rows, [0.5], [0.1])
    new.add("toy-coin", 0, 0.5)
    assert gate(old, new).findings == []


def test_a_damaged_file_is_incomplete(new_rows: Any) -> None:
    old, new = two(new_rows, [0.5], [0.5])
    found = compare(
        Results(old.runs, old.scores, ["x.parquet: truncated"]), Results(new.runs, new.scores), {}
    )
    assert found.exit_code == 3


def test_a_task_that_nobody_knows_is_held_exactly(new_rows: Any) -> None:
    old, new = new_rows(), new_rows()
    old.add("toy-coin", 0, task="gone", scores={"seconds": 1.0})
    new.add("toy-coin", 0, task="gone", scores={"seconds": 1.1})
    assert gate(old, new).exit_code == 1


def test_noise_rule_of_a_hand_worked_case(new_rows: Any) -> None:
    """sd of 0.60 0.66 0.63 0.69 0.62 is 0.0353553; five seeds show 2.0244 sd: 0.07158."""
    passes = gate(*two(new_rows, SPREAD, [v - 0.071 for v in SPREAD]), "noise")
    assert passes.findings == []
    fails = gate(*two(new_rows, SPREAD, [v - 0.072 for v in SPREAD]), "noise")
    assert fails.exit_code == 1
    assert fails.findings[0].cell == "toy-coin on toy (small, mean of 5 seeds)"


def test_noise_rule_knows_improvements_and_the_tolerance(new_rows: Any) -> None:
    better = gate(*two(new_rows, SPREAD, [v + 0.2 for v in SPREAD]), "noise")
    assert (verdicts(better), better.exit_code) == (["improvement"], 0)
    assert gate(*two(new_rows, SPREAD, [v - 0.2 for v in SPREAD]), "noise", 0.25).findings == []


def test_noise_rule_holds_two_seeds_and_equal_seeds_exactly(new_rows: Any) -> None:
    assert gate(*two(new_rows, [0.5, 0.9], [0.5, 0.89]), "noise").exit_code == 1
    assert gate(*two(new_rows, [0.5] * 5, [0.5, 0.5, 0.5, 0.51, 0.49]), "noise").exit_code == 1


def test_twenty_reruns_with_other_seeds_of_chance_raise_no_alarm_by_the_noise_rule(new_rows: Any) -> None:
    rng = random.Random(7)
    codes = [
        gate(
            *two(
                new_rows, [rng.gauss(0.6, 0.03) for _ in range(5)], [rng.gauss(0.6, 0.03) for _ in range(5)]
            ),
            "noise",
        ).exit_code
        for _ in range(20)
    ]
    assert codes == [0] * 20


def hostile(new_rows: Any) -> Report:
    old, new = new_rows(), new_rows()
    name = '<script>|"&\x00`*\ud800'.replace("\ud800", "\uffff")
    old.add(name, 0, 0.5)
    new.add(name, 0, 0.4)
    old.add(name, 1, 0.5)
    new.add(name, 1, status="failed", error="a\nb | <b>")
    old.add("toy-nan", 0, 0.5)
    new.add("toy-nan", 0, 0.5, task_version=2)
    return gate(old, new)


def test_junit_has_a_case_a_cell_and_counts_its_failures(new_rows: Any) -> None:
    root = ET.fromstring(report.junit(hostile(new_rows)))
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped")) == (
        "3",
    ) + ("1",) * 3
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "regression: accuracy 0.5 -> 0.4"
    assert suite.findall("testcase")[0].get("name", "").startswith('<script>|"&\ufffd')


def test_markdown_shows_hostile_names_as_text(new_rows: Any) -> None:
    text = report.markdown(hostile(new_rows))
    assert "<script>" not in text and "<b>" not in text
    rows = [line for line in text.splitlines() if line.startswith("| &#60;script")]
    assert [line.count("|") for line in rows] == [7, 7]
    counts = "1 regression, 1 incomplete comparison, 1 superseded cell; 1 value of 1 cell compared"
    assert f"### gate failed: {counts}" in text
