"""The image pool of the vision recipes: eleven sources, their splits, and which classes the clean variant
leaves out.

Clean means: no image was trained on whose class is held out. Whole sources are held out (flowers,
sign-language digits), and classes of the others; photographs without such labels (one for each ImageNet
class, captioned Flickr photographs) are left out where their class or a caption names a held-out thing. Test
splits are never trained on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

HELD_OUT_SOURCES = frozenset({"flowers5", "signdigits"})
UPRIGHT = frozenset({"gtsrb", "omniglot_small", "notmnist", "mnist", "signdigits"})
"""Sources in which a mirrored image is another sign, letter or digit, or none."""

THINGS = """
    antelope blossom blossoms boat bouquet bullfrog canoe carrier catamaran colt daisy dandelion deer
    elephant elk ferry fireboat flower flowers foal frog gazelle giraffe gondola hartebeest horse ibex
    impala kayak lifeboat liner lorry moose orchid paddlewheel pickup pirate pony reindeer rose roses
    sailboat schooner ship slipper sorrel speedboat submarine sunflower sunflowers toad trailer trimaran
    truck tulip tulips tusker van yacht yawl
"""
"""Words for held-out classes, looked for in captions and in the names of ImageNet's classes."""

MORE_THINGS = frozenset({"fire engine", "half track", "amphibian", "wreck", "dock", "bighorn", "oxcart"})
"""Classes of ImageNet that show a held-out thing without naming it."""

_THING = re.compile(r"\b(" + "|".join(THINGS.split()) + r")s?\b", re.IGNORECASE)


def _from(first: int) -> Callable[[str, int], bool]:
    return lambda name, label: label >= first


HELD_OUT: Mapping[str, Callable[[str, int], bool]] = {
    # Photographs with captions are full of dogs and people: those classes stay.
    "cifar10": lambda name, label: name in {"deer", "frog", "horse", "ship", "truck"},
    "pacs": lambda name, label: name in {"elephant", "giraffe", "horse"},
    "gtsrb": lambda name, label: label % 2 == 1,
    "omniglot_small": lambda name, label: (
        name.partition("/")[0] in {"Korean", "Sanskrit", "Greek", "Tagalog"}
    ),
    "notmnist": _from(5),
    "mnist": _from(5),
    "fashion_mnist_sprite": _from(5),
    "flowers5": lambda name, label: True,
    "signdigits": lambda name, label: True,
    "imagenet1k_samples": lambda name, label: name in MORE_THINGS or bool(_THING.search(name)),
}
SOURCES = (*HELD_OUT, "flickr8k_1k")


@dataclass(frozen=True)
class Picture:
    """One image: `label` counts classes within `source`, -1 where none is trained on; `encoded` is JPEG or
    PNG.
    """

    source: str
    label: int
    name: str
    split: str
    held_out: bool
    encoded: bytes


def rows(source: str) -> list[dict[str, object]]:
    """Every row of a source's parquet file, its checksum verified first."""
    import pyarrow.parquet as pq

    from suite.data import open_file

    found: list[dict[str, object]] = pq.read_table(open_file("images", f"{source}.parquet")).to_pylist()
    return found


def pictures(*sources: str) -> Iterator[Picture]:
    """The pictures of these sources (all of them where none is named), in the order of the files."""
    for source in sources or SOURCES:
        for row in rows(source):
            yield picture(source, row)


def picture(source: str, row: Mapping[str, object]) -> Picture:
    """A row as a picture, with the verdict whether the clean variant leaves it out."""
    encoded = row["image"]
    assert isinstance(encoded, bytes)
    if source == "flickr8k_1k":
        captions = row["captions"]
        assert isinstance(captions, list)
        return Picture(source, -1, "", "train", any(_THING.search(text) for text in captions), encoded)
    label, name = row["label"], str(row["label_name"])
    assert isinstance(label, int)
    out = HELD_OUT[source](name, label)
    # One photograph a class teaches no class; it is trained on for its features alone.
    trained_label = -1 if source == "imagenet1k_samples" else label
    return Picture(source, trained_label, name, str(row.get("split", "train")), out, encoded)
