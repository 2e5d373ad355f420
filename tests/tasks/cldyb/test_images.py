"""Pools of pictures: disjoint splits by a seed, repeats left out; real sets where they are at hand."""

from __future__ import annotations

import importlib.metadata
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suite.errors import DataError, UsageError
from suite.models.zoo import pool as zoo_pool
from tasks.cldyb import images
from tasks.cldyb.images import Caps, digits_pool, real_pool
from tasks.cldyb.pool import SPLITS, Pool, repeats, seen

needs_images = pytest.mark.skipif(
    not (Path(os.environ.get("SUITE_DATA_DIR", "")) / "images" / "mnist.parquet").is_file(),
    reason="needs the image pool: SUITE_DATA_DIR with the folder images",
)


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def generated(labels: int, train: int, test: int, seed: int = 0) -> list[dict[str, object]]:
    """Grey noise of 6 x 6 pixels, test rows first."""
    rng = np.random.default_rng(seed)
    return [
        {
            "image": png(rng.integers(0, 256, (6, 6), np.uint8)),
            "label": k,
            "label_name": f"n{k}",
            "split": split,
        }
        for k in range(labels)
        for split, n in (("test", test), ("train", train))
        for _ in range(n)
    ]


@pytest.fixture
def sets(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[dict[str, object]]]:
    found = {"mnist": generated(4, 9, 10), "gtsrb": generated(3, 5, 1, seed=1) + generated(3, 0, 4, seed=2)}
    monkeypatch.setattr(zoo_pool, "rows", lambda source: found[source])
    return found


def small(**more: object) -> Pool:
    return real_pool(6, sources=("mnist", "gtsrb"), caps=Caps(7, 4, 5), **more)  # type: ignore[arg-type]


def sizes(pool: Pool) -> list[tuple[int, ...]]:
    return [tuple(len(held.split(split)) for split in SPLITS) for held in pool.classes]


def test_splits_are_of_the_sizes_promised(sets: object) -> None:
    pool = small()
    # mnist: 9 rows to train, capped at 7; 10 test rows, two fifths to val, of the other 6 no more than 5
    assert sizes(pool) == [(7, 4, 5)] * 4 + [(5, 2, 3)] * 3
    assert pool.domains() == {"mnist": 4, "traffic-signs": 3} and pool.px == 6
    assert pool.classes[4].name == "traffic-signs/n0" and pool.classes[4].origin == "gtsrb/0"


def test_a_short_val_is_filled_from_training_rows_that_are_left_over(sets: dict) -> None:
    pool = real_pool(6, sources=("mnist",), caps=Caps(3, 6, 5))
    assert sizes(pool) == [(3, 6, 5)] * 4 and repeats(pool) == []
    for held in pool.classes:
        rows = [r for r in sets["mnist"] if r["split"] == "train" and f"mnist/{r['label']}" == held.origin]
        learned = {images.sized(row["image"], 6).tobytes() for row in rows}
        assert sum(shown.tobytes() in learned for shown in held.val) == 2
        assert not any(shown.tobytes() in learned for shown in held.test)


def test_train_is_of_training_rows_and_no_picture_stands_twice(sets: dict) -> None:
    pool = small()
    assert repeats(pool) == [] and pool.left_out == 0
    for held in pool.classes[:4]:
        for split in SPLITS:
            kind = "train" if split == "train" else "test"
            rows = [r for r in sets["mnist"] if r["split"] == kind and f"mnist/{r['label']}" == held.origin]
            known = {images.sized(row["image"], 6).tobytes() for row in rows}
            assert {shown.tobytes() for shown in held.split(split)} <= known


def test_a_grey_picture_has_three_equal_channels(sets: dict) -> None:
    shown = images.sized(sets["mnist"][0]["image"], 6)
    assert (shown == shown[..., :1]).all() and shown.shape == (6, 6, 3)
    # a square is enlarged to a square of the same grey
    assert (images.sized(png(np.full((3, 5), 77, np.uint8)), 8) == 77).all()


def test_the_draw_of_a_class_depends_on_seed_and_name_alone(sets: object) -> None:
    assert small().hash == small().hash != small(seed=1).hash
    alone = real_pool(6, sources=("gtsrb",), caps=Caps(7, 4, 5))
    for a, b in zip(alone.classes, small().classes[4:], strict=True):
        assert a.name == b.name and all((a.split(s) == b.split(s)).all() for s in SPLITS)


