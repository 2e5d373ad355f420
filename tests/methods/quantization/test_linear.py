"""Quantized maps: what they compute, what they would store, and no stale results."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from methods.quantization import grids
from methods.quantization.linear import (
    Costs,
    InputRule,
    Inputs,
    Part,
    QuantLinear,
    Rounded,
    costs,
    quantized_maps,
)
from methods.quantization.transforms import Rotate, Scale


class Counted(Scale):
    """A scale that counts how often it is computed."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x)


def counted(readers: int, width: int = 4) -> tuple[Counted, Inputs]:
    scale = Counted(torch.full((width,), 2.0))
    return scale, Inputs([scale], InputRule(), readers)


def rounded_by_hand(row: np.ndarray, bits: int, clip: float) -> np.ndarray:
    """One token on its asymmetric grid, number by number."""
    lo, hi = clip * row.min(), clip * row.max()
    scale = min(max((hi - lo) / (2**bits - 1), 1e-5), 1e4)
    zero = np.round(-lo / scale)
    found: np.ndarray = (np.clip(np.round(row / scale) + zero, 0, 2**bits - 1) - zero) * scale
    return found


def test_all_readers_of_a_tensor_are_served_by_one_computation() -> None:
    scale, inputs = counted(3)
    x = torch.randn(2, 4)
    first, second, third = (inputs(x) for _ in range(3))
    assert first is second is third and torch.equal(first, x / 2)
    assert scale.calls == 1 and inputs._held is None
    inputs(x)
    assert scale.calls == 2


def test_an_equal_tensor_is_not_the_same_one() -> None:
    scale, inputs = counted(2)
    x = torch.randn(2, 4)
    inputs(x), inputs(x.clone())
    assert scale.calls == 2


def test_a_tensor_written_to_in_between_is_computed_anew() -> None:
    scale, inputs = counted(2)
    x = torch.ones(2, 4)
    inputs(x)
    x.mul_(6)
    assert torch.equal(inputs(x), torch.full((2, 4), 3.0))


def test_a_changed_transform_or_rule_is_computed_anew() -> None:
    scale, inputs = counted(9)
    x = torch.ones(2, 4)
    inputs(x)
    with torch.no_grad():
        scale.factors.fill_(4.0)
    assert torch.equal(inputs(x), torch.full((2, 4), 0.25))
    scale.factors = torch.full((4,), 8.0)
    inputs.rule = InputRule(2)
    assert torch.equal(inputs(x), InputRule(2)(torch.full((2, 4), 0.125)))


def test_a_learned_transform_gets_every_gradient() -> None:
    """Three readers, one a step only: what the step before computed serves none of them."""
    scale = Scale(torch.full((4,), 2.0))
    del scale.factors
    scale.factors = nn.Parameter(torch.full((4,), 2.0))
    inputs, x = Inputs([scale], InputRule(), 3), torch.ones(1, 4)
    factors = 2.0
    for _ in range(3):
        scale.factors.grad = None
        inputs(x).sum().backward()
        assert scale.factors.grad is not None
        assert torch.allclose(scale.factors.grad, torch.full((4,), -1 / factors**2))
        with torch.no_grad():
            scale.factors -= 0.5 * scale.factors.grad
        factors += 0.5 / factors**2


def test_what_was_computed_without_gradients_does_not_serve_with_them() -> None:
    _, inputs = counted(2)
    x = torch.ones(1, 4, requires_grad=True)
    with torch.no_grad():
        inputs(x)
    assert inputs(x).requires_grad


def test_a_failure_between_readers_leaves_nothing_wrong_behind() -> None:
    _, inputs = counted(2)
    inputs(torch.ones(1, 4))
    with pytest.raises(RuntimeError):
        inputs(torch.ones(1, 3))
    y = torch.full((1, 4), 6.0)
    assert torch.equal(inputs(y), y / 2) and torch.equal(inputs(y), y / 2)


def test_a_copy_in_between_holds_nothing_and_shares_its_own_inputs() -> None:
    _, inputs = counted(2)
    pair = nn.ModuleList(QuantLinear(Rounded(torch.eye(4), ()), None, inputs) for _ in range(2))
    x = torch.ones(1, 4)
    pair[0](x)
    again = copy.deepcopy(pair)
    assert again[0].inputs is again[1].inputs is not inputs
    assert again[0].inputs._held is None and inputs._held is not None


def test_in_inference_mode_it_works_as_well() -> None:
    _, inputs = counted(2)
    with torch.inference_mode():
        x = torch.ones(1, 4)
        assert torch.equal(inputs(x), inputs(x))


