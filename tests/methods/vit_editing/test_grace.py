"""GRACE: the rules of the codebook by hand, and that nothing changes beyond the radius."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from methods.vit_editing.grace import GRACE
from methods.vit_editing.rival_codebook import APART, Codebook, empty, placed
from suite.errors import UsageError
from tasks.vit_editing.contract import Failure, ReplacedWeights
from tests.methods.vit_editing import rival_vits as vits

MODEL = vits.tiny()
BLOCK = 3
EDITOR = GRACE(lr=0.3, steps=40)
PREPARED = EDITOR.prepare(MODEL, vits.workshop(20))


def book(*rows: tuple[float, float, int]) -> Codebook:
    """On a line: place, radius and class of each key."""
    places, radii, classes = zip(*rows, strict=True)
    keys = torch.tensor(places)[:, None]
    return Codebook(keys, keys * 10, torch.tensor(radii), torch.tensor(classes))


def at(found: Codebook) -> list[tuple[float, float, int]]:
    return [
        (float(k), round(float(r), 4), int(c))
        for k, r, c in zip(found.keys, found.radii, found.classes, strict=True)
    ]


def put(old: Codebook, place: float, label: int) -> tuple[Codebook, int]:
    return placed(old, torch.tensor([place]), torch.tensor([-1.0]), label, 1.0)


def test_the_first_key_is_new() -> None:
    found, number = put(empty(1), 2.0, 7)
    assert (at(found), number) == ([(2.0, 1.0, 7)], 0)
    assert found.values.tolist() == [[-1.0]]


def test_a_far_token_gets_its_own_key() -> None:
    # Its distance 2.1 is beyond its own radius 1 and that of the nearest, 1.
    found, number = put(book((0.0, 1.0, 7)), 2.1, 7)
    assert (at(found), number) == ([(0.0, 1.0, 7), (pytest.approx(2.1), 1.0, 7)], 1)


def test_a_near_token_of_the_same_class_stretches_the_radius() -> None:
    found, number = put(book((0.0, 1.0, 7), (9.0, 1.0, 3)), 1.5, 7)
    assert (at(found), number) == ([(0.0, 1.5, 7), (9.0, 1.0, 3)], 0)
    inside, _ = put(book((0.0, 1.0, 7)), 0.5, 7)
    assert at(inside) == [(0.0, 1.0, 7)]


def test_a_near_token_of_another_class_splits_the_radii() -> None:
    found, number = put(book((0.0, 1.0, 7)), 0.8, 3)
    assert number == 1
    assert float(found.radii[0]) == pytest.approx(0.4 - APART)
    assert float(found.radii[1]) == pytest.approx(0.4)
    same, number = put(book((0.0, 1.0, 7)), 0.0, 3)
    assert at(same)[0][1] == 0.0 and float(same.radii[1]) == pytest.approx(APART)
    assert [int(v) for v in same.nearest(torch.zeros(1, 1))] == [0, number]


def class_token(x: Tensor) -> Tensor:
    return MODEL.kept(x, BLOCK)[:, 0]


def test_the_scale_is_the_median_distance() -> None:
    found = GRACE(samples=2).prepare(MODEL, vits.workshop(2))["scale"]
    tokens = class_token(vits.workshop(2).training.x)
    torch.testing.assert_close(found, (tokens[0] - tokens[1]).norm())


def test_within_the_radius_the_answer_is_the_class_and_beyond_it_nothing_changes() -> None:
    x = vits.pictures(12, seed=4)
    (failure,) = vits.failures(MODEL, 1)
    distance = (class_token(x) - class_token(failure.x)).norm(dim=1)
    radius = float(distance.median())
    edited: Any = EDITOR.edit(MODEL, PREPARED, failure, radius / float(PREPARED["scale"]) * 1.0001)
    assert edited.start == BLOCK and edited.added == 2 * vits.WIDTH + 1
    assert vits.logits(MODEL, edited, failure.x).argmax(1) == failure.y
    told, plain = vits.logits(MODEL, edited, x), MODEL.logits_from(MODEL.kept(x, BLOCK), BLOCK)
    near = distance <= radius
    assert 0 < int(near.sum()) < 12
    assert torch.allclose(told[~near], plain[~near], atol=1e-5)
    for i in near.nonzero()[:, 0]:
        h = MODEL.kept(x[i : i + 1], 4)
        h[:, 0] = edited.book.values[0]
        torch.testing.assert_close(told[i : i + 1], MODEL.logits_from(h, 4), rtol=0, atol=1e-5)


def test_the_value_is_that_of_a_literal_descent() -> None:
    (failure,) = vits.failures(MODEL, 1)
    edited: Any = EDITOR.edit(MODEL, PREPARED, failure, 0.1)
    value = MODEL.kept(failure.x, 4)[:, 0].clone().requires_grad_(True)
    optimizer, taken = torch.optim.Adam([value], lr=0.3), 0
    for _ in range(40):
        logits = MODEL.logits_from(value[:, None], 4)  # behind the last block only the class token counts
        loss = torch.nn.functional.cross_entropy(logits, failure.y)
        if logits.argmax(1) == failure.y and loss <= 0.01:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        taken += 1
    assert edited.steps == taken > 0
    torch.testing.assert_close(edited.book.values, value.detach(), rtol=0, atol=1e-4)
    moved = (value.detach() - MODEL.kept(failure.x, 4)[:, 0]).norm()
    assert edited.distance == pytest.approx(float(moved), abs=1e-3)


def test_two_edits_in_force() -> None:
    first, second = vits.failures(MODEL, 2)
    one: Any = EDITOR.edit(MODEL, PREPARED, first, 0.01)
    both: Any = EDITOR.edit(MODEL, PREPARED, second, 0.01, before=one)
    assert len(one.book.keys) == 1 and len(both.book.keys) == 2
    for failure in (first, second):
        assert vits.logits(MODEL, both, failure.x).argmax(1) == failure.y
    other = (first.y + 1) % vits.CLASSES
    again: Any = EDITOR.edit(MODEL, PREPARED, Failure(first.x, other, 0), 0.01, before=both)
    assert len(again.book.keys) == 3
    assert vits.logits(MODEL, again, first.x).argmax(1) == other
    with pytest.raises(UsageError, match="ReplacedWeights"):
        EDITOR.edit(MODEL, PREPARED, first, 1.0, before=ReplacedWeights(MODEL, {}))


def test_the_contract_is_kept_with_one_and_more_pictures() -> None:
    vits.keeps_the_contract(MODEL, EDITOR, PREPARED, 0.8, vits.failures(MODEL, 3))
    vits.keeps_the_contract(MODEL, EDITOR, PREPARED, 0.8, vits.failures(MODEL, 2, each=2))
