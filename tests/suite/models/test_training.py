"""The training loop: rates by hand, decay where it belongs, and a resume that is exact to the bit."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from suite.errors import DataError, UsageError
from suite.models.training import CHECKPOINT, AdamW, Loop, Schedule, Streams, autocast, batches


def test_a_cosine_schedule_by_hand() -> None:
    schedule = Schedule(steps=12, lr=1.0, warmup=4, floor=0.1)
    assert [schedule.rate(s) for s in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert schedule.rate(4) == 1.0
    assert schedule.rate(8) == pytest.approx(0.1 + 0.9 * 0.5)
    assert schedule.rate(11) == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * 7 / 8)))


def test_a_linear_schedule_by_hand() -> None:
    schedule = Schedule(steps=10, lr=2.0, warmup=0, shape="linear")
    assert [schedule.rate(s) for s in (0, 5, 9)] == pytest.approx([2.0, 1.0, 0.2])


def test_a_constant_schedule_stays() -> None:
    assert {Schedule(steps=5, lr=0.3, shape="constant").rate(s) for s in range(5)} == {0.3}


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"lr": 0.0}, {"warmup": 11}, {"floor": 2.0}])
def test_a_schedule_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="a schedule needs"):
        Schedule(**{"steps": 10, "lr": 0.1, **wrong})  # type: ignore[arg-type]


def test_streams_of_other_names_numbers_and_seeds_are_apart() -> None:
    draws = {
        (seed, name, number): Streams(seed).numpy(name, number).integers(2**62)
        for seed in (0, 1)
        for name in ("a", "b")
        for number in (0, 1)
    }
    assert len(set(draws.values())) == 8
    assert Streams(0).numpy("a", 1).integers(2**62) == draws[0, "a", 1]


def test_a_torch_stream_does_not_touch_the_global_generator() -> None:
    before = torch.get_rng_state()
    first, again = (torch.rand(3, generator=Streams(5).torch("x", 2)) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(before, torch.get_rng_state())


def test_vectors_are_not_decayed() -> None:
    layer = nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.fill_(1.0)
    optimizer = AdamW(weight_decay=0.5, clip=None).build(layer.parameters(), lr=0.1)
    for parameter in layer.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.allclose(layer.weight, torch.full((2, 3), 1 - 0.1 * 0.5))
    assert torch.equal(layer.bias, torch.ones(2))


def test_the_first_step_of_adam_by_hand() -> None:
    weight = nn.Parameter(torch.tensor([[2.0]]))
    optimizer = AdamW(weight_decay=0.0).build([weight], lr=0.01)
    weight.grad = torch.tensor([[3.0]])
    optimizer.step()
    # with bias correction the first step is lr * sign(gradient)
    assert weight.item() == pytest.approx(2.0 - 0.01, abs=1e-6)


def test_nothing_to_train_is_said() -> None:
    with pytest.raises(UsageError, match="nothing to train"):
        AdamW().build([nn.Parameter(torch.zeros(1), requires_grad=False)], 0.1)


def test_the_gradient_norm_is_clipped() -> None:
    weight = nn.Parameter(torch.zeros(2, 1))
    module = nn.Module()
    module.register_parameter("w", weight)
    Loop({"m": module}, Schedule(1, 0.1), Streams(0), AdamW(clip=1.0)).run(lambda s: (weight * 30.0).sum())
    assert weight.grad is not None
    assert weight.grad.norm().item() == pytest.approx(1.0, abs=1e-4)


def regression(folder: Path | None, steps: int = 30, **more: object) -> tuple[Loop, nn.Module]:
    """A noisy regression with dropout, as a loop."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    loop = Loop(
        {"net": model}, Schedule(steps, 0.05, 3), Streams(7), AdamW(0.1), folder, "it", every_s=0.0, **more
    )  # type: ignore[arg-type]
    return loop, model


def noisy(loop: Loop, model: nn.Module, stop: int = 10**9) -> Tensor:
    def loss(step: int) -> Tensor:
        if step == stop:
            raise KeyboardInterrupt
        x = torch.randn(16, 4, generator=loop.streams.torch("data", step))
        return (model(x) - x.sum(1, keepdim=True)).pow(2).mean()

    return loss  # type: ignore[return-value]


def test_a_resumed_training_is_the_same_to_the_bit(tmp_path: Path) -> None:
    loop, straight = regression(None)
    whole = loop.run(noisy(loop, straight))
    for stop in (7, 19):
        loop, model = regression(tmp_path)
        with pytest.raises(KeyboardInterrupt):
            loop.run(noisy(loop, model, stop))
    loop, model = regression(tmp_path)
    torch.rand(100)  # what others draw in between changes nothing
    resumed = loop.run(noisy(loop, model))
    assert resumed == whole
    for name, value in straight.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])
    assert whole[-1] < whole[0] / 2


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    loop, model = regression(tmp_path)
    losses = loop.run(noisy(loop, model))
    loop, model = regression(tmp_path)
    assert loop.run(noisy(loop, model, stop=0)) == losses


@pytest.mark.parametrize("other", [{"identity": "other"}, {"streams": Streams(8)}])
def test_a_checkpoint_of_another_training_is_left_alone(tmp_path: Path, other: dict[str, object]) -> None:
    loop, model = regression(tmp_path)
    loop.run(noisy(loop, model))
    loop, model = regression(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        replace(loop, **other).run(noisy(loop, model, stop=0))  # type: ignore[arg-type]


def test_a_damaged_checkpoint_is_said(tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"\x80\x04pickle, not tensors")
    loop, model = regression(tmp_path)
    with pytest.raises(DataError, match="is damaged .*; remove it"):
        loop.run(noisy(loop, model))


def test_a_loss_that_is_not_finite_stops_the_training() -> None:
    loop, model = regression(None)
    with pytest.raises(DataError, match="the loss of step 0 is nan"):
        loop.run(lambda step: model(torch.full((1, 4), float("nan"))).sum())


def test_every_example_is_seen_equally_often() -> None:
    plan = batches(6, 4, 9, Streams(3))
    assert plan.shape == (9, 4)
    assert np.bincount(plan.ravel(), minlength=6).tolist() == [6] * 6
    assert sorted(plan.ravel()[:6]) == list(range(6))
    assert not np.array_equal(plan, batches(6, 4, 9, Streams(4)))


def test_no_example_is_said() -> None:
    with pytest.raises(UsageError, match="no example"):
        batches(0, 4, 9, Streams(3))


def test_bfloat16_only_where_asked_for() -> None:
    a = torch.ones(2, 2)
    with autocast("cpu", "bfloat16"):
        assert (a @ a).dtype == torch.bfloat16
    with autocast("cpu", "float32"):
        assert (a @ a).dtype == torch.float32
