"""Which runs count, what their mean is, and how a table is ordered."""

from __future__ import annotations

import dataclasses
import math
import random
from typing import Any

import pytest
import toy_plugin
from scipy import stats as scipy_stats
from store_rows import only_entry, only_table

from leaderboard.aggregate import aggregate
from leaderboard.views.task import _noise_floor
from suite.api import Metric
from suite.cli.stored import _noise
from suite.stats import detectable_difference


def test_a_row_is_the_mean_over_seeds_with_its_t_interval(rows: Any) -> None:
    rows.seeds("toy-nan", [0.6, 0.7, 0.8])
    entry = only_entry(rows)
    assert entry.mean() == pytest.approx(0.7)
    assert entry.interval() == pytest.approx(scipy_stats.t.interval(0.95, 2, 0.7, 0.1 / math.sqrt(3)))
    assert entry.per_seed() == {0: 0.6, 1: 0.7, 2: 0.8}


def test_one_seed_has_a_mean_and_neither_interval_nor_rank(rows: Any) -> None:
    rows.add("toy-nan", 0, 0.5)
    entry = only_entry(rows)
    assert (entry.mean(), entry.interval(), entry.rank) == (0.5, None, None)


@pytest.mark.parametrize("status", ["failed", "timeout", "out-of-memory", "skipped"])
def test_a_run_that_did_not_end_well_is_shown_and_never_averaged(rows: Any, status: str) -> None:
    rows.seeds("toy-nan", [0.4, 0.6])
    rows.add("toy-nan", 2, 0.0, status=status)
    entry = only_entry(rows)
    assert entry.mean() == 0.5
    assert entry.statuses == {"ok": 2, status: 1}


def test_a_method_that_only_failed_has_no_value(rows: Any) -> None:
    rows.add("toy-raise", 0, status="failed", error="ValueError: broken", wall_s=9.0)
    entry = only_entry(rows)
    assert (entry.mean(), entry.seconds, entry.peak_mb) == (None, None, None)
    assert only_table(rows).ranked == []


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_a_value_that_is_no_number_is_left_out(rows: Any, value: float | None) -> None:
    rows.seeds("toy-nan", [0.4, 0.6])
    rows.score(rows.add("toy-nan", 2), "accuracy", value)
    assert only_entry(rows).mean() == 0.5


def test_the_newest_run_of_a_seed_counts_whatever_the_order_of_the_rows(rows: Any) -> None:
    rows.add("toy-nan", 0, 0.9, started=20.0)
    rows.add("toy-nan", 0, 0.1, started=10.0)
    entry = only_entry(rows)
    assert entry.mean() == 0.9
    assert entry.older == 1


def test_a_seed_whose_newest_run_failed_has_no_value(rows: Any) -> None:
    rows.add("toy-nan", 0, 0.9)
    rows.add("toy-nan", 0, status="failed")
    assert only_entry(rows).mean() is None


@pytest.mark.parametrize("column", ["settings", "task_settings", "data_fingerprint", "model_fingerprint"])
def test_runs_of_other_settings_or_data_are_superseded_and_never_mixed(rows: Any, column: str) -> None:
    rows.seeds("toy-nan", [0.1, 0.1, 0.1], **{column: '{"rate":1}'})
    rows.seeds("toy-nan", [0.5, 0.7], **{column: '{"rate":2}'})
    entry = only_entry(rows)
    assert entry.mean() == pytest.approx(0.6)
    assert entry.older == 3


def test_an_older_version_of_a_method_is_superseded(rows: Any) -> None:
    rows.seeds("toy-nan", [0.1, 0.1], method_version=1)
    rows.add("toy-nan", 0, 0.8, method_version=2)
    assert only_entry(rows).per_seed() == {0: 0.8}


