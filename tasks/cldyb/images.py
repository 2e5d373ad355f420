"""Pools of real pictures: the image sets of the data folder, and the digits that come with scikit-learn."""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from suite.errors import DataError, UsageError, unknown
from tasks.cldyb.pool import SPLITS, Pictures, Pool, PoolClass, Split, digest

SOURCES: Mapping[str, str] = {
    "cifar10": "cifar10",
    "pacs": "pacs",
    "flowers5": "flowers",
    "fashion_mnist_sprite": "fashion",
    "gtsrb": "traffic-signs",
    "signdigits": "sign-digits",
    "mnist": "mnist",
    "notmnist": "notmnist",
    "omniglot_small": "omniglot",
}
"""The labelled image sets of the data folder, and what the domain of each is called."""

DIGITS = "sklearn/datasets/data/digits.csv.gz"
DIGITS_SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"
"""Of its content: 1,797 rows of 64 grey values (0 to 16) and the digit."""

VARIANTS = ("digits", "digits-turned", "digits-negative", "digits-turned-negative")
"""Domains of digits: as they are; turned by a quarter to the left; with dark and light exchanged; both."""


@dataclass(frozen=True)
class Caps:
    """The most pictures that a class has in each split; a class that has fewer keeps what it has."""

    train: int = 100
    val: int = 40
    test: int = 60

    def __post_init__(self) -> None:
        if min(self.train, self.val, self.test) < 1:
            raise UsageError(f"{self}: every split needs one picture a class at least")


Drawn = Mapping[Split, list[Pictures]]
"""Pictures (px, px, 3) of one class."""


def real_pool(
    px: int = 32,
    *,
    sources: Sequence[str] = tuple(SOURCES),
    caps: Caps = Caps(),
    most: int = 0,
    seed: int = 0,
) -> Pool:
    """Classes of the data folder's image sets at px x px pixels, in the order of `sources` and labels.

    Training pictures come from the training rows of a source; its test rows are shared out, two fifths to val
    and the rest to test, so that no model of the zoo was trained on a test picture. A val that is short of
    its cap is filled from training rows that train has no room for. most:
    classes of a source, drawn at random; 0 for all. Which rows a class gives depends on the seed and its name
    alone. A picture whose pixels stand in two classes is in neither; one that repeats within a class stands
    there once. A class that so loses a whole split is not in the pool.
    DataError where a file is not at hand.
    """
    drawn: dict[tuple[str, str, str], Drawn] = {}
    for source in sources:
        if source not in SOURCES:
            raise unknown("image source", source, SOURCES, "suite data show images")
        domain = SOURCES[source]
        for label, name, rows in _classes(source, most, seed):
            key = (f"{domain}/{name}", domain, f"{source}/{label}")
            drawn[key] = _draw(rows, caps, px, _rng(seed, key[0]))
    return _pool(f"real-{px}", drawn)


def _classes(source: str, most: int, seed: int) -> Iterator[tuple[int, str, list[dict[str, Any]]]]:
    """Label, name and rows of the classes of a source, in the order of labels.

    A test row whose file is a training row as well is not among them: a model of the zoo knows it.
    """
    from suite.models.zoo.pool import rows

    everything = rows(source)
    learned = {row["image"] for row in everything if row["split"] == "train"}
    found: dict[int, list[dict[str, Any]]] = {}
    for row in everything:
        if row["split"] == "test" and row["image"] in learned:
            continue
        label = row["label"]
        assert isinstance(label, int)
        found.setdefault(label, []).append(row)
    labels = np.array(sorted(found))
    if 0 < most < len(labels):
        labels = np.sort(_rng(seed, source).choice(labels, most, replace=False))
    for label in labels.tolist():
        yield label, str(found[label][0]["label_name"]), found[label]


