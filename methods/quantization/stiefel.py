"""Steps that keep a matrix orthogonal.

Z <- (I - t/2 W)^-1 (I + t/2 W) Z,    W skew-symmetric      (the Cayley transform; Li et al. 2020)
"""

from __future__ import annotations

import torch
from torch import Tensor


def cayley(skew: Tensor) -> Tensor:
    """The orthogonal matrix (I - K/2)^-1 (I + K/2) of a skew-symmetric K (d, d); differentiable."""
    one = torch.eye(skew.shape[-1], dtype=skew.dtype, device=skew.device)
    found: Tensor = torch.linalg.solve(one - skew / 2, one + skew / 2)
    return found


@torch.no_grad()
def descend(matrix: Tensor, gradient: Tensor, rate: float) -> Tensor:
    """The orthogonal matrix (d, d) after one step down along the manifold, computed in float64.

    With X the matrix and G the gradient, W = (X^T G - G^T X) / 2 and X^T moves by the Cayley transform of
    t W. t is `rate`, or 1 / |W|_1 where that is less (Li et al. 2020, without momentum).
    The system is solved, where the authors take a few fixed-point steps, so that the result is orthogonal.
    """
    x, g = matrix.double(), gradient.double()
    skew = (x.T @ g - g.T @ x) / 2
    size = min(rate, 1 / (float(skew.abs().sum(0).max()) + 1e-8))
    return (cayley(size * skew) @ x.T).T.to(matrix.dtype)
