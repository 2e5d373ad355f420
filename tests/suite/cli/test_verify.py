from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from suite import catalog
from suite.api import Metric
from suite.cli import main
from suite.plan import plan
from suite.records import Outcome, Run, ScoreRow
from suite.runner import execute
from suite.store import Store
from suite.verify import compare, stale


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path / "cache"))
    return Store(Path("results"))


def keep(store: Store, method: str, shift: float = 0.0, seed: int = 0, **changed: Any) -> Run:
    """Run a cell here and store it with its accuracies shifted and its row changed as asked."""
    outcome = execute(plan("toy", method, seed=seed))
    run = dataclasses.replace(outcome.run, **changed)
    scores = [s._replace(value=s.value + shift) if s.metric == "accuracy" else s for s in outcome.scores]
    store.append(Outcome(run, scores, outcome.samples))
    return run


def verify(line: str) -> Result:
    return CliRunner().invoke(main, ["verify", *line.split()])


def test_a_run_whose_scores_come_again_agrees(store: Store) -> None:
    run = keep(store, "toy-coin", seed=3)
    done = verify(run.run)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == f"agrees: run {run.run} again by the same code"
    assert [line.split()[-1] for line in done.stdout.splitlines()[1:-1]] == ["identical"] * 3
    assert len(store.runs()) == 1


def test_a_score_that_does_not_come_again_is_exit_code_1(store: Store) -> None:
    done = verify(keep(store, "toy-coin", shift=0.1).run + " --format json")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["agrees"]) == (1, False)
    assert [s["verdict"] for s in answer["scores"]] == ["different", "different", "identical"]


def test_the_tolerance_decides_what_agrees(store: Store) -> None:
    run = keep(store, "toy-bad", shift=1e-4)
    assert verify(run.run).exit_code == 1
    assert verify(f"{run.run} --tolerance 0.001").exit_code == 0


def test_stored_settings_are_used_not_those_of_the_preset(store: Store) -> None:
    outcome = execute(plan("toy", "toy-bad", sets={"task.size": "3"}))
    store.append(outcome)
    assert verify(outcome.run.run).exit_code == 0


def test_a_run_that_ends_otherwise_differs(store: Store) -> None:
    run = keep(store, "toy-raise", status="skipped")
    done = verify(run.run)
    assert done.exit_code == 1
    assert (
        "ended skipped, again by the same code it ended failed: ValueError: the toy is broken" in done.stdout
    )


def test_a_run_of_another_version_or_other_data_cannot_be_verified(store: Store) -> None:
    old = keep(store, "toy-good", task_version=0)
    assert (verify(old.run).exit_code, "is of version 0 of task 'toy'" in verify(old.run).stderr) == (2, True)
    other = keep(store, "toy-good", data_fingerprint="abc")
    assert (verify(other.run).exit_code, "used other data" in verify(other.run).stderr) == (2, True)


def test_stale_cells_that_agree_are_confirmed_and_the_others_stay(store: Store) -> None:
    keep(store, "toy-good", code="older")
    keep(store, "toy-bad", shift=0.1, code="older")
    keep(store, "toy-coin")
    done = verify("--stale --quiet")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == "2 stale: 2 run again, 1 confirmed, 1 still stale"
    good, bad = plan("toy", "toy-good"), plan("toy", "toy-bad")
    fresh = Store(store.root)
    assert fresh.find(good.cell.id, good.code) is not None
    assert fresh.find(bad.cell.id, bad.code) is None
    assert len(fresh.history(good.cell.id)) == 2


def test_a_sample_of_the_stale_cells_confirms_only_itself(store: Store) -> None:
    for seed in range(3):
        keep(store, "toy-good", seed=seed, code="older")
    done = verify("--stale --sample 2 --quiet")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (
        0,
        "3 stale: 2 run again, 2 confirmed, 1 still stale",
    )
    assert (
        verify("--stale --quiet").stdout.splitlines()[-1]
        == "1 stale: 1 run again, 1 confirmed, 0 still stale"
    )
    assert verify("--stale --quiet").stdout == "0 stale: 0 run again, 0 confirmed, 0 still stale\n"


