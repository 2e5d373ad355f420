"""Orders of channels that share outliers out between blocks.

A permutation is a list: new channel i is old channel perm[i], `x[..., perm]`; the columns of the weight take
the same gather. Scores are one number a channel, as the largest or mean magnitude over calibration tokens.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Bounds(NamedTuple):
    """What the zigzag's block means M_1..M_K cannot exceed."""

    spread: float  # max M - min M
    variance: float  # of M over the K blocks, divided by K


def zigzag(scores: Tensor, size: int) -> Tensor:
    """DuQuant's zigzag (section 3.2 of the paper by memory; `permutation_zigzag` of its code): perm (d,).

    Channels by falling score, equal ones in their old order, are dealt to blocks 0..K-1, K-1..0, 0..K-1 and
    so on; inside a block scores fall. One block is only sorted. scores (d,); size: channels a block.
    """
    count = _count(scores, size)
    order = absmax(scores).view(size, count)
    order[1::2] = order[1::2].flip(1)
    return order.T.reshape(-1)


def bounds(scores: Tensor, size: int) -> Bounds:
    """Bounds on the block means after `zigzag`, for an even block size.

    With O the scores by falling size and delta the widest gap between neighbours in O: the spread is at
    most (O_1 - O_d) / size and the variance at most (K^2 - 1) delta^2 / 48.
    """
    if size % 2:
        raise ValueError(f"the bounds hold for even block sizes, not {size}")
    count = _count(scores, size)
    ordered = scores.double().sort(descending=True).values
    gap = float((ordered[:-1] - ordered[1:]).max())
    return Bounds(float(ordered[0] - ordered[-1]) / size, (count**2 - 1) * gap**2 / 48)


def massdiff(mass: Tensor, size: int) -> Tensor:
    """MassDiff (arXiv 2601.22347, as Brevitas has it): the next heaviest channel goes to the lightest block.

    mass (d,): mean magnitude of a channel. The K heaviest open the blocks; every other joins, by falling
    mass, the block of least total mass that still has room, the first of equals. perm (d,).
    """
    count = _count(mass, size)
    order = absmax(mass).tolist()
    weights = mass.double().cpu().numpy()
    members: list[list[int]] = [[channel] for channel in order[:count]]
    totals = weights[order[:count]].copy()
    if size == 1:
        return torch.tensor(order, device=mass.device)
    for channel in order[count:]:
        lightest = int(totals.argmin())
        members[lightest].append(channel)
        full = len(members[lightest]) == size
        totals[lightest] = np.inf if full else totals[lightest] + weights[channel]
    return torch.tensor(members, device=mass.device).reshape(-1)


def absmax(scores: Tensor) -> Tensor:
    """Channels by falling score, equal ones in their old order: like goes to like. perm (d,)."""
    return scores.sort(descending=True, stable=True).indices


def shuffled(width: int, rng: np.random.Generator) -> Tensor:
    """A random order of `width` channels."""
    return torch.from_numpy(rng.permutation(width))


def inverse(perm: Tensor) -> Tensor:
    """The permutation that undoes one: x[..., perm][..., inverse(perm)] is x."""
    found = torch.empty_like(perm)
    found[perm] = torch.arange(len(perm), device=perm.device)
    return found


def block_means(scores: Tensor, perm: Tensor, size: int) -> Tensor:
    """Mean score of each block after a permutation, (K,)."""
    return scores.double()[perm].view(_count(scores, size), size).mean(1)


def _count(scores: Tensor, size: int) -> int:
    """How many blocks there are; ValueError where they do not fill the width."""
    if scores.ndim != 1:
        raise ValueError(f"one score a channel, not a tensor of shape {tuple(scores.shape)}")
    if size < 1 or len(scores) % size:
        raise ValueError(f"blocks of {size} do not divide {len(scores)} channels")
    return len(scores) // size
