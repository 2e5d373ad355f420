"""QLLM: splits are exact, merges are off by what the formula says, and the width stays."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_lms
import torch
from torch import Tensor

from methods.quantization.calibrate import Seen
from methods.quantization.qllm import Qllm
from methods.quantization.reassembly import merge_errors, reassemble
from suite.api import Context
from tasks.quantization.contract import Calibration, Precision, Quantized

IDS = torch.randint(2, 320, (4, 21), generator=torch.Generator().manual_seed(1))


def quantized(of: Any, precision: str, **fields: Any) -> Quantized:
    calibration = Calibration(IDS, None)
    return Qllm(**fields).quantize(
        copy.deepcopy(of), calibration, Precision.parse(precision), Context(seed=0)
    )


def case(seed: int, width: int = 12) -> tuple[Tensor, Tensor]:
    """Activations (40, d) with two outlier channels, and a weight (5, d)."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(40, width, generator=random, dtype=torch.float64)
    x[:, 3] *= 20
    x[:, 8] *= 9
    return x, torch.randn(5, width, generator=random, dtype=torch.float64)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gemma3"])
def test_the_float_model_does_not_notice(kind: str) -> None:
    model = tiny_lms.model(kind)
    found = quantized(model, "W16A16")
    with torch.no_grad():
        a, b = (m(input_ids=IDS, use_cache=False).logits for m in (model, found.model))
    assert float((a - b).abs().max() / a.abs().max()) < 1e-4
    assert (found.weight_bits, found.activation_bits, found.online_flops) == (16, 16, 0)


