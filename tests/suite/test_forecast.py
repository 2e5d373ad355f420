from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from suite.api import Needs
from suite.forecast import Forecast, duration, forecast
from suite.plan import Planned, plan
from suite.records import Outcome
from suite.runner import execute
from suite.store import Store


def needing(minutes: float, memory_mb: int, download_mb: int = 0, seed: int = 0) -> Planned:
    planned = plan("toy", "toy-bad", seed=seed)
    needs = {"small": Needs(minutes, memory_mb, download_mb)}
    return dataclasses.replace(planned, method_spec=dataclasses.replace(planned.method_spec, needs=needs))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def keep(store: Store, wall_s: float, peak_mb: float, **changed: object) -> None:
    row = dataclasses.replace(execute(plan("toy", "toy-bad")).run, wall_s=wall_s, peak_mb=peak_mb, **changed)
    store.append(Outcome(row))


def test_what_is_declared_counts_where_there_is_no_past_run(store: Store) -> None:
    cells = [needing(2, 500, seed=0), needing(1, 800, 40, seed=1)]
    assert forecast(cells, store) == Forecast(2, seconds=180, memory_mb=800, download_mb=40, unknown=0)


def test_workers_share_the_time_and_add_up_their_memory(store: Store) -> None:
    cells = [needing(2, 500, seed=0), needing(1, 800, seed=1)]
    assert forecast(cells, store, jobs=2) == Forecast(2, 90, 1600, 0, 0)
    assert forecast(cells, store, jobs=8).memory_mb == 1600


def test_past_runs_give_their_mean_time_and_largest_memory(store: Store) -> None:
    keep(store, 10.0, 300.0)
    keep(store, 20.0, 200.0)
    keep(store, 999.0, 999.0, profile="paper")
    keep(store, 999.0, 999.0, status="failed")
    assert forecast([needing(5, 500)], store) == Forecast(1, 15.0, 300.0, 0, 0)


def test_what_nobody_knows_is_said(store: Store) -> None:
    nothing = forecast([plan("toy", "toy-bad")], store)
    assert str(nothing) == "1 cell to run: no download, time and memory unknown for 1 cell"
    both = forecast([plan("toy", "toy-bad", "paper"), needing(90, 2000, 1500)], store)
    assert str(both) == (
        "2 cells to run: about 1.5 hours, 2,000 MB of memory, 1,500 MB to download, "
        "time and memory unknown for 1 cell"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "1 s"), (59.0, "59 s"), (60.0, "1.0 minutes"), (90.0, "1.5 minutes"), (5400.0, "1.5 hours")],
)
def test_a_duration_is_told_in_its_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text
