"""The shared engine against a deep copy with torch's own optimiser, and what an edit must leave alone."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.vit_editing.descent import Descent, Outcome, RMSprop, descend
from methods.vit_editing.mask_trunk import Trunk
from suite.errors import UsageError
from tests.methods.vit_editing import mask_vits as vits

HOW = Descent(lr=2e-3, steps=25, enough=0.3)
COUNT = 4


def drawn(count: int = COUNT, density: float = 0.3) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand((count, 4, vits.HIDDEN), generator=generator) < density


def descended(
    failures: list[Any],
    masks: Tensor,
    how: Descent = HOW,
    blocks: tuple[int, ...] = vits.BLOCKS,
    dtype: torch.dtype = torch.float32,
) -> list[Outcome]:
    trunk = Trunk.of(vits.tiny(dtype), blocks)
    streams = vits.streams(failures, blocks[0], dtype)
    return descend(trunk, streams, torch.stack([failure.y for failure in failures]), masks, how)


def apart(one: Outcome, weights: dict[str, Tensor]) -> float:
    assert set(one.weights) == set(weights)
    return max(float((one.weights[name] - value).abs().max()) for name, value in weights.items())


@pytest.mark.parametrize(("k", "dtype", "lr"), [(1, torch.float32, 2e-5), (2, torch.float64, 2e-3)])
def test_batched_edits_are_those_of_a_deep_copy_with_torchs_optimiser(
    k: int, dtype: torch.dtype, lr: float
) -> None:
    """In single precision at the paper's rate. A rate a hundred times that takes weights whose gradient is
    about 0 either way by rounding, so it is tried in double precision.
    """
    model, how = vits.tiny(dtype), Descent(lr=lr, steps=15, enough=0.3)
    failures, masks = vits.failures(vits.tiny(), COUNT, k), drawn()
    h = vits.streams(failures, vits.BLOCKS[0], dtype)
    for e, one in enumerate(descended(failures, masks, how, dtype=dtype)):
        weights, steps = vits.literal(model, h[e], failures[e].y, masks[e], lr, how.steps, how.enough)
        assert one.steps == steps
        assert apart(one, weights) < 1e-5


def test_edits_end_at_different_steps_and_each_is_as_if_alone() -> None:
    """An edit that has ended keeps the weights it had while others go on."""
    how = Descent(lr=5e-3, steps=60, enough=0.05)
    failures, masks = vits.failures(vits.tiny(), COUNT), drawn(density=0.7)
    double = torch.float64
    together = descended(failures, masks, how, dtype=double)
    alone = [descended([failures[e]], masks[e : e + 1], how, dtype=double)[0] for e in range(COUNT)]
    assert len({one.steps for one in together}) > 2
    for one, other in zip(together, alone, strict=True):
        assert (one.steps, one.stopped) == (other.steps, other.stopped)
        assert apart(one, dict(other.weights)) < 1e-5


def test_ended_edits_stay_bit_for_bit_through_later_steps() -> None:
    """The same stack with more steps for the slow ones gives the quick ones the same bits."""
    failures, masks = vits.failures(vits.tiny(), COUNT), drawn(density=0.7)
    how = Descent(lr=5e-3, steps=60, enough=0.5)
    late = descended(failures, masks, how)
    middle = sorted(one.steps for one in late)[COUNT // 2]
    early = descended(failures, masks, replace(how, steps=middle))
    ended = [e for e in range(COUNT) if early[e].stopped]
    assert 0 < len(ended) < COUNT
    for e in ended:
        assert all(torch.equal(early[e].weights[name], late[e].weights[name]) for name in early[e].weights)


def test_an_edit_that_stopped_is_right_and_sure() -> None:
    model = vits.tiny()
    failures, masks = vits.failures(model, COUNT, 2), drawn(density=0.7)
    how = Descent(lr=5e-3, steps=60, enough=0.2)
    found = descended(failures, masks, how)
    assert any(one.stopped for one in found)
    for failure, one in zip(failures, found, strict=True):
        logits = model.logits(failure.x, one.weights)
        sure = float(F.cross_entropy(logits, failure.y)) <= how.enough + 1e-5
        right = bool((logits.argmax(-1) == failure.y).all())
        assert (right and sure) or not one.stopped
        assert one.steps == how.steps or one.stopped


def test_only_rows_and_columns_of_the_mask_change() -> None:
    model, masks = vits.tiny(), drawn()
    names = Trunk.of(model, vits.BLOCKS).rows
    assert [name.split(".")[-2] for name in names] == ["fc1", "fc2"] * 2
    for e, one in enumerate(descended(vits.failures(model, COUNT), masks)):
        assert tuple(one.weights) == names
        for row, name in enumerate(names):
            same = one.weights[name] == model.parameter(name)
            kept = same.all(0 if row % 2 else 1)
            assert torch.equal(kept, ~masks[e, row])


def test_an_empty_mask_changes_nothing() -> None:
    model, masks = vits.tiny(), torch.zeros((1, 4, vits.HIDDEN), dtype=torch.bool)
    one = descended(vits.failures(model, 1), masks)[0]
    assert all(torch.equal(value, model.parameter(name)) for name, value in one.weights.items())
    assert one.steps == HOW.steps and not one.stopped


def test_the_model_is_left_as_it_was() -> None:
    model = vits.tiny()
    before = copy.deepcopy(model.module.state_dict())
    trunk = Trunk.of(model, vits.BLOCKS)
    failure = vits.failures(model, 1)[0]
    descend(trunk, trunk.stream(failure.x)[None], failure.y[None], drawn(1), HOW)
    assert all(torch.equal(value, before[name]) for name, value in model.module.state_dict().items())


def test_permuted_units_permute_the_edit() -> None:
    """Rows of fc1 and its biases and columns of fc2 in another order: the same function, the same edit."""
    model, other = vits.tiny(), vits.tiny()
    order = torch.randperm(vits.HIDDEN, generator=torch.Generator().manual_seed(1))
    masks = drawn(1)
    with torch.no_grad():
        for k in vits.BLOCKS:
            fc1, fc2 = other.module.get_submodule(other.blocks[k].fc1), other.blocks[k].fc2
            fc1.weight.copy_(fc1.weight[order])
            fc1.bias.copy_(fc1.bias[order])
            second = other.module.get_submodule(fc2).weight
            second.copy_(second[:, order])
    failure = vits.failures(model, 1)[0]
    x = vits.pictures(4, seed=9)
    assert torch.allclose(model.logits(x), other.logits(x), atol=1e-5)
    found = []
    for one, mask in ((model, masks), (other, masks[..., order])):
        trunk = Trunk.of(one, vits.BLOCKS)
        found.append(descend(trunk, trunk.stream(failure.x)[None], failure.y[None], mask, HOW)[0].weights)
    for name, value in found[0].items():
        assert torch.allclose(value[order] if "fc1" in name else value[:, order], found[1][name], atol=2e-5)


@pytest.mark.parametrize("pull", ["l1", "l2"])
def test_pulls_are_those_of_the_written_loss_with_a_plain_first_step(pull: str) -> None:
    """As editing/ft.py goes: two optimisers over the same parameters, the first for one step."""
    model = vits.tiny()
    strength, lr, steps = 0.05, 2e-3, 8
    failure = vits.failures(model, 1)[0]
    module = copy.deepcopy(model.module)
    names = Trunk.of(model, vits.BLOCKS).rows
    values = [module.get_parameter(name).requires_grad_() for name in names]
    start = [value.detach().clone() for value in values]
    plain, later = torch.optim.SGD(values, lr=lr), torch.optim.RMSprop(values, lr=lr)
    for step in range(steps):
        loss = F.cross_entropy(module(model.prepared(failure.x)).logits, failure.y)
        for value, old in zip(values, start, strict=True):
            moved = value - old
            loss = loss + strength * (moved.abs().sum() if pull == "l1" else 0.5 * (moved**2).sum())
        later.zero_grad()
        loss.backward()
        (later if step else plain).step()
    how = Descent(lr=lr, steps=steps, enough=0.0, pull=pull, strength=strength, sgd_first=True)  # type: ignore[arg-type]
    masks = torch.ones((1, 4, vits.HIDDEN), dtype=torch.bool)
    one = descended([failure], masks, how)[0]
    # Under l1 a weight whose move is about 0 may be drawn either way.
    close = [(one.weights[name] - values[i]).abs() < 1e-5 for i, name in enumerate(names)]
    assert all(float(part.float().mean()) > 0.999 for part in close)


def test_the_first_step_has_ten_times_the_rate_and_three_equal_gradients_sum_to_22_89() -> None:
    value = torch.zeros(4)
    rms = RMSprop(Descent(lr=1.0), [value])
    for step, total in enumerate((10.0, 17.0888, 22.8913)):
        rms.step([value], [torch.tensor([2.0, -0.5, 1e3, 0.0])], step == 0)
        assert torch.allclose(value, total * torch.tensor([-1.0, 1.0, -1.0, 0.0]), atol=1e-3)


@pytest.mark.parametrize("blocks", [(1,), (0, 2), (3,)])
def test_any_blocks_can_be_edited(blocks: tuple[int, ...]) -> None:
    """The last block too, of which the head reads the class token alone."""
    model = vits.tiny()
    failure = vits.failures(model, 1)[0]
    masks = drawn(1)[:, : 2 * len(blocks)]
    one = descended([failure], masks, Descent(lr=1e-3, steps=1), blocks)[0]
    names = [name for k in blocks for name in model.blocks[k].matrices]
    weights = {name: model.parameter(name).clone().requires_grad_() for name in names}
    F.cross_entropy(model.logits(failure.x, weights), failure.y).backward()
    for row, name in enumerate(names):
        gradient = weights[name].grad
        assert gradient is not None
        gradient = gradient * (masks[0, row][None] if row % 2 else masks[0, row][:, None])
        expected = model.parameter(name) - 1e-3 * gradient / (0.1 * gradient.abs() + 1e-8)
        assert torch.allclose(one.weights[name], expected, atol=1e-5)


def test_models_that_are_put_together_otherwise_are_refused() -> None:
    model = vits.tiny()
    model.module.vit.layers[2].layernorm_after = nn.Identity()
    with pytest.raises(UsageError, match="pre-norm"):
        Trunk.of(model, vits.BLOCKS)
    with pytest.raises(UsageError, match="0 to 3"):
        Trunk.of(vits.tiny(), (3, 4))
