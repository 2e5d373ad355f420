"""Parts of Llama-like models and the changes that leave their logits alone."""

from __future__ import annotations

import copy
from typing import Any

import llama_variants
import pytest
import torch
from torch import Tensor, nn

from suite.errors import UsageError
from suite.models.llama_like import (
    READERS,
    SITES,
    fuse_gains,
    llama_like,
    rescale,
    rotate_stream,
    shared_by_heads,
    units_that_fit,
    untie,
    widen,
)

KINDS = ("llama", "qwen2", "qwen3", "mistral", "gemma", "gemma2", "gemma3")


def spread(width: int, seed: int = 0) -> Tensor:
    """Positive factors from a hundredth to a hundred."""
    return 10 ** (4 * torch.rand(width, generator=torch.Generator().manual_seed(seed)) - 2)


def basis(width: int) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64)).Q


def site_input(model: Any, index: int, site: str, ids: Tensor) -> Tensor:
    """What a site is in a pass over ids."""
    seen: list[Tensor] = []
    linear = llama_like(model).blocks[index].readers(site)[0]
    handle = linear.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    llama_variants.logits(model, ids)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("kind", KINDS)
def test_parts_and_sizes(kind: str) -> None:
    llama = llama_like(llama_variants.model(kind, heads=4, kv_heads=2, head_dim=16, width=32, neurons=48))
    assert (llama.heads, llama.kv_heads, llama.head_dim) == (4, 2, 16)
    assert {site: llama.site_width(site) for site in SITES} == {"qkv": 32, "out": 64, "ffn": 32, "down": 48}
    assert llama.offset == (1.0 if kind.startswith("gemma") else 0.0)
    assert [len(block.behind) for block in llama.blocks] == [2 if kind in ("gemma2", "gemma3") else 0] * 2
    for block in llama.blocks:
        for site in SITES:
            assert all(m.in_features == llama.site_width(site) for m in block.readers(site))


@pytest.mark.parametrize("kind", KINDS)
def test_a_gain_is_what_the_norm_multiplies_by(kind: str) -> None:
    llama = llama_like(llama_variants.model(kind))
    x = torch.randn(2, 5, 32)
    for norm in (llama.blocks[0].before_attention, llama.blocks[1].before_ffn, llama.last_norm):
        unit = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        assert torch.allclose(norm(x), unit * llama.gain(norm).float(), atol=1e-5)
        llama.set_gain(norm, torch.full((32,), 2.0))
        assert torch.allclose(norm(x), 2 * unit, atol=1e-5)


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_rescaled_site_is_divided_exactly_and_the_logits_stay(kind: str, site: str) -> None:
    model, ids = llama_variants.model(kind, bias=True), llama_variants.tokens(2, 11)
    changed = copy.deepcopy(model)
    llama = llama_like(changed)
    factors = spread(llama.site_width(site))
    factors = shared_by_heads(llama, factors) if site == "out" else factors
    before = site_input(model, 1, site, ids)
    rescale(llama, llama.blocks[1], site, factors)
    expected = llama_variants.logits(model, ids)
    assert llama_variants.difference(llama_variants.logits(changed, ids), expected) < 1e-4
    assert torch.allclose(site_input(changed, 1, site, ids) * factors, before, rtol=1e-3, atol=1e-4)


def test_every_site_at_once_in_float64() -> None:
    for shape in ({}, {"kv_heads": 4}, {"kv_heads": 1, "bias": True}):
        model = llama_variants.model(**shape, dtype=torch.float64)  # type: ignore[arg-type]
        with llama_variants.norms_in_float64():
            expected = llama_variants.logits(model, llama_variants.tokens())
            llama = llama_like(model)
            for block in llama.blocks:
                for site in SITES:
                    s = spread(llama.site_width(site), block.index)
                    rescale(llama, block, site, shared_by_heads(llama, s) if site == "out" else s)
            found = llama_variants.logits(model, llama_variants.tokens())
        assert llama_variants.difference(found, expected) < 1e-12


def test_factors_that_differ_between_heads_that_share_values_are_refused() -> None:
    llama = llama_like(llama_variants.model())
    with pytest.raises(ValueError, match="shared_by_heads"):
        rescale(llama, llama.blocks[0], "out", spread(32))


def test_shared_factors_are_the_largest_of_their_group() -> None:
    llama = llama_like(llama_variants.model(heads=4, kv_heads=2, head_dim=2, width=8))
    # heads 0 and 1 share values, and 2 and 3 do
    found = shared_by_heads(llama, torch.tensor([1.0, 2, 3, 1, 9, 1, 4, 5]))
    assert found.tolist() == [3, 2, 3, 2, 9, 5, 9, 5]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tied", [False, True])
