"""The pool of classes from which sequences of tasks are made: real pictures, three splits a class.

The adversary sees val, the published numbers are of test. A pool knows which of its classes a base model of
the zoo has been trained on, since that model's own configuration names them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

if TYPE_CHECKING:
    from tasks.cldyb.contract import TaskData
    from tasks.cldyb.matrix import Examples

Pictures = np.ndarray
Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Seen = Literal["yes", "no", "unknown"]
SAME = 0.99
"""Two classes whose prototypes have a larger cosine are held to be one class twice, or as good as one."""


@dataclass(frozen=True, eq=False)
class PoolClass:
    """A class: name (unique in the pool) and domain for people, origin "source/label" as the zoo names it.

    train, val, test: (n, px, px, 3) uint8 pictures, none of them empty.
    """

    name: str
    domain: str
    origin: str
    train: Pictures
    val: Pictures
    test: Pictures

    def __post_init__(self) -> None:
        for split in SPLITS:
            found = self.split(split)
            square = found.ndim == 4 and found.shape[1] == found.shape[2] == self.px and found.shape[3] == 3
            if found.dtype != np.uint8 or not square or not len(found):
                raise ValueError(
                    f"class {self.name}: {split} is {found.dtype} {found.shape}; it must be uint8 "
                    "(n, px, px, 3) with n of 1 or more, px the same in all splits"
                )

    @property
    def px(self) -> int:
        """Side of the pictures."""
        return int(self.train.shape[1])

    def split(self, name: Split) -> Pictures:
        """The pictures of a split, (n, px, px, 3) uint8."""
        found: Pictures = {"train": self.train, "val": self.val, "test": self.test}[name]
        return found


@dataclass(frozen=True, eq=False)
class Pool:
    """Classes; the number of a class is its place. left_out: pictures that were drawn and not taken, since
    the same pixels stand elsewhere in the pool.
    """

    name: str
    classes: tuple[PoolClass, ...]
    left_out: int = 0

    def __post_init__(self) -> None:
        if not self.classes:
            raise ValueError(f"pool {self.name} has no class")
        names = [held.name for held in self.classes]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"pool {self.name}: class {twice[0]} stands there more than once")
        if len(sizes := {held.px for held in self.classes}) > 1:
            raise ValueError(
                f"pool {self.name} has pictures of {sorted(sizes)} pixels; all must be of one size"
            )

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def px(self) -> int:
        """Side of all pictures."""
        return self.classes[0].px

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the names of the classes in order, and of the pixels of every split."""
        total = hashlib.sha256()
        for held in self.classes:
            shapes = [held.split(split).shape for split in SPLITS]
            total.update(json.dumps([held.name, shapes]).encode() + b"\n")
            for split in SPLITS:
                total.update(np.ascontiguousarray(held.split(split)).data)
        return total.hexdigest()

    def domains(self, classes: Sequence[int] | None = None) -> dict[str, int]:
        """How many of the classes (of all, without a list) are of each domain, in the order of the pool."""
        found = dict.fromkeys((held.domain for held in self.classes), 0)
        for c in range(len(self)) if classes is None else classes:
            found[self.classes[c].domain] += 1
        return found

    def where(self, keep: Callable[[PoolClass], bool], name: str) -> Pool:
        """A pool, under another name, of the classes for which `keep` is true."""
        return Pool(name, tuple(held for held in self.classes if keep(held)), self.left_out)

    def examples(self, classes: Sequence[int], split: Split) -> Examples:
        """The pictures (n, px, px, 3) uint8 of these classes, one after the other, and their numbers."""
        return stacked([self.classes[c].split(split) for c in classes], classes)

    def task(self, classes: Sequence[int]) -> TaskData:
        """What a learner that reads images learns from: the training pictures of these classes."""
        return as_task(self.examples(classes, "train"), classes)


