"""The search for masks against literal loops, a quadratic, and its limits."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from methods.vit_editing.bilevel import Bilevel, changes, distances, saliency, search
from methods.vit_editing.mask_trunk import Trunk
from methods.vit_editing.oracle_mask import MATES, OracleMask
from tasks.vit_editing.contract import Pictures, Workshop
from tests.methods.vit_editing import mask_vits as vits

HOW = Bilevel(inner=3, inner_lr=1e-2, outer=3)


def start(count: int) -> tuple[Trunk, Tensor, Tensor, Tensor, Tensor]:
    """The trunk, mixed pictures, their middle streams, teachers, and first logits of masks."""
    trunk = Trunk.of(vits.tiny(), vits.BLOCKS)
    base, mixed = vits.pictures(count, seed=1), vits.pictures(count, seed=2)
    teacher = torch.softmax(trunk.model.logits(base) / HOW.temperature, -1)
    logits = 2 * torch.rand((count, 4, vits.HIDDEN), generator=torch.Generator().manual_seed(4)) - 1
    return trunk, mixed, trunk.middle(trunk.stream(mixed)), teacher, logits


def literal(trunk: Trunk, mixed: Tensor, teacher: Tensor, logits: Tensor, how: Bilevel) -> Tensor:
    """One sample after another as the method is written, gradients to the mask from autograd with the change
    of the weights divided by the mask, and torch's own RMSprop; targets.
    """
    module = copy.deepcopy(trunk.model.module)
    old = {name: module.get_parameter(name).detach() for name in trunk.rows}
    u = torch.nn.Parameter(logits.clone())
    optimizer = torch.optim.RMSprop([u], lr=how.mask_lr)

    def loss(change: dict[str, Tensor], mask: Tensor, i: int) -> Tensor:
        weights = {
            name: old[name] + change[name] * (mask[row][None] if row % 2 else mask[row][:, None])
            for row, name in enumerate(trunk.rows)
        }
        told = functional_call(module, weights, (trunk.model.prepared(mixed[i : i + 1]),)).logits
        log = F.log_softmax(told / how.temperature, -1)
        return how.temperature**2 * F.kl_div(log, teacher[i : i + 1], reduction="batchmean")

    for _ in range(how.outer):
        z = torch.sigmoid(how.sharp * u)
        total = how.sparsity * z.abs().sum() / z.numel()
        for i in range(len(logits)):
            change = {name: torch.zeros_like(value).requires_grad_() for name, value in old.items()}
            for _ in range(how.inner):
                gradients = torch.autograd.grad(loss(change, z[i].detach(), i), list(change.values()))
                with torch.no_grad():
                    for row, (value, gradient) in enumerate(zip(change.values(), gradients, strict=True)):
                        mask = z[i, row].detach()
                        value -= how.inner_lr * gradient / (mask[None] if row % 2 else mask[:, None])
            total = total + loss({name: value.detach() for name, value in change.items()}, z[i], i)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    return torch.sigmoid(how.soft * u.detach())


def test_the_batched_search_is_the_literal_one() -> None:
    trunk, mixed, middle, teacher, logits = start(3)
    found = search(trunk, middle, teacher, logits, HOW).target
    expected = literal(trunk, mixed, teacher, logits, HOW)
    close = ((found - expected).abs() < 1e-3).float().mean()
    assert float(close) > 0.99  # a unit whose gradient is about 0 may step either way
    assert float((expected - torch.sigmoid(3 * logits)).abs().mean()) > 0.05


def test_a_sample_does_not_depend_on_its_company_but_for_the_price() -> None:
    trunk, _, middle, teacher, logits = start(3)
    together = search(trunk, middle, teacher, logits, HOW, samples=5)
    alone = search(trunk, middle[1:2], teacher[1:2], logits[1:2], HOW, samples=5)
    assert float((together.target[1:2] - alone.target).abs().mean()) < 1e-3
    assert torch.allclose(together.loss[1:2], alone.loss, rtol=1e-3, atol=1e-5)


def test_inner_steps_follow_the_gradient_at_the_gated_weights() -> None:
    """On 1/2 a (w - c)^2 by hand: d <- d - lr a (w0 + z d - c)."""
    w0, mask = torch.tensor([[[2.0]]]), torch.tensor([[[0.5]]])
    found = changes(w0, mask, lambda w: 3.0 * (w - 1.0), steps=2, lr=0.1)
    assert float(found) == pytest.approx(-0.3 - 0.1 * 3 * (2 - 0.15 - 1))


def test_an_open_mask_is_plain_gradient_descent() -> None:
    trunk, _, middle, teacher, _ = start(1)
    old = torch.stack([trunk.value(n) if i % 2 == 0 else trunk.value(n).T for i, n in enumerate(trunk.rows)])

    def slope(weights: Tensor) -> Tensor:
        leaves = {
            name: (weights[0, i] if i % 2 == 0 else weights[0, i].T).detach().requires_grad_()
            for i, name in enumerate(trunk.rows)
        }
        h = trunk.stream(vits.pictures(1, seed=2))
        loss = distances(trunk.model.logits_from(h, 2, leaves), teacher, 5.0).sum()
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        return torch.stack([g if i % 2 == 0 else g.T for i, g in enumerate(gradients)])[None]

    by_hand = old[None].clone()
    for _ in range(4):
        by_hand = by_hand - 0.01 * slope(by_hand)
    found = changes(old, torch.ones((1, 4, vits.HIDDEN)), slope, steps=4, lr=0.01)
    assert torch.allclose(old + found, by_hand, atol=1e-6)


def test_the_teacher_is_the_unmixed_picture() -> None:
    """Where nothing is mixed in, there is nothing to change: the loss is 0, and units only close."""
    trunk, mixed, middle, _, logits = start(2)
    teacher = torch.softmax(trunk.model.logits(mixed) / HOW.temperature, -1)
    found = search(trunk, middle, teacher, logits, HOW)
    assert float(found.loss.abs().max()) < 1e-5
    assert bool((found.target <= torch.sigmoid(3 * logits) + 1e-6).all())
    p, q = torch.tensor([[0.75, 0.25]]), torch.tensor([[0.5, 0.5]])
    by_hand = 0.75 * torch.log(torch.tensor(1.5)) + 0.25 * torch.log(torch.tensor(0.5))
    assert float(distances(2 * q.log(), p, 2.0)) == pytest.approx(4 * float(by_hand), rel=1e-5)


def test_a_high_price_closes_every_unit_and_none_keeps_what_helps() -> None:
    trunk, _, middle, teacher, logits = start(2)
    how = replace(HOW, outer=10)
    closed = search(trunk, middle, teacher, logits, replace(how, sparsity=1e9)).target
    assert float(closed.max()) < 0.3 and float(closed.mean()) < 0.1
    free = search(trunk, middle, teacher, logits, replace(how, sparsity=0.0, outer=1)).target
    assert float((free > torch.sigmoid(3 * logits)).float().mean()) > 0.5


def test_saliency_is_first_order_and_the_price_a_mean() -> None:
    """A unit that moved against its gradient lowers the loss as it opens; by hand for two weights."""
    change, gradient = torch.tensor([[[[-1.0, 2.0]]]]), torch.tensor([[[[3.0, 0.5]]]])
    assert float(saliency(change, gradient, 0.0, 1)) == pytest.approx(-2.0)
    assert float(saliency(change, gradient, 4.0, 8)) == pytest.approx(-2.0 + 4.0 / 8)


def test_the_first_step_moves_every_logit_by_one() -> None:
    """Ten times RMSprop's rate of 0.1, here under a price alone; then the sigmoid is flat."""
    trunk, _, middle, teacher, logits = start(1)
    logits = logits.sign() * 0.05
    for outer in (1, 2):
        how = replace(HOW, outer=outer, sparsity=1e6)
        target = search(trunk, middle, teacher, logits, how).target
        moved = torch.logit(target.double(), eps=1e-12) / 3 - logits
        assert torch.allclose(moved, torch.full_like(moved, -1.0), atol=0.05)


def test_oracle_masks_differ_by_failure_and_repeat_by_seed() -> None:
    model = vits.tiny()
    failures = [*vits.failures(model, 2), *vits.failures(model, 1, 2)]
    editor = OracleMask(lr=2e-3, steps=2, pairs=2, inner=2, inner_lr=1e-2, outer=2)
    shop = Workshop(Pictures(vits.pictures(9, seed=5), torch.zeros(9, dtype=torch.int64)), 3)
    prepared = editor.prepare(model, shop)
    assert prepared[MATES].shape == (9, vits.SIZE, vits.SIZE, 3)
    found = editor.edit_many(model, prepared, failures, 0.25)
    units = [one.units for one in found]
    assert [int(one.sum()) for one in units if one is not None] == [24, 24, 24]
    assert not torch.equal(units[0], units[1])  # type: ignore[arg-type]
    alone = editor.edit(model, prepared, failures[0], 0.25).units
    assert float((alone != units[0]).float().mean()) < 0.05  # type: ignore[union-attr]
