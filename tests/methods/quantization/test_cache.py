"""Keys and values in few bits: against attention written out, at generation, and what is refused."""

from __future__ import annotations

import copy
import math
from typing import Any

import llama_variants
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from methods.quantization import cache, hadamard
from methods.quantization.cache import CacheRule
from methods.quantization.grids import fake, fit
from suite.errors import UsageError
from suite.models.llama_like import llama_like

RULES = {
    "four bits": CacheRule(4),
    "rotated": CacheRule(4, key_clip=0.9, hadamard=8),
    "queries too": CacheRule(4, key_clip=0.9, value_clip=0.8, symmetric=True, hadamard=4, query=True),
}


def installed(model: Any, rule: CacheRule) -> Any:
    found = copy.deepcopy(model)
    cache.install(llama_like(found), rule)
    return found


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 999), st.sampled_from([2, 8, 16, 64]))
def test_products_of_queries_and_keys_survive_the_hadamard_matrix(seed: int, block: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    q, k, v = torch.randn(3, 1, 2, 5, 64, dtype=torch.float64, generator=generator)
    turned_q, turned_k, same = CacheRule(hadamard=block)(q, k, v)
    assert torch.allclose(turned_q @ turned_k.mT, q @ k.mT, atol=1e-12)
    assert same is v and (block == 1 or not torch.allclose(turned_k, k))


@pytest.mark.parametrize("size", [48, 12, 96])
def test_a_head_that_is_no_power_of_two_gets_a_block_that_divides_it_or_is_refused(size: int) -> None:
    q = torch.randn(1, 1, 2, size)
    with pytest.raises(ValueError, match="powers of two"):
        CacheRule(hadamard=size)(q, q, q)
    block = hadamard.block_size(size)
    turned, *_ = CacheRule(hadamard=block)(q, q, q)
    assert torch.allclose(turned.norm(), q.norm())


def test_each_token_and_head_has_a_grid_of_its_own() -> None:
    q, k, v = torch.randn(3, 2, 3, 4, 8)
    found_q, found_k, found_v = CacheRule(3, key_clip=0.9, value_clip=0.7)(q, k, v)
    assert torch.equal(found_q, q)
    for b, h, t in ((0, 0, 0), (1, 2, 3), (0, 1, 2)):
        assert torch.equal(found_k[b, h, t], fake(k[b, h, t], fit(k[b, h, t], 3, 0.9)))
        assert torch.equal(found_v[b, h, t], fake(v[b, h, t], fit(v[b, h, t], 3, 0.7)))


def attention_by_hand(attn: Any, x: Tensor, rule: CacheRule, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Causal attention of one layer for (T, d), head by head."""
    cos, sin = (a[0] for a in angles)
    heads, kv = attn.config.num_attention_heads, attn.config.num_key_value_heads
    size = attn.head_dim

    def split(y: Tensor, count: int) -> Tensor:
        return y.view(len(y), count, size).transpose(0, 1)

    def turned(y: Tensor) -> Tensor:
        half = torch.cat([-y[..., size // 2 :], y[..., : size // 2]], -1)
        return y * cos + half * sin

    q, k = turned(split(attn.q_proj(x), heads)), turned(split(attn.k_proj(x), kv))
    v = split(attn.v_proj(x), kv)
    q, k, v = (y[None] for y in (q, k, v))
    q, k, v = (y[0] for y in rule(q, k, v))
    outs = []
    for h in range(heads):
        scores = q[h] @ k[h // (heads // kv)].T / math.sqrt(size)
        scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -torch.inf)
        outs.append(scores.softmax(-1) @ v[h // (heads // kv)])
    return attn.o_proj(torch.cat(outs, -1))


@pytest.mark.parametrize("name", RULES)
@torch.no_grad()
def test_a_layer_attends_as_written_out(name: str) -> None:
    model = installed(llama_variants.model(), RULES[name])
    attn = model.model.layers[0].self_attn
    seen: dict[str, Any] = {}
    attn.register_forward_hook(lambda _, args, kwargs, out: seen.update(kwargs, out=out[0]), with_kwargs=True)
    llama_variants.logits(model, llama_variants.tokens(1))
    by_hand = attention_by_hand(attn, seen["hidden_states"][0], RULES[name], seen["position_embeddings"])
    assert torch.allclose(seen["out"][0], by_hand, atol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "mistral", "gemma3", "qwen3"])
def test_a_cache_that_grows_gives_what_a_whole_pass_gives(kind: str) -> None:
    model = installed(llama_variants.model(kind), RULES["rotated"])
    ids = llama_variants.tokens(2, 12)
    whole = llama_variants.logits(model, ids)
    with torch.no_grad():
        past, steps = None, []
        for part in (ids[:, :5], *ids[:, 5:].split(1, 1)):
            out = model(input_ids=part, past_key_values=past, use_cache=True)
            past, steps = out.past_key_values, [*steps, out.logits]
    assert llama_variants.difference(torch.cat(steps, 1), whole) < 1e-4


@pytest.mark.parametrize("use_cache", [True, False])
def test_generation_takes_the_likeliest_token_of_whole_passes(use_cache: bool) -> None:
    model = installed(llama_variants.model(), RULES["rotated"])
    ids = llama_variants.tokens(1, 5)
    made = model.generate(ids, max_new_tokens=6, min_new_tokens=6, do_sample=False, use_cache=use_cache)
    for _ in range(6):
        logits = llama_variants.logits(model, ids)[:, -1]
        logits[:, 1] = -torch.inf  # the end of the text, which may not come yet
        ids = torch.cat([ids, logits.argmax(-1)[:, None]], 1)
    assert torch.equal(made, ids)


def test_padding_on_the_left_changes_nothing() -> None:
    model = installed(llama_variants.model(), RULES["rotated"])
    ids = llama_variants.tokens(1, 7)
    padded = torch.cat([torch.zeros(1, 3, dtype=torch.long), ids], 1)
    mask = (torch.arange(10) >= 3).long()[None]
    with torch.no_grad():
        found = model(input_ids=padded, attention_mask=mask, position_ids=(mask.cumsum(1) - 1).clamp_min(0))
    assert llama_variants.difference(found.logits[:, 3:], llama_variants.logits(model, ids)) < 1e-4


def test_an_idle_rule_leaves_the_model_as_it_is() -> None:
    model = installed(llama_variants.model(), CacheRule())
    assert model.config._attn_implementation != cache.NAME
    assert not hasattr(model.model.layers[0].self_attn, "cache_rule")


def test_a_copy_keeps_the_rule_and_the_original_is_not_touched() -> None:
    model = llama_variants.model()
    found = copy.deepcopy(installed(model, RULES["four bits"]))
    ids = llama_variants.tokens()
    assert (
        llama_variants.difference(llama_variants.logits(found, ids), llama_variants.logits(model, ids)) > 1e-3
    )
    assert model.config._attn_implementation != cache.NAME


def test_capped_attention_is_refused() -> None:
    with pytest.raises(UsageError, match="Gemma2ForCausalLM caps attention logits"):
        installed(llama_variants.model("gemma2"), RULES["four bits"])


def test_operations_a_token() -> None:
    assert CacheRule(4, hadamard=8).flops(4, 2, 16) == (4 + 2) * 16 * 3
    assert CacheRule(4).flops(4, 2, 16) == 0


def test_a_layer_without_a_rule_attends_as_transformers_does() -> None:
    model = llama_variants.model()
    ids = llama_variants.tokens()
    expected = llama_variants.logits(model, ids)
    cache.register()
    model.set_attn_implementation(cache.NAME)
    assert isinstance(model, nn.Module)
    assert llama_variants.difference(llama_variants.logits(model, ids), expected) < 1e-6
