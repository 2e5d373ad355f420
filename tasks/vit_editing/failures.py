"""What an editor is measured on: groups of real failures, and the pictures that must keep their answers.

Spec of the paper's benchmark: arXiv 2411.01948, section 5. Its groups were found among photographs by a
stronger model; here they are the cells of the confusion matrix on pictures that the base model has not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from suite.errors import DataError, UsageError
from tasks.vit_editing.contract import Pictures
from tasks.vit_editing.pools import Marked, Pool, distinct, marked

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.vit_editing.classifier import Classifier

BATCH = 128
NEAREST = "nearest"
"""The stronger model that answers as the most similar training picture does."""

WIDER = 2
WIDENINGS = 2
"""Where there are too few locality pictures the margin is doubled, at most twice."""

FEW = 200
"""Locality pictures below which the margin is widened."""

Judge = Callable[["Tensor"], "Tensor"]
"""The answers (n,) int64 of a stronger model to pictures (n, H, W, 3) uint8."""


class Group(NamedTuple):
    """Failures of one kind. name: "cat, said dog". x: (n, H, W, 3) uint8, no picture twice. target: the class
    that all show. hashes: of each picture's content. wrong: the class that the base model answers, -1 where
    it is not one. origins: hashes of the pictures from which a shift made these; the same as hashes without
    one.
    """

    name: str
    x: Tensor
    target: int
    hashes: tuple[str, ...]
    wrong: int = -1
    origins: tuple[str, ...] = ()


class Bench(NamedTuple):
    """What an editor is measured on. locality: (m, H, W, 3) uint8 pictures that share nothing with groups or
    training. test: for the accuracy at large, of no group. training: what an editor may prepare on. margin:
    below which locality pictures lie, wider than asked for where there were few.
    """

    groups: tuple[Group, ...]
    locality: Tensor
    test: Pictures
    training: Pictures
    margin: float = 0.0


def bench(
    model: Classifier,
    pool: Pool,
    *,
    stronger: str = "resnet32-cifar10,resnet20-cifar10",
    subset: str = "natural",
    groups: int = 6,
    least: int = 21,
    members: int = 40,
    margin: float = 0.05,
    locality: int = 300,
    test: int = 1000,
    seed: int = 0,
) -> Bench:
    """Groups, locality and test pictures of a classifier among the pool's held pictures.

    subset: "natural" for failures that one of `stronger` gets right (names with commas between; "" asks
    nobody, "nearest" the nearest training picture), by the classes shown and answered; a shift of
    tasks/vit_editing/shifts.py for pictures that the model gets right and under the shift wrong, by the class
    shown. groups: at most so many, the largest. least: members of a group; members: at most, those with the
    smallest hashes, so that a shift under which most pictures fail leaves some for the locality set. margin:
    see `sensitive`. locality, test: pictures at most, those with the smallest hashes. seed: of the shift.
    UsageError for a model that has other classes than the pool; DataError where no group or no locality
    picture is found.
    """
    if model.classes != pool.classes:
        raise UsageError(
            f"the base model tells {_listed(model.classes)} apart, pool '{pool.name}' has "
            f"{_listed(pool.classes)}; choose a base model of the pool's classes"
        )
    held = pool.held
    before = probabilities(model, held.x)
    right = before.argmax(1) == held.y
    if subset == "natural":
        found = by_cells(held, before.argmax(1), judged(stronger, held, pool), pool.classes)
    else:
        after, origins = moved(model, held.at(_places(right)), subset, seed)
        known = set(pool.training.hashes)
        new = [place for place, mark in enumerate(after.hashes) if mark not in known]
        found = by_classes(after.at(new), [origins[place] for place in new], pool.classes)
    chosen = tuple(cut(group, members) for group in largest(found, least, groups))
    if not chosen:
        most = max((len(group.x) for group in found), default=0)
        raise DataError(
            f"subset '{subset}' of pool '{pool.name}' has no group of {least} failures (the largest has "
            f"{most}); lower `least`"
        )
    return assembled(pool, chosen, before, margin, locality, test)


def assembled(
    pool: Pool, chosen: Sequence[Group], before: Tensor, margin: float, locality: int, test: int
) -> Bench:
    """The bench of these groups. before: the model's probabilities (n, classes) of the held pictures."""
    taken = taken_by(chosen)
    near, width = sensitive(pool.held, before, taken | set(pool.training.hashes), margin)
    if not near.hashes:
        raise DataError(
            f"pool '{pool.name}' has no picture that the base model gets right by a margin below {width:g}; "
            "give a larger `margin`"
        )
    free = [place for place, mark in enumerate(pool.held.hashes) if mark not in taken]
    at_large = first_by_hash(pool.held.at(free), test)
    near = first_by_hash(near, locality)
    return Bench(tuple(chosen), near.x, at_large.pictures, pool.training.pictures, width)