def test_entries_of_an_older_version_of_the_task_leave_the_table(rows: Any) -> None:
    rows.seeds("toy-nan", [0.1, 0.1], task_version=1)
    rows.seeds("toy-slow", [0.2, 0.3], task_version=2)
    table = only_table(rows)
    assert [e.cell["method"] for e in table.entries] == ["toy-slow"]
    assert (table.older, rows.board().older) == (2, 2)


def test_overrides_base_models_and_profiles_are_entries_of_their_own(rows: Any) -> None:
    rows.add("toy-nan", 0, 0.1)
    rows.add("toy-nan", 0, 0.2, overrides={"rate": 0.1})
    rows.add("toy-nan", 0, 0.3, base_model="tiny")
    rows.add("toy-nan", 0, 0.4, profile="smoke")
    small, smoke = rows.board().tables
    assert [e.mean() for e in small.entries] == [0.3, 0.2, 0.1]
    assert [e.mean() for e in smoke.entries] == [0.4]


def test_other_task_settings_are_listed_last_and_not_ranked(rows: Any) -> None:
    rows.seeds("toy-nan", [0.1, 0.2], task_settings='{"size":10}')
    rows.seeds("toy-slow", [0.3, 0.4], task_settings='{"size":10}')
    rows.seeds("toy-slow", [0.9, 1.0], task_settings='{"size":2}', overrides={"task.size": 2})
    table = only_table(rows)
    assert [(e.mean(), e.comparable) for e in table.entries] == [
        (pytest.approx(0.35), True),
        (pytest.approx(0.15), True),
        (pytest.approx(0.95), False),
    ]
    assert table.entries[-1].rank is None


def test_runs_of_other_code_than_the_newest_are_stale_and_stay(rows: Any) -> None:
    old = rows.add("toy-nan", 0, 0.4, code="old")
    rows.add("toy-nan", 1, 0.6, code="new")
    entry = only_entry(rows)
    assert entry.stale == {old}
    assert entry.mean() == 0.5


def test_nulls_and_ceilings_stand_in_the_table_without_a_rank(rows: Any) -> None:
    rows.seeds("toy-good", [1.0, 1.0])
    rows.seeds("toy-nan", [0.8, 0.81])
    rows.seeds("toy-bad", [0.5, 0.5])
    table = only_table(rows)
    assert [(e.role, e.rank) for e in table.entries] == [
        ("ceiling", None),
        ("baseline", (1, 1)),
        ("null", None),
    ]
    assert [e.cell["method"] for e in table.of_role("null")] == ["toy-bad"]


def test_methods_that_cannot_be_told_apart_share_the_first_rank(rows: Any) -> None:
    rows.seeds("toy-nan", [0.70, 0.80, 0.75])
    rows.seeds("toy-slow", [0.72, 0.79, 0.71])
    rows.seeds("toy-raise", [0.10, 0.12, 0.11])
    assert [e.rank for e in only_table(rows).entries] == [(1, 2), (1, 2), (3, 3)]


def test_cost_is_the_median_time_and_the_largest_memory_of_ok_runs(rows: Any) -> None:
    for seed, (wall, peak) in enumerate([(1.0, 50.0), (5.0, 80.0), (2.0, 60.0)]):
        rows.add("toy-nan", seed, 0.5, wall_s=wall, peak_mb=peak)
    rows.add("toy-nan", 3, status="timeout", wall_s=600.0, peak_mb=900.0)
    entry = only_entry(rows)
    assert (entry.seconds, entry.peak_mb) == (2.0, 80.0)


def test_metrics_come_in_the_tasks_order_and_slices_by_name(rows: Any) -> None:
    rows.add(
        "toy-nan",
        0,
        0.5,
        scores={"seconds": 1, "errors": 5, ("accuracy", "odd"): 0.4, ("accuracy", "even"): 1},
    )
    table = only_table(rows)
    assert table.metrics == ["accuracy", "errors", "seconds"]
    assert table.slices == ["even", "odd"]
    assert table.entries[0].mean(part="odd") == 0.4


