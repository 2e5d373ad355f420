"""Hadamard transforms over the last axis, whole or in blocks (Sylvester's order, orthonormal).

    H_1 = [1],    H_2n = [[H_n, H_n], [H_n, -H_n]] / sqrt(2)

H is symmetric and its own inverse, so one function rotates and rotates back. A Sylvester matrix exists for
powers of two only; what asks for another size is refused rather than padded.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

FACTOR = 64  # up to this size one dense product is faster than a butterfly's passes over memory


def block_size(width: int, cap: int = 128) -> int:
    """The largest power of two that divides `width`, at most `cap` (itself a power of two).

    A block that does not divide the width would mix tokens without an error: 576 has 64, 288 has 32.
    """
    if width < 1:
        raise ValueError(f"a width is at least 1, not {width}")
    _power_of_two(cap)
    return min(width & -width, cap)


def matrix(size: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """The orthonormal Sylvester matrix (size, size); ValueError where `size` is no power of two."""
    _power_of_two(size)
    found = torch.ones(1, 1, dtype=torch.float64)
    while len(found) < size:
        found = torch.cat([torch.cat([found, found], 1), torch.cat([found, -found], 1)])
    return (found / size**0.5).to(dtype)


def transform(x: Tensor, block: int | None = None) -> Tensor:
    """x H over the last axis, the same H in every block of `block` channels (the whole axis where None).

    Half precision is computed in float32 and rounded once. ValueError where the block is no power of two
    or does not divide the axis.
    """
    width = x.shape[-1]
    size = width if block is None else block
    _power_of_two(size)
    if width % size:
        raise ValueError(f"blocks of {size} do not divide {width} channels; {block_size(width)} does")
    y = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    return _walsh(y.reshape(-1, size)).reshape(x.shape).to(x.dtype)


def signs(size: int, rng: np.random.Generator, dtype: torch.dtype = torch.float32) -> Tensor:
    """`size` random signs, each 1 or -1."""
    return torch.from_numpy(rng.integers(0, 2, size) * 2 - 1).to(dtype)


def randomized(x: Tensor, sign: Tensor, block: int | None = None) -> Tensor:
    """x D H with D = diag(sign), QuaRot's randomised transform; `restored` goes back."""
    return transform(x * sign.to(x), block)


def restored(y: Tensor, sign: Tensor, block: int | None = None) -> Tensor:
    """x of y = x D H."""
    return transform(y, block) * sign.to(y)


def _walsh(x: Tensor) -> Tensor:
    """x H for rows x (n, size): H_ab is the Kronecker product of H_a and H_b, so each factor acts alone."""
    size = x.shape[-1]
    if size <= FACTOR:
        return x @ matrix(size, x.dtype).to(x.device)
    y = x.reshape(-1, size // FACTOR, FACTOR) @ matrix(FACTOR, x.dtype).to(x.device)
    return (
        _walsh(y.transpose(1, 2).reshape(-1, size // FACTOR))
        .reshape(-1, FACTOR, size // FACTOR)
        .transpose(1, 2)
        .reshape(x.shape)
    )


def _power_of_two(size: int) -> None:
    if size < 1 or size & (size - 1):
        near = f"; the largest block that divides it is {size & -size}" if size > 0 else ""
        raise ValueError(f"a Hadamard matrix of size {size}: sizes are powers of two{near}")
