"""Classes as Gaussians of their features, and a classifier aligned on features drawn from them
(HiDe-Prompt).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from methods.cldyb.network import SGD, Network
from suite.models.training import Streams

Spread = Literal["covariance", "variance"]
FLOOR = 1e-4
"""Added to every variance."""


def gaussian(features: Tensor, spread: Spread) -> tuple[Tensor, Tensor]:
    """The mean (d) of features (n, d) and their covariance (d, d), or its diagonal (d), both with 1e-4 on the
    diagonal. Divided by n - 1; 1e-4 alone for one example.
    """
    wide = features.double()
    centred = wide - wide.mean(0)
    count = max(len(wide) - 1, 1)
    if spread == "variance":
        found = centred.square().sum(0) / count + FLOOR
    else:
        found = centred.T @ centred / count
        found.diagonal().add_(FLOOR)
    return wide.mean(0).to(features), found.to(features)


def root(spreads: Tensor) -> Tensor:
    """What maps standard normal rows to the spread: Cholesky factors (C, d, d), or deviations (C, d)."""
    return spreads.sqrt() if spreads.ndim == 2 else torch.linalg.cholesky(spreads.double()).float()


def drawn(means: Tensor, roots: Tensor, each: int, generator: torch.Generator) -> Tensor:
    """(C, each, d) independent draws of the Gaussians with means (C, d)."""
    noise = torch.randn((len(means), each, means.shape[1]), generator=generator)
    return means[:, None] + (noise * roots[:, None] if roots.ndim == 2 else noise @ roots.mT)


def pseudo(
    means: Tensor, spreads: Tensor, each: int, steps: int, epochs: int, streams: Streams, purpose: str
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Number of the epoch, features (each, d) and columns (each,): `steps` batches an epoch of fresh draws
    of all classes, shuffled.
    """
    roots = root(spreads)
    labels = torch.arange(len(means)).repeat_interleave(each)
    for epoch in range(epochs):
        generator = streams.torch(purpose, epoch)
        x = drawn(means, roots, each, generator).flatten(0, 1)
        order = torch.randperm(len(x), generator=generator)[: steps * each]
        for rows in order.split(each):
            yield epoch, x[rows], labels[rows]


def align(
    network: Network,
    means: Tensor,
    spreads: Tensor,
    *,
    old: int,
    each: int,
    epochs: int,
    lr: float,
    streams: Streams,
    purpose: str,
) -> None:
    """Trains a network on drawn features of all classes: SGD with momentum 0.9, the rate falling as a half
    cosine over the epochs.

    As in the released code an epoch draws `each` features of every class, shuffles them and makes as many
    steps of `each` features as there are `old` classes, so that not all draws are used.
    """
    optimizer = SGD(network.parameters(), lr, 0.9, 0.0)
    network.train()
    for epoch, x, y in pseudo(means, spreads, each, old, epochs, streams, purpose):
        optimizer.lr = lr * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
        optimizer.step(F.cross_entropy(network(x), y))
