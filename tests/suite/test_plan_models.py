"""The base model of a cell: named by preset or command line, known by its weights."""

from __future__ import annotations

import json

import pytest
from toy_models import SPEC

from suite import catalog
from suite.errors import UsageError
from suite.models import fingerprint
from suite.plan import plan, restore, today
from suite.runner import execute


@pytest.fixture(autouse=True)
def with_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy task with a base model stands beside the others."""
    known = {**catalog.tasks(), SPEC.name: SPEC}
    monkeypatch.setattr(catalog, "tasks", lambda: known)


def test_the_preset_names_the_base_model_and_its_weights_are_part_of_the_cell() -> None:
    cell = plan("toy-model", "toy-good").cell
    assert cell.base_model == "stories260k"
    assert cell.model_fingerprint == fingerprint("stories260k")
    assert plan("toy-model", "toy-good", "paper").cell.base_model == "smollm2-135m-instruct"


def test_the_command_line_replaces_it_without_becoming_a_setting_by_hand() -> None:
    planned = plan("toy-model", "toy-good", base_model="smollm2-135m-instruct")
    assert planned.task_instance.base_model == planned.cell.base_model == "smollm2-135m-instruct"
    assert json.loads(planned.cell.overrides) == {}
    assert planned.cell.id != plan("toy-model", "toy-good").cell.id


def test_a_set_field_is_the_same_cell() -> None:
    asked = plan("toy-model", "toy-good", base_model="smollm2-135m-instruct")
    as_field = plan("toy-model", "toy-good", sets={"task.base_model": "smollm2-135m-instruct"})
    assert asked.cell.id == as_field.cell.id


def test_two_names_at_once_are_refused() -> None:
    with pytest.raises(UsageError, match="--base-model a and --set task.base_model=b disagree"):
        plan("toy-model", "toy-good", sets={"task.base_model": "b"}, base_model="a")


def test_a_task_without_a_base_model_takes_none() -> None:
    with pytest.raises(UsageError, match="task 'toy' adapts no base model; leave it out"):
        plan("toy", "toy-good", base_model="stories260k")


def test_an_unknown_base_model_is_said_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'stories260k'"):
        plan("toy-model", "toy-good", base_model="stories26k")


def test_a_cell_without_a_base_model_has_no_fingerprint_of_one() -> None:
    cell = plan("toy", "toy-good").cell
    assert (cell.base_model, cell.model_fingerprint) == ("", "")


def test_the_task_hears_of_the_base_model() -> None:
    assert execute(plan("toy-model", "toy-good")).run.status == "ok"


def test_weights_that_changed_make_another_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    before = plan("toy-model", "toy-good").cell
    monkeypatch.setattr("suite.models.fingerprint", lambda name: "other")
    assert today(before).model_fingerprint == "other"
    assert restore(before).cell == before
