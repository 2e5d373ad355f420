"""Which rule the gate takes by itself, and what it makes of single seeds with logged examples."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest
import toy_plugin

from leaderboard.gate import Report, Results, Rule, compare

SPREAD = [0.60, 0.66, 0.63, 0.69, 0.62]


def gate(before: Any, after: Any, rule: Rule = "auto", **samples: Any) -> Report:
    old = Results(before.runs, before.scores, samples=samples.get("old"))
    new = Results(after.runs, after.scores, samples=samples.get("new"))
    return compare(old, new, {spec.name: spec for spec in toy_plugin.TASKS}, rule)


def two(new_rows: Any, before: Sequence[float], after: Sequence[float], **columns: Any) -> tuple[Any, Any]:
    old, new = new_rows(), new_rows()
    old.seeds("toy-coin", before)
    new.seeds("toy-coin", after, **columns)
    return old, new


def slightly(values: Sequence[float]) -> list[float]:
    return [v - 0.01 * (k % 2) for k, v in enumerate(values)]


def test_the_same_code_on_the_same_machine_must_come_out_the_same(new_rows: Any) -> None:
    found = gate(*two(new_rows, SPREAD, slightly(SPREAD)))
    assert [f.cell[-7:-1] for f in found.of("regression")] == ["seed 1", "seed 3"]
    assert found.findings[0].note == "same code on the same machine: any change counts"


@pytest.mark.parametrize("column", ["code", "host", "packages", "device", "data_fingerprint"])
def test_where_code_or_machine_differ_the_noise_of_the_seeds_decides(new_rows: Any, column: str) -> None:
    found = gate(*two(new_rows, SPREAD, slightly(SPREAD), **{column: "other"}))
    assert (found.exit_code, found.findings, found.within) == (0, [], 2)
    assert found.summary == "gate passed: 2 values moved within the noise; 5 values of 5 cells compared"
    worse = gate(*two(new_rows, SPREAD, [v - 0.2 for v in SPREAD], **{column: "other"}))
    (finding,) = worse.findings
    assert finding.verdict == "regression"
    assert finding.note == "mean of 5 seeds: beyond 0.07157, corrected p below 1e-06"


def test_a_metric_whose_seeds_do_not_differ_is_exact_on_any_machine(new_rows: Any) -> None:
    found = gate(*two(new_rows, [0.5] * 5, [0.5, 0.5, 0.49, 0.5, 0.5], host="other"))
    assert found.exit_code == 1
    assert found.findings[0].note == "the baseline's seeds do not differ: any change counts"


@pytest.mark.parametrize("columns", [{"code": "other"}, {"host": "other"}])
def test_single_seeds_without_examples_are_held_exactly(new_rows: Any, columns: dict[str, Any]) -> None:
    found = gate(*two(new_rows, [0.5], [0.49], **columns))
    assert found.exit_code == 1
    assert found.findings[0].note == "too few seeds to know the noise: any change counts"


def test_large_but_uncertain_is_no_regression(new_rows: Any) -> None:
    """The means differ by 0.24, beyond the floor of 0.07; but the candidate's sd is 0.43, and p is 0.5."""
    found = gate(*two(new_rows, SPREAD, [0.0, 0.9, 0.0, 0.9, 0.2], code="other"))
    assert (found.findings, found.within) == ([], 5)


def test_a_claimed_run_is_no_baseline(new_rows: Any) -> None:
    old, new = two(new_rows, [0.5], [0.5])
    old.add("toy-coin", 0, 0.9, origin="claimed")
    old.add("toy-bad", 0, 0.9, origin="claimed")
    assert gate(old, new).findings == []


def examples(right: Sequence[float]) -> Any:
    def samples(runs: Collection[str]) -> Mapping[str, Mapping[int, float]]:
        return {run: dict(enumerate(right)) for run in runs}

    return samples


def single(new_rows: Any, lost: int, **scores: float) -> Report:
    """One seed, all of 20 right in the baseline; the candidate, on another machine, loses some."""
    old, new = new_rows(), new_rows()
    right = [0.0] * lost + [1.0] * (20 - lost)
    old.add("toy-coin", 0, 1.0, scores={("accuracy", "odd"): 1.0})
    new.add("toy-coin", 0, 1 - lost / 20, scores={("accuracy", "odd"): scores.get("odd", 1.0)}, host="other")
    return gate(old, new, old=examples([1.0] * 20), new=examples(right))


def test_the_examples_of_a_single_seed_tell_noise_from_a_regression(new_rows: Any) -> None:
    """3 lost of 20: p = 0.25. 8 lost: p = 2 / 2^8; the slice is another family of tests."""
    assert (single(new_rows, 3).findings, single(new_rows, 3).within) == ([], 1)
    (finding,) = single(new_rows, 8).findings
    assert (finding.verdict, finding.cell) == ("regression", "toy-coin on toy (small, seed 0)")
    assert finding.note.startswith("20 examples, 8 lost and 0 won: beyond 0.314")
    assert finding.note.endswith("corrected p 0.0078")


def test_a_slice_of_a_single_seed_is_judged_by_its_counts(new_rows: Any) -> None:
    """The slice has 10 examples: 9 of 10 is chance (p = 1), 3 of 10 is not (p = 0.0031)."""
    assert single(new_rows, 0, odd=0.9).findings == []
    (finding,) = single(new_rows, 0, odd=0.3).findings
    assert (finding.metric, finding.verdict) == ("accuracy [odd]", "regression")
    assert finding.note.startswith("counts of 10 examples")


def test_examples_that_do_not_explain_the_score_are_not_asked(new_rows: Any) -> None:
    """The log holds a part of the test set only: its mean is another one."""
    old, new = two(new_rows, [0.5], [0.45], host="other")
    found = gate(old, new, old=examples([1.0] * 20), new=examples([1.0] * 20))
    assert found.exit_code == 1


def test_on_one_machine_a_single_seed_is_exact_in_spite_of_its_examples(new_rows: Any) -> None:
    old, new = two(new_rows, [1.0], [0.95], code="other")
    logs = {"old": examples([1.0] * 20), "new": examples([0.0] + [1.0] * 19)}
    assert gate(old, new, **logs).exit_code == 1
    assert gate(old, new, "noise", **logs).exit_code == 0