def by_cells(shown: Marked, answered: Tensor, judged: Tensor, classes: Sequence[str]) -> list[Group]:
    """Every (shown, answered) cell of pictures that are answered wrong and judged right, in the order of
    classes.
    """
    failed = (answered != shown.y) & (judged == shown.y)
    found = []
    for target, wrong in sorted(set(_pairs(shown.y[failed], answered[failed]))):
        cell = shown.at(_places(failed & (shown.y == target) & (answered == wrong)))
        name = f"{classes[target]}, said {classes[wrong]}"
        found.append(_group(name, cell, cell.hashes, target, wrong))
    return found


def by_classes(shown: Marked, origins: Sequence[str], classes: Sequence[str]) -> list[Group]:
    """Failures by the class that they show. origins: the hash of what each was made from."""
    found = []
    for target in sorted(set(shown.y.tolist())):
        places = _places(shown.y == target)
        own = [origins[place] for place in places]
        found.append(_group(classes[target], shown.at(places), own, target, -1))
    return found


def _group(name: str, members: Marked, origins: Sequence[str], target: int, wrong: int) -> Group:
    """A group without repeated pictures."""
    once = distinct(members)
    made_from = dict(zip(reversed(members.hashes), reversed(origins), strict=True))
    return Group(name, once.x, target, once.hashes, wrong, tuple(made_from[mark] for mark in once.hashes))


def largest(found: Iterable[Group], least: int, most: int) -> tuple[Group, ...]:
    """At most so many groups of at least `least` pictures, the largest first, then by the numbers of their
    classes. A picture that an earlier group has is dropped from a later one.
    """
    chosen: list[Group] = []
    seen: set[str] = set()
    for group in sorted(found, key=lambda g: (-len(g.x), g.target, g.wrong)):
        new = [place for place, mark in enumerate(group.hashes) if mark not in seen]
        if len(new) >= least and len(chosen) < most:
            hashes, origins = (tuple(marks[i] for i in new) for marks in (group.hashes, group.origins))
            chosen.append(group._replace(x=group.x[new], hashes=hashes, origins=origins))
            seen.update(hashes)
    return tuple(chosen)


def cut(group: Group, most: int) -> Group:
    """The group with at most so many members, those with the smallest hashes, in the order in which they
    stood.
    """
    places = sorted(sorted(range(len(group.hashes)), key=lambda place: group.hashes[place])[:most])
    hashes, origins = (tuple(marks[i] for i in places) for marks in (group.hashes, group.origins))
    return group._replace(x=group.x[places], hashes=hashes, origins=origins)


def taken_by(chosen: Iterable[Group]) -> set[str]:
    """Hashes of the groups' pictures and of what they were made from."""
    return {mark for group in chosen for mark in (*group.hashes, *group.origins)}


def sensitive(
    shown: Marked, before: Tensor, taken: Collection[str], margin: float, least: int = FEW
) -> tuple[Marked, float]:
    """Pictures answered right whose two highest probabilities lie less than `margin` apart, and the margin.

    before: probabilities (n, classes). None of `taken` is among them and none stands there twice. Where there
    are fewer than `least`, the margin is doubled, at most twice.
    """
    two = before.topk(2, 1).values
    gap = two[:, 0] - two[:, 1]
    free = distinct(shown, taken).hashes
    right = (before.argmax(1) == shown.y).tolist()
    first = {mark: place for place, mark in reversed(list(enumerate(shown.hashes)))}
    places = [first[mark] for mark in free if right[first[mark]]]
    for step in range(WIDENINGS + 1):
        width = margin * WIDER**step
        near = [place for place in places if float(gap[place]) < width]
        if len(near) >= least:
            break
    return shown.at(near), width


