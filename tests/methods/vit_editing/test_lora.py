"""LoRA: a literal descent on factors, what it touches, and the released division."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from methods.vit_editing.lora import LoRA
from suite.errors import Skip, UsageError
from tasks.vit_editing.classifier import Block
from tests.methods.vit_editing import rival_vits as vits

MODEL = vits.tiny()
NAMES = [f"{MODEL.blocks[b].attention[k]}.weight" for b in (2, 3) for k in (0, 2)]


def literal(editor: LoRA, x: Tensor, y: Tensor, seed: int, steps: int) -> tuple[dict[str, Tensor], int]:
    """A module called with products of factors, whole pictures, torch's own optimizer."""
    draw = torch.Generator().manual_seed(seed)
    size = vits.WIDTH
    downs = {n: ((torch.rand(editor.rank, size, generator=draw) * 2 - 1) / size**0.5) for n in NAMES}
    ups = {n: torch.zeros(size, editor.rank) for n in NAMES}
    parameters = [p.requires_grad_(True) for p in (*downs.values(), *ups.values())]
    optimizer = torch.optim.Adam(parameters, lr=editor.lr)
    module, taken = copy.deepcopy(MODEL.module), 0

    def weights() -> dict[str, Tensor]:
        return {n: MODEL.parameter(n) + editor.alpha / editor.rank * ups[n] @ downs[n] for n in NAMES}

    for _ in range(steps):
        logits = functional_call(module, weights(), (MODEL.prepared(x),)).logits
        loss = F.cross_entropy(logits, y)
        if bool((logits.argmax(1) == y).all()) and loss <= editor.enough:
            break
        low = [weights()[n] - MODEL.parameter(n) for n in NAMES]
        loss = loss + editor.penalty / 2 * sum(p.square().sum() for p in low)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        taken += 1
    return {n: w.detach() for n, w in weights().items()}, taken


@pytest.mark.parametrize("each", [1, 2])
def test_edits_at_once_are_those_of_literal_descents(each: int) -> None:
    editor = LoRA(lr=0.05, enough=0.5, penalty=0.1, rank=2)
    asked = vits.failures(MODEL, 3, each=each)
    found: list[Any] = editor.edit_many(MODEL, {}, asked, 25.0)
    taken = []
    for failure, edited in zip(asked, found, strict=True):
        wanted, steps = literal(editor, failure.x, failure.y, failure.seed, 25)
        taken.append(steps)
        assert edited.steps == steps
        assert set(edited.weights) == set(NAMES)
        for name in NAMES:
            torch.testing.assert_close(edited.weights[name], wanted[name], rtol=0, atol=1e-4)
            assert int(torch.linalg.matrix_rank(edited.weights[name] - MODEL.parameter(name), rtol=1e-4)) <= 2
    assert len(set(taken)) > 1  # so that one went on after another had stopped


def test_the_released_division_can_change_nothing() -> None:
    (failure,) = vits.failures(MODEL, 1)
    assert LoRA().scale == LoRA(integer_division=True).scale == 1.0
    editor = LoRA(rank=4, alpha=3.0, integer_division=True)
    assert (editor.scale, LoRA(rank=4, alpha=3.0).scale) == (0.0, 0.75)
    edited = editor.edit(MODEL, {}, failure, 5.0)
    assert (edited.touched, edited.distance) == (0, 0.0)


def test_a_heavier_penalty_holds_the_weights() -> None:
    (failure,) = vits.failures(MODEL, 1)
    editor = LoRA(trades="penalty", lr=0.05, steps=20, enough=0.0)
    distances = [editor.edit(MODEL, {}, failure, weight).distance for weight in (0.0, 1.0, 100.0)]
    assert distances[0] > distances[1] > distances[2]


def test_two_edits_in_force() -> None:
    editor = LoRA(lr=0.05, rank=1)
    first, second = vits.failures(MODEL, 2)
    one: Any = editor.edit(MODEL, {}, first, 5.0)
    both: Any = editor.edit(MODEL, {}, second, 5.0, before=one)
    for name in NAMES:
        assert int(torch.linalg.matrix_rank(both.weights[name] - one.weights[name], rtol=1e-4)) == 1
        assert int(torch.linalg.matrix_rank(both.weights[name] - MODEL.parameter(name), rtol=1e-4)) == 2


def test_the_contract_is_kept() -> None:
    vits.keeps_the_contract(MODEL, LoRA(batch=2, lr=0.05), {}, 6.0, vits.failures(MODEL, 3))


def test_what_cannot_be() -> None:
    fused = tuple(Block(b.name, b.fc1, b.fc2, (), b.norms) for b in MODEL.blocks)
    model: Any = copy.copy(MODEL)
    object.__setattr__(model, "blocks", fused)
    with pytest.raises(Skip, match="query and value"):
        LoRA().edit(model, {}, vits.failures(MODEL, 1)[0], 1.0)
    with pytest.raises(UsageError, match="choose from"):
        LoRA(maps="query,mlp")
