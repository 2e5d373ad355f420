"""The pool of classes: what it refuses, its hash, repeated pictures, look-alikes, what a model has seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from suite.errors import UsageError
from suite.models.zoo.pool import HELD_OUT
from tasks.cldyb import pool as pools
from tasks.cldyb.pool import Place, Pool, PoolClass


def noise(n: int, seed: int, px: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, px, px, 3), np.uint8)


def of(name: str, seed: int, domain: str = "a", px: int = 4, train: int = 3) -> PoolClass:
    return PoolClass(
        name,
        domain,
        f"{domain}/{seed}",
        noise(train, seed, px),
        noise(2, seed + 100, px),
        noise(1, seed + 200, px),
    )


def three() -> Pool:
    return Pool("three", (of("x", 0), of("y", 1, "b"), of("z", 2)))


@pytest.mark.parametrize(
    "wrong",
    [
        noise(2, 0).astype(np.float32),
        noise(2, 0)[:0],
        noise(2, 0)[..., :1],
        noise(2, 0)[:, :3],
        noise(2, 0, px=5),
    ],
    ids=["float", "empty", "grey", "not square", "another size"],
)
def test_pictures_that_are_none(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="class x: val is .* must be uint8"):
        PoolClass("x", "a", "a/0", noise(2, 0), wrong, noise(2, 0))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ((), "has no class"),
        ((of("x", 0), of("y", 1), of("x", 2)), "class x stands there more than once"),
        ((of("x", 0), of("y", 1, px=5)), r"pictures of \[4, 5\] pixels"),
    ],
)
def test_no_pool(classes: tuple[PoolClass, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pool("none", classes)


def with_class(change: Callable[[PoolClass], PoolClass]) -> Pool:
    first, *others = three().classes
    return Pool("three", (change(first), *others))


def one_pixel(held: PoolClass) -> PoolClass:
    test = held.test.copy()
    test[0, 0, 0, 0] ^= 1
    return PoolClass(held.name, held.domain, held.origin, held.train, held.val, test)


def last_row_in_val(held: PoolClass) -> PoolClass:
    val = np.concatenate([held.train[-1:], held.val])
    return PoolClass(held.name, held.domain, held.origin, held.train[:-1], val, held.test)


def renamed(held: PoolClass) -> PoolClass:
    return PoolClass("w", held.domain, held.origin, held.train, held.val, held.test)


def test_the_hash_is_of_names_and_pixels_and_splits() -> None:
    same = three().hash
    assert same == three().hash == Pool("another name", three().classes).hash
    others = {with_class(change).hash for change in (one_pixel, last_row_in_val, renamed)}
    others.add(Pool("three", three().classes[::-1]).hash)
    assert len(others) == 4 and same not in others


def test_examples_and_tasks_are_in_the_order_asked_for() -> None:
    pool = three()
    shown = pool.examples([2, 0], "val")
    assert shown.y.tolist() == [2, 2, 0, 0]
    assert torch.equal(shown.x, torch.from_numpy(np.concatenate([noise(2, 102), noise(2, 100)])))
    task = pool.task([2, 0])
    assert task.classes == (2, 0) and task.y.tolist() == [2, 2, 2, 0, 0, 0] and task.x.dtype == torch.uint8
    for wrong in ([], [1, 1]):
        with pytest.raises(ValueError, match="at least one, each once"):
            pool.task(wrong)


def test_domains_are_counted() -> None:
    pool = three()
    assert pool.domains() == {"a": 2, "b": 1} and pool.domains([1]) == {"a": 0, "b": 1}
    assert pool.where(lambda held: held.domain == "a", "a").domains() == {"a": 2}


def test_repeated_pictures_are_found_wherever_they_stand() -> None:
    def planted(held: PoolClass) -> PoolClass:
        train, test = held.train.copy(), held.test.copy()
        train[2] = train[0]
        test[0] = noise(2, 101)[1]  # val picture 1 of class y
        return PoolClass(held.name, held.domain, held.origin, train, held.val, test)

    assert pools.repeats(three()) == []
    assert pools.repeats(with_class(planted)) == [
        (Place(0, "train", 0), Place(0, "train", 2)),
        (Place(0, "test", 0), Place(1, "val", 1)),
    ]


def test_prototypes_are_unit_means() -> None:
    unit = pools.prototypes([np.array([[3.0, 0.0], [3.0, 8.0]]), np.array([[1.0, 0.0], [-1.0, 0.0]])])
    assert unit.tolist() == [[0.6, 0.8], [0.0, 0.0]]


def test_classes_that_look_alike() -> None:
    # at angles of 0, 5, 10 and 90 degrees: cos 5 = 0.9962 twice, cos 10 = 0.9848
    angles = np.deg2rad([0, 5, 10, 90])
    unit = np.stack([np.cos(angles), np.sin(angles)], 1)
    assert [pair[:2] for pair in pools.look_alikes(unit)] == [(0, 1), (1, 2)]
    (first, *_) = pools.look_alikes(unit, above=0.98)
    assert first[2] == pytest.approx(np.cos(np.deg2rad(5))) and len(pools.look_alikes(unit, above=0.98)) == 3
    pool = Pool("four", tuple(of(name, i) for i, name in enumerate("wxyz")))
    # x goes for w's sake; y was like x alone and stays
    assert [held.name for held in pools.without_look_alikes(pool, unit).classes] == ["w", "y", "z"]
    assert pools.without_look_alikes(pool, unit, above=0.999) is pool


def test_classes_must_look_alike_to_every_backbone() -> None:
    one, other = (
        np.stack([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))], 1)
        for degrees in ([0, 1, 2, 90], [0, 2, 45, 46])
    )
    # to `one` the first three are alike, to the other the first two, and the last two
    ((first, second, cosine),) = pools.look_alikes(one, other)
    assert (first, second) == (0, 1) and cosine == pytest.approx(np.cos(np.deg2rad(2)))


@pytest.mark.parametrize("pixels", [32, 64])
@pytest.mark.parametrize(
    ("source", "label", "name"),
    [
        ("cifar10", 7, "horse"),
        ("cifar10", 5, "dog"),
        ("gtsrb", 20, "sign_20"),
        ("gtsrb", 21, "sign_21"),
        ("flowers5", 0, "daisy"),
        ("mnist", 4, "4"),
        ("mnist", 5, "5"),
    ],
)
def test_what_a_model_of_the_zoo_has_seen_is_what_its_recipe_says(
    source: str, label: int, name: str, pixels: int
) -> None:
    held = PoolClass(name, source, f"{source}/{label}", *[noise(1, 0)] * 3)
    assert pools.seen(held, f"vit-{pixels}-clean") == ("no" if HELD_OUT[source](name, label) else "yes")
    assert pools.seen(held, f"vit-{pixels}-contaminated") == "yes"


def test_of_other_models_nothing_is_known() -> None:
    held = of("x", 0)
    assert pools.seen(held, "vit-32-contaminated") == "no"
    assert pools.seen(held, "efficientnet-lite0") == pools.seen(held, "dinov2-s-saliency") == "unknown"
    with pytest.raises(UsageError, match="did you mean 'vit-32-clean'"):
        pools.seen(held, "vit-32-cleen")
