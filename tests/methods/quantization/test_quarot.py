"""QuaRot: the float model does not notice its rotations, which are the Hadamard transforms they should be."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import tiny_lms
import torch
from torch import Tensor

from methods.quantization import hadamard
from methods.quantization.linear import QuantLinear, quantized_maps
from methods.quantization.quarot import QuaRot, cache_rule, input_rule, random_basis, rotate
from suite.api import Context
from suite.errors import Skip
from suite.models.llama_like import llama_like
from tasks.quantization.contract import Calibration, Precision, Quantized

EXACT = Precision(16, 16, 16)
IDS = torch.randint(2, 320, (4, 21), generator=torch.Generator().manual_seed(1))


def quantized(model: Any, precision: Precision | str, seed: int = 0, **fields: Any) -> Quantized:
    precision = Precision.parse(precision) if isinstance(precision, str) else precision
    calibration = Calibration(IDS, tiny_lms.tokenizer())
    return QuaRot(**fields).quantize(copy.deepcopy(model), calibration, precision, Context(seed=seed))


@torch.no_grad()
def logits(model: Any) -> Tensor:
    found: Tensor = model(input_ids=IDS, use_cache=False).logits
    return found


def off(model: Any, other: Any) -> float:
    """Largest difference of logits over the largest logit."""
    return float((logits(model) - logits(other)).abs().max() / logits(model).abs().max())


def odd_llama() -> Any:
    """Width 24 = 8 * 3, three heads, 40 neurons."""
    import transformers as hf

    torch.manual_seed(0)
    config = hf.LlamaConfig(
        vocab_size=320,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=3,
        num_key_value_heads=1,
    )
    return hf.LlamaForCausalLM(config).eval()


@pytest.mark.parametrize("rounding", ["gptq", "rtn"])
@pytest.mark.parametrize("kind", ["llama", "qwen2", "mistral"])
def test_the_float_model_does_not_notice(kind: str, rounding: str) -> None:
    model = tiny_lms.model(kind)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "bias" in name:
                parameter.uniform_(0.5, 1.5)
    found = quantized(model, EXACT, rounding=rounding)
    assert off(model, found.model) < 1e-4
    assert (found.weight_bits, found.activation_bits) == (16, 16)


def test_nor_does_one_with_an_odd_number_of_heads_and_of_channels() -> None:
    model = odd_llama()
    found = quantized(model, EXACT)
    assert off(model, found.model) < 1e-4
    assert not found.model.model.layers[0].self_attn.o_proj.inputs.transforms


def test_nor_do_rotated_queries_and_keys() -> None:
    """With the cache at 12 bits, which alone costs little."""
    model = tiny_lms.model("llama")
    found = quantized(model, Precision(16, 16, 12))
    assert found.model.model.layers[0].self_attn.cache_rule.hadamard == 8
    assert off(model, found.model) < 2e-3


def test_norms_behind_the_maps_are_a_reason_to_skip() -> None:
    with pytest.raises(Skip, match="Gemma3ForCausalLM has norms behind"):
        quantized(tiny_lms.model("gemma3"), EXACT)


@pytest.mark.parametrize("width", [1, 2, 3, 6, 24, 32, 36])
def test_the_basis_is_orthogonal(width: int) -> None:
    basis = random_basis(width, np.random.default_rng(width))
    assert torch.allclose(basis @ basis.T, torch.eye(width, dtype=torch.float64), atol=1e-12)


def test_the_basis_of_a_power_of_two_is_a_hadamard_matrix_behind_signs() -> None:
    basis = random_basis(16, np.random.default_rng(0))
    assert torch.allclose(basis.abs(), torch.full_like(basis, 0.25))
    signs = basis[:, :1] * 4
    x = torch.randn(3, 16, dtype=torch.float64)
    assert torch.allclose(x @ basis, hadamard.randomized(x, signs[:, 0]))
    assert torch.allclose(basis * signs, hadamard.matrix(16))


def test_the_basis_mixes_blocks_of_an_odd_rest() -> None:
    """12 = 4 * 3: two rows of one residue modulo 3 hold the same orthogonal row up to signs."""
    basis = random_basis(12, np.random.default_rng(0)).view(4, 3, 4, 3)
    sizes = basis.abs() * 2
    assert torch.allclose(sizes, sizes[:1, :, :1].expand_as(sizes))
    assert torch.allclose(sizes[0, :, 0].square().sum(1), torch.ones(3, dtype=torch.float64))


def test_embeddings_are_turned_by_the_basis_and_gains_are_one() -> None:
    model = tiny_lms.model("llama")
    before = model.get_input_embeddings().weight.detach().clone()
    basis = random_basis(32, np.random.default_rng(0))
    rotate(llama_like(model), basis)
    after = model.get_input_embeddings().weight.detach()
    assert torch.allclose(after.double(), before.double() @ basis, atol=1e-5)
    assert bool((model.model.layers[1].input_layernorm.weight == 1).all())


@pytest.mark.parametrize("kv_heads", [4, 2])
def test_o_reads_a_hadamard_transform_of_all_its_inputs(kv_heads: int) -> None:
    """Half of it is in the values, half online: together the transform of all 32 channels."""
    model = tiny_lms.model("qwen2", kv_heads=kv_heads)
    with torch.no_grad():
        model.model.layers[0].self_attn.v_proj.bias.normal_()
    found = quantized(model, EXACT).model
    plain, rotated = (_seen(m, "self_attn.o_proj") for m in (model, found))
    layer = found.model.layers[0].self_attn.o_proj
    for transform in layer.inputs.transforms:
        rotated = transform(rotated)
    assert torch.allclose(rotated, hadamard.transform(plain), atol=1e-3 * float(plain.abs().max()))


def test_down_reads_blocks_of_sixteen_of_48_neurons() -> None:
    model = tiny_lms.model("llama")
    found = quantized(model, EXACT).model
    plain = _seen(model, "mlp.down_proj")
    (transform,) = found.model.layers[0].mlp.down_proj.inputs.transforms
    x = transform(plain).unflatten(-1, (3, 16))
    by_hand = plain.unflatten(-1, (3, 16)) @ hadamard.matrix(16, torch.float32)
    assert torch.allclose(x, by_hand, atol=1e-5 * float(plain.abs().max()))


def _seen(model: Any, path: str) -> Tensor:
    """What a map of the first layer is given."""
    seen: list[Tensor] = []
    handle = (
        model.model.layers[0]
        .get_submodule(path)
        .register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    )
    logits(model)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("rounding", ["gptq", "rtn"])
def test_costs_are_those_worked_out_by_hand(rounding: str) -> None:
    """Weights: 7680 a layer in 224 rows, each row with a scale of 16 bits. Inputs: 32 + 32 + 32 + 48 numbers
    with four scales. Operations: 32 log2(4) across heads, 48 log2(16) of neurons, (4 + 2) heads of 8 log2(8).
    """
    found = quantized(tiny_lms.model("llama"), "W4A4KV4", rounding=rounding)
    assert found.weight_bits == pytest.approx(4 + 16 * 224 / 7680)
    assert found.activation_bits == pytest.approx(4 + 16 * 4 / 144)
    assert found.online_flops == 2 * (64 + 192 + 144)


def test_weights_lie_on_symmetric_grids_whose_clip_is_the_best_of_a_hundred() -> None:
    found = quantized(tiny_lms.model("llama"), "W3A16", rounding="rtn").model
    float_one = quantized(tiny_lms.model("llama"), EXACT).model
    exact: dict[str, QuantLinear] = dict(quantized_maps(float_one))
    for name, module in list(quantized_maps(found))[:1]:
        for row, wanted in zip(module.weight, exact[name].weight, strict=True):
            assert _cost(row, wanted) <= min(
                _cost(_naive(wanted, 1 - i / 100), wanted) for i in range(80)
            ) * (1 + 1e-5)


def _naive(row: Tensor, clip: float) -> Tensor:
    """Three bits, symmetric: codes -3..4 about zero, so scaled that 3 is the largest entry."""
    scale = clip * row.abs().max() / 3
    return ((row / scale).round().clamp(-3, 4)) * scale


def _cost(rounded: Tensor, row: Tensor) -> float:
    return float((rounded - row).abs().pow(2.4).sum())


def test_clips_hold_below_six_bits_only() -> None:
    llama = llama_like(tiny_lms.model("llama"))
    narrow, wide = Precision.parse("W4A4KV4"), Precision.parse("W6A6KV6")
    assert (input_rule(narrow, 0.9).clip, input_rule(wide, 0.9).clip) == (0.9, 1.0)
    assert input_rule(narrow, 0.9).symmetric
    rule = cache_rule(llama, narrow, 0.95)
    assert (rule.key_clip, rule.value_clip, rule.hadamard, rule.symmetric) == (0.95, 0.95, 8, False)
    assert cache_rule(llama, wide, 0.95).key_clip == 1.0
    assert cache_rule(llama, Precision.parse("W4A4"), 0.95).idle


def test_a_seed_fixes_the_model() -> None:
    model = tiny_lms.model("llama")
    first, again, other = (logits(quantized(model, "W4A4KV4", seed).model) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_spiky_channels_no_longer_spoil_the_grid() -> None:
    """Two channels of the stream are 30 times the others: 16 levels over a token hold little else."""
    model = tiny_lms.model("llama")
    with torch.no_grad():
        model.get_input_embeddings().weight[:, :2] *= 30
    rule = input_rule(Precision.parse("W4A4"), 1.0)
    errors = []
    for one in (model, quantized(model, EXACT).model):
        x = _seen(one, "self_attn.q_proj")
        errors.append(float((rule(x) - x).norm() / x.norm()))
    assert errors[1] < 0.8 * errors[0]


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="rounding 'awq': gptq or rtn"):
        QuaRot(rounding="awq")
    with pytest.raises(ValueError, match=r"act_clip is 0\.0"):
        QuaRot(act_clip=0.0)