def test_a_split_alone_is_exact_and_lies_in_its_bounds() -> None:
    """Channels 0 and 1 are the same, so that merging them costs nothing and makes room for half of 3."""
    x, weight = case(0)
    x[:, 1] = x[:, 0]
    x[:, 8] /= 9
    theta = float(x.abs().max()) / 1.9
    found = reassemble(x.abs().amax(0), x.T @ x, weight, theta)
    assert found is not None
    assert found.first.tolist() == [0, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert found.share.tolist() == [0.5, 1, 0.5, 0.5, *[1] * 8]
    assert found.other_share.tolist() == [0.5, *[0] * 11]
    assert int(found.second[0]) == 1
    y, w = found(x), found.weight(weight)
    assert torch.allclose(y @ w.T, x @ weight.T)
    assert float(y.abs().max()) <= theta
    assert found.flops(12) == 3 + 1  # halves of three channels, one sum


@pytest.mark.parametrize("seed", range(3))
def test_the_error_of_a_merge_is_the_formula_s(seed: int) -> None:
    x, weight = case(seed)
    channels = torch.tensor([0, 2, 5, 6, 9])
    found = merge_errors(x.T @ x, weight, channels)
    assert found.shape == (3, 2)
    for a, i in enumerate([0, 5, 9]):
        for b, j in enumerate([2, 6]):
            exact = torch.outer(x[:, i], weight[:, i]) + torch.outer(x[:, j], weight[:, j])
            merged = torch.outer((x[:, i] + x[:, j]) / 2, weight[:, i] + weight[:, j])
            assert float(found[a, b]) == pytest.approx(float((exact - merged).square().sum()), rel=1e-9)


@pytest.mark.parametrize("theta_of_largest", [0.7, 0.4])
@pytest.mark.parametrize("seed", range(4))
def test_pairs_are_taken_greedily_and_no_channel_is_lost(seed: int, theta_of_largest: float) -> None:
    x, weight = case(seed, 20)
    theta = float(x.abs().max()) * theta_of_largest
    found = reassemble(x.abs().amax(0), x.T @ x, weight, theta)
    assert found is not None
    times = [max(1, int(-(-float(c) // theta))) for c in x.abs().amax(0)]
    whole = [c for c in range(20) if times[c] == 1]
    errors = {
        (i, j): float((torch.outer(x[:, i] - x[:, j], weight[:, i] - weight[:, j]) / 2).square().sum())
        for i in whole[::2]
        for j in whole[1::2]
    }
    pairs: list[tuple[int, int]] = []
    for pair in sorted(errors, key=errors.__getitem__):
        if len(pairs) < sum(times) - 20 and not any(set(pair) & set(p) for p in pairs):
            pairs.append(pair)
    merged = found.other_share != 0
    got = zip(found.first[merged].tolist(), found.second[merged].tolist(), strict=True)
    assert sorted(got) == sorted(pairs)
    assert len(found.first) == 20
    assert set(found.first.tolist()) | set(found.second[merged].tolist()) == set(range(20))
    assert float(found(x).abs().max()) <= theta * (1 + 1e-12)


def test_more_splits_than_pairs_are_refused() -> None:
    x, weight = case(0)
    assert reassemble(x.abs().amax(0), x.T @ x, weight, float(x.abs().max()) / 30) is None


def test_it_helps_where_a_channel_is_an_outlier_and_does_nothing_where_it_does_not_help() -> None:
    """One channel of the stream is 25 times the others: it is split; with one theta nothing is tried."""
    model = tiny_lms.model("llama")
    with torch.no_grad():
        model.get_input_embeddings().weight[:, 5] *= 25
    found = quantized(model, "W16A4").model.model.layers[0].self_attn.q_proj.inputs
    (transform,) = found.transforms
    x = torch.randn(6, 32) / 10
    x[:, 5] *= 25
    assert int((transform.first == 5).sum()) > 1
    assert float(transform(x).abs().max()) < float(x.abs().max())
    assert not list(
        quantized(model, "W16A4", steps=1).model.model.layers[0].self_attn.q_proj.inputs.transforms
    )


def outputs_off(x: Tensor, w: Tensor, made: Any) -> float:
    """Squared error of the outputs for inputs in 4 bits, one grid a token, by the formula and in a loop."""
    a = torch.stack([made(row) for row in x]) if made else x
    b = made.weight(w) if made else w
    low, high = a.amin(1, keepdim=True), a.amax(1, keepdim=True)
    scale = (high - low) / 15
    code = ((a / scale).round() + (-low / scale).round()).clamp(0, 15)
    rounded = (code - (-low / scale).round()) * scale
    return float((rounded @ b.T - x @ w.T).square().sum())


@pytest.mark.parametrize("seed", range(4))
def test_theta_is_judged_on_all_tokens_and_not_on_those_that_a_split_is_for(seed: int) -> None:
    """Of 400 tokens four have an outlier. What is chosen is the best over all of them, by brute force."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(400, 16, generator=random)
    x[::100, 3] = 30
    w = torch.randn(8, 16, generator=random)
    seen = Seen(x.abs().amax(0), x.abs().mean(0), 400, (x.T @ x).double() / 400, x)
    site = SimpleNamespace(seen=seen, weights=(w[:5], w[5:]), precision=Precision.parse("W16A4"))
    tried = [None]
    for step in range(1, 8):
        made = reassemble(seen.absmax, seen.hessian, w, 30 * 0.5 ** (step / 2))
        if made is None:
            break
        tried.append(made)
    errors = [outputs_off(x, w, made) for made in tried]
    chosen = list(Qllm().reassembly(site))
    made = chosen[0] if chosen else None
    assert len(tried) > 2
    assert outputs_off(x, w, made) == pytest.approx(min(errors), rel=1e-4)
    # Four tokens alone would have had another say.
    few = list(Qllm(rows=4).reassembly(site))
    assert few
    assert outputs_off(x[::100], w, few[0]) == pytest.approx(
        min(outputs_off(x[::100], w, made) for made in tried), rel=1e-4
    )
    assert outputs_off(x, w, few[0]) > min(errors) * 1.01


def test_bits_are_those_of_rounding_to_the_nearest() -> None:
    """7680 weights in 224 rows a layer, each row with 16 + 4 bits; 144 inputs with four grids."""
    found = quantized(tiny_lms.model("llama"), "W4A4KV4")
    assert found.weight_bits == pytest.approx(4 + 20 * 224 / 7680)
    assert found.activation_bits == pytest.approx(4 + 20 * 4 / 144)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="steps is 0"):
        Qllm(steps=0)