def test_no_more_classes_of_a_source_than_asked_for(sets: object) -> None:
    names = [held.name for held in small(most=2).classes]
    assert len(names) == 4 and set(names) < {held.name for held in small().classes}
    assert names == sorted(names)


def test_a_picture_of_two_classes_is_in_neither_and_a_repeat_stands_once(sets: dict) -> None:
    mnist = sets["mnist"]
    trained = [r for r in mnist if r["label"] == 0 and r["split"] == "train"]
    other = [r for r in mnist if r["label"] == 1 and r["split"] == "train"]
    other[0]["image"] = trained[0]["image"]  # in both classes
    trained[2]["image"] = trained[1]["image"]  # twice in one
    pool = real_pool(6, sources=("mnist",))
    assert sizes(pool) == [(7, 4, 6), (8, 4, 6), (9, 4, 6), (9, 4, 6)] and pool.left_out == 3
    assert repeats(pool) == []


def test_a_test_row_that_is_a_training_row_as_well_is_no_test_picture(sets: dict) -> None:
    mnist = sets["mnist"]
    known = next(r for r in mnist if r["label"] == 0 and r["split"] == "train")
    next(r for r in mnist if r["label"] == 0 and r["split"] == "test")["image"] = known["image"]
    pool = real_pool(6, sources=("mnist",))
    assert sizes(pool)[0] == (9, 3, 6) and pool.left_out == 0


def test_a_class_without_a_split_is_not_in_the_pool(sets: dict) -> None:
    sets["mnist"][:] = [r for r in sets["mnist"] if (r["label"], r["split"]) != (2, "train")]
    assert [held.name for held in small().classes[:4]] == [
        "mnist/n0",
        "mnist/n1",
        "mnist/n3",
        "traffic-signs/n0",
    ]


def test_what_cannot_be_asked_for(sets: object) -> None:
    with pytest.raises(UsageError, match="image source 'mnits' not found; did you mean 'mnist'"):
        real_pool(6, sources=("mnits",))
    with pytest.raises(UsageError, match="variant of digits 'digits-turn' not found"):
        digits_pool(8, variants=("digits-turn",))
    with pytest.raises(UsageError, match="one picture a class"):
        Caps(val=0)


def test_the_packaged_digits_are_those_of_scikit_learn() -> None:
    grey, labels = images._digits(8)
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    # the first rows of the first digit, as scikit-learn's documentation prints them
    first = np.array([[0, 0, 5, 13, 9, 1, 0, 0], [0, 0, 13, 15, 10, 15, 5, 0], [0, 3, 15, 2, 0, 11, 8, 0]])
    assert labels[0] == 0 and (grey[0, :3, :, 1] == np.rint(first * 255 / 16)).all()


def test_variants_of_digits_share_their_splits() -> None:
    pool = digits_pool(8)
    assert len(pool) == 40 and set(pool.domains().values()) == {10} and repeats(pool) == []
    assert set(sizes(pool)) == {(80, 40, 54)} and pool.left_out == 0
    three, turned, negative, both = (pool.classes[10 * v + 3] for v in range(4))
    for split in SPLITS:
        upright = three.split(split)
        assert (turned.split(split) == np.rot90(upright, 1, (1, 2))).all()
        assert (negative.split(split) == 255 - upright).all()
        assert (both.split(split) == 255 - turned.split(split)).all()
    assert seen(three, "vit-32-contaminated") == "no"


def test_digits_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> object:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(DataError, match="pip install scikit-learn"):
        digits_pool(8)


@needs_images
def test_real_sets_are_read() -> None:
    pool = real_pool(16, sources=("mnist", "notmnist"), caps=Caps(12, 4, 6))
    assert pool.domains() == {"mnist": 10, "notmnist": 10} and repeats(pool) == []
    assert [held.name for held in pool.classes if held.domain == "mnist"] == [f"mnist/{k}" for k in range(10)]
    known = [seen(held, "vit-32-clean") for held in pool.classes]
    assert known == (["yes"] * 5 + ["no"] * 5) * 2
    assert {seen(held, "vit-64-contaminated") for held in pool.classes} == {"yes"}