def first_by_hash(shown: Marked, most: int) -> Marked:
    """At most so many, those with the smallest hashes, in the order in which they stood: a draw that depends
    on the pictures alone.
    """
    order = sorted(range(len(shown.hashes)), key=lambda place: shown.hashes[place])
    return shown.at(sorted(order[:most]))


def moved(model: Classifier, right: Marked, shift: str, seed: int) -> tuple[Marked, list[str]]:
    """Of pictures that the model gets right those that it gets wrong under a shift, as the shift leaves them,
    and the hashes of what they were before.
    """
    from tasks.vit_editing.shifts import shifted

    after = marked(shifted(shift, right.x.numpy(), seed), right.y.numpy())
    places = _places(probabilities(model, after.x).argmax(1) != after.y)
    return after.at(places), [right.hashes[place] for place in places]


def probabilities(model: Classifier, pictures: Tensor) -> Tensor:
    """(n, H, W, 3) uint8 to (n, classes) by the unedited model, in batches and without gradients."""
    import torch

    with torch.no_grad():
        parts = [model.logits(part).softmax(1).cpu() for part in pictures.split(BATCH)]
    return torch.cat(parts) if parts else torch.zeros(0, len(model.classes))


def judged(stronger: str, shown: Marked, pool: Pool) -> Tensor:
    """What stronger models answer (n,): what pictures show where one of them says so, else what the first
    says. stronger: names with commas between; "" for nobody, who is always right.
    """
    names = [name.strip() for name in stronger.split(",") if name.strip()]
    answers = [judge(name, pool)(shown.x) for name in names]
    if not answers:
        return shown.y
    right = sum((answer == shown.y) for answer in answers)
    return shown.y.where(right > 0, answers[0])


def judge(name: str, pool: Pool) -> Judge:
    """The stronger model of that name: an image classifier with the pool's classes in their order, or
    "nearest". UsageError for another; DataError for one not at hand.
    """
    if name == NEAREST:
        return lambda x: nearest(x, pool.training)
    import torch

    from suite.models import load

    loaded = load(name)
    if loaded.images is None:
        raise UsageError(f"stronger model '{name}' is no model of pictures")
    size, (mean, std) = (
        loaded.images.size,
        (torch.tensor(v).view(1, 3, 1, 1) for v in (loaded.images.mean, loaded.images.std)),
    )

    def answered(x: Tensor) -> Tensor:
        found = []
        for part in x.split(BATCH):
            pixels = _sized(part.permute(0, 3, 1, 2).float() / 255, size)
            with torch.no_grad():
                out = loaded.model((pixels - mean) / std)
            logits = getattr(out, "logits", out)
            if logits.shape[-1] != len(pool.classes):
                raise UsageError(
                    f"stronger model '{name}' gives {logits.shape[-1]} values a picture; pool '{pool.name}' "
                    f"has {len(pool.classes)} classes"
                )
            found.append(logits.argmax(1))
        return torch.cat(found)

    return answered


def nearest(x: Tensor, training: Marked) -> Tensor:
    """The class (n,) of the training picture with the smallest squared distance to each of (n, H, W, 3)."""
    import torch

    known = training.x.flatten(1).numpy().astype(np.int64)
    asked = x.flatten(1).numpy().astype(np.int64)
    # Whole numbers below 2^53: exact as float64.
    product = asked.astype(np.float64) @ known.T.astype(np.float64)
    distance = (known**2).sum(1)[None] - 2 * product
    return training.y[torch.from_numpy(distance.argmin(1))]


def _sized(pixels: Tensor, size: int) -> Tensor:
    from torch.nn import functional as F

    if tuple(pixels.shape[2:]) == (size, size):
        return pixels
    return F.interpolate(pixels, (size, size), mode="bicubic", antialias=True).clamp(0, 1)


def _places(which: Tensor) -> list[int]:
    """Where a boolean tensor (n,) is true."""
    places: list[int] = which.nonzero()[:, 0].tolist()
    return places


def _pairs(one: Tensor, other: Tensor) -> list[tuple[int, int]]:
    return list(zip(one.tolist(), other.tolist(), strict=True))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
