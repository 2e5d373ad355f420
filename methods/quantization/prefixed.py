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
    """Of every layer and token, behind the rotary embedding: (layers, kv_heads, P, head_dim) each.

    logits: what comes behind the last token, (vocabulary,).
    """

    keys: Tensor
    values: Tensor
    logits: Tensor


def keys_and_values(llama: LlamaLike, ids: Tensor) -> KeysValues:
    """What the model as it is puts into its cache for tokens (P,), and gives behind them."""
    cache = DynamicCache()
    with evaluating(llama.model):
        row = ids[None].to(device_of(llama.model))
        found = llama.model(input_ids=row, past_key_values=cache, use_cache=True).logits[0, -1]
    keys, values = (torch.stack([getattr(layer, name)[0] for layer in cache.layers]) for name in _NAMES)
    return KeysValues(keys, values, found.clone())


_NAMES = ("keys", "values")


class _Past(DynamicCache):
    """A cache that knows which of its rows begin with the prefix's last token, (B,)."""

    twice: Tensor

    def batch_select_indices(self, indices: Tensor) -> None:
        super().batch_select_indices(indices)  # type: ignore[no-untyped-call]
        self.twice = self.twice[indices]


class Prefixed(nn.Module):
    """The model with the prefix before every input; its inputs and outputs are those of the text alone.

    ids: the prefix's tokens (P,). kept: their keys and values; in a sliding window they count like those of
    any other token. Positions of the text begin at P, so that it can be P tokens shorter than without.

    A text that begins with the prefix's last token (BOS) has it in the prefix already: what is computed for
    the second one is looked at by nothing, its logits are those behind the prefix, and the rest of the text
    begins at P. Otherwise the second BOS, whose keys and values are those of a first token, would be as
    great an outlier as the one in the prefix, and rounded. In a sliding window it takes room.
    """

    def __init__(self, model: Any, ids: Tensor, kept: KeysValues) -> None:
        super().__init__()
        self.model = model
        device = device_of(model)
        self.register_buffer("prefix_ids", ids.to(device))
        self.register_buffer("prefix_keys", kept.keys)
        self.register_buffer("prefix_values", kept.values)
        self.register_buffer("prefix_logits", kept.logits)
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
        new = past_key_values is None
        if new:
            past_key_values = self._past(len(input_ids), self._twice(input_ids, attention_mask))
        twice = past_key_values.twice
        shift = len(self.prefix_ids)
        if bool(twice.any()):
            if position_ids is None:
                start = past_key_values.get_seq_length() - shift
                position_ids = torch.arange(start, start + input_ids.shape[1], device=input_ids.device)[None]
                attention_mask = _all(input_ids, start) if attention_mask is None else attention_mask
            elif attention_mask is None:
                attention_mask = _all(input_ids, past_key_values.get_seq_length() - shift)
            position_ids = position_ids - twice.long()[:, None]
        found = self.model(
            input_ids=input_ids,
            attention_mask=self._longer(attention_mask, twice),
            position_ids=None if position_ids is None else position_ids + shift,
            past_key_values=past_key_values,
            **settings,
        )
        if new and bool(twice.any()) and found.logits.shape[1] == input_ids.shape[1]:
            at = _first(attention_mask)
            found.logits[twice, at[twice]] = self.prefix_logits.to(found.logits)
        return found

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
        twice = self._twice(input_ids, attention_mask)
        found: Tensor = self.model.generate(
            input_ids=torch.cat([self.prefix_ids.expand(len(input_ids), -1), input_ids], 1),
            attention_mask=self._longer(attention_mask, twice),
            past_key_values=self._past(len(input_ids), twice),
            **{**settings, "use_cache": True},
        )
        return found[:, size:]

    def _longer(self, mask: Tensor | None, twice: Tensor) -> Tensor | None:
        """The mask with ones for the prefix, and none for a first token that the prefix ends with."""
        if mask is None:
            return None
        _check(mask)
        if bool(twice.any()):
            mask = mask.clone()
            mask[twice, _first(mask)[twice]] = 0
        return torch.cat([mask.new_ones(len(mask), len(self.prefix_ids)), mask], 1)

    def _twice(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        """Which rows (B,) begin, behind padding, with the last token of the prefix."""
        if mask is not None:
            _check(mask)
        first = ids[:, 0] if mask is None else ids.gather(1, _first(mask)[:, None])[:, 0]
        return first == self.prefix_ids[-1]

    def _past(self, batch: int, twice: Tensor) -> _Past:
        """A new cache that holds the prefix for every row.

        Without a configuration no layer of it forgets what leaves its window; the masks see to windows.
        """
        cache = _Past()
        cache.twice = twice
        for layer, (keys, values) in enumerate(zip(self.prefix_keys, self.prefix_values, strict=True)):
            cache.update(keys.expand(batch, -1, -1, -1), values.expand(batch, -1, -1, -1), layer)
        return cache


def _first(mask: Tensor) -> Tensor:
    """The place of the first 1 in each row, (B,)."""
    return (mask != 0).long().argmax(1)


def _all(ids: Tensor, before: int) -> Tensor:
    """A mask of ones for `before` tokens and those that come."""
    return torch.ones(len(ids), before + ids.shape[1], dtype=torch.long, device=ids.device)


def _check(mask: Tensor) -> None:
    if mask.ndim != 2:
        raise UsageError(f"a model with a prefix takes masks (B, T), not {tuple(mask.shape)}")