def test_a_task_that_the_catalogue_lost_is_ranked_by_its_first_directed_metric(rows: Any) -> None:
    for method, values in {"gone-a": (5.0, 5.1), "gone-b": (1.0, 1.1)}.items():
        for seed, value in enumerate(values):
            rows.add(method, seed, task="gone", scores={"overlap": 0.1, "errors": value})
    table = only_table(rows)
    assert (table.spec, table.primary, table.higher) == (None, "errors", False)
    assert [(e.cell["method"], e.rank) for e in table.entries] == [("gone-b", (1, 1)), ("gone-a", (2, 2))]


def test_the_order_of_the_rows_changes_nothing(rows: Any) -> None:
    for method in ("toy-nan", "toy-slow", "toy-coin"):
        rows.seeds(method, [0.5, 0.5, 0.6], scores={("accuracy", "odd"): 0.1, "errors": 3})
    rows.add("toy-slow", 1, 0.7, started=1.0)
    before = rows.board()
    random.Random(0).shuffle(rows.runs)
    random.Random(1).shuffle(rows.scores)
    after = rows.board()
    assert [e.runs for t in after.tables for e in t.entries] == [
        e.runs for t in before.tables for e in t.entries
    ]
    assert [e.mean("errors") for e in only_table(rows).entries] == [3.0] * 3


def test_a_leader_is_not_ahead_of_a_rival_with_one_seed(rows: Any) -> None:
    rows.seeds("toy-nan", [0.80, 0.801, 0.799])
    rows.add("toy-slow", 0, 0.95)
    rows.seeds("toy-raise", [0.10, 0.101, 0.099])
    table = only_table(rows)
    assert table.leader is not None and table.leader.method == "toy-nan"
    assert table.not_told_apart == 1


def test_a_leader_that_may_be_second_is_not_ahead_although_it_alone_has_the_first_rank(rows: Any) -> None:
    # toy-slow beats neither and is beaten by toy-coin alone: its spread is small, that of toy-nan large
    rows.seeds("toy-nan", [0.5, 0.9, 0.7])
    rows.seeds("toy-coin", [0.61, 0.62, 0.63])
    rows.seeds("toy-slow", [0.50, 0.51, 0.52])
    table = only_table(rows)
    assert [(e.method, e.rank) for e in table.entries] == [
        ("toy-nan", (1, 3)),
        ("toy-coin", (1, 2)),
        ("toy-slow", (2, 3)),
    ]
    assert table.leader is not None and table.leader.method == "toy-nan"
    assert table.not_told_apart == 2


def test_a_table_without_a_value_has_no_leader(rows: Any) -> None:
    rows.add("toy-raise", 0, status="failed")
    table = only_table(rows)
    assert (table.leader, table.not_told_apart) == (None, 0)


def test_superseded_runs_are_counted_once(rows: Any) -> None:
    rows.add("toy-nan", 0, 0.1)
    rows.add("toy-nan", 0, 0.2)
    rows.add("toy-nan", 0, 0.3)
    board = rows.board()
    assert (only_entry(rows).older, only_table(rows).older, board.older) == (2, 2, 2)


def test_a_row_of_an_older_version_of_its_method_is_listed_and_not_ranked(rows: Any) -> None:
    rows.seeds("toy-nan", [0.5, 0.6])
    rows.seeds("toy-slow", [0.3, 0.4])
    tasks = {spec.name: spec for spec in toy_plugin.TASKS}
    methods = {spec.name: spec for spec in toy_plugin.METHODS}
    methods["toy-slow"] = dataclasses.replace(methods["toy-slow"], version=2)
    (table,) = aggregate(rows.runs, rows.scores, tasks, methods).tables
    assert {e.method: (e.comparable, e.competes) for e in table.entries} == {
        "toy-nan": (True, True),
        "toy-slow": (False, False),
    }
    (old,) = [e for e in table.entries if e.method == "toy-slow"]
    assert old.mean() == pytest.approx(0.35) and old.rank is None
    assert "other-protocol" in {mark.kind for mark in old.marks}


