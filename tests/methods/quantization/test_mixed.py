"""Atom and QUIK: outlier channels come last and keep their bits, the others pay for it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import tiny_lms
import torch
from torch import Tensor

from methods.quantization import grids
from methods.quantization.linear import QuantLinear
from methods.quantization.mixed import (
    Atom,
    Quik,
    Split,
    damped,
    group_in,
    outlier_count,
    outliers_last,
    round_split,
)
from suite.api import Context
from tasks.quantization.contract import Calibration, Precision, Quantized

IDS = torch.randint(2, 320, (4, 21), generator=torch.Generator().manual_seed(1))


def quantized(method: Atom | Quik, model: Any, precision: Precision) -> Quantized:
    return method.quantize(copy.deepcopy(model), Calibration(IDS, None), precision, Context(seed=0))


def off(model: Any, other: Any) -> float:
    """Largest difference of logits over the largest logit."""
    with torch.no_grad():
        a, b = (m(input_ids=IDS, use_cache=False).logits for m in (model, other))
    return float((a - b).abs().max() / a.abs().max())


@pytest.mark.parametrize("method", [Atom(), Quik()])
@pytest.mark.parametrize("kind", ["llama", "qwen2", "gemma3"])
def test_the_float_model_does_not_notice(kind: str, method: Atom | Quik) -> None:
    model = tiny_lms.model(kind)
    found = quantized(method, model, Precision(16, 16, 16))
    assert off(model, found.model) < 1e-4
    assert (found.weight_bits, found.activation_bits, found.online_flops) == (16, 16, 0)


def test_numbers_of_outliers_and_sizes_of_groups() -> None:
    widths = (4096, 11008, 2048, 1536, 576, 64, 172, 7)
    assert [outlier_count(w, 128) for w in widths] == [128, 128, 128, 128, 64, 8, 16, 0]
    assert [outlier_count(w, 256) for w in widths] == [256, 256, 256, 128, 64, 8, 16, 0]
    assert outlier_count(4096, 0) == 0
    assert [group_in(w, 128) for w in (3968, 10880, 1408, 512, 56, 156, 1)] == [128, 128, 128, 128, 56, 78, 1]


def test_the_largest_channels_come_last_and_the_others_stay() -> None:
    scores = torch.tensor([5.0, 1.0, 9.0, 1.0, 7.0, 2.0])
    assert outliers_last(scores, 2).tolist() == [0, 1, 3, 5, 4, 2]
    assert outliers_last(scores, 0).tolist() == [0, 1, 2, 3, 4, 5]


def case(seed: int) -> tuple[Tensor, Tensor]:
    """A weight (5, 12) and the Hessian of correlated inputs."""
    random = torch.Generator().manual_seed(seed)
    weight = torch.randn(5, 12, generator=random, dtype=torch.float64)
    x = torch.randn(60, 12, generator=random, dtype=torch.float64)
    x = x @ torch.randn(12, 12, generator=random, dtype=torch.float64)
    return weight, x.T @ x / 60


def column_by_column(weight: Tensor, hessian: Tensor, split: Split, grid: grids.Grid, damp: float) -> Tensor:
    """Optimal brain quantization: the columns left take the step that costs least, the inverse taken anew.

    The tail's grid is fitted when the first part is done.
    """
    w, width = weight.clone(), weight.shape[1]
    h = hessian + damp * hessian.diagonal().mean() * torch.eye(width, dtype=torch.float64)
    cut = width - split.tail
    fine: grids.Grid | None = None
    for j in range(width):
        if j == cut:
            if split.weight_tail_bits >= 16:
                break
            fine = grids.fit(w[:, cut:], split.weight_tail_bits, symmetric=True)
        rounded = (
            grids.fake(w[:, :cut], grid)[:, j] if fine is None else grids.fake(w[:, cut:], fine)[:, j - cut]
        )
        inverse = torch.linalg.inv(h[j:, j:])
        w[:, j:] -= ((w[:, j] - rounded) / inverse[0, 0])[:, None] * inverse[0]
        w[:, j] = rounded
    return w


@pytest.mark.parametrize("tail", [4, 0])
@pytest.mark.parametrize("tail_bits", [8, 16])
@pytest.mark.parametrize("group", [None, 4])
def test_rounding_is_column_by_column(tail: int, tail_bits: int, group: int | None) -> None:
    for seed in range(3):
        weight, hessian = case(seed)
        split = Split(4, 4, tail, tail_bits, group=group, weight_clip=0.85)
        found = round_split(weight, hessian, split, 0.01)
        head = weight[:, : 12 - tail]
        by_hand = column_by_column(weight, hessian, split, grids.fit(head, 4, 0.85, True, group), 0.01)
        assert torch.allclose(found.values, by_hand, atol=1e-9)
        assert found.parts[-1].last == 12


def test_outliers_of_sixteen_bits_make_up_for_the_others_as_well_as_they_can() -> None:
    """Given the rounded part, no other tail has a smaller damped error: the gradient is zero."""
    weight, hessian = case(0)
    split = Split(3, 3, 4)
    error = round_split(weight, hessian, split, 0.01).values - weight
    assert torch.allclose(
        (error @ damped(hessian, 0.01))[:, 8:], torch.zeros(5, 4, dtype=torch.float64), atol=1e-9
    )


def test_a_channel_never_used_does_no_harm() -> None:
    weight, hessian = case(0)
    hessian[2], hessian[:, 2] = 0, 0
    found = round_split(weight, hessian, Split(4, 4, 4, weight_clip=1.0), 0.01)
    grid = grids.fit(weight[:, :8], 4, 1.0, True)
    assert torch.equal(found.values[:, 2], grids.fake(weight[:, :8], grid)[:, 2])


def test_atom_s_bits_are_those_worked_out_by_hand() -> None:
    """Width 32: 4 outliers in 8 bits and 28 = 2 groups of 14; 48 neurons: 4 (the power of two in 6) and 44.

    A row or token of 32 holds 28 * 4 + 4 * 8 bits and 3 scales of 16 bits, one of 48 holds 44 * 4 + 4 * 8 and
    44 / 11 + 1 = 5 scales.
    """
    found = quantized(Atom(group=14), tiny_lms.model("llama"), Precision.parse("W4A4KV4"))
    narrow, wide = 28 * 4 + 4 * 8 + 3 * 16, 44 * 4 + 4 * 8 + 5 * 16
    assert found.weight_bits == pytest.approx((192 * narrow + 32 * wide) / 7680)
    assert found.activation_bits == pytest.approx((3 * narrow + wide) / 144)
    assert found.online_flops == 0


def test_quik_s_bits_are_those_worked_out_by_hand() -> None:
    """A row of 32: 28 * 4 + 4 * 16 bits and a scale; of 48 neurons 44 * 8 + 4 * 16 and a scale.

    A token's grid has a zero point of 4 or 8 bits besides.
    """
    found = quantized(Quik(), tiny_lms.model("llama"), Precision.parse("W4A4KV4"))
    narrow, wide = 28 * 4 + 4 * 16 + 16, 44 * 8 + 4 * 16 + 16
    assert found.weight_bits == pytest.approx((192 * narrow + 32 * wide) / 7680)
    assert found.activation_bits == pytest.approx((3 * (narrow + 4) + wide + 8) / 144)


def test_an_outlier_channel_is_found_and_kept() -> None:
    """One embedding channel is 50 times the others: it is the last channel of q's input."""
    model = tiny_lms.model("llama")
    with torch.no_grad():
        model.get_input_embeddings().weight[:, 5] *= 50
    for method in (Atom(), Quik()):
        layer: QuantLinear = (
            quantized(method, model, Precision.parse("W4A4")).model.model.layers[0].self_attn.q_proj
        )
        (gather,) = layer.inputs.transforms
        assert int(gather.order[-1]) == 5
        assert sorted(gather.order.tolist()) == list(range(32))
        x = torch.randn(3, 32)
        x[:, 5] *= 50
        rounded, wanted = layer.inputs(x), x[:, gather.order]
        error = (rounded - wanted)[:, :28].abs().amax(1)
        # 15 levels over the channels that are left; over all of them a step alone would be near 50 * 2 / 15
        assert bool((error <= 0.15 * wanted[:, :28].abs().amax(1)).all())
        bits = 8 if isinstance(method, Atom) else 16
        steps = wanted[:, 28:].abs().amax(1) / (2 ** (bits - 1) - 1)
        assert bool(((rounded - wanted)[:, 28:].abs().amax(1) <= steps / 2 * 1.001).all())


