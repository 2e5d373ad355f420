"""Fine-tuning editors against torch's own optimiser and hand-worked values."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from methods.vit_editing.finetuning import FineTune, FineTuneAll, HeadOnly
from methods.vit_editing.masks import RandomMask
from tasks.vit_editing.contract import ReplacedWeights
from tests.methods.vit_editing import mask_vits as vits


def weights(edited: Any) -> dict[str, torch.Tensor]:
    assert isinstance(edited, ReplacedWeights)
    return dict(edited.weights)


def test_an_all_ones_mask_is_fine_tuning_bit_for_bit() -> None:
    """With the first plain step off, and in a batch of several."""
    model = vits.tiny()
    failures = vits.failures(model, 3)
    tuned = FineTune(lr=2e-3, steps=8, sgd_first=False).edit_many(model, {}, failures, 0.0)
    masked = RandomMask(lr=2e-3, steps=8).edit_many(model, {}, failures, 1.0)
    for one, other in zip(tuned, masked, strict=True):
        assert all(torch.equal(value, weights(other)[name]) for name, value in weights(one).items())
        assert one.units is not None and bool(one.units.all())


def test_a_first_plain_step_moves_by_the_rate_times_the_gradient() -> None:
    model = vits.tiny()
    failure = vits.failures(model, 1)[0]
    one = weights(FineTune(lr=1e-3, steps=1).edit(model, {}, failure, 0.0))
    values = {name: model.parameter(name).clone().requires_grad_() for name in one}
    F.cross_entropy(model.logits(failure.x, values), failure.y).backward()
    for name, value in values.items():
        assert torch.allclose(one[name], value - 1e-3 * value.grad, atol=1e-7)  # type: ignore[operator]


def test_a_stronger_pull_leaves_the_weights_nearer() -> None:
    model = vits.tiny()
    failure = vits.failures(model, 1)[0]
    for pull in ("l1", "l2"):
        editor = FineTune(lr=1e-3, steps=15, enough=0.0, pull=pull, knobs="0,0.001,0.1")  # type: ignore[arg-type]
        distances = [editor.edit(model, {}, failure, strength).distance for strength in (0.0, 10.0)]
        assert distances[1] < distances[0]
        assert editor.values == (0.0, 0.001, 0.1)


def test_location_is_a_field() -> None:
    model = vits.tiny()
    failure = vits.failures(model, 1)[0]
    one = FineTune(lr=1e-3, steps=2, blocks="early").edit(model, {}, failure, 0.0)
    assert one.start == 0
    assert set(weights(one)) == {name for k in (0, 1) for name in model.blocks[k].matrices}


def test_all_parameters_as_torchs_optimiser_on_a_deep_copy() -> None:
    model = vits.tiny()
    failure = vits.failures(model, 1, 2)[0]
    one = FineTuneAll(lr=1e-4, steps=5).edit(model, {}, failure, 0.0)
    module = copy.deepcopy(model.module).requires_grad_()
    optimizer = torch.optim.RMSprop(module.parameters(), lr=1e-4)
    for _ in range(5):
        optimizer.zero_grad()
        F.cross_entropy(module(model.prepared(failure.x)).logits, failure.y).backward()
        optimizer.step()
    assert one.start == -1 and one.steps == 5
    moved = {name for name, value in module.named_parameters() if value.grad is not None}
    idle = f"{model.blocks[-1].attention[1]}.bias"  # adds the same to all scores, so its gradient is 0
    assert set(weights(one)) == moved - {idle} and module.get_parameter(idle).grad.abs().max() < 1e-6
    # A weight whose gradient is about 0 has a step of a size that rounding decides.
    close = [(value - module.get_parameter(name)).abs() < 1e-5 for name, value in weights(one).items()]
    assert float(torch.cat([part.flatten().float() for part in close]).mean()) > 0.99
    assert torch.allclose(one.logits_from(failure.x), model.logits(failure.x, weights(one)))


@pytest.mark.parametrize("k", [1, 2])
def test_the_head_changes_in_the_rows_of_the_classes_shown_and_said(k: int) -> None:
    model = vits.tiny()
    failures = vits.failures(model, 3, k)
    editor = HeadOnly(lr=5e-3, steps=400)
    for failure, one in zip(failures, editor.edit_many(model, {}, failures, 0.5), strict=True):
        said = model.logits(failure.x).argmax(-1).tolist()
        for value, old in zip(
            weights(one).values(), (model.parameter(name) for name in weights(one)), strict=True
        ):
            moved = (value != old).view(vits.CLASSES, -1).any(1).nonzero()[:, 0].tolist()
            assert moved == sorted({*said, *failure.y.tolist()})
        logits = one.logits_from(model.stream(failure.x, one.start))
        assert one.start == model.depth and one.steps < 400
        assert logits.argmax(-1).tolist() == failure.y.tolist()
        assert float(F.cross_entropy(logits, failure.y)) <= 0.5 + 1e-5
        alone = editor.edit(model, {}, failure, 0.5)
        assert alone.steps == one.steps
        assert all(torch.allclose(value, weights(one)[n], atol=1e-5) for n, value in weights(alone).items())


def test_the_head_as_torchs_optimiser_goes() -> None:
    model = vits.tiny()
    failure = vits.failures(model, 1)[0]
    one = HeadOnly(lr=1e-3, steps=6).edit(model, {}, failure, 0.0)
    head = copy.deepcopy(model.module.classifier).requires_grad_()
    token = model.tokens(model.stream(failure.x, model.depth), model.depth)
    optimizer = torch.optim.RMSprop(head.parameters(), lr=1e-3)
    rows = torch.tensor([int(failure.y), int(head(token).argmax())])
    for _ in range(6):
        optimizer.zero_grad()
        F.cross_entropy(head(token), failure.y).backward()
        for value in head.parameters():
            kept = torch.zeros_like(value)
            kept[rows] = 1
            value.grad *= kept
        optimizer.step()
    found = weights(one)
    assert torch.allclose(found["classifier.weight"], head.weight, atol=1e-6)
    assert torch.allclose(found["classifier.bias"], head.bias, atol=1e-6)


@pytest.mark.parametrize(
    "editor", [FineTune(lr=5e-3, steps=20), FineTuneAll(lr=1e-3, steps=15), HeadOnly(lr=2e-2, steps=300)]
)
def test_both_edits_are_in_force_on_top_of_each_other(editor: Any) -> None:
    model = vits.tiny()
    first, second = vits.failures(model, 2)
    one = editor.edit(model, {}, first, 0.01)
    both = editor.edit(model, {}, second, 0.01, before=one)
    assert both.steps > 0 and one.steps > 0
    right = both.logits_from(model.stream(second.x, both.start) if both.start >= 0 else second.x)
    assert right.argmax(-1).tolist() == second.y.tolist()
    idle = replace(editor, steps=0).edit(model, {}, second, 0.01, before=one)
    assert all(torch.equal(weights(idle)[name], value) for name, value in weights(one).items())


def test_a_pull_needs_a_name() -> None:
    with pytest.raises(ValueError, match="pull"):
        FineTune(knobs="0.1")
    with pytest.raises(ValueError, match="pull"):
        FineTune(pull="l3")  # type: ignore[arg-type]
