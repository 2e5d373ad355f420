"""A Gaussian of the features of every class, and a head that is trained anew on features drawn from them.

Source: Zhang et al. (2023), "SLCA: Slow learner with classifier alignment", and the code in
LAMDA-PILOT (models/slca.py, models/mos.py): in every epoch so many features of each class are drawn, put in
random order and cut into as many batches as there are classes; SGD with momentum, the rate falls by a cosine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from methods.cldyb.adapt_descent import Descent, share
from methods.cldyb.network import Head
from suite.models.training import Streams

JITTER = 1e-4


class Settings(NamedTuple):
    """samples: features drawn of each class in an epoch, and the size of a batch."""

    epochs: int
    samples: int
    lr: float
    momentum: float
    decay: float


def gaussians(x: Tensor, place: Tensor, n: int, jitter: float = JITTER) -> tuple[Tensor, Tensor]:
    """Means (n, d) and covariances + jitter I (n, d, d), float32, of the rows of x at place 0 .. n - 1.

    The covariance divides by the number of rows less one; that of a single row is jitter I.
    """
    means, covariances = [], []
    for k in range(n):
        rows = x[place == k].double()
        d = rows - rows.mean(0)
        means.append(rows.mean(0))
        eye = torch.eye(x.shape[1], dtype=d.dtype, device=x.device)
        covariances.append(d.T @ d / max(len(rows) - 1, 1) + jitter * eye)
    return torch.stack(means).float(), torch.stack(covariances).float()


def shrinkage(task_of: Tensor) -> Tensor:
    """(C,) of what SLCA multiplies the mean of a class by: 0.9 + 0.1 (t_c + 1) / (t + 1), t_c its task, from
    0 on, and t the last.

    LAMDA-PILOT has c // (classes of the last task) for t_c, which is the same where all tasks are equal.
    """
    return 0.9 + 0.1 * (task_of + 1) / (task_of.max() + 1)


def drawn(means: Tensor, factors: Tensor, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """n features of each class, (C n, d), and their columns (C n,), class after class.

    factors: (C, d, d) lower triangular, whose products with their transposes are the covariances.
    """
    noise = torch.randn((len(means), n, means.shape[1]), generator=generator).to(means)
    x = means[:, None] + noise @ factors.mT
    return x.flatten(0, 1), torch.arange(len(means), device=means.device).repeat_interleave(n)


def align(
    head: Head,
    means: Tensor,
    covariances: Tensor,
    settings: Settings,
    streams: Streams,
    loss: Callable[[Tensor, Tensor], Tensor],
) -> None:
    """Trains the head on drawn features. loss: of logits (n, C) and their columns (n,)."""
    factors = torch.linalg.cholesky(covariances.double()).float()
    descent = Descent([(head.parameters(), 1.0)], settings.lr, "sgd", settings.momentum, settings.decay)
    for epoch in range(settings.epochs):
        descent.lr = settings.lr * share("cosine", epoch, settings.epochs)
        x, y = drawn(means, factors, settings.samples, streams.torch("drawn", epoch))
        order = torch.from_numpy(streams.numpy("aligned", epoch).permutation(len(y)))
        for rows in order.to(y.device).split(settings.samples):
            descent.step(loss(head(x[rows]), y[rows]))


def normalised(logits: Tensor, sizes: Sequence[int], temperature: float) -> Tensor:
    """Logits over the mean, over the tasks, of the norm of a task's logits + 1e-7, and over the temperature.

    sizes: how many columns each task has.
    """
    norms = [part.norm(dim=1, keepdim=True) + 1e-7 for part in logits.split(list(sizes), dim=1)]
    mean: Tensor = torch.cat(norms, dim=1).mean(dim=1, keepdim=True)
    return logits / mean / temperature
