"""The walk of all quantizers: what reaches each step of it, what it puts in place and what it reports."""

from __future__ import annotations

import copy
from typing import Any

import llama_variants
import pytest
import torch
from torch import Tensor, nn

from methods.quantization import grids
from methods.quantization.cache import CacheRule
from methods.quantization.duquant import DuQuant
from methods.quantization.layerwise import Recipe, Site, gptq, quantize, round_to_nearest
from methods.quantization.linear import InputRule, QuantLinear, quantized_maps
from methods.quantization.plain import Float, Gptq, Rtn, SmoothQuant
from suite.api import Context
from suite.errors import UsageError
from suite.models.llama_like import READERS, SITES, llama_like
from tasks.quantization.contract import Calibration, Precision, Quantizer

METHODS: dict[str, Quantizer] = {
    "float": Float(),
    "rtn": Rtn(),
    "smoothquant": SmoothQuant(),
    "gptq": Gptq(),
    "duquant": DuQuant(steps=4),
    "duquant+gptq": DuQuant(steps=4, rounding="gptq", reduce="concat"),
}
SIXTEEN = Precision(16, 16, 16)


def calibration() -> Calibration:
    return Calibration(llama_variants.tokens(4, 13), None)


def quantized(model: Any, method: Quantizer, precision: Precision, seed: int = 0) -> Any:
    """What a method makes of a copy."""
    return method.quantize(copy.deepcopy(model), calibration(), precision, Context(seed=seed))


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gemma3"])
@pytest.mark.parametrize("name", METHODS)
def test_at_sixteen_bits_every_method_computes_what_the_model_computes(name: str, kind: str) -> None:
    model, ids = llama_variants.model(kind), llama_variants.tokens(2, 11, seed=4)
    found = quantized(model, METHODS[name], SIXTEEN)
    expected = llama_variants.logits(model, ids)
    assert llama_variants.difference(llama_variants.logits(found.model, ids), expected) < 1e-4
    assert (found.weight_bits, found.activation_bits) == (16, 16)


def test_rounding_to_the_nearest_without_a_change_is_bitwise_the_model_at_sixteen_bits() -> None:
    model, ids = llama_variants.model(bias=True), llama_variants.tokens()
    found = quantized(model, Rtn(), SIXTEEN).model
    assert torch.equal(llama_variants.logits(found, ids), llama_variants.logits(model, ids))


def test_effective_bits_and_operations_by_hand() -> None:
    """Llama of width 32, 4 heads of 8 over 2, 48 neurons: rows of 32, 32, 32 and 48 inputs."""
    maps = [(32, 32), (16, 32), (16, 32), (32, 32), (48, 32), (48, 32), (32, 48)]
    weights = sum(o * d for o, d in maps)
    rows = sum(o for o, _ in maps)
    found = quantized(llama_variants.model(), Rtn(), Precision(4, 8, 4))
    assert found.weight_bits == pytest.approx(4 + rows * (16 + 4) / weights)
    sites = 32 + 32 + 32 + 48
    assert found.activation_bits == pytest.approx(8 + 4 * (16 + 8) / sites)
    assert found.online_flops == 0
    grouped = quantized(llama_variants.model(), Rtn(), Precision(4, 16, 16, 16))
    assert (grouped.weight_bits, grouped.activation_bits) == (pytest.approx(4 + (16 + 4) / 16), 16)
    turned = quantized(llama_variants.model(), DuQuant(steps=2, rotation="hadamard"), Precision(4, 4, 4))
    a_layer = 2 * (3 * 32 * 5 + 48 * 4)  # two Hadamard matrices, blocks of 32 and of 16
    cache = (4 + 2) * 8 * 3
    assert turned.online_flops == 2 * (a_layer + cache)


