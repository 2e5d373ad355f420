"""ROME: the constraint is met, the change is the smallest one, and the value is that of a literal descent."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from methods.vit_editing.rank_one import associated, second_moment
from methods.vit_editing.rival_streams import augmented, one_block
from methods.vit_editing.rome import ROME
from suite.errors import UsageError
from tasks.vit_editing.classifier import Classifier
from tests.methods.vit_editing import rival_vits as vits

MODEL = vits.tiny()
BLOCK = 3
MATRIX = MODEL.blocks[BLOCK].matrices[1]


def keys_of(model: Classifier, x: Tensor, block: int) -> Tensor:
    """Keys (n, T, hidden) from a hook on a copy of the module that sees whole pictures."""
    module, seen = copy.deepcopy(model.module), []
    module.get_submodule(model.blocks[block].fc2).register_forward_hook(lambda m, a, o: seen.append(a[0]))
    with torch.no_grad():
        module(model.prepared(x))
    return torch.cat(seen)


def test_one_key_by_hand() -> None:
    seen = torch.tensor([[2.0, 1.0], [1.0, 1.0]])  # its inverse is [[1, -1], [-1, 2]]
    key, value = torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 4.0]])
    found = associated(torch.zeros(2, 2), key, value, seen)
    torch.testing.assert_close(found, torch.tensor([[3.0, -3.0], [4.0, -4.0]]))


def drawn(n: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    w, keys, values, more = (
        torch.randn(*shape, generator=draw, dtype=torch.float64)
        for shape in ((5, 8), (n, 8), (n, 5), (20, 8))
    )
    return w, keys, values, second_moment(more)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("averaged", [False, True])
def test_the_constraint_holds(n: int, averaged: bool) -> None:
    for seed in range(5):
        w, keys, values, seen = drawn(n, seed)
        found = associated(w, keys, values, seen, keys + 0.1 * w[:n] if averaged else None)
        assert (found @ keys.T - values.T).abs().max() < 1e-6
        assert int(torch.linalg.matrix_rank(found - w)) == n


def test_for_the_identity_the_change_is_the_smallest() -> None:
    w, keys, values, _ = drawn(2, 0)
    found = associated(w, keys, values, torch.eye(8))
    smallest = np.linalg.lstsq(keys.numpy(), (values - keys @ w.T).numpy(), rcond=None)[0].T
    np.testing.assert_allclose((found - w).numpy(), smallest, atol=1e-10)


def test_other_solutions_move_more_over_the_keys_seen() -> None:
    w, keys, values, seen = drawn(1, 1)
    change = associated(w, keys, values, seen) - w
    for seed in range(10):
        extra = torch.randn(5, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        extra -= extra @ keys.T @ keys / keys.square().sum()  # leaves the key's value as it is
        other = change + 0.1 * extra
        assert torch.trace(other @ seen @ other.T) > torch.trace(change @ seen @ change.T)


@pytest.mark.parametrize("seen", ["class", "all"])
def test_second_moment_of_the_keys(seen: Any) -> None:
    workshop = vits.workshop(7)
    found = ROME(seen=seen, ridge=0.5).prepare(MODEL, workshop)["second"]
    keys = keys_of(MODEL, workshop.training.x, BLOCK).double()
    keys = keys[:, 0] if seen == "class" else keys.flatten(0, 1)
    wanted = sum(torch.outer(k, k) for k in keys) / len(keys)
    wanted += 0.5 * torch.trace(wanted) / len(wanted) * torch.eye(len(wanted))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def literal(editor: ROME, x: Tensor, y: int, kl: float, seed: int) -> tuple[Tensor, int]:
    """delta as one would write it: whole pictures, a hook that adds it to the class token's FFN output."""
    module, copies = copy.deepcopy(MODEL.module), augmented(x, editor.copies, seed)[0]
    delta = torch.zeros(vits.WIDTH, requires_grad=True)
    outputs: list[Tensor] = []

    def add(part: Any, given: Any, told: Tensor) -> Tensor:
        outputs.append(told.detach())
        return torch.cat([told[:, :1] + delta, told[:, 1:]], 1)

    module.get_submodule(MODEL.blocks[BLOCK].fc2).register_forward_hook(add)
    optimizer, old, steps = torch.optim.Adam([delta], lr=editor.lr), None, 0
    for it in range(editor.steps):
        logp = module(MODEL.prepared(copies)).logits.log_softmax(1)
        old = logp.detach() if old is None else old
        size = outputs[0][0, 0].norm()
        pull = F.kl_div(old[1:], logp[1:], log_target=True, reduction="batchmean")
        loss = -logp[:, y].mean() + kl * pull + editor.decay * delta.norm() / size**2
        if loss < editor.enough or it == editor.steps - 1:
            break
        optimizer.zero_grad()
        loss.backward()
        delta.grad.nan_to_num_(0.0)  # the norm's slope at 0
        optimizer.step()
        steps += 1
        with torch.no_grad():
            delta *= min(1.0, float(editor.clamp * size / delta.norm()))
    return delta.detach(), steps


@pytest.mark.parametrize(("steps", "clamp"), [(6, 4.0), (20, 0.3)])
def test_the_edit_is_that_of_a_literal_descent(steps: int, clamp: float) -> None:
    editor = ROME(steps=steps, clamp=clamp, copies=2, enough=0.3)
    prepared = editor.prepare(MODEL, vits.workshop())
    (failure,) = vits.failures(MODEL, 1)
    edited = editor.edit(MODEL, prepared, failure, 0.5)
    delta, taken = literal(editor, failure.x, int(failure.y), 0.5, failure.seed)
    keys = keys_of(MODEL, augmented(failure.x, 2, failure.seed)[0], BLOCK)[:, 0]
    w = MODEL.parameter(MATRIX)
    wanted = associated(w, keys[:1], keys[:1] @ w.T + delta, prepared["second"], keys.mean(0, keepdim=True))
    assert edited.steps == taken > 0
    assert set(edited.weights) == {MATRIX}  # type: ignore[attr-defined]
    torch.testing.assert_close(edited.weights[MATRIX], wanted, rtol=0, atol=2e-4)  # type: ignore[attr-defined]


def test_two_edits_in_force() -> None:
    editor = ROME(copies=2, steps=8)
    prepared = editor.prepare(MODEL, vits.workshop())
    first, second = vits.failures(MODEL, 2)
    one = editor.edit(MODEL, prepared, first, 0.0)
    both = editor.edit(MODEL, prepared, second, 0.0, before=one)
    new, middle, old = (e.weights[MATRIX].double() for e in (both, one, one))  # type: ignore[attr-defined]
    assert int(torch.linalg.matrix_rank(new - middle, rtol=1e-4)) == 1
    assert int(torch.linalg.matrix_rank(new - MODEL.parameter(MATRIX).double(), rtol=1e-4)) == 2
    assert torch.equal(old, middle)


def test_the_contract_is_kept_with_one_and_more_pictures() -> None:
    editor = ROME(copies=1, steps=5, batch=2)
    prepared = editor.prepare(MODEL, vits.workshop())
    asked = [*vits.failures(MODEL, 3), *vits.failures(MODEL, 1, each=2, seed=9)]
    vits.keeps_the_contract(MODEL, editor, prepared, 0.1, asked)


def test_a_block_that_is_not_there() -> None:
    assert one_block(-1, MODEL) == BLOCK
    with pytest.raises(UsageError, match="0 to 3"):
        one_block(4, MODEL)
    with pytest.raises(UsageError, match="ridge"):
        ROME(ridge=0.0)