def test_wide_precisions_are_not_clipped_and_keep_eight_bits() -> None:
    model = tiny_lms.model("llama")
    layer = quantized(Atom(), model, Precision.parse("W6A6")).model.model.layers[0].mlp.gate_proj
    assert (layer.inputs.rule.clip, layer.inputs.rule.bits, layer.inputs.rule.tail_bits) == (1.0, 6, 8)
    layer = quantized(Atom(), model, Precision.parse("W4A4")).model.model.layers[0].mlp.gate_proj
    assert (layer.inputs.rule.clip, layer.inputs.rule.symmetric, layer.inputs.rule.group) == (0.9, True, 28)
    down = quantized(Quik(), model, Precision.parse("W4A4")).model.model.layers[0].mlp.down_proj
    assert (down.inputs.rule.bits, down.parts[0].grid.bits, down.parts[1].grid) == (8, 8, None)


def test_groups_of_the_precision_are_kept_where_they_fit() -> None:
    layer = quantized(Quik(), tiny_lms.model("llama"), Precision.parse("W4A16g8")).model.model.layers[0]
    assert layer.mlp.gate_proj.parts[0].grid.group == 7
    assert layer.mlp.gate_proj.inputs.rule.bits == 16


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="outliers is -1"):
        Quik(outliers=-1)
    with pytest.raises(ValueError, match="group is 0"):
        Atom(group=0)
