"""Clips that are learned: how much of a row's range its grid covers, below and above zero apart.

    hi = sigmoid(u) max(w),    lo = sigmoid(l) min(w),    both logits 4 at the start      (OmniQuant's LWC)

sigmoid(4) is 0.98201, so that before any step a grid is one clipped by that factor.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from methods.quantization.grids import EXACT_BITS, Grid, between, fake
from methods.quantization.linear import InputRule, Part, Rounded
from tasks.quantization.contract import Precision

START = 4.0


class WeightClip(nn.Module):
    """Two logits for each grid of a weight: `high` and `low`, shaped like the grid's scale."""

    def __init__(self, rows: int, width: int, precision: Precision) -> None:
        super().__init__()
        group = precision.group
        shape = (rows, 1) if group is None else (rows, width // group, 1)
        self.bits, self.group = precision.weights, group
        self.high = nn.Parameter(torch.full(shape, START))
        self.low = nn.Parameter(torch.full(shape, START))

    def grid(self, w: Tensor) -> Grid:
        """The grids of a weight (o, d)."""
        rows = w if self.group is None else w.unflatten(-1, (-1, self.group))
        low, high = self.low.sigmoid().to(w), self.high.sigmoid().to(w)
        return between(
            low * rows.amin(-1, keepdim=True),
            high * rows.amax(-1, keepdim=True),
            self.bits,
            group=self.group,
        )

    def forward(self, w: Tensor) -> Tensor:
        """w (o, d) rounded; differentiable in w and both logits."""
        return fake(w, self.grid(w))

    @torch.no_grad()
    def rounded(self, w: Tensor) -> Rounded:
        """The weight on its final grids."""
        grid = self.grid(w)
        fixed = Grid(grid.scale.detach(), grid.zero.detach(), grid.bits, grid.symmetric, grid.group)
        return Rounded(fake(w, fixed), (Part(0, w.shape[1], fixed),))


class InputClip(nn.Module):
    """Two logits for all tokens of a site; rounds like the InputRule that `rule` gives."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.high = nn.Parameter(torch.tensor(START))
        self.low = nn.Parameter(torch.tensor(START))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., d), each token rounded by itself."""
        if self.bits >= EXACT_BITS:
            return x
        low = self.low.sigmoid() * x.amin(-1, keepdim=True)
        return fake(x, between(low, self.high.sigmoid() * x.amax(-1, keepdim=True), self.bits))

    def rule(self) -> InputRule:
        """What was learned, fixed."""
        high, low = (float(logit.detach().sigmoid()) for logit in (self.high, self.low))
        return InputRule(self.bits, high, clip_low=low)
