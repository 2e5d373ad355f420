"""Pictures of the benchmark: those that the base model was trained on, and those that it never saw.

CIFAR-10 from the data folder, or the digits that come with scikit-learn; which are which is the rule of the
zoo's recipes (suite/models/zoo/classes.py), so a model of the zoo and the benchmark agree on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from suite.errors import unknown

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tasks.vit_editing.contract import Pictures

POOLS = ("cifar10", "digits")
DIGITS_PX = 16


class Marked(NamedTuple):
    """x: (n, H, W, 3) uint8. y: (n,) int64, numbers of classes. hashes: of each picture's content."""

    x: Tensor
    y: Tensor
    hashes: tuple[str, ...]

    @property
    def pictures(self) -> Pictures:
        """Without the hashes."""
        from tasks.vit_editing.contract import Pictures

        return Pictures(self.x, self.y)

    def at(self, places: Tensor | Sequence[int]) -> Marked:
        """Those at some places (k,), in that order."""
        import torch

        where = torch.as_tensor(places, dtype=torch.int64)
        return Marked(self.x[where], self.y[where], tuple(self.hashes[i] for i in where.tolist()))


@dataclass(frozen=True, eq=False)
class Pool:
    """classes: their names in the order of labels. held shares no picture with training and has none
    twice.
    """

    name: str
    classes: tuple[str, ...]
    training: Marked
    held: Marked


def pool(name: str) -> Pool:
    """The pool of that name; DataError where its pictures are not at hand."""
    if name == "cifar10":
        return cifar10_pool()
    if name == "digits":
        return digits_pool()
    raise unknown("pool of pictures", name, POOLS, "tasks/vit_editing/pools.py")


def cifar10_pool() -> Pool:
    """3,500 training and 2,500 held pictures of 32 x 32 pixels."""
    from suite.models.zoo.classes import CIFAR10, Drawn, Part, cifar10
    from suite.models.zoo.views import square

    def drawn(part: Part) -> Drawn:
        found = cifar10(part)
        pixels = np.stack([square(p.encoded, None, 32) for p in found])
        return Drawn(pixels, np.array([p.label for p in found], np.int64))

    return made("cifar10", CIFAR10, marked(*drawn("training")), marked(*drawn("held")))


def digits_pool() -> Pool:
    """400 training drawings and the others, the few that are drawn alike once."""
    from suite.models.zoo.classes import digits

    names = tuple(str(digit) for digit in range(10))
    training, held = (marked(*digits(part, DIGITS_PX)) for part in ("training", "held"))
    return made("digits", names, training, held)


def made(name: str, classes: Sequence[str], training: Marked, held: Marked) -> Pool:
    """A pool whose held pictures are distinct and not among the training pictures."""
    return Pool(name, tuple(classes), training, distinct(held, training.hashes))


def marked(pixels: np.ndarray, labels: np.ndarray) -> Marked:
    """Pictures (n, H, W, 3) uint8 and their labels (n,), with the hash of each."""
    import torch

    x, y = torch.from_numpy(np.ascontiguousarray(pixels)), torch.from_numpy(labels.astype(np.int64))
    return Marked(x, y, tuple(content_hash(one) for one in pixels))


def content_hash(pixels: np.ndarray | torch.Tensor) -> str:
    """SHA-256 of one picture's height, width and uint8 values, in hexadecimal."""
    values = np.ascontiguousarray(np.asarray(pixels, np.uint8))
    head = f"{values.shape[0]}x{values.shape[1]}/".encode()
    return hashlib.sha256(head + values.tobytes()).hexdigest()


def distinct(shown: Marked, without: Collection[str] = ()) -> Marked:
    """One of each content, the first, and none of those `without`. Content that stands there under two labels
    is left out whole: nobody can say what it shows.
    """
    told: dict[str, set[int]] = {}
    for mark, label in zip(shown.hashes, shown.y.tolist(), strict=True):
        told.setdefault(mark, set()).add(label)
    seen = set(without)
    places = []
    for place, mark in enumerate(shown.hashes):
        if mark not in seen and len(told[mark]) == 1:
            seen.add(mark)
            places.append(place)
    return shown.at(places)
