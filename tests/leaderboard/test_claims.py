"""Verdicts on claims: which rows count, how several comparisons combine, and what a check says."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import toy_plugin
from claim_rows import HIGH, LOW, METHODS, TASKS, check, claim, filled, verdict

from leaderboard import claims
from leaderboard.claims import judge, judge_all
from suite.claims import Audit, Book, Published
from suite.errors import DataError

RIVALS = {
    "supported": [0.1, 0.2, 0.3],
    "undecided": [0.75, 0.85, 0.95],
    "contradicted": [2.8, 2.9, 3.0],
    "not run": [],
}


def test_what_was_never_run_is_named_with_its_command(rows) -> None:
    rows.seeds("toy-coin", HIGH)
    found = verdict(rows, claim())
    assert (found.verdict, found.summary) == ("not run", "toy-slow on toy: not run")
    assert found.commands == ("suite run --method toy-slow --task toy --profile small --seeds 0-4",)
    assert found.deciding.difference is None


def test_an_empty_board_has_run_nothing(rows) -> None:
    found = verdict(rows, claim())
    assert found.verdict == "not run"
    assert found.summary == "toy-coin on toy: not run; toy-slow on toy: not run"


def test_another_profile_does_not_count(rows) -> None:
    filled(rows)
    assert verdict(rows, claim(profile="paper")).verdict == "not run"


def test_failed_seeds_are_left_out_and_marked(rows) -> None:
    filled(rows)
    rows.add("toy-slow", 3, status="failed", error="broken")
    pair = verdict(rows, claim()).deciding
    assert pair.verdict == "supported" and len(pair.b.values) == 3
    assert "1 failed" in pair.b.marks


def test_a_method_that_only_failed_has_not_run(rows) -> None:
    rows.seeds("toy-coin", HIGH)
    for seed in range(2):
        rows.add("toy-slow", seed, status="timeout")
    found = verdict(rows, claim())
    assert (found.verdict, found.summary) == ("not run", "toy-slow on toy: 2 timeout")
    assert len(found.commands) == 1


def test_a_skipped_pair_has_no_command(rows) -> None:
    rows.seeds("toy-coin", HIGH)
    rows.add("toy-slow", 0, status="skipped", reason="cannot count")
    found = verdict(rows, claim())
    assert (found.summary, found.commands) == ("toy-slow on toy: 1 skipped", ())


@pytest.mark.parametrize("broken", [math.nan, math.inf, None])
def test_what_is_no_number_is_no_value(rows, broken: float | None) -> None:
    filled(rows)
    rows.score(rows.add("toy-slow", 3), "accuracy", broken)
    assert sorted(verdict(rows, claim()).deciding.b.values) == [0, 1, 2]


def test_a_metric_that_was_not_measured_is_named(rows) -> None:
    filled(rows)
    rows.add("toy-coin", 0, 0.8, scores={"errors": 1.0})
    found = verdict(rows, claim(metric="errors"))
    assert (found.verdict, found.summary) == ("not run", "toy-slow on toy: no value of errors")


def test_a_slice_is_compared_on_its_own(rows) -> None:
    for seed, (a, b) in enumerate(zip(LOW, HIGH, strict=True)):
        rows.add("toy-coin", seed, a, scores={("accuracy", "even"): 1 - a})
        rows.add("toy-slow", seed, b, scores={("accuracy", "even"): 1 - b})
    assert verdict(rows, claim()).verdict == "contradicted"
    assert verdict(rows, claim(slice="even")).verdict == "supported"
    assert verdict(rows, claim(slice="odd")).summary.startswith(
        "toy-coin on toy: no value of accuracy on odd"
    )


def test_what_others_claim_does_not_count(rows) -> None:
    rows.seeds("toy-coin", HIGH, origin="claimed")
    rows.seeds("toy-slow", LOW)
    found = verdict(rows, claim())
    assert found.verdict == "not run"
    assert found.summary == "toy-coin on toy: only claimed by others, not confirmed by a run here"


def test_own_runs_count_beside_claimed_ones(rows) -> None:
    rows.seeds("toy-coin", [0.0, 0.0, 0.0], origin="claimed")
    assert verdict(filled(rows), claim()).deciding.difference == pytest.approx(0.7)


def test_other_data_cannot_be_compared(rows) -> None:
    rows.seeds("toy-coin", HIGH, data_fingerprint="old")
    rows.seeds("toy-slow", LOW)
    found = verdict(rows, claim())
    assert (found.verdict, found.summary) == (
        "not run",
        "toy-coin on toy: only with other task settings or data",
    )


def test_settings_by_hand_do_not_speak_for_the_method(rows) -> None:
    rows.seeds("toy-coin", HIGH, overrides={"rate": 9})
    rows.seeds("toy-slow", LOW)
    assert verdict(rows, claim()).summary == "toy-coin on toy: only with settings changed by hand"
    rows.seeds("toy-coin", LOW)
    assert verdict(rows, claim()).deciding.difference == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("supported", "supported", "supported"),
        ("supported", "undecided", "undecided"),
        ("supported", "not run", "not run"),
        ("undecided", "not run", "not run"),
        ("supported", "contradicted", "contradicted"),
        ("undecided", "contradicted", "contradicted"),
        ("not run", "contradicted", "contradicted"),
    ],
)
def test_the_worst_pair_is_the_verdict(rows, first: str, second: str, expected: str) -> None:
    rows.seeds("toy-coin", HIGH)
    rows.seeds("toy-slow", RIVALS[first])
    rows.seeds("toy-oom", RIVALS[second])
    found = verdict(rows, claim("toy-coin", "toy-slow", "toy-oom"))
    assert [pair.verdict for pair in found.pairs] == [first, second]
    assert found.verdict == found.deciding.verdict == expected


def test_the_deciding_pair_is_the_one_least_in_favour(rows) -> None:
    rows.seeds("toy-coin", HIGH)
    rows.seeds("toy-slow", LOW)
    rows.seeds("toy-oom", [0.2, 0.3, 0.4])
    found = verdict(rows, claim("toy-coin", "toy-slow", "toy-oom"))
    assert (found.verdict, found.deciding.b.method) == ("supported", "toy-oom")
    assert found.summary == "all 2 comparisons support it"


def test_several_tasks_are_several_pairs(rows) -> None:
    other = replace(TASKS["toy"], name="toy-two")
    filled(rows)
    found = judge(
        rows.board(), Book("toy"), claim(tasks=("toy", "toy-two")), TASKS | {"toy-two": other}, METHODS
    )
    assert [(pair.task, pair.verdict) for pair in found.pairs] == [
        ("toy", "supported"),
        ("toy-two", "not run"),
    ]
    assert found.verdict == "not run"


def test_the_same_rows_in_another_order_give_the_same_verdict(rows, new_rows) -> None:
    filled(rows)
    shuffled = new_rows()
    shuffled.runs, shuffled.scores = rows.runs[::-1], rows.scores[::-1]
    assert verdict(shuffled, claim()) == verdict(rows, claim())


def holds() -> tuple[bool, str]:
    return True, "three of three"


def fails() -> tuple[bool, str]:
    return False, "two of three"


def lacks_data() -> tuple[bool, str]:
    raise DataError("toy.txt is not in /some/folder")


def breaks() -> tuple[bool, str]:
    raise ZeroDivisionError("by zero")


@pytest.mark.parametrize(
    ("function", "expected", "found"),
    [
        ("holds", "supported", "three of three"),
        ("fails", "contradicted", "two of three"),
        ("breaks", "not run", "the check broke: ZeroDivisionError: by zero"),
    ],
)
def test_a_check_is_what_its_function_says(rows, monkeypatch, function, expected: str, found: str) -> None:
    monkeypatch.setattr(toy_plugin, "the_check", globals()[function], raising=False)
    claims._computed.cache_clear()
    judged = verdict(rows, check("toy_plugin:the_check"))
    claims._computed.cache_clear()
    assert (judged.verdict, judged.summary, judged.pairs) == (expected, found, ())


def test_missing_data_is_said_without_the_folders_of_this_machine(rows, monkeypatch) -> None:
    monkeypatch.setattr(toy_plugin, "the_check", lacks_data, raising=False)
    judged = verdict(rows, check("toy_plugin:the_check"))
    assert judged.verdict == "not run" and "its data is not at hand" in judged.summary
    assert "/some/folder" not in judged.summary


def test_a_check_that_cannot_be_loaded_is_not_run(rows) -> None:
    judged = verdict(rows, check("toy_plugin:nothing_there"))
    assert judged.verdict == "not run" and "nothing_there" in judged.summary


def test_an_unknown_name_makes_a_claim_untestable(rows) -> None:
    found = verdict(filled(rows), claim("toy-coin", "toy-slwo"))
    assert (found.verdict, found.summary) == ("not run", "untestable: no method 'toy-slwo'")


def test_all_claims_of_all_books_are_judged_in_order(rows) -> None:
    note = Audit(paper=toy_plugin.PAPER, text="Mind.", source="page 3", by="read", about="second")
    figure = Published(
        paper=toy_plugin.PAPER, where="", task="toy", method="toy-slow", metric="accuracy", value=0.5
    )
    books = {
        "toy": Book(
            "toy", (claim(id="first"), claim("toy-slow", "toy-coin", id="second")), (figure,), (note,)
        )
    }
    found = judge_all(filled(rows).board(), books, TASKS, METHODS)
    assert [(j.family, j.claim.id, j.verdict) for j in found] == [
        ("toy", "first", "supported"),
        ("toy", "second", "contradicted"),
    ]
    assert [j.audits for j in found] == [(), (note,)]
    assert [j.published for j in found] == [(figure,), (figure,)]
