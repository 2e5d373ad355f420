"""Batches, augmentation and loss by which a small ViT learns from the pool's labels and from a teacher's
features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from suite.models.training import Streams

SHIFT = 8
"""Images are shifted by at most 1/8 of a side, the border repeated."""


@dataclass(frozen=True)
class Targets:
    """What a batch is to predict.
    features: (B, 1280), standardised; classes: (B, C), rows of zeros without a label.
    """

    features: Tensor
    classes: Tensor

    def mixed(self, order: Tensor, share: float) -> Targets:
        """`share` of these targets and the rest of those in `order`."""
        return Targets(
            share * self.features + (1 - share) * self.features[order],
            share * self.classes + (1 - share) * self.classes[order],
        )


def standardise(features: np.ndarray) -> np.ndarray:
    """float32 features with mean 0 and variance 1 in every dimension over all pictures and views (N, V,
    D).
    """
    values = features.astype(np.float32)
    mean, std = values.mean((0, 1)), values.std((0, 1))
    scaled: np.ndarray = (values - mean) / np.maximum(std, 1e-3)
    return scaled


def mirror(pixels: Tensor, which: Tensor) -> Tensor:
    """Mirror the images (B, 3, S, S) at the places where `which` (B,) is true."""
    return torch.where(which[:, None, None, None], pixels.flip(3), pixels)


def shift(pixels: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Shift each image (B, 3, S, S) by whole pixels (B,), repeating its border."""
    side = pixels.shape[2]
    places = torch.arange(side)
    rows = (places[None] - down[:, None]).clamp(0, side - 1)
    columns = (places[None] - right[:, None]).clamp(0, side - 1)
    batch = torch.arange(len(pixels))[:, None, None]
    # Indexing puts the channels last.
    return pixels[batch, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def box(side: int, share: float, rng: np.random.Generator) -> tuple[slice, slice]:
    """A square window that covers about 1 - share of an image, cut at the border (CutMix, Yun et al.
    2019).
    """
    half = side * (1 - share) ** 0.5 / 2
    row, column = rng.uniform(0, side, 2)
    cut = [slice(max(0, round(c - half)), min(side, round(c + half))) for c in (row, column)]
    return cut[0], cut[1]


def augment(
    pixels: Tensor, may_mirror: Tensor, targets: Targets, streams: Streams, step: int, cutmix: float
) -> tuple[Tensor, Targets]:
    """Mirrored where allowed, shifted, brightened, and with probability `cutmix` cut and mixed within the
    batch.

    pixels: (B, 3, S, S) in [0, 1]; may_mirror: bool (B,).
    """
    rng = streams.numpy("augment", step)
    n, side = len(pixels), pixels.shape[2]
    pixels = mirror(pixels, may_mirror & torch.from_numpy(rng.random(n) < 0.5))
    most = side // SHIFT
    down, right = (torch.from_numpy(rng.integers(-most, most + 1, n)) for _ in range(2))
    pixels = shift(pixels, down, right)
    gain, offset = (
        torch.from_numpy(rng.uniform(low, high, (n, 1, 1, 1)).astype(np.float32))
        for low, high in ((0.7, 1.3), (-0.1, 0.1))
    )
    mean = pixels.mean((2, 3), keepdim=True)
    pixels = ((pixels - mean) * gain + mean + offset).clamp(0, 1)
    if rng.random() >= cutmix:
        return pixels, targets
    order = torch.from_numpy(rng.permutation(n))
    rows, columns = box(side, float(rng.random()), rng)
    pixels = pixels.clone()
    pixels[:, :, rows, columns] = pixels[order][:, :, rows, columns]
    covered = (rows.stop - rows.start) * (columns.stop - columns.start) / side**2
    return pixels, targets.mixed(order, 1 - covered)


def encode(vit: Any, pixels: Tensor, kept: Tensor | None = None) -> Tensor:
    """The class token (B, d) after the last norm of a transformers ViTModel.

    kept: indices (K,) of the patches that are looked at, or None for all (patch dropout, Liu et al. 2022:
    half the patches cost less than half the time).
    """
    x = vit.embeddings(pixels)
    if kept is not None:
        x = torch.cat([x[:, :1], x[:, 1:][:, kept]], 1)
    for layer in vit.layers:
        x = layer(x, None)
    token: Tensor = vit.layernorm(x)[:, 0]
    return token


def loss(token: Tensor, heads: nn.ModuleDict, targets: Targets, label_weight: float) -> Tensor:
    """Mean squared error to the teacher's features plus `label_weight` times the cross-entropy of labelled
    images.
    """
    of_features = F.mse_loss(heads["features"](token), targets.features)
    log_p = F.log_softmax(heads["classes"](token), 1)
    of_labels = -(targets.classes * log_p).sum() / targets.classes.sum().clamp(min=1.0)
    return of_features + label_weight * of_labels
