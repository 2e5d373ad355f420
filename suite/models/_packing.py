"""Several continuations of one context in a row of their own each, and still in one row of the batch.

Behind the context stand the continuations, each without its last token, which is only a target. The mask lets
a continuation see the context and itself; its positions go on from the context's.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from suite.models._calls import device_of, logits_at, right_padded, target_log_probs
from suite.models.likelihood import Pair

Scores = list[tuple[float, bool]]


def row_width(pairs: list[Pair]) -> int:
    """Columns of the row that holds all pairs, which have one context."""
    return len(pairs[0].context) + sum(len(p.continuation) - 1 for p in pairs)


def score_rows(model: nn.Module, items: list[list[Pair]]) -> list[Scores]:
    """One batch. A position that several choices are predicted from (the context's last) is computed once."""
    device = device_of(model)
    rows = [pairs[0].context + list(chain(*(p.continuation[:-1] for p in pairs))) for pairs in items]
    ids = right_padded(rows, device)
    columns = torch.tensor([[i, c] for i, pairs in enumerate(items) for c in _columns(pairs)], device=device)
    at, which = columns.unique(dim=0, return_inverse=True)
    targets = torch.tensor([t for pairs in items for p in pairs for t in p.continuation], device=device)
    logits = logits_at(model, ids, (at[:, 0], at[:, 1]), **_block_inputs(model, items, ids.shape[1]))
    values, best = target_log_probs(logits, targets, rows=which)
    counts = [len(p.continuation) for pairs in items for p in pairs]
    parts = zip(values.double().split(counts), best.split(counts), strict=True)
    found = iter([(float(value.sum()), bool(greedy.all())) for value, greedy in parts])
    return [[next(found) for _ in pairs] for pairs in items]


def _columns(pairs: list[Pair]) -> list[int]:
    """Columns that predict each token of each choice: the context's last, then the choice's own."""
    columns, start = [], len(pairs[0].context)
    for pair in pairs:
        own = len(pair.continuation) - 1
        columns += [len(pair.context) - 1, *range(start, start + own)]
        start += own
    return columns


def _block_inputs(model: nn.Module, items: list[list[Pair]], columns: int) -> dict[str, Any]:
    """Mask and positions of packed rows; nothing where every choice is one token and no row is packed."""
    if all(len(p.continuation) == 1 for pairs in items for p in pairs):
        return {}
    block = torch.full((len(items), columns), -1)  # 0: context, 1, 2, ...: choices, -1: padding
    place = torch.zeros((len(items), columns), dtype=torch.long)
    for i, pairs in enumerate(items):
        start = end = len(pairs[0].context)
        block[i, :start], place[i, :start] = 0, torch.arange(start)
        for number, pair in enumerate(pairs, 1):
            own = len(pair.continuation) - 1
            block[i, end : end + own], place[i, end : end + own] = number, torch.arange(start, start + own)
            end += own
    same = (block[:, :, None] == block[:, None, :]) | (block[:, None, :] == 0)
    seen = same & torch.ones(columns, columns, dtype=torch.bool).tril()
    device = device_of(model)
    return {"attention_mask": _masks(model, seen, place), "position_ids": place.to(device)}


def _masks(model: nn.Module, seen: Tensor, place: Tensor) -> Tensor | dict[str, Tensor]:
    """The mask as the model adds it to its attention scores, (B, 1, T, T), one for each kind of layer where
    there are two kinds.
    """
    dtype, device = next(model.parameters()).dtype, device_of(model)

    def added(mask: Tensor) -> Tensor:
        hidden = torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)
        return hidden[:, None].to(device)

    window = window_of(model)
    if window is None:
        return added(seen)
    near = added(seen & (place[:, :, None] - place[:, None, :] < window))
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or ["sliding_attention"])
    if kinds == {"sliding_attention"}:
        return near
    return {"full_attention": added(seen), "sliding_attention": near}


def window_of(model: nn.Module) -> int | None:
    """Tokens that a layer with sliding attention sees, itself included; None where there is no such layer."""
    config: Any = model.config.get_text_config()
    kinds = getattr(config, "layer_types", None)
    if kinds is not None and "sliding_attention" not in kinds:
        return None
    window = getattr(config, "sliding_window", None)
    return None if window is None else int(window)
