"""A stage small enough to think about: twelve colours in two domains, seen through their mean colour."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from suite.models.registry import Images
from tasks.cldyb.features import Encoder, FrozenBackbone
from tasks.cldyb.pool import Pool, PoolClass
from tasks.cldyb.stage import Stage

CLASSES = 12


class MeanColour(nn.Module):
    """Three features, the mean of each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def features(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) * self.weight


def pictures(colour: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 4, 4, 3) of about one colour."""
    own = colour + rng.normal(0, 30, (n, 1, 1, 3)) + rng.normal(0, 4, (n, 4, 4, 3))
    return own.clip(0, 255).astype(np.uint8)


@pytest.fixture
def stage() -> Stage:
    rng = np.random.default_rng(5)
    classes = []
    for c in range(CLASSES):
        colour = rng.uniform(30, 225, 3)
        domain = "warm" if c % 2 else "cold"
        parts = [pictures(colour, n, rng) for n in (8, 6, 10)]
        classes.append(PoolClass(f"{domain}/{c}", domain, f"{domain}/{c}", *parts))
    encoder = Encoder(MeanColour(), Images(4, (0.5,) * 3, (0.25,) * 3)).requires_grad_(False).eval()
    return Stage(Pool("colours", tuple(classes)), FrozenBackbone("mean", encoder, 3))
