"""Perplexity over windows of equal length, as the quantization papers report it (DuQuant, section 5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.models._calls import device_of, evaluating

CHUNK = 1 << 20
"""Logits taken to float32 at a time: 4 MiB, which stays in a processor's cache."""
DEVICE_CHUNK = 1 << 26
"""The same on an accelerator, where few large steps are faster: 256 MiB."""


@dataclass(frozen=True)
class Perplexity:
    """value: exp of the mean of `nlls`; nlls: nats a scored token, by window; tokens: scored, in all."""

    value: float
    nlls: tuple[float, ...]
    tokens: int


def perplexity(model: Any, windows: Tensor | Sequence[Sequence[int]], batch: int = 8) -> Perplexity:
    """Perplexity of a causal language model over windows (N, length), each on its own.

    A window's first token is only looked at, the others are scored. model: called with input_ids, its output
    has logits. batch: windows that run together. Logits are in the model's own type and for one batch at a
    time; float32 log-probabilities are made of a part of them at a time.
    Raises ValueError for no window, for windows of fewer than 2 tokens or of different lengths, and for
    batch < 1.
    """
    ids = _checked(windows, batch)
    nlls: list[float] = []
    with evaluating(model):
        device = device_of(model)
        for rows in ids.split(batch):
            nlls += _mean_nll(model, rows.to(device)).tolist()
    scored = len(nlls) * (ids.shape[1] - 1)
    return Perplexity(_exp(math.fsum(nlls) / len(nlls)), tuple(nlls), scored)


def _checked(windows: Tensor | Sequence[Sequence[int]], batch: int) -> Tensor:
    if batch < 1:
        raise ValueError(f"batch is {batch}; give 1 or more")
    if not len(windows):
        raise ValueError("no windows, so there is no perplexity; is the text shorter than one window?")
    if not isinstance(windows, Tensor):
        lengths = {len(window) for window in windows}
        if len(lengths) > 1:
            raise ValueError(f"windows of {min(lengths)} and of {max(lengths)} tokens; give equal ones")
        windows = torch.tensor(windows)
    if windows.ndim != 2 or windows.shape[1] < 2:
        raise ValueError(f"windows are (N, length) with at least 2 tokens each, not {tuple(windows.shape)}")
    return windows.long()


def _mean_nll(model: Any, ids: Tensor) -> Tensor:
    """Nats a token for each row, (B,) float64. The last token of a row is only a target."""
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    size = CHUNK if ids.device.type == "cpu" else DEVICE_CHUNK
    rows = max(1, size // logits.shape[-1])
    parts = zip(logits.flatten(0, 1).split(rows), ids[:, 1:].flatten().split(rows), strict=True)
    nll = torch.cat([cross_entropy(part.float(), of.to(part.device), reduction="none") for part, of in parts])
    return nll.view(len(ids), -1).double().mean(1)


def _exp(x: float) -> float:
    """exp(x), infinite where a float cannot hold it."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf
