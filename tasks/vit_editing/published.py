"""The paper's own pictures, from a folder that a user has filled: nothing of them is in this project.

    FOLDER/natural/LABEL_*/   a group of failures a folder; LABEL is the number of the class that they show
    FOLDER/oil/LABEL_*/       the same, generated as oil paintings
    FOLDER/light/LABEL_*/     the same, generated under stage light
    FOLDER/locality/          pictures that must keep their answers, at any depth; their labels are not read
    FOLDER/training/LABEL_*/  training pictures of the base model, for editors that prepare
    FOLDER/test/LABEL_*/      validation pictures, for the accuracy at large

The first four are as the authors' code reads them (hustyyq/Where-to-Edit, edit_natural.py and README.md); the
names of the last two are this project's. Classes are counted as in ImageNet-1k, in the order of their WordNet
ids. A picture's shorter side becomes 256 / 224 of the model's size, and the middle is cut out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from suite.errors import DataError, UsageError, unknown
from tasks.vit_editing.failures import Bench, Group, first_by_hash, largest, probabilities, taken_by
from tasks.vit_editing.pools import Marked, distinct, marked

if TYPE_CHECKING:
    from tasks.vit_editing.classifier import Classifier

NAME = "vit-editing"
"""The folder in SUITE_DATA_DIR that is looked at."""

SUBSETS = {
    "natural": "the natural subset is linked in the README of https://github.com/hustyyq/Where-to-Edit",
    "oil": "oil paintings are made with https://github.com/MadryLab/dataset-interfaces, as the README of "
    "https://github.com/hustyyq/Where-to-Edit says",
    "light": "stage light is made with https://github.com/facebookresearch/PUG, as the README of "
    "https://github.com/hustyyq/Where-to-Edit says",
}
"""Where the pictures of each subset come from."""

OTHERS = {
    "locality": "the sensitive pictures are linked in the README of https://github.com/hustyyq/Where-to-Edit",
    "training": "put training pictures of ImageNet-1k there, a folder LABEL_NAME a class",
    "test": "put validation pictures of ImageNet-1k there, a folder LABEL_NAME a class",
}
ENDINGS = (".jpg", ".jpeg", ".png")
LABELLED = re.compile(r"(\d+)_.*")
ENLARGED = (256, 224)
"""The shorter side before the middle is cut out, to the side that is left."""


def folder_of(given: str = "") -> Path:
    """The user's folder: the one given, else vit-editing in SUITE_DATA_DIR. UsageError where neither is
    there.
    """
    from suite.data.files import data_dir

    if given:
        return Path(given).expanduser()
    root = data_dir()
    if root is None:
        raise UsageError(
            "the published pictures are read from a folder of yours: set SUITE_DATA_DIR and put them into "
            f"{NAME} there; {SUBSETS['natural']}"
        )
    return root / NAME


def published_bench(
    model: Classifier,
    folder: Path,
    subset: str = "natural",
    *,
    groups: int = 16,
    least: int = 2,
    locality: int = 1000,
    test: int = 5000,
    training: int = 5000,
) -> Bench:
    """The bench of a published subset: its groups without the pictures that the model gets right, as the
    released code has it; locality pictures as they are given (their authors chose them), less those that a
    group or training has as well. locality, test, training: pictures at most.

    UsageError for an unknown subset; DataError for a missing folder, one without pictures, a folder whose
    name is no label of the model's classes, and a picture that cannot be read.
    """
    if subset not in SUBSETS:
        raise unknown("published subset", subset, SUBSETS, "tasks/vit_editing/published.py")
    size, classes = model.images.size, model.classes
    found = []
    for path, label in labelled(part_of(folder, subset), classes):
        found.append(failures_of(model, read(pictures_in(path), label, size), path.name))
    chosen = largest(found, least, groups)
    if not chosen:
        raise DataError(
            f"{folder / subset} has no group with {least} pictures that the base model gets wrong"
        )
    known = _several(part_of(folder, "training"), classes, size, training)
    files = _first(pictures_in(part_of(folder, "locality")), locality)
    taken = taken_by(chosen)
    near = distinct(read(files, 0, size), taken | set(known.hashes))
    if not near.hashes:
        raise DataError(f"{folder / 'locality'} has no picture that is in no group and not in training")
    at_large = distinct(_several(part_of(folder, "test"), classes, size, test), taken)
    return Bench(chosen, near.x, first_by_hash(at_large, test).pictures, known.pictures)


def failures_of(model: Classifier, shown: Marked, name: str) -> Group:
    """The pictures of a folder that the model gets wrong, once each."""
    wrong = (probabilities(model, shown.x).argmax(1) != shown.y).nonzero()[:, 0].tolist()
    once = distinct(shown.at(wrong))
    return Group(name, once.x, int(shown.y[0]), once.hashes, -1, once.hashes)


def part_of(folder: Path, name: str) -> Path:
    """A folder of the layout; DataError, with where its pictures come from, where it is missing."""
    path = folder / name
    if not path.is_dir():
        raise DataError(f"{path} is not there; {SUBSETS.get(name) or OTHERS[name]}")
    return path


def labelled(part: Path, classes: Sequence[str]) -> Iterator[tuple[Path, int]]:
    """Its folders LABEL_* with their labels, in the order of labels and names; DataError where there are none
    or a label is not a class of the model.
    """
    paths = sorted(path for path in part.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not paths:
        raise DataError(f"{part} has no folders LABEL_NAME, each with the pictures of a group")
    found = []
    for path in paths:
        told = LABELLED.fullmatch(path.name)
        if told is None or int(told[1]) >= len(classes):
            raise DataError(
                f"{path}: an unknown label; the name of a folder begins with the number of a class, 0 to "
                f"{len(classes) - 1}, and _"
            )
        found.append((path, int(told[1])))
    yield from sorted(found, key=lambda each: (each[1], each[0].name))


def pictures_in(path: Path) -> list[Path]:
    """The JPEG and PNG files in a folder, at any depth, by their names; DataError where there are none."""
    found = sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in ENDINGS and not file.name.startswith(".") and file.is_file()
    )
    if not found:
        raise DataError(f"{path} is empty: it has no picture ({', '.join(ENDINGS)})")
    return found


def read(files: Sequence[Path], label: int, size: int) -> Marked:
    """Files of one label as (n, size, size, 3); DataError, naming the file, for one that is no picture."""
    shown = [middle(file, size) for file in files]
    return marked(np.stack(shown), np.full(len(shown), label))


def middle(file: Path, size: int) -> np.ndarray:
    """The middle of a picture, (size, size, 3) uint8, its shorter side brought to 256 / 224 size before."""
    from PIL import Image

    from suite.data.images import picture

    try:
        image = picture(file.read_bytes()).convert("RGB")
    except DataError as error:
        raise DataError(f"{file}: {error}") from None
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror or error})") from None
    side = round(size * ENLARGED[0] / ENLARGED[1])
    scale = side / min(image.size)
    wide, high = (max(side, round(length * scale)) for length in image.size)
    left, upper = (wide - size) // 2, (high - size) // 2
    resized = image.resize((wide, high), Image.Resampling.BILINEAR)
    return np.asarray(resized.crop((left, upper, left + size, upper + size)))


def _several(part: Path, classes: Sequence[str], size: int, most: int) -> Marked:
    """At most so many pictures of folders LABEL_*."""
    of_file = {file: label for path, label in labelled(part, classes) for file in pictures_in(path)}
    files = _first(list(of_file), most)
    pixels = np.stack([middle(file, size) for file in files])
    labels = np.array([of_file[file] for file in files])
    return marked(pixels, labels)


def _first(files: Sequence[Path], most: int) -> list[Path]:
    """At most so many, drawn by SHA-256 of the last two parts of their paths, so that other pictures of a
    folder do not matter.
    """

    def mark(file: Path) -> str:
        return hashlib.sha256("/".join(file.parts[-2:]).encode()).hexdigest()

    return sorted(sorted(files, key=mark)[:most])
