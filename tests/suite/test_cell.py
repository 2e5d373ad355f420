from __future__ import annotations

import dataclasses
import hashlib

import pytest

from suite.cell import Cell, canonical

CELL = Cell(
    "scan-jump", "compsub", "small", 3, settings='{"depth":1,"rate":0.5}', task_settings='{"split":"jump"}'
)


def test_the_id_is_the_sha256_of_this_very_text() -> None:
    text = (
        '{"base_model":"","data_fingerprint":"","method":"compsub","method_version":1,"model_fingerprint":"",'
        '"profile":"small","seed":3,"settings":{"depth":1,"rate":0.5},"task":"scan-jump",'
        '"task_settings":{"split":"jump"},"task_version":1}'
    )
    assert CELL.id == hashlib.sha256(text.encode()).hexdigest()


def test_the_id_of_a_cell_stays_the_same_for_ever() -> None:
    assert CELL.id == "6d7579c7114c74ef8c7827ca63be12b41eb573c9f90897981c447fdebf4756e8"


@pytest.mark.parametrize(
    "change",
    [
        {"task": "scan-length"},
        {"task_version": 2},
        {"method": "geca"},
        {"method_version": 2},
        {"profile": "paper"},
        {"seed": 4},
        {"base_model": "tiny"},
        {"settings": '{"depth":2,"rate":0.5}'},
        {"task_settings": '{"split":"length"}'},
        {"data_fingerprint": "a"},
        {"model_fingerprint": "a"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_part_that_can_change_a_score_changes_the_id(change: dict[str, object]) -> None:
    assert dataclasses.replace(CELL, **change).id != CELL.id


def test_what_only_explains_does_not_change_the_id() -> None:
    assert dataclasses.replace(CELL, overrides='{"rate":0.5}', family="compositional").id == CELL.id


def test_the_order_of_settings_does_not_change_the_id() -> None:
    assert dataclasses.replace(CELL, settings='{"rate":0.5,"depth":1}').id == CELL.id


def test_canonical_json_has_one_spelling() -> None:
    assert canonical({"b": [1, 0.1], "a": "é", "c": None}) == '{"a":"é","b":[1,0.1],"c":null}'


def test_canonical_json_knows_no_nan() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        canonical(float("nan"))
