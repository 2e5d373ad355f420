from __future__ import annotations

import random

import pytest

from leaderboard.aggregate import Table
from leaderboard.ledger import LIMITS, Placed, equal_budget, ledger, pareto
from suite.errors import UsageError
from suite.stats import Rank


@pytest.fixture
def table(rows) -> Table:
    """Three competitors with known costs: toy-coin small, toy-slow large, toy-bad (a null) without any."""
    spent = {"toy-coin": (0.5, 100, (1.0, 3.0, 2.0)), "toy-slow": (0.9, 900, (10.0, 30.0, 50.0))}
    for method, (value, parameters, cpu) in spent.items():
        for seed, seconds in enumerate(cpu):
            run = rows.add(method, seed, value + 0.01 * seed, cpu_s=seconds, wall_s=2 * seconds)
            rows.scores += [
                {"run": run, "metric": m, "slice": "all", "value": v, "n": None, "higher_is_better": None}
                for m, v in (("parameters", parameters), ("examples_seen", 1000 + seed))
            ]
    for seed in range(2):
        rows.add("toy-nan", seed, 0.2 + 0.01 * seed, cpu_s=1.0)
    (made,) = rows.board().tables
    return made


def test_a_row_holds_what_was_measured_and_none_for_what_was_not(table: Table) -> None:
    found = {row.method: row for row in ledger(table)}
    slow, bare = found["toy-slow"], found["toy-nan"]
    assert (slow.parameters, slow.examples, slow.tokens, slow.images, slow.steps) == (
        900,
        1002,
        None,
        None,
        None,
    )
    # medians of 10, 30, 50 and of 20, 60, 100
    assert (slow.cpu_seconds, slow.seconds, slow.peak_mb) == (30.0, 60.0, 100.0)
    assert (bare.parameters, bare.examples, bare.trials, bare.tuned_on) == (None, None, None, None)


def test_the_rows_stand_in_the_order_of_the_table(table: Table) -> None:
    assert [row.method for row in ledger(table)] == ["toy-slow", "toy-coin", "toy-nan"]


def test_at_equal_budget_only_those_within_the_limits_are_ranked(table: Table) -> None:
    equal = equal_budget(table, parameters=100)
    assert [(p.row.method, p.rank) for p in equal.within] == [("toy-coin", Rank(1, 1))]
    assert [row.method for row in equal.over] == ["toy-slow"]
    assert [row.method for row in equal.unknown] == ["toy-nan"]


def test_without_limits_the_ranks_are_those_of_the_table(table: Table) -> None:
    equal = equal_budget(table)
    assert [p.rank for p in equal.within] == [e.rank for e in table.ranked]
    assert [p.rank for p in equal.within] == [Rank(1, 1), Rank(2, 2), Rank(3, 3)]
    assert not equal.over and not equal.unknown


def test_a_limit_reached_exactly_is_kept_and_limits_add_up(table: Table) -> None:
    within = {p.row.method for p in equal_budget(table, cpu_seconds=30.0).within}
    assert within == {"toy-slow", "toy-coin", "toy-nan"}
    both = equal_budget(table, cpu_seconds=29.9, examples=1002)
    assert [p.row.method for p in both.within] == ["toy-coin"]
    # too slow is too slow, whatever else is not known of it
    assert [r.method for r in both.over] == ["toy-slow"] and [r.method for r in both.unknown] == ["toy-nan"]


def test_nobody_is_within_a_limit_on_what_nobody_declared(table: Table) -> None:
    assert equal_budget(table, trials=1000).within == []
    assert len(equal_budget(table, trials=1000).unknown) == 3


def test_a_single_seed_is_within_but_has_no_rank(rows) -> None:
    rows.add("toy-coin", 0, 0.5, cpu_s=1.0)
    (table,) = rows.board().tables
    (placed,) = equal_budget(table, cpu_seconds=2.0).within
    assert placed == Placed(placed.row, None)


def test_another_name_or_no_number_is_refused(table: Table) -> None:
    with pytest.raises(UsageError, match="did you mean 'parameters'"):
        equal_budget(table, parameter=1)
    with pytest.raises(UsageError, match="a limit is a number"):
        equal_budget(table, seconds=float("nan"))
    assert {"trials", "examples", "tokens", "images", "parameters", "peak_mb"} <= set(LIMITS)


def brute_force(points, higher: bool) -> list[int]:
    def beaten(p, q) -> bool:
        better = q[0] >= p[0] if higher else q[0] <= p[0]
        return better and q[1] <= p[1] and q != p

    return [i for i, p in enumerate(points) if not any(beaten(p, q) for q in points)]


@pytest.mark.parametrize("higher", [True, False])
def test_the_front_is_what_brute_force_finds(higher: bool) -> None:
    draw = random.Random(3)
    for _ in range(300):
        size = draw.randint(0, 12)
        # few values, so that scores, costs and whole points are often equal
        points = [(float(draw.randint(0, 4)), float(draw.randint(0, 4))) for _ in range(size)]
        assert pareto(points, higher) == brute_force(points, higher)


def test_the_front_of_a_hand_made_example() -> None:
    points = [(0.9, 10.0), (0.8, 1.0), (0.8, 2.0), (0.9, 10.0), (0.95, 30.0), (0.5, 0.5), (0.4, 0.6)]
    assert pareto(points) == [0, 1, 3, 4, 5]
    assert pareto([(None, 1.0), (0.5, None), (float("nan"), 1.0), (0.1, 5.0)]) == [3]