def _draw(rows: Sequence[Mapping[str, Any]], caps: Caps, px: int, rng: np.random.Generator) -> Drawn:
    learned, held = (
        [group[i] for i in rng.permutation(len(group))]
        for group in ([row for row in rows if row["split"] == split] for split in ("train", "test"))
    )
    val = min(caps.val, max(1, 2 * len(held) // 5))
    spare = learned[caps.train : caps.train + caps.val - val]
    chosen = {"train": learned[: caps.train], "val": held[:val] + spare, "test": held[val : val + caps.test]}
    return {split: [sized(row["image"], px) for row in chosen[split]] for split in SPLITS}


def sized(encoded: bytes, px: int) -> Pictures:
    """A JPEG or PNG as (px, px, 3) uint8, the whole of it made square, as the zoo's models were shown it."""
    from PIL import Image

    from suite.data.images import picture

    shown = picture(encoded).convert("RGB").resize((px, px), Image.Resampling.BICUBIC)
    return np.array(shown)


def digits_pool(
    px: int = 32,
    *,
    variants: Sequence[str] = VARIANTS,
    caps: Caps = Caps(80, 40, 54),
    seed: int = 0,
) -> Pool:
    """The packaged pool: the digits 0 to 9 of scikit-learn (8 x 8 pixels, about 180 a digit), enlarged.

    Each variant is a domain of ten classes made of the same drawings. A drawing is in the same split of every
    variant, so that none is learned in one and asked for in another. No model of the zoo was trained on them;
    MNIST has other drawings of the same ten things.
    """
    if wrong := [name for name in variants if name not in VARIANTS]:
        raise unknown("variant of digits", wrong[0], VARIANTS, "tasks/cldyb/images.py")
    images, labels = _digits(px)
    drawn: dict[tuple[str, str, str], Drawn] = {}
    for variant in variants:
        changed = images.transpose(0, 2, 1, 3)[:, ::-1] if "turned" in variant else images
        changed = 255 - changed if "negative" in variant else changed
        for digit in range(10):
            own = changed[labels == digit]
            order = _rng(seed, f"digits/{digit}").permutation(len(own))
            held, rest = order[: caps.test + caps.val], order[caps.test + caps.val :]
            rows = {"test": held[: caps.test], "val": held[caps.test :], "train": rest[: caps.train]}
            key = (f"{variant}/{digit}", variant, f"{variant}/{digit}")
            drawn[key] = {split: list(own[rows[split]]) for split in SPLITS}
    return _pool(f"digits-{px}", drawn)


def _digits(px: int) -> tuple[Pictures, np.ndarray]:
    """(1797, px, px, 3) uint8 and the digits (1797,). The file is read from the package, which is not
    imported.
    """
    from PIL import Image

    try:
        path = importlib.metadata.distribution("scikit-learn").locate_file(DIGITS)
        with gzip.open(str(path)) as file:
            content = file.read()
    except (importlib.metadata.PackageNotFoundError, OSError, EOFError):
        raise DataError("the digits of scikit-learn are not at hand: pip install scikit-learn") from None
    if hashlib.sha256(content).hexdigest() != DIGITS_SHA256:
        raise DataError(f"{path} has another checksum than the digits of scikit-learn; install it again")
    table = np.loadtxt(content.decode().splitlines(), delimiter=",", dtype=np.int64)
    grey = np.rint(table[:, :64].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    resized = [Image.fromarray(g).resize((px, px), Image.Resampling.BICUBIC) for g in grey]
    return np.repeat(np.stack([np.asarray(g) for g in resized])[..., None], 3, 3), table[:, 64]


def _rng(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8]))


def _pool(name: str, drawn: Mapping[tuple[str, str, str], Drawn]) -> Pool:
    """The classes without repeated pictures, the test pictures being the first to stay."""
    owners: dict[bytes, set[str]] = {}
    for (own, _, _), splits in drawn.items():
        for split in SPLITS:
            for shown in splits[split]:
                owners.setdefault(digest(shown), set()).add(own)
    classes, before, after = [], 0, Counter[str]()
    for key, splits in drawn.items():
        kept: dict[Split, list[Pictures]] = {}
        taken: set[bytes] = set()
        for split in reversed(SPLITS):
            kept[split] = []
            before += len(splits[split])
            for shown in splits[split]:
                mark = digest(shown)
                if len(owners[mark]) == 1 and mark not in taken:
                    taken.add(mark)
                    kept[split].append(shown)
        if all(kept.values()):
            train, val, test = (np.stack(kept[split]) for split in SPLITS)
            classes.append(PoolClass(*key, train, val, test))
            after[key[1]] += sum(map(len, kept.values()))
    return Pool(name, tuple(classes), before - after.total())
