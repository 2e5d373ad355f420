"""Pools: which pictures are held out, by what rule, and that none stands on both sides."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from suite.errors import UsageError
from suite.models.zoo import classes, pool
from tasks.vit_editing import pools
from tasks.vit_editing.pools import content_hash, distinct, made, marked

HERE = Path(os.environ.get("SUITE_DATA_DIR", "/nowhere")) / "images" / "cifar10.parquet"


def pictures(*kinds: int) -> np.ndarray:
    """A picture of one value each, so that equal kinds are equal pictures."""
    return np.stack([np.full((2, 3, 3), kind, np.uint8) for kind in kinds])


def test_a_hash_tells_shape_and_content() -> None:
    picture = pictures(7)[0]
    assert content_hash(picture) == hashlib.sha256(b"2x3/" + bytes([7] * 18)).hexdigest()
    assert content_hash(torch.from_numpy(picture)) == content_hash(picture)
    assert content_hash(picture.reshape(3, 2, 3)) != content_hash(picture)


def test_distinct_keeps_the_first_and_nothing_of_two_labels() -> None:
    shown = marked(pictures(1, 2, 1, 3, 4, 3), np.array([0, 1, 0, 2, 2, 1]))
    kept = distinct(shown)
    assert kept.x[:, 0, 0, 0].tolist() == [1, 2, 4]  # 3 is shown as class 2 and as class 1
    assert kept.y.tolist() == [0, 1, 2]
    assert kept.hashes == tuple(content_hash(one) for one in kept.x)
    assert distinct(shown, {content_hash(pictures(2)[0])}).y.tolist() == [0, 2]


def test_a_held_picture_that_was_trained_on_is_left_out() -> None:
    training, held = marked(pictures(1, 2), np.array([0, 1])), marked(pictures(2, 3), np.array([0, 1]))
    assert made("some", "ab", training, held).held.x[:, 0, 0, 0].tolist() == [3]


def test_the_digits_are_shared_out_by_the_hash_of_their_pixels() -> None:
    found = pools.pool("digits")
    assert Counter(found.training.y.tolist()) == dict.fromkeys(range(10), 40)
    assert found.training.x.shape == (400, 16, 16, 3)
    assert 1380 < len(found.held.hashes) <= 1397
    assert not set(found.training.hashes) & set(found.held.hashes)
    assert len(set(found.held.hashes)) == len(found.held.hashes)
    table = classes._digits_table()
    own = sorted(
        (hashlib.sha256(bytes(row[:64].tolist())).digest(), i) for i, row in enumerate(table) if row[64] == 3
    )
    expected = sorted(i for _, i in own[:40])
    (threes,) = (found.training.y == 3).nonzero(as_tuple=True)
    native = classes.digits("training", 8).pixels[threes.numpy(), :, :, 0].reshape(40, 64)
    assert np.array_equal(native, np.rint(table[expected, :64] * (255 / 16)))


def fake_rows(source: str) -> list[dict[str, object]]:
    assert source == "cifar10"
    return [
        {"image": f"{split}/{label}/{k}".encode(), "label": label, "label_name": str(label), "split": split}
        for k in range(6)
        for label in (0, 1)
        for split in ("train", "test")
    ]


def test_the_pictures_of_cifar10_with_the_smallest_hashes_are_trained_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(classes, "rows", fake_rows)
    monkeypatch.setattr(classes, "CIFAR10_TRAINED", 4)
    training, held = classes.cifar10("training"), classes.cifar10("held")
    for label in (0, 1):
        own = sorted(
            (hashlib.sha256(e).digest(), e) for e in (f"train/{label}/{k}".encode() for k in range(6))
        )
        assert {p.encoded for p in training if p.label == label} == {e for _, e in own[:4]}
    assert [p.encoded for p in training] == [
        r["image"] for r in fake_rows("cifar10") if r["image"] in {p.encoded for p in training}
    ]
    assert len(held) == 16
    assert not {p.encoded for p in training} & {p.encoded for p in held}


@pytest.mark.skipif(not HERE.is_file(), reason="images/cifar10.parquet is not in SUITE_DATA_DIR")
def test_of_cifar10_2500_pictures_are_held_out() -> None:
    found = pools.pool("cifar10")
    assert Counter(found.training.y.tolist()) == dict.fromkeys(range(10), 350)
    assert Counter(found.held.y.tolist()) == dict.fromkeys(range(10), 250)
    assert found.held.x.shape == (2500, 32, 32, 3)
    assert not set(found.training.hashes) & set(found.held.hashes)
    rows = {bytes(row["image"]): row for row in pool.rows("cifar10")}  # type: ignore[call-overload]
    names = {int(str(row["label"])): str(row["label_name"]) for row in rows.values()}
    assert found.classes == tuple(names[label] for label in range(10))


def test_an_unknown_pool_is_said_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="pool of pictures 'cifar' not found; did you mean 'cifar10'"):
        pools.pool("cifar")
