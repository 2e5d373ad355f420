"""Uniform grids: rows of numbers to a few integer levels and back.

DuQuant's quantizer (its `quantize/quantizer.py`): for b bits and the clipped ends lo, hi of a row

    scale = clip((hi - lo) / (2^b - 1), 1e-5, 1e4),    zero = round(clip(-lo / scale, -1e4, 1e4))
    code  = clip(round(x / scale) + zero, 0, 2^b - 1), value = (code - zero) scale

and, symmetric, scale = clip(max(|lo|, |hi|) / (2^(b-1) - 1), 1e-5, 1e4), zero = 2^(b-1) - 1. Halves round to
the even neighbour. Zero is not forced onto the grid, so a row of one sign keeps all its levels, and a row
far from zero compared with its width (beyond 1e4 levels) is not met by its grid. From 16 bits on nothing is
rounded. Gradients pass through rounding as if it were not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

SCALE_MIN, SCALE_MAX = 1e-5, 1e4
ZERO_MAX = 1e4
EXACT_BITS = 16
RATIOS = tuple(1 - i / 100 for i in range(80))  # of GPTQ and QuaRot: 100 steps, shrinking by at most 0.8
NORM = 2.4


@dataclass(frozen=True)
class Grid:
    """The levels of every row: 2^bits values (code - zero) * scale.

    scale and zero are (..., 1) for rows (..., d), or (..., d / group, 1) with `group` channels a grid.
    """

    scale: Tensor
    zero: Tensor
    bits: int
    symmetric: bool
    group: int | None = None

    @property
    def exact(self) -> bool:
        """Whether nothing is rounded."""
        return self.bits >= EXACT_BITS

    def columns(self, width: int) -> tuple[Tensor, Tensor]:
        """(scale, zero) spread over `width` channels: (..., width) each."""
        if self.group is None:
            return self.scale.expand(*self.scale.shape[:-1], width), self.zero.expand(
                *self.zero.shape[:-1], width
            )
        wide = (t.squeeze(-1).repeat_interleave(self.group, -1) for t in (self.scale, self.zero))
        scale, zero = wide
        return scale, zero


def fit(
    x: Tensor,
    bits: int,
    clip: float | Tensor = 1.0,
    symmetric: bool = False,
    group: int | None = None,
) -> Grid:
    """The grid between a row's smallest and largest value, both times `clip`.

    Args:
        x: (..., d); a row is the last axis.
        bits: at least 2; from 16 on the grid rounds nothing.
        clip: one factor, or one a grid, shaped like its scale (`mse_clip` finds such).
        group: channels a grid, which must divide d; the whole row where None.
    """
    rows = _grouped(_wide(x), group)
    return between(
        clip * rows.amin(-1, keepdim=True), clip * rows.amax(-1, keepdim=True), bits, symmetric, group
    )


def between(lo: Tensor, hi: Tensor, bits: int, symmetric: bool = False, group: int | None = None) -> Grid:
    """The grid between given ends, shaped as its scale will be: (..., 1) or (..., d / group, 1)."""
    if bits < 2:
        raise ValueError(f"a grid has at least 2 bits, not {bits}")
    if symmetric:
        top = 2.0 ** (bits - 1) - 1
        scale = (torch.maximum(lo.abs(), hi.abs()) / top).clamp(SCALE_MIN, SCALE_MAX)
        zero = torch.full_like(scale, top)
    else:
        scale = ((hi - lo) / (2.0**bits - 1)).clamp(SCALE_MIN, SCALE_MAX)
        zero = _rounded((-lo / scale).clamp(-ZERO_MAX, ZERO_MAX))
    return Grid(scale, zero, bits, symmetric, group)


def codes(x: Tensor, grid: Grid) -> Tensor:
    """Integer codes shaped like x, in 0..2^bits - 1: uint8 up to 8 bits, int32 above.

    ValueError from 16 bits on, where there are none.
    """
    if grid.exact:
        raise ValueError(f"nothing is rounded at {grid.bits} bits: there are no codes")
    return _codes(x, grid).reshape(x.shape).to(torch.uint8 if grid.bits <= 8 else torch.int32)


def values(code: Tensor, grid: Grid) -> Tensor:
    """What integer codes (..., d) stand for, in the dtype of the grid's scale."""
    rows = _grouped(code, grid.group)
    return ((rows.to(grid.scale.dtype) - grid.zero) * grid.scale).reshape(code.shape)


def fake(x: Tensor, grid: Grid) -> Tensor:
    """x rounded to its grid, in its own shape and dtype; x itself from 16 bits on."""
    if grid.exact:
        return x
    return ((_codes(x, grid) - grid.zero) * grid.scale).reshape(x.shape).to(x.dtype)


