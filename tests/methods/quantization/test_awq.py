"""AWQ: alpha and clips are those of a search with the activations themselves."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import tiny_lms
import torch
from torch import Tensor

from methods.quantization import calibrate, grids
from methods.quantization.awq import Awq, normalised
from methods.quantization.layerwise import Site
from methods.quantization.linear import quantized_maps
from suite.api import Context
from suite.errors import Skip
from suite.models.llama_like import SITES, LlamaLike, llama_like
from tasks.quantization.contract import Calibration, Precision, Quantized

IDS = torch.randint(2, 320, (4, 21), generator=torch.Generator().manual_seed(1))
CTX = Context(seed=0)


def model(kind: str = "llama", **sizes: Any) -> Any:
    """With a few embedding channels larger than the others, so that alpha matters."""
    built = tiny_lms.model(kind, **sizes)
    with torch.no_grad():
        built.get_input_embeddings().weight[:, ::7] *= 12
    return built


def quantized(method: Awq, of: Any, precision: str) -> Quantized:
    return method.quantize(copy.deepcopy(of), Calibration(IDS, None), Precision.parse(precision), CTX)


def logits(of: Any) -> Tensor:
    with torch.no_grad():
        found: Tensor = of(input_ids=IDS, use_cache=False).logits
    return found


def seen(llama: LlamaLike, index: int, site: str, precision: Precision) -> Site:
    """A site of the float model with its activations."""
    now = calibrate.stream(llama, IDS)
    for block in llama.blocks[:index]:
        now.through(block)
    block = llama.blocks[index]
    found = calibrate.observe(block, now, frozenset({"hessian", "rows"}))
    return Site(llama, block, site, found[site], precision, CTX)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gemma3"])
def test_the_float_model_does_not_notice(kind: str) -> None:
    plain = model(kind)
    found = quantized(Awq(), plain, "W16A16")
    assert float((logits(found.model) - logits(plain)).abs().max() / logits(plain).abs().max()) < 1e-4
    assert (found.weight_bits, found.activation_bits, found.online_flops) == (16, 16, 0)


@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("kind", ["llama", "qwen2", "gemma3"])
def test_factors_alone_change_no_logit(kind: str, kv_heads: int) -> None:
    plain = model(kind, kv_heads=kv_heads)
    scaled = copy.deepcopy(plain)
    llama = llama_like(scaled)
    method, precision = Awq(clip=False), Precision.parse("W3A16")
    for block in llama.blocks:
        sites = [seen(llama, block.index, name, precision) for name in SITES]
        method._fit(sites)
    ours, theirs = llama.blocks[0].module, plain.model.layers[0]
    assert not torch.equal(ours.mlp.up_proj.weight, theirs.mlp.up_proj.weight)
    if kv_heads == 2:  # one head of values for two of queries
        assert torch.equal(ours.self_attn.o_proj.weight, theirs.self_attn.o_proj.weight)
    elif kind == "llama":
        assert not torch.equal(ours.self_attn.o_proj.weight, theirs.self_attn.o_proj.weight)
    assert float((logits(scaled) - logits(plain)).abs().max() / logits(plain).abs().max()) < 1e-4


@pytest.mark.parametrize("name", ["W3A16", "W4A16g8"])
@pytest.mark.parametrize("site", SITES)
def test_alpha_is_the_best_of_twenty_on_the_activations_themselves(site: str, name: str) -> None:
    precision = Precision.parse(name)
    here = seen(llama_like(model(kv_heads=4)), 1, site, precision)
    x = here.seen.rows
    assert x is not None
    errors = []
    for step in range(20):
        s = normalised(x.abs().mean(0), step / 20)
        total = 0.0
        for weight in here.weights:
            rounded = grids.fake(weight * s, grids.fit(weight * s, precision.weights, group=precision.group))
            total += float((x @ weight.T - (x / s) @ rounded.T).double().square().sum()) / len(x)
        errors.append(total)
    found = [error for _, error in Awq().tried(here)]
    assert found == pytest.approx(errors, rel=2e-3)
    best = min(range(20), key=errors.__getitem__)
    assert torch.allclose(Awq().factors(here), normalised(x.abs().mean(0), best / 20), rtol=1e-5)


def test_factors_by_hand() -> None:
    """4^(1/2) = 2, 1 and 1/2: the root of largest times smallest is 1. With 16, 1, 1 it is 2."""
    assert normalised(torch.tensor([4.0, 1.0, 0.25]), 0.5).tolist() == [2.0, 1.0, 0.5]
    assert normalised(torch.tensor([16.0, 1.0, 1.0]), 0.5).tolist() == [2.0, 0.5, 0.5]
    assert normalised(torch.tensor([16.0, 1.0, 3.0]), 0.0).tolist() == [1.0, 1.0, 1.0]
    assert normalised(torch.tensor([0.0, 1.0]), 0.5).tolist() == pytest.approx([1e-2, 1e2])


@pytest.mark.parametrize("group", [None, 8])
def test_clips_are_the_best_of_ten_on_the_activations_themselves(group: int | None) -> None:
    random = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 16, generator=random)
    weight[0, 3], weight[2, 9] = 9.0, -7.0
    x = torch.randn(50, 16, generator=random) * torch.linspace(0.1, 2, 16)
    found = Awq().clipped(weight, x.T.double() @ x.double(), Precision(3, 16, group=group))
    size, changed = group or 16, 0
    for row in range(5):
        for first in range(0, 16, size):
            w, part = weight[row, first : first + size], x[:, first : first + size]
            tries = []
            for step in range(10):
                limit = float(w.abs().max()) * (1 - step / 20)
                bounded = w.clamp(-limit, limit)
                rounded = grids.fake(bounded[None], grids.fit(bounded[None], 3))[0]
                tries.append((float((part @ (rounded - w)).square().sum()), bounded))
            best = min(tries, key=lambda one: one[0])[1]
            assert torch.allclose(found[row, first : first + size], best)
            changed += int(not torch.equal(best, w))
    assert changed >= 2


def test_it_errs_less_than_rounding_to_the_nearest() -> None:
    from methods.quantization.plain import Rtn

    plain = model()
    calibration, precision = Calibration(IDS, None), Precision.parse("W3A16")
    nearest = Rtn().quantize(copy.deepcopy(plain), calibration, precision, CTX)
    found = quantized(Awq(), plain, "W3A16")
    errors = [float((logits(m.model) - logits(plain)).norm()) for m in (found, nearest)]
    assert errors[0] < 0.9 * errors[1]


def test_q_and_k_are_not_clipped_and_v_is() -> None:
    plain = model()
    with torch.no_grad():
        for path in ("q_proj", "k_proj", "v_proj"):
            plain.model.layers[0].self_attn.get_submodule(path).weight[:, 0] *= 20
    with_clips, without = (quantized(Awq(clip=c), plain, "W3A16").model for c in (True, False))
    attention = with_clips.model.layers[0].self_attn, without.model.layers[0].self_attn
    assert torch.equal(attention[0].q_proj.weight, attention[1].q_proj.weight)
    assert torch.equal(attention[0].k_proj.weight, attention[1].k_proj.weight)
    assert not torch.equal(attention[0].v_proj.weight, attention[1].v_proj.weight)


def test_costs_and_levels() -> None:
    """Groups of 8: a scale of 16 bits and a zero point of 4 on every 8 weights of 4 bits."""
    found = quantized(Awq(), model(), "W4A16g8")
    assert found.weight_bits == 4 + 20 / 8
    assert (found.activation_bits, found.online_flops) == (16, 0)
    for _, module in quantized_maps(found.model):
        (part,) = module.parts
        assert torch.allclose(grids.fake(module.weight, part.grid), module.weight, atol=1e-5)


@pytest.mark.parametrize("name", ["W4A4KV4", "W8A8"])
def test_rounded_activations_are_a_reason_to_skip(name: str) -> None:
    with pytest.raises(Skip, match=f"awq rounds weights alone, and {name} rounds activations"):
        quantized(Awq(), model(), name)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="steps is 0"):
        Awq(steps=0)
    with pytest.raises(ValueError, match="clip_most is 1"):
        Awq(clip_most=1.0)
