from __future__ import annotations

import importlib

import pytest

from suite import budgets, catalog
from suite.budgets import NOT_DECLARED, Budget, declared


@pytest.mark.parametrize("family", ["compositional", "lmeval", "quantization"])
def test_every_method_of_a_family_card_is_declared_at_small(family: str) -> None:
    card = importlib.import_module(f"methods.{family}").METHODS
    assert card
    for spec in card:
        assert declared(family, spec.name, "any-task", "small").trials is not None, spec.name


@pytest.mark.parametrize("family", ["compositional", "lmeval", "quantization"])
def test_a_declaration_names_methods_and_tasks_that_exist(family: str) -> None:
    for budget in budgets.budgets(family):
        assert set(budget.methods) <= set(catalog.methods())
        assert set(budget.tasks) <= {"*", *catalog.tasks()}
        for part in budget.tuned_on or ():
            task, split = part.rsplit(" ", 1)
            assert task in catalog.tasks() and split in ("train", "dev", "test")


def test_what_was_chosen_on_test_says_so() -> None:
    lstm = declared("compositional", "lstm", "scan-length", "small")
    assert (lstm.trials, lstm.tuned_on, lstm.saw_test) == (0, ("scan-jump dev", "scan-jump test"), True)
    assert "looking at dev and at test" in lstm.note
    assert declared("compositional", "lexlearn", "scan-jump", "small").trials == 1
    assert declared("compositional", "nearest", "scan-jump", "small").saw_test is False


def test_what_is_not_declared_is_none_and_never_zero() -> None:
    for family, method, profile in (
        ("toy", "toy-coin", "small"),
        ("compositional", "somebodys-plug-in", "small"),
        ("compositional", "lstm", "paper"),
        ("no family", "x", "small"),
        ("../compositional", "lstm", "small"),
    ):
        found = declared(family, method, "t", profile)
        assert found is NOT_DECLARED
        assert (found.trials, found.tuned_on, found.saw_test) == (None, None, None)


def test_the_last_declaration_that_fits_holds(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugged_budgets.py").write_text(
        "from suite.budgets import Budget\n"
        "BUDGETS = [Budget(('toy-*',), trials=7, tuned_on=('toy dev',)),\n"
        "           Budget(('toy-coin',), tasks=('toy',), trials=9), 'no budget']\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SUITE_PLUGINS", "no_such_module, plugged_budgets")
    assert declared("toy", "toy-good", "toy", "small").trials == 7
    assert declared("toy", "toy-coin", "toy", "small") == Budget(("toy-coin",), ("toy",), trials=9)
    assert declared("toy", "toy-coin", "other", "small").saw_test is False
    assert declared("compositional", "lstm", "scan-jump", "small").trials == 0