def test_what_does_not_vary_over_seeds_has_no_interval(rows: Any) -> None:
    rows.seeds("toy-nan", [0.25, 0.25, 0.25], scores={"errors": 3.0})
    rows.seeds("toy-slow", [0.25, 0.25, 0.5])
    rows.add("toy-coin", 0, 0.25)
    fixed, varied, single = (
        next(e for e in only_table(rows).entries if e.method == name)
        for name in ("toy-nan", "toy-slow", "toy-coin")
    )
    assert [e.unvarying() for e in (fixed, varied, single)] == [True, False, False]
    assert [e.interval() is None for e in (fixed, varied, single)] == [True, False, True]
    assert fixed.unvarying("errors") and not varied.unvarying("errors")


def test_perplexities_are_ranked_by_their_logarithm(rows: Any) -> None:
    """274, 355 and 727 against 71, 71.5 and 72: Welch's t of the perplexities is 2.7 with 2 degrees of
    freedom, below 4.3; that of the logarithms 6.1."""
    (toy,) = (spec for spec in toy_plugin.TASKS if spec.name == "toy")
    metric = Metric("perplexity", "lower", "perplexity", "of a text")
    task = dataclasses.replace(toy, metrics=(*toy.metrics, metric), primary="perplexity")
    wide, narrow = (274.0, 355.0, 727.0), (71.0, 71.5, 72.0)
    for seed, pair in enumerate(zip(wide, narrow, strict=True)):
        for method, value in zip(("toy-slow", "toy-nan"), pair, strict=True):
            rows.add(method, seed, scores={"perplexity": value})
    (table,) = aggregate(rows.runs, rows.scores, {"toy": task}, {}).tables
    assert not scipy_stats.ttest_ind(wide, narrow, equal_var=False).pvalue < 0.05
    logs = [[math.log(v) for v in values] for values in (wide, narrow)]
    assert scipy_stats.ttest_ind(*logs, equal_var=False).pvalue < 0.05
    assert [(e.method, e.rank) for e in table.entries] == [("toy-nan", (1, 1)), ("toy-slow", (2, 2))]
    assert table.beats.tolist() == [[False, True], [False, False]]
    # Pooled over both, on the logarithms.
    pooled = math.sqrt(sum(scipy_stats.tvar(v) for v in logs) / 2)
    assert table.noise() == pytest.approx((pooled, 2, 3, detectable_difference(pooled, 3)))
    factor = math.exp(detectable_difference(pooled, 3))
    assert f"With 3 seeds each, a factor of {factor:.2f} between" in _noise_floor(table, "perplexity")
    said = _noise(table, task)
    assert said is not None
    assert (said["metric"], said["sd"]) == ("log perplexity", pytest.approx(pooled))


def test_an_interval_ends_where_its_metric_does(rows: Any) -> None:
    """No share is above 1, no perplexity below 1. By hand: (0.5, 0.9, 1) has mean 0.8, sd 0.26458 and ends
    0.8 -+ 4.30265 * 0.26458 / sqrt(3) = 0.1427 and 1.4573; (274, 355, 727) has 452, 241.58 and -148.11 and
    1052.11."""
    (toy,) = (spec for spec in toy_plugin.TASKS if spec.name == "toy")
    metrics = (*toy.metrics, Metric("perplexity", "lower", "perplexity", "of a text"))
    for seed, (share, perplexity) in enumerate([(0.5, 274.0), (0.9, 355.0), (1.0, 727.0)]):
        rows.add("toy-nan", seed, share, scores={"perplexity": perplexity})
    ((entry,),) = (
        table.entries
        for table in aggregate(
            rows.runs, rows.scores, {"toy": dataclasses.replace(toy, metrics=metrics)}, {}
        ).tables
    )
    assert entry.interval() == (pytest.approx(0.14275, abs=1e-4), 1.0)
    assert entry.interval("perplexity") == (1.0, pytest.approx(1052.11, abs=0.01))