@torch.no_grad()
def mse_clip(
    x: Tensor,
    bits: int,
    symmetric: bool = False,
    group: int | None = None,
    *,
    ratios: Sequence[float] = RATIOS,
    norm: float = NORM,
) -> Tensor:
    """The clip factor of each grid, among `ratios`, of the least sum |x - fake(x)|^norm; the first of equals.

    GPTQ's and QuaRot's search with their ratios and norm. Their grids always hold zero, these need not. The
    result is shaped like the grid's scale and goes to `fit` as its `clip`.
    """
    rows = _grouped(_wide(x), group)
    lo, hi = rows.amin(-1, keepdim=True), rows.amax(-1, keepdim=True)
    chosen, least = torch.full_like(lo, ratios[0]), torch.full_like(lo, torch.inf)
    for ratio in ratios:
        error = (fake(rows, between(ratio * lo, ratio * hi, bits, symmetric)) - rows).abs_().pow_(norm)
        total = error.sum(-1, keepdim=True)
        chosen = torch.where(total < least, ratio, chosen)
        least = torch.minimum(total, least)
    return chosen


@torch.no_grad()
def gptq(
    weight: Tensor,
    hessian: Tensor,
    grid: Grid,
    *,
    damp: float = 0.01,
    block: int = 128,
    act_order: bool = False,
) -> Tensor:
    """The weight rounded column by column, each column's error made up for by those still to come (GPTQ).

    Column j of the weight W (o, d) is rounded and the later ones move by -(W_j - q_j) / U_jj * U_j, with U
    the upper Cholesky factor of the inverse of H + damp * mean(diag H) I: what keeps trace(D H D^T), the
    error of the layer's outputs, least given the columns so far. The updates outside a block are made once
    a block. A column whose input was always zero is rounded as it is (the released code writes zeros).

    Args:
        weight: (o, d); computed in float64 where it is that, otherwise in float32.
        hessian: (d, d), X^T X of calibration inputs X up to a factor.
        grid: fitted to the weight; it stays as it is, groups included (GPTQ's `static_groups`).
        act_order: columns by falling diagonal of the Hessian, not by index.

    Returns W's rounded values in its dtype (their `codes` are exact), W itself from 16 bits on. ValueError
    where the damped Hessian is not positive definite.
    """
    if grid.exact:
        return weight
    w = _wide(weight).clone()
    upper_h = hessian.to(w).clone()
    dead = upper_h.diagonal() == 0
    upper_h.diagonal()[dead] = 1
    order = torch.arange(w.shape[1], device=w.device)
    if act_order:
        order = upper_h.diagonal().argsort(descending=True, stable=True)
    upper = _inverse_factor(upper_h[order][:, order], damp)
    scale, zero = (t[:, order] for t in grid.columns(w.shape[1]))
    w, top = w[:, order], 2**grid.bits - 1
    for first in range(0, w.shape[1], block):
        last = min(first + block, w.shape[1])
        errors = torch.empty_like(w[:, first:last])
        for j in range(first, last):
            code = ((w[:, j] / scale[:, j]).round() + zero[:, j]).clamp(0, top)
            rounded = (code - zero[:, j]) * scale[:, j]
            errors[:, j - first] = (w[:, j] - rounded) / upper[j, j]
            w[:, j] = rounded
            w[:, j + 1 : last].addr_(errors[:, j - first], upper[j, j + 1 : last], alpha=-1)
        w[:, last:] -= errors @ upper[first:last, last:]
    found = torch.empty_like(w)
    found[:, order] = w
    return found.to(weight.dtype)


def _inverse_factor(hessian: Tensor, damp: float) -> Tensor:
    """Upper U with U^T U the inverse of the damped Hessian."""
    diagonal = hessian.diagonal()
    diagonal += damp * diagonal.mean()
    lower, failed = torch.linalg.cholesky_ex(hessian)
    if not failed:
        upper, failed = torch.linalg.cholesky_ex(torch.cholesky_inverse(lower), upper=True)
    if failed:
        raise ValueError(f"the Hessian is not positive definite with damp={damp}; raise damp")
    return upper


def _codes(x: Tensor, grid: Grid) -> Tensor:
    """Codes as floats, grouped (..., groups, group) where the grid is."""
    rows = _grouped(_wide(x), grid.group)
    return (_rounded(rows / grid.scale) + grid.zero).clamp(0, 2.0**grid.bits - 1)


def _rounded(x: Tensor) -> Tensor:
    """Halves to even. x + (round(x) - x) is round(x) to the bit, as the difference is exact."""
    return x + (x.round() - x).detach() if x.requires_grad else x.round()


def _grouped(x: Tensor, group: int | None) -> Tensor:
    """(..., d) to (..., d / group, group); x itself without groups."""
    if group is None:
        return x
    if group < 1 or x.shape[-1] % group:
        raise ValueError(f"groups of {group} do not divide rows of {x.shape[-1]}")
    return x.unflatten(-1, (-1, group))


def _wide(x: Tensor) -> Tensor:
    """Half precision as float32."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
