"""A causal language model behind keys and values of a fixed prefix, called as if there were none."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from suite.errors import UsageError
from suite.models._calls import device_of, evaluating
from suite.models.llama_like import LlamaLike


class KeysValues(NamedTuple):
    """Of every layer and token, behind the rotary embedding: (layers, kv_heads, P, head_dim) each."""

    keys: Tensor
    values: Tensor


def keys_and_values(llama: LlamaLike, ids: Tensor) -> KeysValues:
    """What the model as it is puts into its cache for tokens (P,)."""
    cache = DynamicCache()
    with evaluating(llama.model):
        llama.body(input_ids=ids[None].to(device_of(llama.model)), past_key_values=cache, use_cache=True)
    return KeysValues(*(torch.stack([getattr(layer, name)[0] for layer in cache.layers]) for name in _NAMES))


_NAMES = ("keys", "values")


class Prefixed(nn.Module):
    """The model with the prefix before every input; its inputs and outputs are those of the text alone.

    ids: the prefix's tokens (P,). kept: their keys and values; in a sliding window they count like those of
    any other token. Positions of the text begin at P, so that it can be P tokens shorter than without.
    """

    def __init__(self, model: Any, ids: Tensor, kept: KeysValues) -> None:
        super().__init__()
        self.model = model
        device = device_of(model)
        self.register_buffer("prefix_ids", ids.to(device))
        self.register_buffer("prefix_keys", kept.keys)
        self.register_buffer("prefix_values", kept.values)
        self.train(model.training)

    @property
    def config(self) -> Any:
        return self.model.config

    @property
    def generation_config(self) -> Any:
        return self.model.generation_config

    @property
    def device(self) -> torch.device:
        return device_of(self.model)

    @property
    def dtype(self) -> torch.dtype:
        found: torch.dtype = self.model.dtype
        return found

    def get_input_embeddings(self) -> Any:
        return self.model.get_input_embeddings()

    def get_output_embeddings(self) -> Any:
        return self.model.get_output_embeddings()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        **settings: Any,
    ) -> Any:
        """The model's output for (B, T) ids behind the prefix, logits (B, T, vocabulary).

        attention_mask: (B, all tokens of the text), 1 for those to be looked at; padding on the left comes
        between prefix and text, where it takes room in a sliding window. position_ids: counted from 0 at the
        text's start. past_key_values: of an earlier call of this very module.
        """
        if past_key_values is None:
            past_key_values = self._past(len(input_ids))
        if position_ids is not None:
            position_ids = position_ids + len(self.prefix_ids)
        return self.model(
            input_ids=input_ids,
            attention_mask=self._longer(attention_mask),
            position_ids=position_ids,
            past_key_values=past_key_values,
            **settings,
        )

    @torch.no_grad()
    def generate(self, input_ids: Tensor, attention_mask: Tensor | None = None, **settings: Any) -> Tensor:
        """transformers' generate behind the prefix: token ids (B, T + new), without the prefix's.

        Lengths such as max_length count the text alone. One sequence a row, without beams.
        """
        size = len(self.prefix_ids)
        if max(settings.get("num_beams") or 1, settings.get("num_return_sequences") or 1) > 1:
            raise UsageError("a model with a prefix generates one sequence a row, without beams")
        for name in ("max_length", "min_length"):
            if settings.get(name) is not None:
                settings[name] += size
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        found: Tensor = self.model.generate(
            input_ids=torch.cat([self.prefix_ids.expand(len(input_ids), -1), input_ids], 1),
            attention_mask=self._longer(attention_mask),
            past_key_values=self._past(len(input_ids)),
            **{**settings, "use_cache": True},
        )
        return found[:, size:]

    def _longer(self, mask: Tensor | None) -> Tensor | None:
        """The mask with ones for the prefix."""
        if mask is None:
            return None
        if mask.ndim != 2:
            raise UsageError(f"a model with a prefix takes masks (B, T), not {tuple(mask.shape)}")
        return torch.cat([mask.new_ones(len(mask), len(self.prefix_ids)), mask], 1)

    def _past(self, batch: int) -> DynamicCache:
        """A new cache that holds the prefix for every row.

        Without a configuration no layer of it forgets what leaves its window; the masks see to windows.
        """
        cache = DynamicCache()
        for layer, (keys, values) in enumerate(zip(self.prefix_keys, self.prefix_values, strict=True)):
            cache.update(keys.expand(batch, -1, -1, -1), values.expand(batch, -1, -1, -1), layer)
        return cache
