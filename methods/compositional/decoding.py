"""Greedy decoding of many inputs at once: sorted by length, batched, finished rows dropped.

A row's output does not depend on its neighbours, so the order of batches is free; inputs of like length
share a batch and little padding is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from methods.compositional.vocabulary import BOS, EOS, PAD, Vocabulary, pad


@torch.no_grad()
def greedy(model: Any, source: Tensor, limit: int) -> list[list[int]]:
    """The most probable token at each step, for every row of `source` (B, S), up to `limit` tokens."""
    memory = model.encode(model.source(source), source)
    alive = torch.arange(len(source), device=source.device)
    ended = torch.zeros(len(source), dtype=torch.bool, device=source.device)
    out: list[list[int]] = [[] for _ in range(len(source))]
    token = torch.full((len(source), 1), BOS, device=source.device)
    for _ in range(limit):
        scores, memory = model.decode(token, memory)
        scores[..., PAD] = scores[..., BOS] = -torch.inf
        token = scores[:, -1:].argmax(-1)
        for row, value in zip(alive.tolist(), token[:, 0].tolist(), strict=True):
            out[row].append(value)
        ended = ended | (token[:, 0] == EOS)
        going = (~ended).nonzero()[:, 0]
        if len(going) == 0:
            break
        # ended rows stay a while: copying the memory costs more than carrying a few of them
        if len(going) < 0.75 * len(alive):
            memory = {name: _rows(name, value, going) for name, value in memory.items()}
            alive, token, ended = alive[going], token[going], ended[going]
    return out


def _rows(name: str, value: Tensor, rows: Tensor) -> Tensor:
    """The chosen rows of one memory tensor; an LSTM's states have the batch in their second place."""
    return value[:, rows] if name in ("h", "c") else value[rows]


def translate(
    model: Any,
    inputs: Sequence[str],
    vocabularies: tuple[Vocabulary, Vocabulary],
    limit: int,
    batch: int = 512,
) -> list[str]:
    """Outputs of `inputs` in their own order. `model` must be in evaluation mode."""
    source, target = vocabularies
    rows = [source.encode(text) for text in inputs]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    device = next(model.parameters()).device
    out = [""] * len(rows)
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        ids = torch.from_numpy(pad([rows[i] for i in part])).to(device)
        for i, tokens in zip(part, greedy(model, ids, limit), strict=True):
            out[i] = target.decode(tokens)
    return out
