"""Pictures that the zoo's classifiers learn from, and those that they leave out for whoever measures them.

CIFAR-10: of the 500 training rows of a class, the 350 whose files have the smallest SHA-256 are trained on;
the other 150 and the test rows are held out. Digits: scikit-learn's, 40 of a class by the SHA-256 of their
pixels. Both rules depend on the pictures alone, so that a benchmark which imports them shares them.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np

from suite.errors import DataError
from suite.models.zoo.pool import Picture, picture, rows

Part = Literal["training", "held"]

CIFAR10 = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
CIFAR10_TRAINED = 350
"""Training rows of a class that `vit-32-cifar10` learns from."""

DIGITS = "sklearn/datasets/data/digits.csv.gz"
DIGITS_SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"
"""Of its content: 1,797 rows of 64 grey values (0 to 16) and the digit."""

DIGITS_TRAINED = 40
"""Drawings of a digit that `vit-16-digits` learns from."""


class Drawn(NamedTuple):
    """pixels: (n, S, S, 3) uint8. labels: (n,) int64."""

    pixels: np.ndarray
    labels: np.ndarray


def cifar10(part: Part) -> list[Picture]:
    """The pictures of one part, in the order of the file; DataError where it is not at hand."""
    everything = [picture("cifar10", row) for row in rows("cifar10")]
    learned = [p for p in everything if p.split == "train"]
    marks = [hashlib.sha256(p.encoded).digest() for p in learned]
    chosen = smallest([p.label for p in learned], marks, CIFAR10_TRAINED)
    if part == "training":
        return [learned[i] for i in chosen]
    out = {learned[i].encoded for i in chosen}
    return [p for p in everything if p.encoded not in out]


def smallest(labels: Iterable[int], marks: Iterable[bytes], most: int) -> list[int]:
    """The places of those `most` of each class that have the smallest marks, in ascending order."""
    of_class: dict[int, list[tuple[bytes, int]]] = defaultdict(list)
    for place, (label, mark) in enumerate(zip(labels, marks, strict=True)):
        of_class[label].append((mark, place))
    return sorted(place for found in of_class.values() for _, place in sorted(found)[:most])


def digits(part: Part, px: int = 16) -> Drawn:
    """The packaged drawings of 8 x 8 pixels enlarged to px x px, in the order of the file.

    Their file is read from scikit-learn, which is not imported. DataError where it is not installed.
    """
    from PIL import Image

    table = _digits_table()
    chosen = smallest(
        table[:, 64].tolist(),
        [hashlib.sha256(row[:64].astype(np.uint8).tobytes()).digest() for row in table],
        DIGITS_TRAINED,
    )
    training = np.isin(np.arange(len(table)), chosen)
    table = table[training if part == "training" else ~training]
    grey = np.rint(table[:, :64].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    resized = [Image.fromarray(g).resize((px, px), Image.Resampling.BICUBIC) for g in grey]
    return Drawn(np.repeat(np.stack([np.asarray(g) for g in resized])[..., None], 3, 3), table[:, 64])


def _digits_table() -> np.ndarray:
    try:
        path = importlib.metadata.distribution("scikit-learn").locate_file(DIGITS)
        with gzip.open(str(path)) as file:
            content = file.read()
    except (importlib.metadata.PackageNotFoundError, OSError, EOFError):
        raise DataError("the digits of scikit-learn are not at hand: pip install scikit-learn") from None
    if hashlib.sha256(content).hexdigest() != DIGITS_SHA256:
        raise DataError(f"{path} has another checksum than the digits of scikit-learn; install it again")
    return np.loadtxt(content.decode().splitlines(), delimiter=",", dtype=np.int64)
