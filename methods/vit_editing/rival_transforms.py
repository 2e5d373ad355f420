"""MEND's networks: the factors of a gradient through a residual network, by the shape of the matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from methods.vit_editing.rival_training import Factors

if TYPE_CHECKING:
    from tasks.vit_editing.contract import Classifier

SMALL = 1e-7
"""Added to a feature's deviation, in shares of their mean, so that none is divided by nought."""


class Layer(nn.Module):
    """x + relu(scale (U V x + b) + shift): the identity as it starts. modes: matrices that share it, each
    with its own scale and shift.
    """

    def __init__(self, width: int, rank: int, modes: int, draw: torch.Generator) -> None:
        super().__init__()
        rank = min(rank, width)
        self.u = nn.Parameter(torch.zeros(width, rank))
        self.v = nn.Parameter(torch.randn(rank, width, generator=draw) / width**0.5)
        self.bias = nn.Parameter(torch.zeros(width))
        self.scale = nn.Parameter(torch.ones(modes, width))
        self.shift = nn.Parameter(torch.zeros(modes, width))

    def forward(self, x: Tensor, mode: int) -> Tensor:
        told = (x @ self.v.T @ self.u.T + self.bias) * self.scale[mode] + self.shift[mode]
        # clamp and not relu: at 0, where it starts, its slope is 1.
        return told.clamp(min=0) + x


class Transform(nn.Module):
    """Of factors with `reads` and `writes` features. rates: log of the learned rate of each matrix."""

    def __init__(
        self, reads: int, writes: int, rank: int, modes: int, rate: float, draw: torch.Generator
    ) -> None:
        super().__init__()
        self.reads = reads
        self.layers = nn.ModuleList(Layer(reads + writes, rank, modes, draw) for _ in range(2))
        self.rates = nn.Parameter(torch.full((modes,), rate).log())
        self.register_buffer("mean", torch.zeros(reads + writes))
        self.register_buffer("deviation", torch.ones(reads + writes))

    def forward(self, given: Factors, mode: int) -> Factors:
        """What the layers add to the normalised factors is brought back to their scale and added to them."""
        both = torch.cat([given.read, given.delta], -1)
        x = start = (both - self.mean) / self.deviation
        for layer in self.layers:
            x = layer(x, mode)
        told = both + (x - start) * self.deviation
        # A token without a gradient has no part in the edit.
        told = told * (given.delta != 0).any(-1, keepdim=True)
        return Factors(told[..., : self.reads], told[..., self.reads :])

    def measure(self, seen: Sequence[Factors]) -> None:
        """Takes mean and deviation of each feature from factors, of all tokens that have a gradient."""
        rows = torch.cat([torch.cat([f.read, f.delta], -1).flatten(0, 1) for f in seen])
        rows = rows[(rows[:, self.reads :] != 0).any(1)]
        self.mean.copy_(rows.mean(0))
        spread = rows.std(0)
        for part in (slice(0, self.reads), slice(self.reads, None)):
            self.deviation[part] = spread[part] + SMALL * spread[part].mean() + 1e-30


class Transforms(nn.Module):
    """One network for the fc1 of all blocks and one for their fc2."""

    def __init__(
        self, model: Classifier, blocks: Sequence[int], rank: int, rate: float, draw: torch.Generator
    ) -> None:
        super().__init__()
        pairs = [model.blocks[block].matrices for block in blocks]
        self.modes = {name: (k, mode) for mode, pair in enumerate(pairs) for k, name in enumerate(pair)}
        shapes = [model.parameter(name).shape for name in pairs[0]]
        self.nets = nn.ModuleList(Transform(n, out, rank, len(blocks), rate, draw) for out, n in shapes)

    def changes(self, found: Mapping[str, Factors]) -> dict[str, Tensor]:
        """- rate sum delta~ read~^T, (E, out, in), of every matrix."""
        told = {}
        for name, given in found.items():
            net, mode = self.nets[self.modes[name][0]], self.modes[name][1]
            new = net(given, mode)
            told[name] = -net.rates[mode].exp() * (new.delta.transpose(1, 2) @ new.read)
        return told

    def measure(self, found: Mapping[str, Factors]) -> None:
        """Takes the normalisation of every network from factors."""
        for k, net in enumerate(self.nets):
            net.measure([given for name, given in found.items() if self.modes[name][0] == k])
