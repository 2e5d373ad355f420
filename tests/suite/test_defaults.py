"""Settings that lack a field: which value it has, and where two texts mean the same."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logged_store import LoggedStore

from suite import catalog, defaults
from suite._submit_scores import known
from suite.api import TaskSpec
from suite.cell import Cell, canonical
from suite.defaults import alike, completed, completed_cell

NAMES = ("split", "size", "budget", "seeds")


@dataclass(frozen=True)
class Grown:
    """split has no default; nothing can say what it was in a row that lacks it."""

    split: str
    size: int = 10
    budget: float = 1.0
    seeds: tuple[int, ...] = field(default_factory=lambda: (1, 2))


@pytest.fixture
def spec() -> TaskSpec:
    return spec_at(f"{__name__}:Grown")


def spec_at(where: str) -> TaskSpec:
    toy = catalog.task("toy")
    return dataclasses.replace(toy, where=where)


def test_what_is_lacking_gets_its_default_and_nothing_else_changes(spec: TaskSpec) -> None:
    assert completed(spec, '{"size":3,"split":"jump"}') == (
        '{"budget":1.0,"seeds":[1,2],"size":3,"split":"jump"}'
    )
    assert completed(spec, '{"gone":0}') == '{"budget":1.0,"gone":0,"seeds":[1,2],"size":10}'


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ('{"split":"x"}', '{"budget":1.0,"split":"x"}', True),
        ('{"split":"x"}', '{"budget":0.5,"split":"x"}', False),
        ('{"budget":1.0,"split":"x"}', '{"split":"x","size":10}', True),  # each lacks one
        ('{"size":10}', '{"size":10,"split":"x"}', False),  # split has no default
        ('{"split":"x"}', '{"split":"y"}', False),
        ("{}", "[]", False),
        ("{}", "no JSON", False),
    ],
)
def test_two_texts_are_alike_where_the_defaults_fill_what_one_lacks(
    spec: TaskSpec, a: str, b: str, same: bool
) -> None:
    assert alike(spec, a, b) is alike(spec, b, a) is same


@pytest.mark.parametrize("where", ["no_such_module:Task", f"{__name__}:Absent", "suite.cell:canonical"])
def test_a_class_that_is_gone_leaves_the_settings_as_they_are(where: str) -> None:
    assert completed(spec_at(where), '{"size":3}') == '{"size":3}'
    assert not alike(spec_at(where), "{}", '{"size":10}')
    assert not alike(None, "{}", '{"size":10}') and alike(None, "{}", "{}")


def test_the_class_is_loaded_only_where_the_fields_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(where: str) -> Any:
        raise AssertionError(f"{where} was loaded")

    monkeypatch.setattr(defaults, "_defaults", refuse)
    unseen = spec_at("unseen:Task")
    assert alike(unseen, '{"size":3}', '{"size":3}') and not alike(unseen, '{"size":3}', '{"size":4}')
    with pytest.raises(AssertionError, match="was loaded"):
        alike(unseen, '{"size":3}', "{}")


def test_a_cell_is_completed_on_both_sides() -> None:
    # toy: size 10; toy-good: mode fast, rate 0.5, rounds 3, verbose false.
    cell = completed_cell(Cell("toy", "toy-good", "small", 0, settings='{"rounds":5}', task_settings="{}"))
    assert cell.task_settings == '{"size":10}'
    assert cell.settings == '{"mode":"fast","rate":0.5,"rounds":5,"verbose":false}'
    assert completed_cell(cell) == cell


def test_what_own_rows_say_of_a_task_counts_for_both_spellings(tmp_path: Path) -> None:
    rows = LoggedStore(tmp_path / "results")
    rows.add("toy-good", 0, [1.0, 1.0], task_settings="{}")
    rows.add("toy-good", 1, [1.0, 0.0], task_settings='{"size":10}')
    (((task, text, _), held),) = known(rows.store, ["toy"]).items()
    assert (task, text, sorted(held.ceiling)) == ("toy", '{"size":10}', [0.5, 1.0])


VALUES = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2), max_size=4).map(canonical)


@given(VALUES, VALUES, VALUES)
def test_being_alike_is_an_equivalence_and_is_equality_once_completed(a: str, b: str, c: str) -> None:
    spec = spec_at(f"{__name__}:Grown")
    assert alike(spec, a, b) == (completed(spec, a) == completed(spec, b))
    assert not (alike(spec, a, b) and alike(spec, b, c)) or alike(spec, a, c)
    assert completed(spec, completed(spec, a)) == completed(spec, a)
    assert json.loads(completed(spec, a)).items() >= json.loads(a).items()
