"""Directions in which the gradient of a prompt may not go, and how they grow from task to task (PGP).

A basis B (d, r) has orthonormal columns; a gradient with rows g loses g B B^T.
"""

from __future__ import annotations

import torch
from torch import Tensor

NOTHING = 1e-20
"""A share of the energy below this is rounding."""


def principal(columns: Tensor, components: int) -> Tensor:
    """(d, k) scores of a PCA for which the d rows of `columns` (d, n) are the examples, as scikit-learn
    gives them but for their signs: U S of the columns without their means. The largest entry of a score is
    positive.
    """
    u, s, _ = torch.linalg.svd(columns - columns.mean(0), full_matrices=False)
    scores = (u * s)[:, :components]
    largest = scores.gather(0, scores.abs().argmax(0, keepdim=True))
    return scores * torch.where(largest < 0, -1.0, 1.0)


def grow(basis: Tensor | None, columns: Tensor, threshold: float, released: bool) -> Tensor:
    """The basis once the directions of `columns` (d, n) are in it, float64.

    They are those of the largest singular values of A, of which so many are taken that the share of their
    squares, with what the old basis covers, reaches the threshold. A is columns, and columns columns^T in the
    released code, where the shares are thus of fourth powers. There a first basis has as many directions as
    there are shares, summed from the largest on, below the threshold: one fewer than reach it, and none where
    the first is enough.
    """
    a = columns.double()
    if released:
        a = a @ a.T
    held = a[:, :0] if basis is None else basis.double()
    total = a.square().sum()
    if total == 0:
        return held
    u, s, _ = torch.linalg.svd(a - held @ (held.T @ a), full_matrices=False)
    shares = s.square() / total
    if basis is None:
        below = int((shares.cumsum(0) < threshold).sum())
        return u[:, : below if released else below + 1]
    covered = 1 - float(shares.sum())
    rank = 0
    for share in shares.tolist():
        # What rounding has left is no direction, and need not be orthogonal to the old ones.
        if covered >= threshold or share < NOTHING:
            break
        covered += share
        rank += 1
    return torch.cat([held, u[:, :rank]], dim=1)[:, : len(held)]


def without(gradient: Tensor, basis: Tensor) -> Tensor:
    """g - g B B^T for every row of the last axis of a gradient (..., d)."""
    b = basis.to(gradient)
    return gradient - (gradient @ b) @ b.T
