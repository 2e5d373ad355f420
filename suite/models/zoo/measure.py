"""Scores of a vision backbone for its card: linear probes on every source, held-out classes apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from suite.models.probe import linear_probe
from suite.models.zoo.distill import encode
from suite.models.zoo.pool import Picture, pictures
from suite.models.zoo.recipe import Table, Workshop
from suite.models.zoo.views import TEACHER_PX, square

PROBED = (
    "cifar10",
    "pacs",
    "gtsrb",
    "omniglot_small",
    "notmnist",
    "mnist",
    "fashion_mnist_sprite",
    "flowers5",
    "signdigits",
)
TAUGHT = "cifar10"
"""The source on which the teacher is probed as well; its 1,280 features make the others slow."""

FEW = 300
"""Training pictures of the small CIFAR-10 probe."""

BATCH = 100
NOTE = (
    "Per cent of the test pictures, by multinomial logistic regression on frozen features of the training "
    "pictures, its L2 strength chosen on a part of them. 'kept' and 'held-out' are test pictures of classes "
    "that the clean variant has and has not seen; the probe tells all classes apart in both. 'teacher' is "
    f"EfficientNet-Lite0 at {TEACHER_PX} pixels, 'pixels' the pictures at 16 x 16."
)
Encoder = Callable[[Sequence[Picture]], np.ndarray]


def of_vit(model: Any, pixels: int, mean: float, std: float) -> Encoder:
    """Class tokens (N, d) of whole pictures by a transformers ViTForImageClassification."""

    def features(chosen: Sequence[Picture]) -> np.ndarray:
        return _in_batches(chosen, pixels, lambda x: encode(model.vit, (x.float() / 255 - mean) / std))

    return features


def of_known(chosen: Sequence[Picture], features: np.ndarray) -> Encoder:
    """Looks up what is known already: row i of `features` (N, D) belongs to chosen[i]."""
    rows = {picture.encoded: row for picture, row in zip(chosen, features, strict=True)}
    return lambda asked: np.stack([rows[p.encoded] for p in asked]).astype(np.float32)


def of_pixels(px: int = 16) -> Encoder:
    """The pixels themselves at px x px (N, 3 * px * px), in [-0.5, 0.5]: the floor."""
    return lambda chosen: _in_batches(chosen, px, lambda x: x.float().flatten(1) / 255 - 0.5)


def _in_batches(
    chosen: Sequence[Picture], px: int, encoder: Callable[[torch.Tensor], torch.Tensor]
) -> np.ndarray:
    out = []
    with torch.inference_mode():
        for start in range(0, len(chosen), BATCH):
            pixels = np.stack([square(p.encoded, None, px) for p in chosen[start : start + BATCH]])
            out.append(encoder(torch.from_numpy(pixels).permute(0, 3, 1, 2)).float().numpy())
    return np.concatenate(out)


def accuracies(encoder: Encoder, chosen: Sequence[Picture], first: int | None = None) -> dict[str, float]:
    """Per cent right on the test pictures of one source by a linear probe on its training pictures.

    "all", and apart "kept" and "held-out" classes where there are some; the probe knows every class in both.
    first: how many training pictures it learns from, the first of the file; None for all.
    """
    train = [p for p in chosen if p.split == "train"][:first]
    test = [p for p in chosen if p.split == "test"]
    probe = linear_probe(encoder(train), np.array([p.label for p in train]))
    right = probe.predict(encoder(test)) == np.array([p.label for p in test])
    out = np.array([p.held_out for p in test])
    found = {"all": 100 * float(right.mean())}
    for name, which in (("kept", ~out), ("held-out", out)):
        if which.any():
            found[name] = 100 * float(right[which].mean())
    return found


def probe_tables(encoder: Encoder, teacher: Encoder, workshop: Workshop) -> list[Table]:
    """The card's tables: `encoder` on every source, and beside it the teacher and the pixels."""
    rows: list[tuple[str | float, ...]] = []
    for i, source in enumerate(PROBED):
        workshop.report("probes", i, len(PROBED))
        chosen = [p for p in pictures(source) if p.split in ("train", "test")]
        for first in (None, FEW) if source == "cifar10" else (None,):
            rows.append(_row(source, chosen, (encoder, teacher, of_pixels()), first))
    head = ("source", "train", "test", "all", "kept", "held-out", f"teacher, {TEACHER_PX} px", "pixels")
    return [Table("Linear probes", head, tuple(rows), NOTE)]


def _row(
    source: str, chosen: Sequence[Picture], encoders: tuple[Encoder, Encoder, Encoder], first: int | None
) -> tuple[str | float, ...]:
    encoder, teacher, floor = encoders
    own = accuracies(encoder, chosen, first)
    taught = accuracies(teacher, chosen, first)["all"] if source == TAUGHT else "-"
    train, test = (sum(p.split == split for p in chosen) for split in ("train", "test"))
    parts = [own.get(name, "-") for name in ("all", "kept", "held-out")]
    return (source, str(first or train), str(test), *parts, taught, accuracies(floor, chosen, first)["all"])