def test_each_stale_cell_runs_on_its_own_device_and_one_that_is_not_here_is_left(store: Store) -> None:
    keep(store, "toy-good", code="older", device="nosuch", seed=0)
    keep(store, "toy-good", code="older", seed=1)
    keep(store, "toy-good", code="older", device="nosuch:1", seed=2)
    done = verify("--stale --quiet")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (
        0,
        "3 stale: 1 run again, 1 confirmed, 2 still stale",
    )
    lines = [line.partition(" cannot")[0] for line in done.stderr.splitlines()]
    assert lines == ["not run again: device 'nosuch'", "not run again: device 'nosuch:1'"]
    (again,) = [run for run in Store(store.root).history(plan("toy", "toy-good", seed=1).cell.id)][:1]
    assert again.device == "cpu"


def test_a_run_from_a_device_that_is_not_here_is_wrong_use(store: Store) -> None:
    done = verify(keep(store, "toy-good", device="nosuch").run)
    assert done.exit_code == 2
    assert "device 'nosuch' cannot be used on this machine" in done.stderr


def test_cells_of_another_version_are_not_stale_but_superseded(store: Store) -> None:
    keep(store, "toy-good", code="older", method_version=0)
    assert verify("--stale").stdout == "0 stale: 0 run again, 0 confirmed, 0 still stale\n"


def before(store: Store, method: str, **changed: Any) -> Run:
    """A stored run of a cell from before the task got its `size` and the method all its fields."""
    cell = dataclasses.replace(plan("toy", method).cell, task_settings="{}", settings="{}")
    return keep(store, method, cell=cell.id, task_settings="{}", settings="{}", code="older", **changed)


def test_a_row_from_before_a_field_was_added_is_confirmed_as_the_cell_of_today(store: Store) -> None:
    before(store, "toy-bad")
    planned = plan("toy", "toy-bad")
    assert planned.cell.task_settings == '{"size":10}'
    done = verify("--stale --quiet")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (
        0,
        "1 stale: 1 run again, 1 confirmed, 0 still stale",
    )
    (new,) = Store(store.root).history(planned.cell.id)
    assert (new.task_settings, new.code) == ('{"size":10}', planned.code)
    assert verify("--stale --quiet").stdout == "0 stale: 0 run again, 0 confirmed, 0 still stale\n"


def test_rows_before_and_after_a_field_was_added_are_one_stale_cell(store: Store) -> None:
    before(store, "toy-bad", started=1.0)
    after = keep(store, "toy-bad", code="old", started=2.0)
    assert stale(Store(store.root)) == [after]
    keep(store, "toy-bad")
    assert stale(Store(store.root)) == []


def test_a_row_with_a_field_that_is_gone_is_refused_in_one_line(store: Store) -> None:
    run = keep(store, "toy-bad", task_settings='{"gone":1,"size":10}')
    done = verify(run.run)
    assert (done.exit_code, done.stderr) == (2, "error: toy: no field gone; see `suite show toy`\n")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "give the id of a run, or --stale"),
        ("abc --stale", "give the id of a run, or --stale"),
        ("abc --sample 2", "--sample goes with --stale"),
        ("abc", "run 'abc' not found"),
    ],
)
def test_an_unclear_request_is_wrong_use(store: Store, line: str, says: str) -> None:
    done = verify(line)
    assert done.exit_code == 2
    assert says in done.stderr


def test_scores_are_compared_one_by_one_and_clocks_are_not() -> None:
    planned = plan("toy", "toy-good")
    seconds = Metric("seconds", "lower", "s", "time taken", exact=False)
    spec = dataclasses.replace(catalog.task("toy"), metrics=(*planned.task_spec.metrics, seconds))
    timed = dataclasses.replace(planned, task_spec=spec)

    def rows(**values: float) -> list[ScoreRow]:
        return [ScoreRow(metric, "all", value, None, None) for metric, value in values.items()]

    found = compare(
        timed, rows(accuracy=0.5, errors=1.0, seconds=3.0), rows(accuracy=0.5, seconds=9.0, f1=1.0), 0.0
    )
    assert {c.metric: c.verdict for c in found} == {
        "accuracy": "identical",
        "errors": "missing",
        "seconds": "not compared",
        "f1": "new",
    }


@pytest.mark.parametrize("text", ["nan", "inf", "-1"])
def test_a_tolerance_that_everything_passes_is_refused(suite, results: Path, text: str) -> None:
    answer = suite("verify", "x", "--tolerance", text, "--results", results)
    assert answer.exit_code == 2 and "tolerance" in answer.stderr