@pytest.mark.parametrize(("bits", "clip"), [(4, 1.0), (4, 0.9), (3, 0.8), (8, 1.0)])
def test_a_map_is_its_weight_times_the_rounded_turned_input(bits: int, clip: float) -> None:
    rng = np.random.default_rng(0)
    x, weight, bias = rng.standard_normal((5, 8)), rng.standard_normal((3, 8)), rng.standard_normal(3)
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    inputs = Inputs([Rotate(torch.from_numpy(turn))], InputRule(bits, clip))
    found = QuantLinear(Rounded(torch.from_numpy(weight), ()), torch.from_numpy(bias), inputs)
    turned = np.concatenate([x[:, :4] @ turn, x[:, 4:] @ turn], 1)
    by_hand = np.stack([rounded_by_hand(row, bits, clip) for row in turned]) @ weight.T + bias
    assert np.allclose(found(torch.from_numpy(x)).numpy(), by_hand, atol=1e-12)


def test_the_tail_has_grids_and_bits_of_its_own() -> None:
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((3, 10)) * ([1] * 7 + [50] * 3))
    found = InputRule(4, tail=3, tail_bits=8)(x)
    for row, got in zip(x.numpy(), found.numpy(), strict=True):
        assert np.allclose(got[:7], rounded_by_hand(row[:7], 4, 1))
        assert np.allclose(got[7:], rounded_by_hand(row[7:], 8, 1))
    assert torch.equal(InputRule(4, tail=3)(x)[:, 7:], x[:, 7:])
    assert torch.equal(InputRule(16, tail=3, tail_bits=16)(x), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_sixteen_bits_are_the_very_tensor(dtype: torch.dtype) -> None:
    x = torch.randn(3, 8).to(dtype)
    assert InputRule()(x) is x


def test_bits_of_inputs_by_hand() -> None:
    assert InputRule(4).stored_bits(64) == 64 * 4 + 16 + 4  # codes, a scale, a zero point
    assert InputRule(4, symmetric=True).stored_bits(64) == 64 * 4 + 16
    assert InputRule(4, group=16).stored_bits(64) == 64 * 4 + 4 * (16 + 4)
    assert InputRule(4, tail=8, tail_bits=8).stored_bits(64) == 56 * 4 + 20 + 8 * 8 + 24
    assert InputRule(4, tail=8).stored_bits(64) == 56 * 4 + 20 + 8 * 16
    assert InputRule().stored_bits(64) == 1024


def a_map(
    rows: int, width: int, inputs: Inputs, *parts: tuple[int, int, int, bool, int | None]
) -> QuantLinear:
    """parts: first, last, bits, symmetric, group."""
    weight = torch.randn(rows, width)
    made = [Part(a, b, grids.fit(weight[:, a:b], n, 1.0, sym, group)) for a, b, n, sym, group in parts]
    return QuantLinear(Rounded(weight, tuple(made)), None, inputs)


def test_costs_by_hand() -> None:
    shared = Inputs([Rotate(torch.eye(4))], InputRule(4), 2)
    alone = Inputs([Scale(torch.ones(16))], InputRule(8, symmetric=True))
    model = nn.Sequential(
        a_map(10, 8, shared, (0, 8, 4, False, None)),  # 320 + 10 (16 + 4) = 520
        a_map(6, 8, shared, (0, 8, 4, True, 4)),  # 192 + 6 2 16 = 384
        a_map(5, 16, alone, (0, 12, 4, False, None), (12, 16, 8, True, None)),  # 240+100 + 160+80 = 580
        nn.Linear(3, 3),
    )
    weights, bits = 80 + 48 + 80, 520 + 384 + 580
    channels, activations = 8 + 16, (32 + 20) + (128 + 16)
    assert costs(model) == Costs(bits / weights, activations / channels, 2 * 8 * 4 + 16)
    assert [name for name, _ in quantized_maps(model)] == ["0", "1", "2"]


def test_a_map_that_is_not_rounded_has_sixteen_bits_and_no_map_has_no_costs() -> None:
    inputs = Inputs([], InputRule())
    assert costs(nn.Sequential(QuantLinear(Rounded(torch.ones(3, 8), ()), None, inputs))) == Costs(16, 16, 0)
    part = QuantLinear(Rounded(torch.ones(3, 8), (Part(0, 8, None),)), None, inputs)
    assert part.stored_bits() == 3 * 8 * 16
    with pytest.raises(ValueError, match="no quantized map"):
        costs(nn.Linear(2, 2))


def test_its_tensors_are_saved_and_moved_with_the_model() -> None:
    found: Any = QuantLinear(
        Rounded(torch.ones(3, 8), ()), torch.ones(3), Inputs([Scale(torch.ones(8))], InputRule())
    )
    assert set(found.state_dict()) == {"weight", "bias", "inputs.transforms.0.factors"}
    assert found.to(torch.float64)(torch.ones(1, 8, dtype=torch.float64)).dtype == torch.float64
