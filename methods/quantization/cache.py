"""Keys and values in few bits: rounded where attention reads them, after the rotary embedding.

A key-value cache holds keys and values token by token; each is rounded by itself (per token and head), so
that rounding them at every reading gives what reading a rounded cache would give.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from methods.quantization.grids import EXACT_BITS, fake, fit
from methods.quantization.hadamard import transform
from suite.errors import UsageError
from suite.models.llama_like import LlamaLike

NAME = "rounded_cache"
"""The attention function's name among those of transformers."""


@dataclass(frozen=True)
class CacheRule:
    """How keys and values are rounded, per token and head.

    hadamard: queries and keys are both rotated by a Hadamard matrix in blocks of so many channels (products
    of queries with keys stay the same), 0 for none. query: whether queries are rounded like keys, as in
    DuQuant's released code. The clips are shares of the range that the grids cover. exact: keys and values of
    so many first tokens are never rounded.
    """

    bits: int = EXACT_BITS
    key_clip: float = 1.0
    value_clip: float = 1.0
    symmetric: bool = False
    hadamard: int = 0
    query: bool = False
    exact: int = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is changed at all."""
        return self.bits >= EXACT_BITS and not self.hadamard

    def __call__(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, heads, T, head_dim) each."""
        if self.hadamard:
            query, key = transform(query, self.hadamard), transform(key, self.hadamard)
        if self.bits < EXACT_BITS:
            key = self._round(key, self.key_clip)
            value = self._round(value, self.value_clip)
            if self.query:
                query = fake(query, fit(query, self.bits, self.key_clip, self.symmetric))
        return query, key, value

    def _round(self, x: Tensor, clip: float) -> Tensor:
        """Keys or values (B, heads, T, head_dim), the first tokens left as they are."""
        first, rest = x[..., : self.exact, :], x[..., self.exact :, :]
        rest = fake(rest, fit(rest, self.bits, clip, self.symmetric))
        return torch.cat([first, rest], -2) if self.exact else rest

    def flops(self, heads: int, kv_heads: int, head_dim: int) -> float:
        """Operations a token in one layer."""
        return (heads + kv_heads) * head_dim * math.log2(self.hadamard) if self.hadamard else 0.0


def attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **settings: Any
) -> tuple[Tensor, None]:
    """transformers' scaled dot product attention behind the rule that `module` carries, if it carries one."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    rule: CacheRule | None = getattr(module, "cache_rule", None)
    if rule is not None:
        query, key, value = rule(query, key, value)
    found: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, mask, **settings)
    return found


def register() -> None:
    """Makes the attention function known to transformers; a second call changes nothing."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def install(llama: LlamaLike, rule: CacheRule) -> None:
    """Has every layer of a model read keys and values by the rule.

    UsageError for a model whose attention caps its logits (Gemma 2), which the function here does not.
    """
    if rule.idle:
        return
    config = llama.model.config.get_text_config()
    if getattr(config, "attn_logit_softcapping", None):
        raise UsageError(
            f"{type(llama.model).__name__} caps attention logits; its cache cannot be rounded here"
        )
    register()
    for block in llama.blocks:
        block.module.self_attn.cache_rule = rule
    llama.model.config._attn_implementation = NAME
    config._attn_implementation = NAME
