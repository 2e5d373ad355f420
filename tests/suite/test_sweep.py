from __future__ import annotations

from pathlib import Path

import pytest

from suite.engines import local
from suite.engines.local import Options
from suite.errors import StoreError, UsageError
from suite.plan import plan
from suite.records import Outcome
from suite.runner import execute
from suite.store import Store
from suite.sweep import pairs, split, sweep


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path / "cache"))
    return Store(tmp_path / "results")


def test_the_matrix_has_every_pair_of_one_family() -> None:
    assert pairs(["toy-good", "toy-nan"], ["toy"]) == [("toy", "toy-good"), ("toy", "toy-nan")]
    everything = pairs([], [])
    assert ("toy", "toy-good") in everything
    assert all((task == "toy") == method.startswith("toy-") for task, method in everything)


def test_a_family_narrows_the_matrix() -> None:
    assert {task for task, _ in pairs([], [], "toy")} == {"toy"}


def test_a_selection_without_a_fitting_pair_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="no method fits a task of family 'other'"):
        pairs([], ["toy"], "other")


def test_what_the_store_holds_is_answered_from_it(store: Store) -> None:
    cells = [plan("toy", method) for method in ("toy-good", "toy-skip", "toy-raise", "toy-bad")]
    for planned in cells[:3]:
        store.append(execute(planned))
    answered, missing = split(cells, store)
    assert [r.planned.cell.method for r in answered] == ["toy-good", "toy-skip"]
    assert all(result.cached and not result.failed for result in answered)
    assert [p.cell.method for p in missing] == ["toy-raise", "toy-bad"]
    assert len(split(cells, store, force=True)[1]) == 4


def test_a_cell_asked_for_twice_is_run_once(store: Store) -> None:
    assert len(split([plan("toy", "toy-good"), plan("toy", "toy-good", sets={"rate": "0.5"})], store)[1]) == 1


def test_every_way_to_end_becomes_a_row_and_the_sweep_goes_on(store: Store) -> None:
    ways = {
        "nan": "failed",
        "raise": "failed",
        "oom": "out-of-memory",
        "skip": "skipped",
        "slow": "timeout",
        "good": "ok",
    }
    cells = [plan("toy", f"toy-{way}") for way in ways]
    ended = {r.planned.cell.method: r for r in sweep(cells, store, Options(timeout=4))}
    rows = {row["method"]: row["status"] for row in store.runs().to_pylist()}
    assert rows == {f"toy-{way}": status for way, status in ways.items()}
    assert {m for m, r in ended.items() if r.failed} == {"toy-nan", "toy-raise", "toy-oom", "toy-slow"}
    assert set(store.scores().column("method").to_pylist()) == {"toy-good"}


def test_each_row_is_stored_before_the_next_cell_is_told(store: Store) -> None:
    cells = [plan("toy", "toy-good", seed=seed) for seed in range(3)]
    held = [len(Store(store.root).runs()) for _ in sweep(cells, store, Options())]
    assert held == [1, 2, 3]


def test_a_row_that_cannot_be_written_stops_the_sweep_and_is_named(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(outcome: Outcome) -> None:
        raise StoreError("no space left on the disk")

    monkeypatch.setattr(store, "append", full)
    with pytest.raises(StoreError) as error:
        list(sweep([plan("toy", "toy-good"), plan("toy", "toy-bad")], store, Options()))
    assert str(error.value) == (
        "the result of toy-good on toy (small, seed 0) is lost: no space left on the disk"
    )


def test_an_interrupted_sweep_keeps_what_was_finished(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = local._Pool._listen

    def interrupted(pool: local._Pool) -> None:
        if len(store.runs()) == 2:
            raise KeyboardInterrupt
        real(pool)

    monkeypatch.setattr(local._Pool, "_listen", interrupted)
    cells = [plan("toy", "toy-good", seed=seed) for seed in range(5)]
    with pytest.raises(KeyboardInterrupt):
        list(sweep(cells, store, Options()))
    assert len(split(cells, Store(store.root))[0]) == 2


def test_a_store_of_many_parts_is_compacted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suite.sweep.COMPACT_ABOVE", 1)
    list(sweep([plan("toy", "toy-good", seed=seed) for seed in range(2)], store, Options()))
    names = [path.name for path in (store.root / "runs" / "task=toy").iterdir()]
    assert any(name.startswith("snapshot-") for name in names)
    assert len(store.runs()) == 2