def test_gains_go_into_the_maps_that_read_them(kind: str, tied: bool) -> None:
    model, ids = llama_variants.model(kind, tied=tied), llama_variants.tokens(2, 11)
    expected = llama_variants.logits(model, ids)
    llama = llama_like(model)
    fuse_gains(llama)
    assert llama_variants.difference(llama_variants.logits(model, ids), expected) < 1e-4
    for block in llama.blocks:
        assert torch.equal(llama.gain(block.before_ffn), torch.ones(32, dtype=torch.float64))


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "mistral", "gemma"])
def test_the_stream_in_another_basis(kind: str) -> None:
    model, ids = llama_variants.model(kind, tied=True, bias=True), llama_variants.tokens(2, 11)
    with torch.no_grad():
        before = model(input_ids=ids, output_hidden_states=True).hidden_states
    expected = llama_variants.logits(model, ids)
    llama = llama_like(model)
    fuse_gains(llama)
    turn = basis(32)
    rotate_stream(llama, turn)
    assert llama_variants.difference(llama_variants.logits(model, ids), expected) < 1e-4
    with torch.no_grad():
        after = model(input_ids=ids, output_hidden_states=True).hidden_states
    assert torch.allclose(after[1], before[1] @ turn.float(), atol=1e-3)


@pytest.mark.parametrize("kind", ["gemma2", "gemma3"])
def test_no_rotation_passes_norms_behind_the_maps(kind: str) -> None:
    with pytest.raises(UsageError, match="has norms behind attention and FFN, whose gains no rotation"):
        rotate_stream(llama_like(llama_variants.model(kind)), basis(32))


@pytest.mark.parametrize("kind", ["llama", "gemma3"])
def test_zero_neurons_change_nothing(kind: str) -> None:
    model, ids = llama_variants.model(kind, bias=True), llama_variants.tokens()
    expected = llama_variants.logits(model, ids)
    widen(llama_like(model), 16)
    assert llama_variants.difference(llama_variants.logits(model, ids), expected) < 1e-6
    assert (llama_like(model).neurons, model.config.intermediate_size) == (64, 64)


def test_an_untied_head_is_a_copy() -> None:
    model = llama_variants.model(tied=True)
    embedding = model.get_input_embeddings().weight
    assert model.lm_head.weight is embedding
    untie(model)
    assert model.lm_head.weight is not embedding and torch.equal(model.lm_head.weight, embedding)
    assert not model.config.tie_word_embeddings


@pytest.mark.parametrize(("neurons", "units"), [(11008, 128), (1376, 32), (576, 64), (77, 2), (4, 4)])
def test_units_that_fit(neurons: int, units: int) -> None:
    assert units_that_fit(neurons) == units


def test_a_map_is_put_in_anothers_place() -> None:
    llama = llama_like(llama_variants.model())
    other = nn.Linear(48, 32)
    llama.blocks[0].replace(READERS["down"][0], other)
    assert llama.blocks[0].readers("down") == (other,)


def without(path: str, replacement: nn.Module) -> Any:
    model = llama_variants.model()
    model.model.layers[1].set_submodule(path, replacement)
    return model


@pytest.mark.parametrize(
    ("path", "replacement", "words"),
    [
        ("mlp.gate_proj", nn.Identity(), "no linear mlp.gate_proj; this needs a model like Llama"),
        ("input_layernorm", nn.Identity(), "have the norms post_attention_layernorm; this needs"),
        ("input_layernorm", nn.LayerNorm(32), "LayerNorm is no RMS norm with a gain"),
        (
            "input_layernorm",
            nn.LayerNorm(32, elementwise_affine=False),
            "LayerNorm is no RMS norm with a gain",
        ),
    ],
)
def test_a_part_that_is_missing_or_another_is_named(path: str, replacement: nn.Module, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        llama_like(without(path, replacement))


def test_a_model_without_a_map_to_the_vocabulary_is_refused() -> None:
    model = llama_variants.model()
    model.lm_head = nn.Identity()
    with pytest.raises(UsageError, match="no last norm and linear map to the vocabulary"):
        llama_like(model)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_are_found_without_weights(kind: str) -> None:
    import transformers as hf

    built = llama_variants.model(kind)
    with torch.device("meta"):
        empty = hf.AutoModelForCausalLM.from_config(built.config)
    assert llama_like(empty).offset == llama_like(built).offset