def stacked(parts: Sequence[np.ndarray], classes: Sequence[int]) -> Examples:
    """Rows of several classes, part i of the class classes[i]; x is a copy.

    ValueError for no class, or one named twice.
    """
    import torch

    from tasks.cldyb.matrix import Examples

    if not len(classes) or len(set(classes)) < len(classes):
        raise ValueError(f"examples of the classes {list(classes)}: it needs at least one, each once")
    y = np.repeat(np.asarray(classes, np.int64), [len(part) for part in parts])
    return Examples(torch.from_numpy(np.concatenate(parts)), torch.from_numpy(y))


def as_task(examples: Examples, classes: Sequence[int]) -> TaskData:
    """The task of these classes, in this order."""
    from tasks.cldyb.contract import TaskData

    return TaskData(examples.x, examples.y, tuple(map(int, classes)))


class Place(NamedTuple):
    """Where a picture stands: number of the class, split, row."""

    label: int
    split: Split
    row: int


def repeats(pool: Pool) -> list[tuple[Place, ...]]:
    """Every picture that stands in two places or more, within a class or between classes, bytes identical."""
    places: dict[bytes, list[Place]] = {}
    for label, held in enumerate(pool.classes):
        for split in SPLITS:
            for row, picture in enumerate(held.split(split)):
                places.setdefault(digest(picture), []).append(Place(label, split, row))
    return [tuple(found) for found in places.values() if len(found) > 1]


def digest(picture: Pictures) -> bytes:
    """SHA-256 of one picture's pixels."""
    return hashlib.sha256(np.ascontiguousarray(picture).data).digest()


def prototypes(features: Sequence[np.ndarray]) -> np.ndarray:
    """Unit mean of each class's features: a list of (n, d) to (C, d) float64; zeros for a zero mean."""
    means = np.stack([np.asarray(part, np.float64).mean(0) for part in features])
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    unit: np.ndarray = means / np.where(norms > 0, norms, 1.0)
    return unit


def look_alikes(*units: np.ndarray, above: float = SAME) -> list[tuple[int, int, float]]:
    """Pairs of classes (lower number first) whose unit prototypes (C, d) have a cosine larger than `above`
    under every backbone, with the smallest of these cosines; the most alike first.

    Each of `units` is of one backbone. This is a list to look through, not a verdict: what a small backbone
    cannot tell apart looks alike to it (signs made with a hand, characters), and is hard but honest.
    """
    cosine = np.min([unit @ unit.T for unit in units], axis=0)
    first, second = np.nonzero(np.triu(cosine > above, 1))
    found = [(int(i), int(j), float(cosine[i, j])) for i, j in zip(first, second, strict=True)]
    return sorted(found, key=lambda pair: (-pair[2], pair[:2]))


def without_look_alikes(pool: Pool, *units: np.ndarray, above: float = SAME) -> Pool:
    """The pool without the later class of each pair that is too much alike, under a name that says so.

    A class stays where the only ones that it is like are left out themselves.
    """
    dropped: set[int] = set()
    for i, j, _ in sorted(look_alikes(*units, above=above)):
        if i not in dropped:
            dropped.add(j)
    kept = tuple(held for c, held in enumerate(pool.classes) if c not in dropped)
    return Pool(f"{pool.name}-distinct", kept, pool.left_out) if dropped else pool


def seen(picked: PoolClass, backbone: str) -> Seen:
    """Whether a base model was trained on pictures of this class: of this source, with this label.

    Of the vision models of the zoo this is known, "unknown" of every other. "no" says nothing of another
    source's pictures of the same thing, nor of the teacher from which the zoo's models learned: that is
    EfficientNet-Lite0, which has seen ImageNet. Test and val pictures that come from a source's test rows are
    in no training of the zoo, whatever the class.
    """
    trained = trained_on(backbone)
    if trained is None:
        return "unknown"
    return "yes" if picked.origin in trained else "no"


@cache
def trained_on(backbone: str) -> frozenset[str] | None:
    """ "source/label" of every class that a vision model of the zoo was trained on; None for other models."""
    from suite.models import entry, path

    known = entry(backbone)
    if not known.recipe or known.kind != "vit":
        return None
    config = json.loads((path(backbone) / "config.json").read_bytes())
    return frozenset(config["id2label"].values())
