from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from suite import catalog, checkpoints
from suite.engines import local
from suite.engines.local import Options
from suite.engines.worker import decode, encode
from suite.errors import DataError
from suite.plan import Planned, plan
from suite.records import Outcome, Run
from suite.runner import RESUMED, execute


@pytest.fixture(autouse=True)
def troubles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUITE_PLUGINS", "toy_plugin,toy_trouble")
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path))
    for lookup in (catalog.tasks, catalog.methods):
        lookup.cache_clear()


def _rows(*cells: Planned, options: Options | None = None) -> dict[str, Run]:
    """Method to row, for cells run by one worker one after another."""
    ended = local.run(cells, options or Options())
    return {cell.cell.method: outcome.run for cell, outcome in ended if isinstance(outcome, Outcome)}


def test_a_worker_gives_what_a_run_in_this_process_gives() -> None:
    planned = plan("toy", "toy-coin", seed=3)
    ((_, outcome),) = local.run([planned], Options())
    here = execute(planned)
    assert isinstance(outcome, Outcome)
    assert (outcome.scores, outcome.samples) == (here.scores, here.samples)
    assert (outcome.run.cell, outcome.run.code) == (here.run.cell, here.run.code)
    assert (outcome.run.git_commit, outcome.run.packages) == (here.run.git_commit, here.run.packages)


def test_one_crash_takes_one_cell() -> None:
    rows = _rows(plan("toy", "toy-segfault"), plan("toy", "toy-killed"), plan("toy", "toy-good"))
    assert {method: row.status for method, row in rows.items()} == {
        "toy-segfault": "failed",
        "toy-killed": "out-of-memory",
        "toy-good": "ok",
    }
    assert rows["toy-segfault"].error == "the worker died with signal 11 (SIGSEGV)\nlast words"
    assert "killed the worker (SIGKILL)" in rows["toy-killed"].error
    assert rows["toy-segfault"].cell == plan("toy", "toy-segfault").cell.id


def test_a_method_that_leaves_python_loses_its_own_cell() -> None:
    at_once = plan("toy", "toy-exits", sets={"at_once": "true"})
    assert _rows(at_once)["toy-exits"].error == "the worker exited with status 3"
    politely = _rows(plan("toy", "toy-exits"), plan("toy", "toy-good"))
    assert politely["toy-exits"].error == "the method left Python with exit code 4"
    assert politely["toy-good"].status == "ok"


def test_what_a_method_prints_does_not_reach_the_answers() -> None:
    assert _rows(plan("toy", "toy-talks"))["toy-talks"].status == "ok"


def test_a_cell_over_its_time_is_killed_and_the_next_one_runs() -> None:
    rows = _rows(plan("toy", "toy-slow"), plan("toy", "toy-good"), options=Options(timeout=4))
    assert (rows["toy-slow"].status, rows["toy-slow"].error) == ("timeout", "took longer than 4 s")
    assert 0.3 <= rows["toy-slow"].wall_s < 60
    assert rows["toy-good"].status == "ok"


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="the memory of a process is read from /proc"
)
def test_a_worker_over_its_memory_is_killed() -> None:
    row = _rows(plan("toy", "toy-hungry"), options=Options(memory_mb=300))["toy-hungry"]
    assert row.status == "out-of-memory"
    assert row.error.endswith("more than the 300 MB allowed")
    assert row.peak_mb > 300


def test_a_wrong_request_comes_back_as_its_error_and_the_rest_is_run() -> None:
    ended = dict(
        (cell.cell.method, answer)
        for cell, answer in local.run([plan("toy", "toy-no-data"), plan("toy", "toy-good")], Options())
    )
    assert isinstance(ended["toy-no-data"], DataError)
    assert "suite data get toy-data" in str(ended["toy-no-data"])
    assert isinstance(ended["toy-good"], Outcome)


def test_a_killed_cell_resumes_from_its_checkpoint_which_then_goes() -> None:
    planned = plan("toy", "toy-resumes")
    assert _rows(planned)["toy-resumes"].status == "out-of-memory"
    assert checkpoints.folder_of(planned.cell.id, planned.code).is_dir()
    row = _rows(planned)["toy-resumes"]
    assert (row.status, row.reason) == ("ok", RESUMED)
    assert list(checkpoints.root().iterdir()) == []


def test_two_workers_share_the_cells() -> None:
    cells = [plan("toy", "toy-good", seed=seed) for seed in range(7)]
    ended = [cell.cell.seed for cell, _ in local.run(cells, Options(jobs=2))]
    assert sorted(ended) == list(range(7))


def test_reports_of_a_cell_reach_the_watcher() -> None:
    seen: list[tuple[str, str, int, int]] = []
    cell = plan("toy", "toy-slow", sets={"seconds": "0.1"})
    list(local.run([cell], Options(), lambda planned, *report: seen.append((planned.cell.method, *report))))
    assert seen == [("toy-slow", "sleeping", 0, 1), ("toy-slow", "sleeping", 1, 1)]


def test_closing_the_iterator_kills_the_workers() -> None:
    pool: list[int] = []
    real = subprocess.Popen

    def spy(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = real(*arguments, **options)  # type: ignore[call-overload]
        pool.append(process.pid)
        return process

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local.subprocess, "Popen", spy)
        running = local.run([plan("toy", "toy-good"), plan("toy", "toy-slow")], Options(jobs=2))
        next(running)
        running.close()
    for pid in pool:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_workers_have_the_threads_they_are_given() -> None:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    assert [local.surroundings(2)[name] for name in names] == ["2", "2", "2"]


def test_workers_import_from_where_this_process_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", "/somewhere"])
    assert local.surroundings(1)["PYTHONPATH"] == f"{tmp_path}{os.pathsep}/somewhere"


def test_an_outcome_survives_the_channel() -> None:
    import json

    outcome = execute(plan("toy", "toy-coin"))
    assert decode(json.loads(json.dumps(encode(outcome)))) == outcome


@pytest.mark.parametrize(
    ("device", "status", "spoilt"),
    [
        ("cuda", "failed", True),
        ("cuda:1", "out-of-memory", True),
        ("cuda", "ok", False),
        ("cpu", "failed", False),
    ],
)
def test_a_worker_that_failed_on_an_accelerator_runs_no_other_cell(
    device: str, status: str, spoilt: bool
) -> None:
    done = execute(plan("toy", "toy-good"))
    outcome = dataclasses.replace(done, run=dataclasses.replace(done.run, status=status))
    pool = local._Pool(Options(device=device), None)
    try:
        assert pool._spoilt(outcome) is spoilt
        assert pool._spoilt(None) is False
    finally:
        pool.close()


def test_cells_behind_one_that_spoilt_its_worker_are_run_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    start = local._Pool._start

    def counted(self: local._Pool) -> object:
        started.append(1)
        return start(self)

    monkeypatch.setattr(local._Pool, "_start", counted)
    monkeypatch.setattr(local._Pool, "_spoilt", lambda self, answer: answer is not None)
    rows = _rows(plan("toy", "toy-good"), plan("toy", "toy-raise"), plan("toy", "toy-bad"))
    assert {name: run.status for name, run in rows.items()} == {
        "toy-good": "ok",
        "toy-raise": "failed",
        "toy-bad": "ok",
    }
    assert len(started) == 3
