"""Learned clips, the training that all learned methods share, and DuQuant with learned clips."""

from __future__ import annotations

import math
from typing import Any

import block_lessons
import pytest
import tiny_lms
import torch
from torch import Tensor, nn

from methods.quantization import grids
from methods.quantization.clipping import InputClip, WeightClip
from methods.quantization.duquant import DuQuant
from methods.quantization.training import Schedule, train
from tasks.quantization.contract import Precision


def rows(seed: int = 0, out: int = 5, width: int = 16) -> Tensor:
    return torch.randn(out, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("group", [None, 4])
def test_clips_before_any_step_are_a_clip_of_sigmoid_4(group: int | None) -> None:
    w, precision = rows(), Precision(4, 4, 16, group)
    found = WeightClip(*w.shape, precision).rounded(w)
    share = 1 / (1 + math.exp(-4))
    assert share == pytest.approx(0.98201, abs=5e-6)
    torch.testing.assert_close(found.values, grids.fake(w, grids.fit(w, 4, share, group=group)))
    assert found.parts[0].stored_bits(5) == 5 * 16 * 4 + (5 if group is None else 20) * (16 + 4)


def test_each_end_has_a_clip_of_its_own() -> None:
    clip = WeightClip(1, 2, Precision(2))
    with torch.no_grad():
        clip.low.fill_(0.0)
        clip.high.fill_(math.log(3))
    grid = clip.grid(torch.tensor([[-2.0, 4.0]]))
    # From -1 to 3 in three steps of 4/3; zero is at code round(0.75).
    assert float(grid.scale.detach()) == pytest.approx(4 / 3)
    assert float(grid.zero.detach()) == 1


def test_gradients_of_the_scale_reach_both_ends() -> None:
    w = rows().double()
    clip = WeightClip(*w.shape, Precision(4)).double()
    value = grids.between(
        clip.low.sigmoid() * w.amin(1, True), clip.high.sigmoid() * w.amax(1, True), 4
    ).scale.sum()
    high, low = torch.autograd.grad(value, [clip.high, clip.low])
    slope = 1 / (1 + math.exp(-4)) * (1 - 1 / (1 + math.exp(-4))) / 15
    torch.testing.assert_close(high, slope * w.amax(1, True))
    torch.testing.assert_close(low, -slope * w.amin(1, True))


def test_learned_clips_of_inputs_round_like_the_rule_they_end_as() -> None:
    clip, x = InputClip(4), rows(3, 7, 24)
    with torch.no_grad():
        clip.low.fill_(0.5)
        clip.high.fill_(1.5)
    torch.testing.assert_close(clip(x).detach(), clip.rule()(x))
    low, high = (torch.tensor(z).sigmoid() for z in (0.5, 1.5))
    wanted = grids.fake(x, grids.between(low * x.amin(1, True), high * x.amax(1, True), 4))
    torch.testing.assert_close(clip.rule()(x), wanted)


def test_inputs_of_16_bits_pass_learned_clips() -> None:
    x = rows()
    assert InputClip(16)(x) is x


def test_rates_fall_by_a_cosine_to_the_floor() -> None:
    place = nn.Parameter(torch.zeros(()))
    schedule = Schedule(2, batch=2, floor=0.1)
    course = train([([place], 0.5)], (), lambda _: place + 0, schedule, 5)
    # AdamW moves by the learning rate where the gradient never changes; two epochs of three steps.
    shares = [0.1 + 0.9 * (1 + math.cos(math.pi * step / 6)) / 2 for step in range(6)]
    assert float(place.detach()) == pytest.approx(-0.5 * sum(shares), rel=1e-5)
    assert course.before == 0
    assert course.after == pytest.approx(float(place.detach()))
    assert len(course.epochs) == 2


def test_windows_come_in_their_order_in_every_epoch() -> None:
    seen: list[list[int]] = []
    place = nn.Parameter(torch.zeros(()))

    def loss(rows: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            seen.append(rows.tolist())
        return place * place

    train([([place], 0.1)], (), loss, Schedule(2, batch=2), 3)
    assert seen == [[0, 1], [2], [0, 1], [2]]


@pytest.mark.parametrize("bad", [3, 4])
def test_an_epoch_that_is_not_finite_is_taken_back(bad: int) -> None:
    place, steps = nn.Parameter(torch.ones(())), [0]
    values: list[float] = []

    def loss(rows: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            steps[0] += 1
            values.append(float(place.detach()))
            if steps[0] == bad:
                return place * math.nan
        return place + 0

    course = train([([place], 0.1)], (), loss, Schedule(5), 2)
    assert len(course.epochs) == 1
    assert float(place.detach()) == pytest.approx(values[2])
    assert math.isfinite(course.after)


def test_a_training_that_makes_it_worse_is_taken_back() -> None:
    place = nn.Parameter(torch.full((), 0.01))
    # Steps of 0.1 leap over the minimum at 0 that a hundredth of the step is away from.
    course = train([([place], 0.1)], (), lambda _: place * place, Schedule(1), 1)
    assert float(place.detach()) == pytest.approx(0.01)
    assert course.before == course.after == pytest.approx(1e-4)
    assert not course.kept


def test_parameters_of_other_rates_move_by_theirs() -> None:
    slow, fast = (nn.Parameter(torch.zeros(())) for _ in range(2))
    train([([slow], 0.01), ([], 1.0), ([fast], 0.1)], (), lambda _: slow + fast, Schedule(1), 1)
    assert float(slow.detach()) == pytest.approx(-0.01)
    assert float(fast.detach()) == pytest.approx(-0.1)


LWC = DuQuant(alpha=0.5, weight_clip=1.0, lwc_epochs=3, steps=8, reduce="concat")


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gemma3"])
def test_duquant_with_learned_clips_computes_what_the_model_computes(kind: str, monkeypatch: Any) -> None:
    model, ids = tiny_lms.model(kind), block_lessons.ids()
    found, _ = block_lessons.courses(monkeypatch, LWC, model, ids, block_lessons.EXACT)
    assert block_lessons.difference(found.model, model, ids) < 1e-4
    learned = block_lessons.unrounded(monkeypatch, LWC, model, ids, 1.0)
    assert block_lessons.difference(learned, model, ids) < 1e-4


def test_learning_clips_lowers_the_error_of_blocks_of_a_real_model(monkeypatch: Any) -> None:
    model, text = block_lessons.stories()
    _, courses = block_lessons.courses(monkeypatch, LWC, model, text)
    assert len(courses) == 2
    assert courses[0].after < courses[0].before
    assert all(course.after <= course.before for course in courses)


def test_the_same_seed_gives_the_same_model(monkeypatch: Any) -> None:
    model, ids = tiny_lms.model("llama"), block_lessons.ids(2, 8)
    found, again = (block_lessons.courses(monkeypatch, LWC, model, ids)[0].model for _ in range(2))
    assert block_lessons.difference(again, found, ids) == 0


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"lwc_epochs": 2}, "weight_clip=0.8; set it to 1"),
        ({"lwc_epochs": -1}, "lwc_epochs -1"),
        ({"lwc_epochs": 2, "weight_clip": 1.0, "rounding": "gptq"}, "with rounding='rtn'"),
    ],
)
def test_settings_that_learned_clips_cannot_have(fields: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        DuQuant(**fields)
