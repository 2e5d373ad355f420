"""Smoothing: the difficulty of an activation moved to the weights that read it, channel by channel.

    s_j = max|X_j|^alpha / max|W_j|^(1 - alpha),    X <- X / s,    W <- W s      (SmoothQuant, equation 4)

Both maxima are at least 1e-5, and s at least 1e-2, as in DuQuant's released code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

if TYPE_CHECKING:
    from methods.quantization.layerwise import Site

LEAST = 1e-5
FLOOR = 1e-2
ONE_READER = {"qkv": 0, "ffn": 1}
"""The map whose weight alone counts in DuQuant's released code: q and up."""

Of = Literal["group", "one"]


def factors(site: Site, alpha: float, of: Of = "group") -> Tensor:
    """s (d,) of a site; `of`: the weights of all maps that read it, or of the one that the code looks at."""
    chosen = site.weights if of == "group" else (site.weights[ONE_READER.get(site.name, 0)],)
    weight = torch.stack([w.abs().amax(0).float() for w in chosen]).amax(0)
    return from_maxima(site.seen.absmax.to(weight.device), weight, alpha)


def from_maxima(activation: Tensor, weight: Tensor, alpha: float) -> Tensor:
    """s (d,) from the largest magnitudes of each channel of activation and weight."""
    return (activation.clamp_min(LEAST) ** alpha / weight.clamp_min(LEAST) ** (1 - alpha)).clamp_min(FLOOR)