def test_more_bits_lose_less() -> None:
    model, ids = llama_variants.model(), llama_variants.tokens(2, 11, seed=4)
    expected = llama_variants.logits(model, ids)
    for method in (Rtn(), DuQuant(steps=4, act_clip=1.0, weight_clip=1.0)):
        errors = [
            float(
                (
                    llama_variants.logits(quantized(model, method, Precision(b, b, b)).model, ids) - expected
                ).norm()
            )
            for b in (2, 4, 8, 12)
        ]
        assert errors == sorted(errors, reverse=True) and errors[-1] < 0.05 * errors[0]


def test_weights_lie_on_their_grids_with_all_codes_in_range() -> None:
    model = llama_variants.model()
    for name in ("rtn", "gptq", "duquant", "duquant+gptq"):
        for _, linear in quantized_maps(quantized(model, METHODS[name], Precision(4, 4, 4, 16)).model):
            (part,) = linear.parts
            assert (part.first, part.last, part.grid.group) == (0, linear.in_features, 16)
            codes = grids.codes(linear.weight, part.grid)
            assert torch.equal(grids.values(codes, part.grid), linear.weight)


def test_a_layer_is_fitted_to_what_the_rounded_ones_before_give() -> None:
    model = llama_variants.model()
    seen: list[Tensor] = []

    def look(site: Site) -> tuple[()]:
        if site.label == "1.qkv":
            seen.append(site.seen.rows)
        return ()

    found = copy.deepcopy(model)
    recipe = Recipe(transforms=look, wants=frozenset({"rows"}))
    quantize(found, calibration(), Precision(3, 3, 16), Context(seed=0), recipe)
    reached: list[Tensor] = []
    for source in (found, model):
        handle = (
            llama_like(source)
            .blocks[1]
            .linear("self_attn.q_proj")
            .register_forward_pre_hook(lambda _, args: reached.append(args[0].flatten(0, 1)))
        )
        llama_variants.logits(source, calibration().windows)
        handle.remove()
    rounded, exact = reached
    assert llama_variants.difference(seen[0], rounded) < 1e-5
    assert llama_variants.difference(seen[0], exact) > 1e-3


def test_steps_of_a_recipe_come_in_their_order_with_the_weights_as_they_are_then() -> None:
    calls: list[str] = []

    def note(step: str, result: Any) -> Any:
        def called(*args: Any) -> Any:
            site = next(a for a in args if isinstance(a, Site))
            calls.append(f"{step} {site.label}")
            return result(*args) if callable(result) else result

        return called

    recipe = Recipe(
        smooth=note("smooth", None),
        transforms=note("transform", ()),
        inputs=note("inputs", lambda site: InputRule(4)),
        round=note("round", round_to_nearest()),
    )
    quantize(llama_variants.model(), calibration(), Precision(4, 4), Context(seed=0), recipe)
    expected = []
    for i in range(2):
        expected += [f"smooth {i}.{s}" for s in SITES]
        for s in SITES:
            expected += [f"transform {i}.{s}", f"inputs {i}.{s}"] + [f"round {i}.{s}"] * len(READERS[s])
    assert calls == expected


def test_gptq_behind_transforms_uses_the_hessian_behind_them() -> None:
    model = llama_variants.model(layers=1)
    method = DuQuant(steps=4, rounding="gptq", reduce="concat", alpha=None, weight_clip=1.0)
    found = quantized(model, method, Precision(4, 16, 16)).model
    linear = llama_like(found).blocks[0].linear("mlp.gate_proj")
    x: list[Tensor] = []
    original = llama_like(model).blocks[0].linear("mlp.gate_proj")
    handle = original.register_forward_pre_hook(lambda _, args: x.append(args[0].flatten(0, 1)))
    # Nothing but weights is rounded, so that o's rounded output reaches the FFN: put it there.
    o = llama_like(found).blocks[0]
    reached: list[Tensor] = []
    o.linear("mlp.gate_proj").inputs.register_forward_pre_hook(
        lambda _, a: reached.append(a[0].flatten(0, 1))
    )
    llama_variants.logits(model, calibration().windows)
    handle.remove()
    y = linear.inputs(x[0]).double()
    w = original.weight.detach().double()
    for transform in linear.inputs.transforms:
        w = transform.weight(w)
    grid = grids.fit(w.float(), 4)
    by_hand = grids.gptq(w.float(), y.T @ y / len(y), grid)
    same = (linear.weight - by_hand).abs() <= 1e-5
    assert float(same.float().mean()) > 0.98  # a tie may fall the other way


