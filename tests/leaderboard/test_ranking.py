"""Claims that a ranking differs: tau of each seed by hand, what counts, and what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import toy_plugin
from claim_rows import METHODS, TASKS, ranking, verdict

from leaderboard.claims import judge
from suite.claims import Book, problems

NAMES = ("toy-coin", "toy-slow", "toy-sum")
UP, SWAPPED, DOWN = (0.3, 0.2, 0.1), (0.2, 0.3, 0.1), (0.1, 0.2, 0.3)
"""Values of the three methods. Of three pairs UP and SWAPPED share two (tau 1/3), UP and DOWN none (-1)."""


def board(rows: Any, random: Any, found: Any, names: tuple[str, ...] = NAMES) -> Any:
    """Static values UP for as many seeds as `random` and `found` have."""
    for seed, (by_chance, hunted) in enumerate(zip(random, found, strict=True)):
        for k, name in enumerate(names):
            rows.add(name, seed, UP[k])
            parts = {("accuracy", "random"): by_chance[k], ("accuracy", "found"): hunted[k]}
            rows.add(name, seed, 0.5, task="toy-two", scores=parts)
    return rows


def judged(rows: Any, **more: Any) -> Any:
    methods = METHODS | {name: replace(METHODS["toy-coin"], name=name) for name in NAMES}
    tasks = TASKS | {"toy-two": replace(toy_plugin.TASKS[0], name="toy-two")}
    return judge(rows.board(), Book("toy"), ranking(**more), tasks, methods)


def test_a_ranking_that_turns_round_is_supported_and_one_that_stays_is_not(rows) -> None:
    found = judged(board(rows, [UP, SWAPPED, UP], [DOWN, DOWN, DOWN]))
    (pair,) = found.pairs
    assert dict(pair.a.values) == {0: 1.0, 1: 1 / 3, 2: 1.0} and set(pair.b.values.values()) == {-1.0}
    assert (pair.a.method, pair.b.method) == ("toy and random", "toy and found")
    assert found.verdict == "supported" and abs(pair.difference - (7 / 9 + 1)) < 1e-12


def test_a_ranking_that_stays_more_alike_than_the_control_contradicts(rows) -> None:
    assert judged(board(rows, [DOWN, DOWN, DOWN, SWAPPED], [UP] * 4)).verdict == "contradicted"


def test_the_same_agreement_decides_nothing(rows) -> None:
    assert judged(board(rows, [UP, SWAPPED], [SWAPPED, UP])).verdict == "undecided"


def test_a_method_without_a_value_is_named_with_its_commands(rows) -> None:
    found = judged(board(rows, [UP], [DOWN], names=NAMES[:2]))
    assert found.verdict == "not run"
    assert "toy-sum on toy: not run" in found.summary and "toy-sum on toy-two: not run" in found.summary
    assert found.commands[0] == "suite run --method toy-sum --task toy --profile small --seeds 0-4"


def test_nothing_but_ties_is_no_order(rows) -> None:
    found = judged(board(rows, [(0.5,) * 3] * 2, [UP] * 2))
    assert found.verdict == "not run" and "nothing but ties" in found.summary


def test_methods_may_come_from_several_tasks(rows) -> None:
    for k, name in enumerate(NAMES):
        for seed in range(2):
            rows.add(name, seed, UP[k])
            parts = {("accuracy", "random"): UP[k], ("accuracy", "found"): DOWN[k]}
            rows.add(name, seed, 0.5, task=("toy-two", "toy-three")[k % 2], scores=parts)
    tasks = TASKS | {n: replace(toy_plugin.TASKS[0], name=n) for n in ("toy-two", "toy-three")}
    methods = METHODS | {name: replace(METHODS["toy-coin"], name=name) for name in NAMES}
    found = judge(rows.board(), Book("toy"), ranking(tasks=("toy-two", "toy-three")), tasks, methods)
    assert found.verdict == "supported" and found.pairs[0].difference == 2.0


def test_a_ranking_of_unknown_names_or_of_two_methods_is_untestable(rows) -> None:
    found = verdict(rows, ranking(methods=("toy-coin", "nobody"), tasks=("nowhere",), metric="colour"))
    for part in ("no method 'nobody'", "three methods or more", "no task 'nowhere'", "no metric 'colour'"):
        assert part in found.summary
    assert problems(ranking(tasks=()), TASKS, METHODS)[0] == "names no task"
