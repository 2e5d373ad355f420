"""What is learned in front of a site: scales, full matrices, Kronecker products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from methods.quantization.layerwise import Site
from methods.quantization.learned import PRODUCERS, Link, RowLink
from methods.quantization.smoothing import FLOOR
from methods.quantization.stiefel import cayley
from methods.quantization.transforms import Dense, Kronecker, Transform

DOMINANCE = 0.95
"""Entries beside the diagonal of a row sum to at most this share of it."""


class ScaleLink(Link):
    """x / s, channel by channel, folded into the norm or the map before the site.

    Smoothing has already divided by `base`, so that x / (s / base) is left. At "out" query heads that share a
    head of values share its factors.
    """

    def __init__(self, site: Site) -> None:
        super().__init__()
        start = site.divided
        if start is None:
            start = torch.ones(site.width, device=site.weights[0].device)
        start = start.float().to(site.weights[0].device)
        self.heads: tuple[int, int] | None = None
        if site.name == "out":
            self.heads = (site.llama.kv_heads, site.llama.head_dim)
            start = start.view(self.heads[0], -1, self.heads[1])[:, 0].reshape(-1)
        self.produced = site.name in PRODUCERS
        self.factors = nn.Parameter(start.clone())
        self.register_buffer("base", start.clone())

    def change(self) -> Tensor:
        """s / base, of the channels before the heads of values are shared out."""
        return self.factors / self.base

    def forward(self, x: Tensor) -> Tensor:
        return x if self.produced else x / self.change()

    def weight(self, w: Tensor) -> Tensor:
        change = self.change()
        if self.heads is not None:
            per_kv = change.view(self.heads[0], 1, self.heads[1])
            change = per_kv.expand(-1, w.shape[1] // len(change), -1).reshape(-1)
        return w * change

    def rows(self, w: Tensor) -> Tensor:
        return w / self.change()[:, None]

    def settle(self, site: Site) -> Transform | None:
        if not self.produced:
            block = site.block
            norm = block.before_attention if site.name == "qkv" else block.before_ffn
            site.llama.set_gain(norm, site.llama.gain(norm) / self.change().double())
        return None

    @torch.no_grad()
    def project(self) -> None:
        self.factors.clamp_(min=FLOOR)


class PairLink(RowLink):
    """Keys divided, and queries multiplied, by factors that rotary embeddings let pass.

    factors (kv_heads, head_dim / 2): the two channels of a pair that the embedding turns share one.
    """

    def __init__(self, factors: nn.Parameter, heads: int, query: bool) -> None:
        super().__init__()
        self.factors, self.repeats, self.query = factors, heads // len(factors), query

    def rows(self, w: Tensor) -> Tensor:
        s = torch.cat([self.factors, self.factors], 1)
        if not self.query:
            return w / s.reshape(-1, 1)
        return w * s.repeat_interleave(self.repeats, 0).reshape(-1, 1)

    @torch.no_grad()
    def project(self) -> None:
        self.factors.clamp_(min=FLOOR)


class AffineLink(Link):
    """x A^-1 with a full matrix A that opens from its diagonal outwards (AffineQuant, section 3.2).

    Beside the diagonal A is `share` times the parameter, and zero beyond the band that is open at this epoch.
    After each step the rows are kept strictly diagonally dominant, so that A is always invertible. `heads`
    None: one matrix (d, d) for a site behind a norm, computed online. Otherwise one (head_dim, head_dim) for
    every head of values, folded into v and o.
    """

    def __init__(self, size: int, share: float, heads: int | None, device: Any) -> None:
        super().__init__()
        self.share, self.folded = share, heads is not None
        one = torch.eye(size, device=device)
        self.matrix = nn.Parameter(one.expand(heads, -1, -1).clone() if heads is not None else one.clone())
        self.register_buffer("mask", one.clone())

    def begin(self, epoch: int, epochs: int) -> None:
        size = len(self.mask)
        open_ = int((size - 1) / max(epochs - 1, 1) * epoch) + 1 if epochs > 1 else size
        place = torch.arange(size, device=self.mask.device)
        distance = (place[:, None] - place).abs()
        band = torch.where(distance < open_, self.share, 0.0)
        self.mask = torch.where(distance == 0, 1.0, band)

    def affine(self) -> Tensor:
        """A as it counts now: (d, d), or (kv_heads, head_dim, head_dim)."""
        return self.matrix * self.mask

    def forward(self, x: Tensor) -> Tensor:
        return x if self.folded else x @ torch.linalg.inv(self.affine())

    def weight(self, w: Tensor) -> Tensor:
        a = self.affine().to(w.dtype)
        if not self.folded:
            return w @ a.T
        by_head = w.view(len(w), len(a), -1, a.shape[-1])
        return torch.einsum("okgi,kji->okgj", by_head, a).reshape(w.shape)

    def rows(self, w: Tensor) -> Tensor:
        if not self.folded:
            return w
        a = self.affine().to(w.dtype)
        return torch.linalg.solve(a.mT, w.view(len(a), a.shape[-1], -1)).reshape(w.shape)

    def settle(self, site: Site) -> Transform | None:
        if self.folded:
            return None
        return Dense(torch.linalg.inv(self.affine().detach().double()).to(self.matrix.dtype))

    @torch.no_grad()
    def project(self) -> None:
        diagonal = self.matrix.diagonal(dim1=-2, dim2=-1)
        diagonal.clamp_(min=FLOOR)
        beside = self.affine().abs().sum(-1) - diagonal
        factor = (DOMINANCE * diagonal / beside.clamp_min(1e-30)).clamp(max=1.0)
        kept = diagonal.clone()
        self.matrix.mul_(factor[..., None])
        diagonal.copy_(kept)


class KroneckerLink(Link):
    """x (P1 kron P2), both invertible and learned by their singular values and vectors (FlatQuant).

    P = U diag(s) V^T, with U and V orthogonal: random at the start, moved by Cayley transforms.
    """

    def __init__(self, sizes: Sequence[int], rng: np.random.Generator, device: Any) -> None:
        super().__init__()
        for name, size in zip(("left", "right"), sizes, strict=True):
            for side in "uv":
                start = torch.linalg.qr(torch.from_numpy(rng.standard_normal((size, size)))).Q
                self.register_buffer(f"{name}_{side}_start", start.float().to(device))
                self.register_parameter(
                    f"{name}_{side}", nn.Parameter(torch.zeros(size, size, device=device))
                )
            self.register_parameter(f"{name}_s", nn.Parameter(torch.ones(size, device=device)))

    def factor(self, name: str, inverse: bool = False) -> Tensor:
        """P of "left" or "right", or its inverse transposed; exact up to float rounding."""
        u, v = (
            getattr(self, f"{name}_{side}_start") @ cayley(k - k.T)
            for side in "uv"
            for k in (getattr(self, f"{name}_{side}"),)
        )
        s: Tensor = getattr(self, f"{name}_s")
        return (u / s if inverse else u * s) @ v.T

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = Kronecker(self.factor("left"), self.factor("right"))(x)
        return found

    def weight(self, w: Tensor) -> Tensor:
        found: Tensor = Kronecker(self.factor("left", True), self.factor("right", True))(w)
        return found

    def settle(self, site: Site) -> Transform | None:
        return Kronecker(self.factor("left").detach(), self.factor("right").detach())

    @torch.no_grad()
    def project(self) -> None:
        self.left_s.clamp_(min=FLOOR)
        self.right_s.clamp_(min=FLOOR)


def nearest_factors(width: int) -> tuple[int, int]:
    """(a, b) with a b = width, a <= b, as near to each other as can be."""
    small = max(a for a in range(1, int(width**0.5) + 1) if width % a == 0)
    return small, width // small
