"""The smallest change of a linear map that sends given keys to given values."""

from __future__ import annotations

import torch
from torch import Tensor


def second_moment(keys: Tensor) -> Tensor:
    """C = E[k k^T] (hidden, hidden) of keys (n, hidden), in float64."""
    wide = keys.double()
    return wide.T @ wide / len(wide)


def associated(
    weight: Tensor, keys: Tensor, values: Tensor, seen: Tensor, means: Tensor | None = None
) -> Tensor:
    """W + R (K^T L)^-1 L^T with R = V - W K and L = C^-1 K', so that W' k = v for every key.

    weight: (d, hidden). keys: (n, hidden), values: (n, d), n of them mostly 1, which gives the rank-one
    W + (v - W k)(C^-1 k)^T / ((C^-1 k)^T k). seen: C (hidden, hidden), positive definite; of all solutions it
    is the one that changes W k least on average over the keys that C was made of (means None). means: K'
    (n, hidden), keys averaged over contexts, in place of K in L; W' k = v holds all the same.

    Source: Meng et al. (2022), Locating and Editing Factual Associations in GPT, section 3.1; for more keys
    than one the same with several constraints. In float64, then in the weight's own type.
    """
    w, k, v = weight.double(), keys.double().T, values.double().T
    left = torch.linalg.solve(seen.double(), (keys if means is None else means).double().T)
    right = torch.linalg.solve(k.T @ left, (v - w @ k).T).T
    return (w + right @ left.T).to(weight.dtype)
