"""Smoothing's factors by hand, and what it cancels."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import llama_variants
import numpy as np
import pytest
import torch
from torch import Tensor

from methods.quantization import calibrate
from methods.quantization.layerwise import Site
from methods.quantization.plain import Rtn, SmoothQuant
from methods.quantization.smoothing import factors, from_maxima
from suite.api import Context
from suite.models.llama_like import SITES, llama_like, rescale, shared_by_heads
from tasks.quantization.contract import Calibration, Precision, Quantizer

FOUR = Precision(4, 4, 4)


def quantized(model: Any, method: Quantizer, precision: Precision = FOUR) -> Tensor:
    """Logits of a quantized copy."""
    found = copy.deepcopy(model)
    method.quantize(found, Calibration(llama_variants.tokens(), None), precision, Context(seed=0))
    return llama_variants.logits(found, llama_variants.tokens(seed=9))


def test_factors_by_hand() -> None:
    activation, weight = torch.tensor([4.0, 0.0, 1e4, 1e-5]), torch.tensor([1.0, 2.0, 0.0, 1e4])
    by_hand = [4**0.5, 0.01, 1e4**0.5 / 1e-5**0.5, 0.01]  # the second and last would be below the floor
    assert np.allclose(from_maxima(activation, weight, 0.5).numpy(), by_hand)
    assert np.allclose(from_maxima(torch.tensor([16.0]), torch.tensor([0.5]), 0.75), 16**0.75 / 0.5**0.25)


@pytest.mark.parametrize("name", SITES)
@pytest.mark.parametrize("of", ["group", "one"])
def test_the_weights_that_count(name: str, of: Any) -> None:
    llama = llama_like(llama_variants.model())
    block = llama.blocks[0]
    now = calibrate.stream(llama, llama_variants.tokens())
    seen = calibrate.observe(block, now)[name]
    site = Site(llama, block, name, seen, FOUR, Context(seed=0))
    mlp, attn = block.module.mlp, block.module.self_attn
    readers = {
        ("qkv", "group"): (attn.q_proj, attn.k_proj, attn.v_proj),
        ("qkv", "one"): (attn.q_proj,),
        ("ffn", "group"): (mlp.gate_proj, mlp.up_proj),
        ("ffn", "one"): (mlp.up_proj,),
    }.get((name, of), (attn.o_proj if name == "out" else mlp.down_proj,))
    weight = np.abs(np.concatenate([r.weight.detach().numpy() for r in readers])).max(0)
    by_hand = seen.absmax.numpy() ** 0.7 / weight**0.3
    assert np.allclose(factors(site, 0.7, of).numpy(), np.maximum(by_hand, 0.01), rtol=1e-5)


@pytest.mark.parametrize("alpha", [0.3, 0.5, 0.8])
def test_a_channel_times_c_and_its_weight_by_c_has_c_times_the_factor(alpha: float) -> None:
    x, w, c = torch.rand(9) + 0.1, torch.rand(9) + 0.1, torch.rand(9) * 20 + 0.1
    assert torch.allclose(from_maxima(x * c, w / c, alpha), c * from_maxima(x, w, alpha), rtol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "gemma3"])
def test_smoothing_cancels_a_rescale_that_rounding_alone_suffers_from(kind: str) -> None:
    """Factors are powers of two, so that the changed model is the same to the last bit."""
    model = llama_variants.model(kind)
    changed = copy.deepcopy(model)
    llama = llama_like(changed)
    generator = torch.Generator().manual_seed(0)
    for block in llama.blocks:
        for site in SITES:
            power = torch.randint(-3, 4, (llama.site_width(site),), generator=generator)
            s = 2.0 ** (power if site != "out" else shared_by_heads(llama, power.float()))
            rescale(llama, block, site, s)
    ids = llama_variants.tokens(seed=9)
    same = llama_variants.logits(model, ids)
    assert llama_variants.difference(llama_variants.logits(changed, ids), same) < 1e-5
    eight = replace(FOUR, weights=8, activations=8, cache=16)
    expected = quantized(model, SmoothQuant(), eight)
    # Rounding at ties may differ where a factor was itself rounded: few codes, not the scale of the error.
    error = llama_variants.difference(expected, same)
    smooth = llama_variants.difference(quantized(changed, SmoothQuant(), eight), same)
    plain = llama_variants.difference(quantized(changed, Rtn(), eight), same)
    assert smooth < 1.5 * error and plain > 2 * smooth


def test_the_methods_own_scope_is_the_maps_behind_norms() -> None:
    model = llama_variants.model()
    sixteen = Precision(16, 16, 16)
    touched = []
    for sites in ("all", "norms"):
        found = copy.deepcopy(model)
        calibration = Calibration(llama_variants.tokens(), None)
        SmoothQuant(sites=sites).quantize(found, calibration, sixteen, Context(seed=0))
        pairs = {
            path: (
                model.get_submodule(f"model.layers.0.{path}"),
                found.get_submodule(f"model.layers.0.{path}"),
            )
            for path in ("self_attn.q_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj")
        }
        touched.append([not torch.equal(a.weight, b.weight) for a, b in pairs.values()])
    assert touched == [[True, True, True, True], [True, False, True, False]]
    with pytest.raises(ValueError, match="sites 'some': all or norms"):
        SmoothQuant(sites="some")
