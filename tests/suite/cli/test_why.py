from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from suite.cli import main
from suite.plan import Planned, plan
from suite.records import Outcome, Run
from suite.runner import execute
from suite.store import Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    return Store(Path("results"))


def keep(store: Store, planned: Planned, **changed: Any) -> Run:
    """Run a cell here and store its row, changed as asked."""
    outcome = execute(planned)
    run = dataclasses.replace(outcome.run, **changed)
    store.append(Outcome(run, outcome.scores, outcome.samples))
    return run


def why(line: str) -> Result:
    return CliRunner().invoke(main, ["why", *line.split()])


def changes(line: str) -> dict[str, tuple[Any, Any]]:
    answer = json.loads(why(f"{line} --format json").stdout)
    assert answer["held"] is False
    return {change["part"]: (change["stored"], change["now"]) for change in answer["changes"]}


NAMES = "--method toy-good --task toy"


def test_a_cell_that_the_results_hold_names_the_run(store: Store) -> None:
    run = keep(store, plan("toy", "toy-good"))
    for line in (NAMES, run.cell[:12], run.run):
        said = why(line)
        assert (said.exit_code, f"answered from the results by run {run.run} (ok)" in said.stdout) == (
            0,
            True,
        )


def test_a_method_without_a_run_would_run(store: Store) -> None:
    assert "would run, for the results hold no run of this method on this task" in why(NAMES).stdout


def test_settings_seed_and_profile_that_differ_are_named(store: Store) -> None:
    keep(store, plan("toy", "toy-good"))
    assert changes(f"{NAMES} --set rate=0.7") == {"settings.rate": (0.5, 0.7)}
    assert changes(f"{NAMES} --set task.size=4 --seed 2") == {"seed": (0, 2), "task_settings.size": (10, 4)}


def test_the_modules_whose_code_changed_are_named(store: Store) -> None:
    planned = plan("toy", "toy-good")
    before = {**planned.modules, "toy_plugin": "0" * 12, "gone": "1" * 12}
    del before["suite.errors"]
    keep(store, planned, code="older", modules=json.dumps(before))
    assert changes(NAMES) == {
        "code.toy_plugin": ("0" * 12, planned.modules["toy_plugin"]),
        "code.gone": ("1" * 12, "(none)"),
        "code.suite.errors": ("(none)", planned.modules["suite.errors"]),
    }


def test_changed_code_of_a_run_that_named_no_modules_is_still_a_change(store: Store) -> None:
    planned = plan("toy", "toy-good")
    keep(store, planned, code="older", modules=json.dumps(planned.modules))
    assert changes(NAMES) == {"code": ("older", planned.code)}


def test_a_failed_run_and_a_claimed_one_do_not_answer(store: Store) -> None:
    keep(store, plan("toy", "toy-raise"))
    keep(store, plan("toy", "toy-good"), origin="claimed")
    assert list(changes("--method toy-raise --task toy")) == ["status"]
    assert list(changes(NAMES)) == ["origin"]


def test_the_nearest_run_is_compared_not_the_newest(store: Store) -> None:
    near = keep(store, plan("toy", "toy-good", seed=1), started=1.0)
    keep(store, plan("toy", "toy-good", "smoke", seed=2), started=2.0)
    assert json.loads(why(f"{NAMES} --format json").stdout)["run"] == near.run
    assert changes(NAMES) == {"seed": (1, 0)}


def test_an_id_stands_for_the_same_options_today(store: Store) -> None:
    planned = plan("toy", "toy-good", sets={"rate": "0.7", "verbose": "true"})
    settings = planned.cell.settings.replace('"rounds":5', '"rounds":4')
    cell = dataclasses.replace(planned.cell, settings=settings)
    keep(store, planned, settings=settings, cell=cell.id)
    assert changes(cell.id) == {"settings.rounds": (4, 5)}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "name a cell by its id, or by --method and --task"),
        ("--method toy-good", "name a cell by its id, or by --method and --task"),
        ("abc", "'abc' not found"),
        (f"{NAMES} --seeds 0-1", "give one seed"),
    ],
)
def test_an_unclear_question_is_wrong_use(store: Store, line: str, says: str) -> None:
    said = why(line)
    assert said.exit_code == 2
    assert says in said.stderr
