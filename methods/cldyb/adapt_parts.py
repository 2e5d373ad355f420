"""What is trained inside a frozen transformer: adapters and low-rank updates, maps of x to what is added."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Part(nn.Module, ABC):
    """Adds nothing until it has been trained. scale: of what it adds; none learns it, from 1 on."""

    def __init__(self, scale: float | None) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(())) if scale is None else scale

    @abstractmethod
    def draw(self, generator: torch.Generator) -> None:
        """Gives the maps down fresh random weights, and makes the part add nothing."""


class Bottleneck(Part):
    """scale (U act(D x + d) + u): D (inner, width) uniform within 1 / sqrt(width), U, u and d nought.

    Source: LAMDA-PILOT (backbone/vit_ease.py, class Adapter, "lora" initialisation); LAE's has gelu and a
    learned scale (libml/model/pet/adapter.py). dropout: on the inner values while training.
    """

    def __init__(
        self,
        width: int,
        inner: int,
        scale: float | None = 0.1,
        dropout: float = 0.0,
        activation: Literal["relu", "gelu"] = "relu",
    ) -> None:
        super().__init__(scale)
        self.down = nn.Parameter(torch.zeros(inner, width))
        self.down_bias = nn.Parameter(torch.zeros(inner))
        self.up = nn.Parameter(torch.zeros(width, inner))
        self.up_bias = nn.Parameter(torch.zeros(width))
        self.dropout, self.activation = dropout, getattr(F, activation)

    @torch.no_grad()
    def draw(self, generator: torch.Generator) -> None:
        self.down.copy_(uniform(tuple(self.down.shape), generator))
        for zeroed in (self.down_bias, self.up, self.up_bias):
            zeroed.zero_()
        if isinstance(self.scale, nn.Parameter):
            self.scale.fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.dropout(
            self.activation(F.linear(x, self.down, self.down_bias)), self.dropout, self.training
        )
        return self.scale * F.linear(inner, self.up, self.up_bias)


class LowRank(Part):
    """scale B A x: A (rank, in) uniform within 1 / sqrt(in), B (out, rank) nought (Hu et al., 2021).

    before: A and B of earlier updates, (R, in) and (out, R), which are added and not trained; in no state.
    """

    def __init__(self, wide_in: int, wide_out: int, rank: int, scale: float | None = 1.0) -> None:
        super().__init__(scale)
        self.down = nn.Parameter(torch.zeros(rank, wide_in))
        self.up = nn.Parameter(torch.zeros(wide_out, rank))
        self.before: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def draw(self, generator: torch.Generator) -> None:
        self.down.copy_(uniform(tuple(self.down.shape), generator))
        self.up.zero_()
        if isinstance(self.scale, nn.Parameter):
            self.scale.fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        down, up = self.down, self.up
        if self.before is not None:
            down, up = torch.cat([self.before[0], down]), torch.cat([self.before[1], up], dim=1)
        return self.scale * F.linear(F.linear(x, down), up)


def uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Within 1 / sqrt(last of the shape): Kaiming's bound with a = sqrt(5), as torch's linear layers have."""
    bound = 1 / math.sqrt(shape[-1])
    return torch.rand(shape, generator=generator) * 2 * bound - bound
