"""Groups of failures, locality and test pictures: against brute force on hand-made answers, and never a
picture on two sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from suite.errors import DataError, UsageError
from suite.models.registry import Images
from tasks.vit_editing import failures, pools
from tasks.vit_editing.classifier import classifier
from tasks.vit_editing.failures import (
    Bench,
    Group,
    assembled,
    bench,
    by_cells,
    by_classes,
    cut,
    first_by_hash,
    judge,
    judged,
    largest,
    nearest,
    probabilities,
    sensitive,
)
from tasks.vit_editing.pools import Marked, Pool, content_hash, made, marked
from tasks.vit_editing.shifts import shifted

NAMES = ("cat", "dog", "emu")


def pictures(*kinds: int) -> np.ndarray:
    """A picture (2, 2, 3) of one value each, so that equal kinds are equal pictures."""
    return np.stack([np.full((2, 2, 3), kind, np.uint8) for kind in kinds])


def shown(kinds: list[int], labels: list[int]) -> Marked:
    return marked(pictures(*kinds), np.array(labels))


def kinds(x: Tensor) -> list[int]:
    found: list[int] = x[:, 0, 0, 0].tolist()
    return found


def tensor(*values: int) -> Tensor:
    return torch.tensor(values)


@dataclass
class Table:
    """A classifier that answers by the first value of a picture: logits[value]."""

    table: Tensor
    classes: tuple[str, ...] = NAMES
    images: Images = Images(2, (0.5,) * 3, (0.5,) * 3)

    def logits(self, x: Tensor) -> Tensor:
        return self.table[x[:, 0, 0, 0].long() % len(self.table)]


def test_cells_are_what_the_base_gets_wrong_and_the_stronger_right() -> None:
    y = [0, 0, 0, 0, 1, 1, 2, 2]
    answered, judged = tensor(1, 1, 0, 2, 0, 0, 2, 0), tensor(0, 0, 0, 0, 1, 2, 2, 2)
    found = by_cells(shown(list(range(8)), y), answered, judged, NAMES)
    told = [(g.name, g.target, g.wrong, kinds(g.x)) for g in found]
    assert told == [
        ("cat, said dog", 0, 1, [0, 1]),
        ("cat, said emu", 0, 2, [3]),
        ("dog, said cat", 1, 0, [4]),
        ("emu, said cat", 2, 0, [7]),
    ]
    assert all(g.hashes == tuple(content_hash(one) for one in g.x) == g.origins for g in found)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_cells_are_those_of_a_loop(rows: list[tuple[int, int, int]]) -> None:
    """A kind of picture has one label; equal pictures stand in a group once."""
    y = [kind % 3 for kind, _, _ in rows]
    expected: dict[tuple[int, int], list[int]] = {}
    for (kind, answer, truth), label in zip(rows, y, strict=True):
        if answer != label == truth and kind not in expected.setdefault((label, answer), []):
            expected[label, answer].append(kind)
    said, judged = (torch.tensor([row[k] for row in rows]) for k in (1, 2))
    found = by_cells(shown([row[0] for row in rows], y), said, judged, NAMES)
    assert {(g.target, g.wrong): kinds(g.x) for g in found} == {k: v for k, v in expected.items() if v}


def group(target: int, wrong: int, *members: int) -> Group:
    own = shown(list(members), [target] * len(members))
    return Group(f"{target}/{wrong}", own.x, target, own.hashes, wrong, own.hashes)


def test_the_largest_groups_come_first_and_small_ones_not_at_all() -> None:
    found = [group(0, 1, 1, 2), group(2, 0, 3, 4, 5), group(0, 2, 6, 7, 8), group(1, 0, 9)]
    assert [g.name for g in largest(found, 2, 9)] == ["0/2", "2/0", "0/1"]
    assert [g.name for g in largest(found, 2, 2)] == ["0/2", "2/0"]
    assert [g.name for g in largest(found, 3, 9)] == ["0/2", "2/0"]


def test_a_picture_of_two_groups_stays_in_the_first() -> None:
    first, second = largest([group(0, 1, 1, 2, 3), group(1, 0, 3, 4)], 1, 9)
    assert (kinds(first.x), kinds(second.x)) == ([1, 2, 3], [4])
    assert second.hashes == second.origins == (content_hash(pictures(4)[0]),)
    assert [g.name for g in largest([group(0, 1, 1, 2, 3), group(1, 0, 3, 4)], 2, 9)] == ["0/1"]


# Probabilities of "right by a margin of ..." for class 0.
def by_margin(*margins: float) -> Tensor:
    return torch.tensor([[0.4 + m / 2, 0.4 - m / 2, 0.2] for m in margins])


def test_locality_is_right_by_less_than_the_margin() -> None:
    held = shown([1, 2, 3, 4], [0, 0, 0, 1])
    near, width = sensitive(held, by_margin(0.04, 0.06, 0.01, 0.02), set(), 0.05, least=2)
    assert (kinds(near.x), width) == ([1, 3], 0.05)  # 4 is answered wrong


@pytest.mark.parametrize(
    ("least", "expected", "width"),
    [(1, [1], 0.05), (2, [1, 2], 0.1), (3, [1, 2, 3], 0.2), (4, [1, 2, 3], 0.2)],
)
def test_the_margin_is_doubled_twice_where_there_are_too_few(
    least: int, expected: list[int], width: float
) -> None:
    near, found = sensitive(
        shown([1, 2, 3, 4], [0] * 4), by_margin(0.04, 0.09, 0.15, 0.3), set(), 0.05, least=least
    )
    assert kinds(near.x) == expected
    assert found == pytest.approx(width)


def test_locality_has_nothing_that_is_taken_and_nothing_twice() -> None:
    held = shown([1, 2, 2, 3], [0] * 4)
    near, _ = sensitive(held, by_margin(0.01, 0.01, 0.01, 0.01), {held.hashes[0]}, 0.05, least=1)
    assert kinds(near.x) == [2, 3]


def test_a_part_is_drawn_by_hash_and_keeps_its_order() -> None:
    held = shown(list(range(20)), [0] * 20)
    part = first_by_hash(held, 7)
    smallest = set(sorted(held.hashes)[:7])
    assert part.hashes == tuple(mark for mark in held.hashes if mark in smallest)
    assert first_by_hash(held, 99).hashes == held.hashes


def crowd(seed: int, held: int = 60, training: int = 15) -> tuple[Any, Pool]:
    """A pool of many equal pictures on both sides, two labels for a few, and a classifier of random
    answers.
    """
    rng = np.random.default_rng(seed)
    sides = [rng.integers(0, 40, n) for n in (training, held)]
    one, other = (marked(pictures(*kind), (kind + (rng.random(len(kind)) < 0.1)) % 3) for kind in sides)
    logits = torch.from_numpy(rng.normal(0, 0.3, (40, 3))).float()
    return Table(logits), made("crowd", NAMES, one, other)


def marks(x: Tensor) -> set[str]:
    return {content_hash(one) for one in x}


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(["natural", "oil", "light"]))
def test_no_picture_stands_on_two_sides(seed: int, subset: str) -> None:
    model, pool = crowd(seed)
    try:
        found = bench(model, pool, stronger="", subset=subset, groups=3, least=1, margin=0.3)
    except DataError:
        return
    training = marks(found.training.x)
    sides = [*(set(g.hashes) for g in found.groups), marks(found.locality), training]
    assert sum(map(len, sides)) == len(set().union(*sides))
    taken = set().union(*(set(g.hashes) | set(g.origins) for g in found.groups))
    assert not taken & marks(found.locality)
    assert not marks(found.test.x) & (taken | training)
    for g in found.groups:
        assert len(g.x) == len(g.hashes) == len(g.origins) == len(set(g.hashes))
        assert (model.logits(g.x).argmax(1) != g.target).all()
    before = model.logits(found.locality).softmax(1).topk(2, 1).values
    assert ((before[:, 0] - before[:, 1]) < found.margin).all()


def test_a_bench_is_the_same_twice() -> None:
    model, pool = crowd(3)
    first, again = (bench(model, pool, stronger="nearest", groups=3, least=1, margin=0.3) for _ in range(2))
    assert [g.hashes for g in first.groups] == [g.hashes for g in again.groups]
    assert torch.equal(first.locality, again.locality) and torch.equal(first.test.x, again.test.x)


def test_a_shifted_group_is_what_the_shift_makes_wrong() -> None:
    model, pool = crowd(5)
    found = bench(model, pool, subset="light", groups=9, least=1, margin=0.3, seed=4)
    expected: dict[str, list[tuple[str, str]]] = {}
    known = set(pool.training.hashes)
    for x, y, mark in zip(pool.held.x, pool.held.y.tolist(), pool.held.hashes, strict=True):
        after = torch.from_numpy(shifted("light", x[None].numpy(), 4))
        before, now = (int(model.logits(one).argmax()) for one in (x[None], after))
        if before == y != now and content_hash(after[0]) not in known:
            expected.setdefault(NAMES[y], []).append((content_hash(after[0]), mark))
    # Dark pictures of several may be the same: one stays, in the largest group that has it.
    for g in found.groups:
        assert set(zip(g.hashes, g.origins, strict=True)) <= set(expected[g.name])
    assert {h for g in found.groups for h in g.hashes} == {
        mark for pairs in expected.values() for mark, _ in pairs
    }


def test_by_classes_keeps_the_origin_of_the_first_of_equal_pictures() -> None:
    one, two = by_classes(shown([5, 6, 5, 7], [0, 1, 0, 0]), ["a", "b", "c", "d"], NAMES)
    assert (one.name, kinds(one.x), one.origins, one.wrong) == ("cat", [5, 7], ("a", "d"), -1)
    assert (two.name, two.origins) == ("dog", ("b",))


def test_locality_and_test_are_at_most_so_many() -> None:
    model, pool = crowd(8)
    found = bench(model, pool, stronger="", groups=1, least=1, margin=0.3, locality=2, test=3)
    assert (len(found.locality), len(found.test.x)) == (2, 3)
    assert torch.equal(found.training.x, pool.training.x)


def test_the_nearest_training_picture_is_that_of_a_loop() -> None:
    rng = np.random.default_rng(2)
    x, known = (rng.integers(0, 256, (n, 3, 2, 3), dtype=np.uint8) for n in (9, 7))
    training = marked(known, np.arange(7) % 4)
    expected = [int(np.argmin([((a.astype(int) - b.astype(int)) ** 2).sum() for b in known])) % 4 for a in x]
    assert nearest(torch.from_numpy(x), training).tolist() == expected
    pool = made("some", "abcd", training, marked(x, np.zeros(9)))
    assert judge("nearest", pool)(torch.from_numpy(x)).tolist() == expected


def loaded(outputs: int, *, vision: bool = True) -> Any:
    """A model whose logits are means over pictures (n, 3, 4, 4), twice over."""
    images = Images(4, (0.5,) * 3, (0.25,) * 3) if vision else None
    column = lambda x: SimpleNamespace(logits=x.mean((1, 2)).repeat(1, 2)[:, :outputs])  # noqa: E731
    return SimpleNamespace(images=images, model=column)


def test_a_stronger_model_sees_pictures_as_it_was_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []

    def model(x: Tensor) -> Tensor:
        seen.append(x)
        return x.mean((1, 2))[:, :3]

    images = Images(4, (0.5, 0.25, 0.0), (0.5, 0.25, 1.0))
    monkeypatch.setattr("suite.models.load", lambda name: SimpleNamespace(images=images, model=model))
    x = torch.zeros(1, 4, 4, 3, dtype=torch.uint8)
    x[:, :, 1] = 255
    pool = made("some", NAMES, shown([1], [0]), shown([2], [0]))
    assert judge("anything", pool)(x).tolist() == [1]
    assert seen[0][0, :, 0, 1].tolist() == [1.0, 3.0, 1.0]
    assert seen[0][0, :, 0, 0].tolist() == [-1.0, -1.0, 0.0]


def test_one_of_several_stronger_models_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"one": tensor(0, 1, 2, 2), "two": tensor(0, 0, 1, 1)}
    monkeypatch.setattr(failures, "judge", lambda name, pool: lambda x: said[name])
    held = shown([1, 2, 3, 4], [0, 0, 1, 0])
    pool = made("some", NAMES, shown([9], [0]), held)
    assert judged("one", held, pool).tolist() == [0, 1, 2, 2]
    assert judged("one, two", held, pool).tolist() == [0, 0, 1, 2]
    assert judged("", held, pool).tolist() == [0, 0, 1, 0]


def test_a_large_group_is_cut_by_hash() -> None:
    whole = group(0, 1, *range(9))._replace(origins=tuple("abcdefghi"))
    part = cut(whole, 4)
    kept = [k for k, mark in enumerate(whole.hashes) if mark in sorted(whole.hashes)[:4]]
    assert kinds(part.x) == kept and part.origins == tuple("abcdefghi"[k] for k in kept)
    assert cut(whole, 99).hashes == whole.hashes


def test_a_stronger_model_of_other_classes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = made("some", NAMES, shown([1], [0]), shown([2], [0]))
    monkeypatch.setattr("suite.models.load", lambda name: loaded(5))
    with pytest.raises(UsageError, match="'odd' gives 5 values a picture; pool 'some' has 3 classes"):
        judge("odd", pool)(torch.zeros(1, 4, 4, 3, dtype=torch.uint8))
    monkeypatch.setattr("suite.models.load", lambda name: loaded(3, vision=False))
    with pytest.raises(UsageError, match="'text' is no model of pictures"):
        judge("text", pool)


def test_what_cannot_be_measured_is_said() -> None:
    model, pool = crowd(1)
    other = Table(model.table, ("a", "b", "c", "d"))
    with pytest.raises(UsageError, match="tells a, b, c and 1 more apart, pool 'crowd' has cat, dog, emu"):
        bench(other, pool, stronger="")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"no group of 50 failures \(the largest has \d+\); lower `least`"):
        bench(model, pool, stronger="", least=50)
    sure = torch.tensor([[0.9, 0.1, 0.0]]).expand(len(pool.held.hashes), 3)
    with pytest.raises(DataError, match="right by a margin below 0.2; give a larger"):
        assembled(pool, [], sure, 0.05, 9, 9)


def test_probabilities_in_batches_are_those_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, pool = crowd(2)
    monkeypatch.setattr(failures, "BATCH", 7)
    assert torch.equal(probabilities(model, pool.held.x), model.logits(pool.held.x).softmax(1))
    assert probabilities(model, pool.held.x[:0]).shape == (0, 3)
    assert isinstance(bench(model, pool, stronger="", least=1, margin=0.3), Bench)


def test_failures_of_the_packaged_classifier_of_digits_are_failures() -> None:
    """Asked by transformers' own forward pass, and by a loop for the nearest training drawing."""
    model, pool = classifier("vit-16-digits"), pools.pool("digits")
    found = bench(model, pool, stronger="nearest", least=5, groups=4)
    assert len(found.groups) == 4
    known = pool.training.x.flatten(1).double()
    for g in found.groups:
        with torch.no_grad():
            answered = model.module(g.x.permute(0, 3, 1, 2).float() / 127.5 - 1).logits.argmax(1)
        assert (answered == g.wrong).all() and g.wrong != g.target
        closest = torch.cdist(g.x.flatten(1).double(), known).argmin(1)
        assert (pool.training.y[closest] == g.target).all()
        assert g.name == f"{g.target}, said {g.wrong}"
