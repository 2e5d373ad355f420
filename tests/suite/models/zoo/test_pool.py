"""The image pool: what the clean variant leaves out, and crops that teacher and student share."""

from __future__ import annotations

import io
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suite.models.training import Streams
from suite.models.zoo import pool, views, vit
from suite.models.zoo.pool import Picture

needs_pool = pytest.mark.skipif(
    not (Path(os.environ.get("SUITE_DATA_DIR", "")) / "images" / "cifar10.parquet").is_file(),
    reason="needs the image pool: SUITE_DATA_DIR with the folder images",
)


def png(side: int = 12, seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, 2 * side, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def row(label: int, name: str, **more: object) -> dict[str, object]:
    return {"image": b"", "label": label, "label_name": name, "split": "train", **more}


@pytest.mark.parametrize(
    ("source", "label", "name", "out"),
    [
        ("cifar10", 7, "horse", True),
        ("cifar10", 5, "dog", False),
        ("pacs", 2, "giraffe", True),
        ("pacs", 6, "person", False),
        ("gtsrb", 21, "sign_21", True),
        ("gtsrb", 20, "sign_20", False),
        ("omniglot_small", 9, "Korean/character01", True),
        ("omniglot_small", 9, "Latin/character01", False),
        ("mnist", 5, "5", True),
        ("mnist", 4, "4", False),
        ("flowers5", 0, "daisy", True),
        ("signdigits", 0, "digit_0", True),
        ("imagenet1k_samples", 569, "garbage truck", True),
        ("imagenet1k_samples", 555, "fire engine", True),
        ("imagenet1k_samples", 207, "golden retriever", False),
    ],
)
def test_which_classes_are_held_out(source: str, label: int, name: str, out: bool) -> None:
    assert pool.picture(source, row(label, name)).held_out is out


@pytest.mark.parametrize(
    ("caption", "out"),
    [
        ("Two Horses run .", True),
        ("A man in a boat .", True),
        ("A dog with a friendship collar .", False),
        ("A girl smells flowers .", True),
    ],
)
def test_a_photograph_is_left_out_by_any_of_its_captions(caption: str, out: bool) -> None:
    photo = pool.picture("flickr8k_1k", {"image": b"", "captions": ["A child .", caption]})
    assert (photo.held_out, photo.label, photo.split) == (out, -1, "train")


def test_one_photograph_a_class_teaches_no_class() -> None:
    assert pool.picture("imagenet1k_samples", row(1, "goldfish")).label == -1


def test_class_names_leave_out_what_has_no_label() -> None:
    chosen = [
        Picture("mnist", 3, "3", "train", False, b""),
        Picture("flickr8k_1k", -1, "", "train", False, b""),
    ]
    assert vit.class_names([*chosen, Picture("mnist", 0, "0", "train", False, b"")]) == ["mnist/0", "mnist/3"]


def test_the_first_box_is_the_whole_picture_and_the_others_lie_inside() -> None:
    for seed in range(50):
        whole, *others = views.boxes((30, 20), 4, np.random.default_rng(seed))
        assert whole == (0, 0, 30, 20)
        for left, upper, right, lower in others:
            assert 0 <= left < right <= 30 + 1e-9
            assert 0 <= upper < lower <= 20 + 1e-9
            assert views.SMALLEST_CROP - 1e-9 <= (right - left) * (lower - upper) / 600 <= 1
            assert (right - left) / (lower - upper) == pytest.approx(1.5)


def test_a_picture_is_cropped_alike_at_every_size() -> None:
    pictures = [Picture("cifar10", 0, "", "train", False, png(seed=s)) for s in range(2)]
    small, large = (views.crops(pictures, 3, px, seed=4) for px in (6, 12))
    assert small.shape == (2, 3, 6, 6, 3)
    found = views.boxes((24, 12), 3, Streams(4).numpy("crops", 1))
    whole = Image.open(io.BytesIO(pictures[1].encoded))
    for v, box in enumerate(found):
        expected = np.asarray(whole.resize((12, 12), Image.Resampling.BICUBIC, box=box))
        assert np.array_equal(large[1, v], expected)


class Mean:
    """A teacher whose features are the mean colour, 1280 times over the channels."""

    calls = 0

    def features(self, pixels: object) -> object:
        self.calls += 1
        return pixels.mean((2, 3)).repeat(1, 427)[:, :1280]  # type: ignore[attr-defined]


def test_what_the_teacher_saw_is_kept(tmp_path: Path) -> None:
    pictures = [Picture("cifar10", 0, "", "train", False, png(seed=s)) for s in range(3)]
    teacher = Mean()
    first = views.teacher_features(pictures, 2, 4, lambda: teacher, lambda *a: None, tmp_path)
    again = views.teacher_features(pictures, 2, 4, lambda: teacher, lambda *a: None, tmp_path)
    assert teacher.calls == 1
    assert np.array_equal(first, again)
    seen = views.square(pictures[2].encoded, None, views.TEACHER_PX).mean((0, 1)) / 255
    assert first[2, 0, :3] == pytest.approx((seen - 127 / 255) / (128 / 255), abs=2e-3)


@needs_pool
def test_the_pool_has_the_counts_that_its_cards_tell() -> None:
    train = [p for p in pool.pictures() if p.split == "train"]
    assert len(train) == 21350
    # Half of CIFAR-10, notMNIST, MNIST and Fashion-MNIST, none of the flowers and signs.
    kept = Counter(p.source for p in train if not p.held_out)
    halves = {"cifar10": 2500, "notmnist": 1000, "mnist": 1500, "fashion_mnist_sprite": 360}
    assert {source: kept[source] for source in halves} == halves
    assert kept.keys() & pool.HELD_OUT_SOURCES == set()
    assert kept.total() == 10871
    names = {p.name for p in pool.pictures("imagenet1k_samples") if p.held_out}
    assert {"tree frog", "African elephant", "pickup", "daisy", "fire engine", "sorrel"} <= names
    assert not names & {"zebra", "golden retriever", "minivan", "sports car"}
