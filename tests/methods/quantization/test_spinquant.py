"""SpinQuant: steps stay orthogonal, the float model does not notice the rotations, the loss falls."""

from __future__ import annotations

import copy
import math
from typing import Any

import block_lessons
import pytest
import tiny_lms
import torch
from torch import Tensor

from methods.quantization import spinning, stiefel
from methods.quantization.cache import CacheRule
from methods.quantization.spinquant import SpinQuant
from suite.api import Context
from suite.errors import Skip
from suite.models.llama_like import fuse_gains, llama_like
from tasks.quantization.contract import Precision


def orthogonal(size: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(size, size, generator=random, dtype=torch.float64)).Q.to(dtype)


def off(matrix: Tensor) -> float:
    return float((matrix.T @ matrix - torch.eye(len(matrix), dtype=matrix.dtype)).abs().max())


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("rate", [1e-3, 1.5, 100.0])
def test_many_steps_keep_a_matrix_orthogonal(dtype: torch.dtype, bound: float, rate: float) -> None:
    x, random = orthogonal(12, 0, dtype), torch.Generator().manual_seed(1)
    for _ in range(20):
        x = stiefel.descend(x, torch.randn(12, 12, generator=random, dtype=torch.float64).to(dtype), rate)
    assert off(x) < bound


def test_a_step_in_the_plane_turns_by_a_known_angle() -> None:
    # At X = I, W = (G - G^T) / 2 = [[0, w], [-w, 0]] turns by 2 atan(t w / 2), t at most 1 / w.
    w, rate = 0.25, 0.5
    gradient = torch.tensor([[0.0, 2 * w], [0.0, 0.0]], dtype=torch.float64)
    moved = stiefel.descend(torch.eye(2, dtype=torch.float64), gradient, rate)
    angle = 2 * math.atan(rate * w / 2)
    assert float(moved[0, 0]) == pytest.approx(math.cos(angle))
    assert float(moved[0, 1]) == pytest.approx(-math.sin(angle))
    capped = stiefel.descend(torch.eye(2, dtype=torch.float64), gradient, 1e6)
    assert float(capped[0, 0]) == pytest.approx(math.cos(2 * math.atan(0.5)))


def test_steps_lower_the_distance_to_what_another_rotation_gives() -> None:
    points = torch.randn(40, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    goal = points @ orthogonal(6, 3)
    x = orthogonal(6, 4)
    if torch.linalg.det(x) * torch.linalg.det(orthogonal(6, 3)) < 0:
        x[:, 0] *= -1
    losses = []
    for _ in range(60):
        losses.append(float((points @ x - goal).square().sum()))
        x = stiefel.descend(x, 2 * points.T @ (points @ x - goal), 0.002)
    assert all(b < a for a, b in zip(losses, losses[1:], strict=False))
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize("kind", ["llama", "qwen2", "mistral"])
def test_turned_maps_compute_what_the_float_model_computes(kind: str) -> None:
    model, ids = tiny_lms.model(kind), block_lessons.ids()
    turned = copy.deepcopy(model)
    llama = llama_like(turned)
    fuse_gains(llama)
    stream = orthogonal(32, 0, torch.float32)
    values = [orthogonal(8, 1 + i, torch.float32) for i in range(2)]
    with torch.no_grad(), spinning.turning(llama, stream, values, 16, CacheRule(16, hadamard=8)):
        assert block_lessons.difference(turned, model, ids) < 1e-4
    assert block_lessons.difference(turned, model, ids) < 1e-4
    assert all(parameter.requires_grad for parameter in turned.parameters())


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_it_computes_what_the_model_computes(kind: str, monkeypatch: Any) -> None:
    model, ids = tiny_lms.model(kind), block_lessons.ids()
    calibration = block_lessons.calibration(ids)
    found = SpinQuant(iterations=2).quantize(
        copy.deepcopy(model), calibration, block_lessons.EXACT, Context(seed=0)
    )
    assert block_lessons.difference(found.model, model, ids) < 1e-4
    # Rotations learned at 4 bits, and nothing rounded afterwards.
    learned = SpinQuant(iterations=3, rounding="rtn").quantize(
        copy.deepcopy(model), calibration, Precision(16, 4, 4), Context(seed=0)
    )
    for block in learned.model.model.layers:
        block.self_attn.cache_rule = None
        for module in block.modules():
            if hasattr(module, "rule"):
                module.rule = type(module.rule)()
    assert block_lessons.difference(learned.model, model, ids) < 1e-4


def test_what_is_put_in_place_has_the_loss_that_was_learned() -> None:
    model, text = block_lessons.stories()
    method, precision = SpinQuant(iterations=1, rounding="rtn"), Precision(16, 4, 4)
    llama = llama_like(copy.deepcopy(model))
    fuse_gains(llama)
    rule = CacheRule(4, hadamard=llama.head_dim)
    turned = method.rotations(llama, text, precision, rule, Context(seed=0))
    with (
        torch.no_grad(),
        spinning.turning(llama, turned.stream.float(), [v.float() for v in turned.values], 4, rule),
    ):
        wanted = float(spinning.next_token_loss(llama.model, text))
    found = method.quantize(copy.deepcopy(model), block_lessons.calibration(text), precision, Context(seed=0))
    with torch.no_grad():
        assert float(spinning.next_token_loss(found.model, text)) == pytest.approx(wanted, rel=0.01)


def test_learning_lowers_the_loss_of_a_real_model_and_stays_orthogonal() -> None:
    model, text = block_lessons.stories()
    llama = llama_like(model)
    fuse_gains(llama)
    start = spinning.Turned(
        orthogonal(llama.width, 0), tuple(orthogonal(llama.head_dim, 1 + i) for i in range(2))
    )
    rule = CacheRule(4, hadamard=llama.head_dim)
    found = spinning.learn(llama, start, [text] * 12, [1.5] * 12, 4, rule)
    assert min(found.losses[-3:]) < found.losses[0]
    assert off(found.turned.stream) < 1e-6
    assert all(off(basis) < 1e-6 for basis in found.turned.values)
    again = spinning.learn(llama, start, [text] * 12, [1.5] * 12, 4, rule)
    assert again.losses == found.losses


def test_norms_behind_the_maps_are_skipped() -> None:
    with pytest.raises(Skip, match="norms behind attention"):
        SpinQuant().quantize(
            tiny_lms.model("gemma3"),
            block_lessons.calibration(block_lessons.ids()),
            block_lessons.FOUR,
            Context(seed=0),
        )


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"rounding": "awq"}, "rounding 'awq'"),
        ({"iterations": -1}, "iterations is -1"),
        ({"lr": 0.0}, "lr is 0"),
    ],
)
def test_settings_that_make_no_sense(fields: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        SpinQuant(**fields)
