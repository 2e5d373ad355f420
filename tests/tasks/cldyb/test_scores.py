"""Scores of sequences, by hand."""

from __future__ import annotations

import pytest

from tasks.cldyb.scores import Outcome, gap_scores, matrix_scores, of_matrix, sequence_scores

ONE = ((0.8,), (0.6, 0.5))
TWO = ((1.0,), (0.5, 1.0))


def outcome(
    name: str, group: str, matrix: object, seconds: float = 1.0, sizes: tuple[int, ...] = (20, 20)
) -> Outcome:
    return Outcome(name, group, matrix, sizes, seconds)  # type: ignore[arg-type]


def test_of_one_matrix() -> None:
    assert of_matrix(ONE) == pytest.approx(
        {
            "final_accuracy": 0.55,
            "incremental_accuracy": (0.8 + 0.55) / 2,
            "learning_accuracy": 0.65,
            "retention": (0.75 + 1) / 2,
            "retention_before": 0.75,
            "forgetting": 0.2,
            "forgetting_max_before": 0.2,
            "forgetting_max_incl": 0.2,
        }
    )
    nothing = of_matrix(((0.0,), (0.5,) * 2))
    assert nothing["retention"] == 1.0 and "retention_before" not in nothing


def test_all_is_the_headline_and_a_sequence_of_two_trainings_is_their_mean() -> None:
    outcomes = [
        outcome("found-0", "found", ONE),
        outcome("found-0", "found", TWO, 3.0),
        outcome("random-0", "random", TWO),
    ]
    got = {(s.metric, s.slice): (s.value, s.n) for s in sequence_scores(outcomes, "found")}
    both = ((0.55 + 0.75) / 2, None)
    for part in ("all", "found", "found-0"):
        assert got["final_accuracy", part] == pytest.approx(both)
        assert got["train_s", part] == (2.0, None)
    assert got["final_accuracy", "random"] == got["final_accuracy", "random-0"] == (0.75, 40)
    alone = {s.slice for s in sequence_scores(outcomes[:2], "found")}
    assert alone == {"all", "found-0"}


def test_examples_are_told_where_the_score_is_their_mean() -> None:
    """The checks of a submission hold a score of n examples against the mean over its n samples."""
    uneven = outcome("found-1", "found", TWO, sizes=(30, 10))
    even = outcome("found-1", "found", TWO)
    first = outcome("found-0", "found", ONE)
    for members, n in (((first, even), 80), ((first, uneven), None), ((uneven,), None), ((first,), 40)):
        got = {s.n for s in sequence_scores(members, "found") if (s.slice, s.metric[0]) == ("all", "f")}
        assert got == {n}


def test_matrix_entries_are_of_the_first_training() -> None:
    outcomes = [outcome("found-0", "found", ONE), outcome("found-0", "found", TWO)]
    assert {s.slice: s.value for s in matrix_scores(outcomes)} == {
        "found-0 step 1 task 1": 0.8,
        "found-0 step 2 task 1": 0.6,
        "found-0 step 2 task 2": 0.5,
    }


def test_gaps_are_random_less_found() -> None:
    outcomes = [outcome(f"random-{k}", "random", TWO) for k in range(5)] + [outcome("f", "found", ONE)]
    got = {s.metric: s.value for s in gap_scores(outcomes)}
    assert got == pytest.approx({"gap": 0.2, "gap_relative": 0.2 / 0.75, "retention_gap": 0.75 - 0.875})
    assert {s.n for s in gap_scores(outcomes)} == {None}, "sequences are no test examples"


def test_a_sequence_counts_once_in_a_gap_however_often_it_is_learned() -> None:
    outcomes = [outcome(f"random-{k}", "random", TWO) for k in range(5)]
    outcomes += [outcome("a", "found", ONE)] * 3 + [outcome("b", "found", TWO)]
    got = {s.metric: s.value for s in gap_scores(outcomes)}
    # final accuracy is 0.55 on ONE and 0.75 on TWO
    assert got["gap"] == pytest.approx(0.75 - (0.55 + 0.75) / 2)
    # error of the found mean: sd 0.1 * sqrt(2) over sqrt(2); random ones do not vary; one degree of freedom
    assert (got["gap_lo"], got["gap_hi"]) == pytest.approx(
        (0.1 - 12.7062 * 0.1, 0.1 + 12.7062 * 0.1), rel=1e-5
    )
