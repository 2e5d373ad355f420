"""The columnar choice of runs against a plain loop over rows, claimed rows, and what is read from a store."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import toy_plugin
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard.aggregate import GROUP, Board, aggregate, of_store
from leaderboard.marks import Today, checkout
from suite.fingerprint import code_fingerprint
from suite.records import Outcome, Run, ScoreRow
from suite.store import Store

ENTRY = ("method", "profile", "base_model", "overrides")
TASKS = {spec.name: spec for spec in toy_plugin.TASKS}
METHODS = {spec.name: spec for spec in toy_plugin.METHODS}

run_rows = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["toy-nan", "toy-slow"]),
        "profile": st.sampled_from(["small", "smoke"]),
        "overrides": st.sampled_from(["{}", '{"rate":1}']),
        "seed": st.integers(0, 2),
        "settings": st.sampled_from(["{}", '{"steps":2}']),
        "data_fingerprint": st.sampled_from(["", "d"]),
        "code": st.sampled_from(["c0de", "old"]),
        "status": st.sampled_from(["ok", "ok", "ok", "failed", "skipped"]),
        "origin": st.sampled_from(["project", "project", "claimed"]),
        "started": st.integers(0, 4).map(float),
        "value": st.sampled_from([None, math.nan, 0.25, 0.5, 0.75]),
    }
)


def by_hand(rows: Any) -> dict[tuple[Any, ...], tuple[dict[int, float], dict[int, float], int]]:
    """Entry to (values over seeds, claimed values beside them, number of superseded runs)."""
    value = {s["run"]: s["value"] for s in rows.scores if s["metric"] == "accuracy" and s["slice"] == "all"}
    groups: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for run in sorted(rows.runs, key=lambda r: (r["started"], r["run"])):
        groups[tuple(run[c] for c in ENTRY)].append(run)

    def per_seed(runs: list[Any], good: tuple[str, ...]) -> dict[int, float]:
        newest = {run["seed"]: run for run in runs}
        found = {}
        for seed, run in newest.items():
            v = value.get(run["run"])
            if run["status"] in good and v is not None and math.isfinite(v):
                found[seed] = v
        return found

    made = {}
    for key, runs in groups.items():
        own = [r for r in runs if r["origin"] != "claimed"] or runs
        newest = own[-1]
        alike = [r for r in own if all(r[c] == newest[c] for c in GROUP)]
        beside = [r for r in runs if r not in own and all(r[c] == newest[c] for c in GROUP)]
        seeds = {r["seed"] for r in alike}
        made[key] = (
            per_seed(alike, ("ok",)),
            per_seed(beside, ("ok", "failed", "skipped")),
            len(own) - len(seeds),
        )
    return made


def as_dict(board: Board) -> dict[tuple[Any, ...], tuple[dict[int, float], dict[int, float], int]]:
    return {
        tuple(e.cell[c] for c in ENTRY): (
            dict(e.per_seed()),
            dict(e.claimed_values.get(("accuracy", "all"), {})),
            e.older,
        )
        for t in board.tables
        for e in t.entries
    }


def filled(rows: Any, made: list[dict[str, Any]]) -> Any:
    for row in made:
        columns = dict(row)
        value, method, seed = columns.pop("value"), columns.pop("method"), columns.pop("seed")
        overrides = columns.pop("overrides")
        run = rows.add(method, seed, **columns)
        rows.runs[-1]["overrides"] = overrides
        rows.score(run, "accuracy", value)
    return rows


@settings(max_examples=150, deadline=None)
@given(st.lists(run_rows, min_size=1, max_size=25))
def test_the_choice_is_that_of_a_plain_loop(new_rows: Any, made: list[dict[str, Any]]) -> None:
    rows = filled(new_rows(), made)
    assert as_dict(rows.board()) == by_hand(rows)


@settings(max_examples=10, deadline=None)
@given(made=st.lists(run_rows, min_size=1, max_size=12))
def test_a_store_gives_the_board_of_its_rows(
    new_rows: Any, tmp_path_factory: pytest.TempPathFactory, made: list[dict[str, Any]]
) -> None:
    rows = filled(new_rows(), made)
    store = Store(tmp_path_factory.mktemp("store"))
    write(store, rows)
    board = of_store(store, TASKS, METHODS)
    assert as_dict(board) == as_dict(rows.board())
    for table, other in zip(board.tables, rows.board().tables, strict=True):
        for entry, twin in zip(table.entries, other.entries, strict=True):
            assert [r["run"] for r in entry.runs] == [r["run"] for r in twin.runs]
            assert (entry.statuses, entry.rank, entry.marks) == (twin.statuses, twin.rank, twin.marks)


def write(store: Store, rows: Any) -> None:
    """Append made-up rows as real ones."""
    lacking = {"cpu_s": 0.0, "modules": "{}"}
    for row in rows.runs:
        scores = [
            ScoreRow(s["metric"], s["slice"], s["value"], s["n"], s["higher_is_better"])
            for s in rows.scores
            if s["run"] == row["run"]
        ]
        store.append(Outcome(Run(**(lacking | row)), scores))


def test_rows_that_come_after_the_board_was_read_do_not_shift_its_runs(new_rows: Any, tmp_path: Path) -> None:
    rows = new_rows()
    rows.seeds("toy-nan", [0.1, 0.2], run=None)
    for number, row in enumerate(rows.runs):
        row["run"] = rows.scores[number]["run"] = f"m{number}"
    store = Store(tmp_path / "store")
    write(store, rows)
    board = of_store(store, TASKS, METHODS)
    later = new_rows()
    later.add("toy-slow", 0, 0.9)
    later.runs[0]["run"] = later.scores[0]["run"] = "a-first-by-name"
    write(store, later)
    ((entry,),) = [t.entries for t in board.tables]
    assert [r["run"] for r in entry.runs] == ["m0", "m1"]


class TestClaimed:
    def test_an_entry_of_claimed_rows_alone_is_shown_and_never_ranked(self, rows: Any) -> None:
        rows.seeds("toy-nan", [0.9, 0.91], origin="claimed")
        rows.seeds("toy-slow", [0.1, 0.12])
        (table,) = rows.board().tables
        slow, claimed = table.entries
        assert (slow.method, slow.rank) == ("toy-slow", (1, 1))
        assert (claimed.only_claimed, claimed.competes, claimed.rank) == (True, False, None)
        assert claimed.mean() == pytest.approx(0.905)
        assert claimed.claimed == {0: 0.9, 1: 0.91}
        assert claimed.confirmed is None
        assert [m.kind for m in claimed.marks] == ["claimed"]

    def test_our_own_runs_count_alone_and_the_claimed_values_stand_beside(self, rows: Any) -> None:
        rows.seeds("toy-nan", [0.50, 0.52, 0.54])
        rows.seeds("toy-nan", [0.9, 0.9, 0.9], origin="claimed")
        ((entry,),) = [t.entries for t in rows.board().tables]
        assert entry.mean() == pytest.approx(0.52)
        assert entry.claimed == {0: 0.9, 1: 0.9, 2: 0.9}
        assert entry.confirmed is False
        assert entry.older == 0
        assert [m.text for m in entry.marks] == ["values claimed by others, not confirmed: ours differ"]

    def test_a_claim_within_our_own_noise_is_confirmed(self, rows: Any) -> None:
        # sd 0.02, half interval 4.303 * 0.02 / sqrt(3) = 0.0497
        rows.seeds("toy-nan", [0.50, 0.52, 0.54])
        rows.seeds("toy-nan", [0.53, 0.55, 0.60], origin="claimed")
        ((entry,),) = [t.entries for t in rows.board().tables]
        assert entry.confirmed is True
        rows.seeds("toy-nan", [0.56, 0.57, 0.60], origin="claimed")
        ((entry,),) = [t.entries for t in rows.board().tables]
        assert entry.confirmed is False

    def test_one_shared_seed_must_agree_to_rounding(self, rows: Any) -> None:
        rows.add("toy-nan", 0, 0.5)
        rows.add("toy-nan", 0, 0.5 + 1e-12, origin="claimed")
        rows.add("toy-nan", 1, 0.9, origin="claimed")
        ((entry,),) = [t.entries for t in rows.board().tables]
        assert entry.confirmed is True

    def test_claimed_rows_of_other_settings_confirm_nothing(self, rows: Any) -> None:
        rows.seeds("toy-nan", [0.5, 0.6])
        rows.seeds("toy-nan", [0.5, 0.6], origin="claimed", settings='{"lr":9}')
        ((entry,),) = [t.entries for t in rows.board().tables]
        assert (entry.claimed, entry.confirmed) == ({}, None)


class TestMarks:
    def test_a_sound_row_has_none(self, rows: Any) -> None:
        rows.seeds("toy-nan", [0.5, 0.6])
        ((entry,),) = [t.entries for t in rows.board().tables]
        assert entry.marks == ()

    def test_older_code_than_the_checkouts_is_marked_even_where_all_runs_share_it(self, rows: Any) -> None:
        rows.seeds("toy-nan", [0.5, 0.6], code="then")
        board = self.board(rows, Today("now", ""))
        ((entry,),) = [t.entries for t in board.tables]
        assert [m.text for m in entry.marks] == ["2 runs by older code"]
        assert entry.stale == {r["run"] for r in rows.runs}

    def test_the_checkouts_own_code_and_data_are_not_marked(self, rows: Any) -> None:
        rows.seeds("toy-nan", [0.5, 0.6], code="now", data_fingerprint="d")
        ((entry,),) = [t.entries for t in self.board(rows, Today("now", "d")).tables]
        assert entry.marks == ()

    def test_other_data_than_the_checkouts_is_marked(self, rows: Any) -> None:
        rows.seeds("toy-nan", [0.5, 0.6], code="now", data_fingerprint="then")
        ((entry,),) = [t.entries for t in self.board(rows, Today("now", "d")).tables]
        assert [m.kind for m in entry.marks] == ["other-data"]

    def test_seeds_from_several_kinds_of_device_are_marked(self, rows: Any) -> None:
        for seed, (device, wall_s) in enumerate((("cpu", 100.0), ("cuda:1", 4.0), ("cuda", 6.0))):
            rows.add("toy-nan", seed, 0.5 + seed / 10, device=device, wall_s=wall_s)
        ((entry,),) = [t.entries for t in rows.board().tables]
        assert entry.devices == ("cpu", "cuda")
        assert entry.seconds == 5.0
        assert [m.text for m in entry.marks] == ["run on cpu and cuda: times of cuda alone"]

    def test_an_entry_from_another_device_than_the_tables_has_no_times(self, rows: Any) -> None:
        rows.seeds("toy-nan", [0.5, 0.6, 0.7])
        rows.seeds("toy-slow", [0.1, 0.2], device="cuda")
        found = {e.method: e for t in rows.board().tables for e in t.entries}
        assert [m.text for m in found["toy-slow"].marks] == ["run on cuda: no times compared"]
        assert (found["toy-slow"].seconds, found["toy-slow"].cpu_seconds, found["toy-slow"].peak_mb) == (
            None,
            None,
            None,
        )
        assert found["toy-nan"].marks == ()
        assert found["toy-nan"].seconds == 2.0

    def test_profiles_have_their_own_usual_device(self, rows: Any) -> None:
        rows.seeds("toy-nan", [0.5, 0.6, 0.7])
        rows.seeds("toy-nan", [0.5, 0.6], device="cuda", profile="paper")
        assert [e.marks for t in rows.board().tables for e in t.entries] == [(), ()]

    def test_one_kind_of_device_is_not_marked_and_a_skipped_run_counts_for_none(self, rows: Any) -> None:
        for seed, device in enumerate(("cuda:0", "cuda:1")):
            rows.add("toy-nan", seed, 0.5 + seed / 10, device=device)
        rows.add("toy-nan", 2, status="skipped", device="cpu")
        ((entry,),) = [t.entries for t in rows.board().tables]
        assert entry.devices == ("cuda",)
        assert entry.marks == ()

    def test_a_single_seed_and_failures_are_marked(self, rows: Any) -> None:
        rows.add("toy-nan", 0, 0.5)
        rows.add("toy-nan", 1, status="failed")
        rows.add("toy-nan", 2, status="timeout")
        rows.add("toy-nan", 3, status="skipped")
        ((entry,),) = [t.entries for t in rows.board().tables]
        assert [m.text for m in entry.marks] == ["one seed: no interval", "1 failed, 1 timeout"]

    def test_the_checkout_knows_its_own_code_and_nothing_of_other_names(self) -> None:
        today = checkout(TASKS, METHODS)
        assert today("toy", "toy-nan") == Today(code_fingerprint("toy_plugin"), "")
        assert today("gone", "toy-nan") is None

    def board(self, rows: Any, now: Today) -> Board:
        return aggregate(rows.runs, rows.scores, TASKS, METHODS, lambda task, method: now)


def test_the_interval_of_a_share_stays_between_0_and_1(rows: Any) -> None:
    rows.seeds("toy-nan", [0.9, 0.99, 1.0])
    ((entry,),) = [t.entries for t in rows.board().tables]
    interval = entry.interval()
    assert interval is not None
    # 2.8900 / 3 + 4.3027 * 0.055076 / sqrt(3) = 1.1002 without the bound; the lower end is 0.8265
    assert interval.high == 1.0
    assert interval.low == pytest.approx(0.8265, abs=1e-4)
