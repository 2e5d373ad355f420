"""Frozen backbones, and the features of a pool under one of them: computed once and kept.

A search trains learners thousands of times on the same pictures; with features at hand a learner whose
encoder is frozen never sees the encoder again.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from suite.errors import UsageError
from suite.models.features import Cache, Drawn, weights_fingerprint
from suite.models.features import features as computed
from suite.models.registry import Images
from tasks.cldyb.pool import SPLITS, Pool, Split, as_task, prototypes, stacked

if TYPE_CHECKING:
    from tasks.cldyb.contract import TaskData
    from tasks.cldyb.matrix import Examples

SIZES = {"efficientnet-lite0": 128, "dinov2-s-saliency": 112}
"""Pixels a side that models of several sizes are given here: a fraction of the work at 224. The zoo's ViTs
learned from EfficientNet-Lite0 at 128.
"""
PREPARED = "v1: bicubic, antialiased, to the size; class token after the last norm, or pooled map"
"""What `Encoder` does. In the key of kept features: a change of it needs another word here."""
BATCH = 64


class Encoder(nn.Module):
    """Pictures (n, H, W, 3) of 0 to 255, uint8 or float, to features (n, width); gradients reach `body`.

    body: a transformers ViT (its class token after the last norm), or a network that has `features`.
    """

    def __init__(self, body: nn.Module, images: Images) -> None:
        super().__init__()
        self.body, self.size = body, images.size
        self.config = getattr(body, "config", None)
        for name, values in (("mean", images.mean), ("std", images.std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1))

    def prepared(self, images: Tensor) -> Tensor:
        """(n, H, W, 3) of 0 to 255 to (n, 3, size, size) as the body was trained on."""
        x = images.permute(0, 3, 1, 2).to(self.mean.dtype) / 255
        if tuple(x.shape[2:]) != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bicubic", antialias=True).clamp(0, 1)
        return (x - self.mean) / self.std

    def forward(self, images: Tensor) -> Tensor:
        x = self.prepared(images)
        if hasattr(self.body, "features"):
            pooled: Tensor = self.body.features(x)
            return pooled
        token: Tensor = self.body(x).last_hidden_state[:, 0]
        return token


@dataclass(frozen=True)
class FrozenBackbone:
    """A pre-trained encoder in evaluation mode (the contract's `Backbone`). width: of its features."""

    name: str
    encoder: Encoder
    width: int

    def features(self, images: np.ndarray) -> Tensor:
        """(n, H, W, 3) uint8 pictures to (n, width) float32. ValueError for another shape or type."""
        _check(images)
        (found,) = computed(self.encoder, _shown(images), batch_size=BATCH)
        return torch.from_numpy(found)

    def fresh(self) -> nn.Module:
        """A copy of the encoder in evaluation mode; it maps a tensor of pictures as `features` maps an array.

        Every parameter that its features depend on can be trained; others (a classifier) have no gradient.
        """
        own: nn.Module = copy.deepcopy(self.encoder).requires_grad_(True)
        size = self.encoder.size
        with torch.enable_grad():
            own(torch.zeros(1, size, size, 3, dtype=torch.uint8)).sum().backward()
        for parameter in own.parameters():
            parameter.requires_grad_(parameter.grad is not None)
            parameter.grad = None
        return own

    @cached_property
    def fingerprint(self) -> str:
        """Of all weights, and of what is done to pictures."""
        return weights_fingerprint(self.encoder)

    @property
    def preprocessing(self) -> str:
        """In words, for the key of what is kept."""
        mean, std = self.encoder.mean.flatten().tolist(), self.encoder.std.flatten().tolist()
        return f"{PREPARED}; size {self.encoder.size}, mean {mean}, std {std}"


def backbone(name: str, *, size: int = 0) -> FrozenBackbone:
    """The backbone of a vision model by name: a ViT of the zoo, efficientnet-lite0, dinov2-s-saliency, or any
    ViT that `suite.models.load` loads.

    size: pixels a side that the encoder is given; 0 for what `SIZES` says, else for the model's own.
    UsageError for a model that reads no pictures; DataError for one that is not at hand.
    """
    from suite.models import load

    loaded = load(name)
    if loaded.images is None:
        raise UsageError(f"model '{name}' reads no pictures; a backbone is a vision model")
    body = getattr(loaded.model, "base_model", loaded.model)
    config = getattr(body, "config", None)
    width = getattr(config, "hidden_size", None)
    images = Images(size or SIZES.get(name, loaded.images.size), loaded.images.mean, loaded.images.std)
    encoder = Encoder(body, images).requires_grad_(False).eval()
    if width is None:
        if not hasattr(body, "features"):
            raise UsageError(f"model '{name}' gives no features: it is no ViT and has no `features`")
        with torch.inference_mode():
            width = encoder(torch.zeros(1, images.size, images.size, 3, dtype=torch.uint8)).shape[1]
    return FrozenBackbone(name, encoder, int(width))


def _check(images: np.ndarray) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not len(images):
        raise ValueError(
            f"pictures are {images.dtype} {images.shape}, not uint8 (n, H, W, 3) with n of 1 or more"
        )


def _shown(images: np.ndarray) -> Drawn:
    return Drawn(len(images), lambda start, stop: np.ascontiguousarray(images[start:stop]))


@dataclass(frozen=True, eq=False)
class PoolFeatures:
    """train, val, test: float32 (n, width), one for each class of the pool in its order; read-only where they
    are mapped from the cache.
    """

    train: tuple[np.ndarray, ...]
    val: tuple[np.ndarray, ...]
    test: tuple[np.ndarray, ...]

    def split(self, name: Split) -> tuple[np.ndarray, ...]:
        """The features of a split."""
        return {"train": self.train, "val": self.val, "test": self.test}[name]

    def examples(self, classes: Sequence[int], split: Split) -> Examples:
        """Features (n, width) of these classes, one after the other, and their numbers."""
        return stacked([self.split(split)[c] for c in classes], classes)

    def task(self, classes: Sequence[int]) -> TaskData:
        """What a learner that reads features learns from: the training features of these classes."""
        return as_task(self.examples(classes, "train"), classes)

    def prototypes(self) -> np.ndarray:
        """Unit mean training feature of each class, (C, width) float64."""
        return prototypes(self.train)


def pool_features(pool: Pool, frozen: FrozenBackbone, folder: Path | None = None) -> PoolFeatures:
    """The features of every picture of the pool.

    folder: where they are kept, memory-mapped, by pool hash, weights and preprocessing; after a kill what is
    there is not computed again. None keeps them in memory alone.
    """
    found = {}
    for split in SPLITS:
        parts = [held.split(split) for held in pool.classes]
        stops = np.cumsum([len(part) for part in parts])
        cache = None
        if folder is not None:
            cache = Cache(folder, frozen.fingerprint, f"{pool.hash}/{split}", frozen.preprocessing)
        shown = Drawn(int(stops[-1]), _Rows(parts))
        (whole,) = computed(frozen.encoder, shown, batch_size=BATCH, cache=cache)
        found[split] = tuple(np.split(whole, stops[:-1]))
    return PoolFeatures(**found)


@dataclass(frozen=True)
class _Rows:
    """Rows of several arrays as if they were one, without a copy of all."""

    parts: Sequence[np.ndarray]

    def __call__(self, start: int, stop: int) -> Any:
        held, before = [], 0
        for part in self.parts:
            inside = part[max(0, start - before) : max(0, stop - before)]
            if len(inside):
                held.append(inside)
            before += len(part)
        return np.concatenate(held)