def test_a_rotation_by_the_hessian_alone_needs_no_rows_and_a_missing_hessian_is_no_silence() -> None:
    recipe = Recipe(round=gptq())
    with pytest.raises(AssertionError, match="wants it"):
        quantize(llama_variants.model(), calibration(), Precision(4, 4), Context(seed=0), recipe)


def test_the_same_seed_gives_the_same_model_and_statistics_are_shared() -> None:
    model, shared = llama_variants.model(), calibration()
    weights = []
    for name in ("duquant+gptq", "duquant+gptq", "smoothquant"):
        found = (
            METHODS[name].quantize(copy.deepcopy(model), shared, Precision(4, 4, 4), Context(seed=7)).model
        )
        weights.append([linear.weight for _, linear in quantized_maps(found)])
    assert all(torch.equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert list(shared.memo) == [("inputs", "")]
    alone = quantized(model, SmoothQuant(), Precision(4, 4, 4)).model
    assert all(torch.equal(a, m.weight) for a, (_, m) in zip(weights[2], quantized_maps(alone), strict=True))


def test_every_map_inside_the_layers_is_replaced_and_nothing_else() -> None:
    model = llama_variants.model(tied=True)
    found = quantized(model, DuQuant(steps=2), Precision(4, 4, 4)).model
    kinds = {name: type(m) for name, m in found.named_modules()}
    for block in range(2):
        for path in (path for paths in READERS.values() for path in paths):
            assert kinds[f"model.layers.{block}.{path}"] is QuantLinear
    assert kinds["lm_head"] is nn.Linear
    assert found.lm_head.weight is found.model.embed_tokens.weight
    assert torch.equal(found.lm_head.weight, model.lm_head.weight)


def test_a_quantized_model_generates() -> None:
    found = quantized(llama_variants.model(), DuQuant(steps=2), Precision(4, 4, 4)).model
    ids = llama_variants.tokens(1, 5)
    cached, whole = (
        found.generate(ids, max_new_tokens=5, min_new_tokens=5, do_sample=False, use_cache=use)
        for use in (True, False)
    )
    assert cached.shape == (1, 10) and torch.equal(cached[:, :5], ids) and torch.equal(cached, whole)


def test_the_recipes_own_cache_rule_is_installed() -> None:
    model = llama_variants.model()
    rule = CacheRule(3, key_clip=0.9)
    quantize(model, calibration(), Precision(4, 4, 8), Context(seed=0), Recipe(cache=rule))
    assert all(block.module.self_attn.cache_rule == rule for block in llama_like(model).blocks)


@pytest.mark.parametrize("kind", ["gpt2", "opt", "phi"])
@pytest.mark.parametrize("name", ["rtn", "duquant"])
def test_what_is_not_built_like_llama_is_refused_in_one_line(kind: str, name: str) -> None:
    import transformers as hf

    small: dict[str, Any] = {"vocab_size": 97, "num_attention_heads": 2, "num_hidden_layers": 2}
    made = {
        "gpt2": lambda: hf.GPT2LMHeadModel(hf.GPT2Config(**small, hidden_size=16)),
        "opt": lambda: hf.OPTForCausalLM(
            hf.OPTConfig(**small, hidden_size=16, ffn_dim=32, word_embed_proj_dim=16, pad_token_id=0)
        ),
        "phi": lambda: hf.PhiForCausalLM(hf.PhiConfig(**small, hidden_size=16, intermediate_size=32)),
    }
    with pytest.raises(UsageError, match=r"needs a model like Llama$") as caught:
        METHODS[name].quantize(made[kind](), calibration(), Precision(4, 4, 4), Context(seed=0))
    assert "\n" not in str(caught.value)
