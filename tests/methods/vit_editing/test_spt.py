"""SPT's scores: the first-order gain of a step."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from methods.vit_editing.mask_trunk import Trunk
from methods.vit_editing.masks import top_k, unit_gradients
from methods.vit_editing.spt import SPT
from tests.methods.vit_editing import mask_vits as vits


def test_spt_scores_are_the_first_gain_of_a_step() -> None:
    """A small step of gradient descent on one unit lowers the loss by rate times its score."""
    model = vits.tiny(torch.float64)
    trunk = Trunk.of(model, vits.BLOCKS)
    failure = vits.failures(vits.tiny(), 1)[0]
    streams = vits.tiny().kept(failure.x, vits.BLOCKS[0]).double()[None]
    scores = unit_gradients(trunk, streams, failure.y[None], 2)[0]
    row, name, rate = 2, trunk.rows[2], 1e-6
    unit = int(scores[row].argmax())
    weight = model.parameter(name).clone().requires_grad_()

    def loss(value: torch.Tensor) -> torch.Tensor:
        logits = model.logits_from(streams[0], vits.BLOCKS[0], {name: value})
        return F.cross_entropy(logits, failure.y)

    before = loss(weight)
    before.backward()
    step = torch.zeros_like(weight)
    step[unit] = rate * weight.grad[unit]  # type: ignore[index]
    gained = float((before - loss(weight - step)).detach())
    assert gained == pytest.approx(rate * float(scores[row, unit]), rel=1e-3)


def test_units_are_those_of_the_largest_gain() -> None:
    model = vits.tiny()
    failure = vits.failures(model, 1)[0]
    trunk = Trunk.of(model, vits.BLOCKS)
    scores = unit_gradients(trunk, trunk.stream(failure.x)[None], failure.y[None], 2)
    found = SPT(steps=0).edit(model, {}, failure, 0.1).units
    assert torch.equal(found, top_k(scores, 0.1)[0])  # type: ignore[arg-type]
