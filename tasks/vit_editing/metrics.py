"""What is said of one edit: does it mend its pictures, their mates, and what does it change elsewhere.

Paper: Learning Where to Edit Vision Transformers (arXiv 2411.01948), section 5, and its released code
(edit_natural.py). All values are fractions from 0 to 1. Answers are numbers of classes; -1 (`NO_ANSWER`) is
what a model gives whose logits are no numbers, and is right nowhere.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_ANSWER = -1


class Told(NamedTuple):
    """What a classifier says of n pictures. answers: (n,) top-1. probabilities: (n, classes) float64."""

    answers: NDArray[np.int64]
    probabilities: NDArray[np.float64]


def told(logits: Any) -> Told:
    """(n, classes) logits, an array or a tensor, to what they say; of equal ones the first class wins.

    A row that holds NaN or an infinity answers nothing: `NO_ANSWER`, and 0 for every probability.
    """
    z = np.asarray(logits, dtype=np.float64)
    finite = np.isfinite(z).all(axis=1)
    safe = np.where(finite[:, None], z, 0.0)
    exp = np.exp(safe - safe.max(axis=1, keepdims=True))
    probabilities = np.where(finite[:, None], exp / exp.sum(axis=1, keepdims=True), 0.0)
    return Told(np.where(finite, safe.argmax(axis=1), NO_ANSWER).astype(np.int64), probabilities)


def success(right: Sequence[bool] | NDArray[np.bool_], edited: Collection[int]) -> float:
    """SR: share of the edited pictures that are right. right: of the whole group; edited: places in it."""
    held = np.asarray(right, dtype=bool)
    places = _places(edited, len(held))
    return float(held[places].mean())


def generalization(right: Sequence[bool] | NDArray[np.bool_], edited: Collection[int]) -> float:
    """GR: the share of the group's other pictures that are right, n - k of them.

    The edited ones are known by their place, so that a failed edit costs nothing here and a good one earns
    nothing. ValueError where no other picture is left.
    """
    held = np.asarray(right, dtype=bool)
    mates = np.ones(len(held), dtype=bool)
    mates[_places(edited, len(held))] = False
    if not mates.any():
        raise ValueError(f"a group of {len(held)} pictures, all of them edited, has nobody to generalize to")
    return float(held[mates].mean())


def generalization_released(right: Sequence[bool] | NDArray[np.bool_]) -> float:
    """GR as the released code counts it: (n_correct - 1) / n_all, the edited picture among them.

    It takes for granted that the edit has worked: at most (n - 1) / n, and after a failed edit too low by
    1 / n, down to -1 / n.
    """
    held = np.asarray(right, dtype=bool)
    if not len(held):
        raise ValueError("a group without pictures has no generalization rate")
    return (int(held.sum()) - 1) / len(held)


def locality(before: NDArray[np.int64], after: NDArray[np.int64]) -> float:
    """LR: the share of pictures whose top-1 is that of the unedited model, whatever the label."""
    _paired(before, after)
    return float((before == after).mean())


def drift(before: Told, after: Told) -> float:
    """Mean |p_before - p_after| of the class that the unedited model answers: what LR, which looks at top-1
    alone, does not see.
    """
    _paired(before.answers, after.answers)
    rows = np.arange(len(before.answers))
    gaps = before.probabilities[rows, before.answers] - after.probabilities[rows, before.answers]
    return float(np.abs(gaps).mean())


def accuracy_change(before: NDArray[np.int64], after: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Accuracy after the edit less that before; below 0 where the edit has cost some."""
    _paired(before, after)
    _paired(before, labels)
    return float((after == labels).mean() - (before == labels).mean())


def iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Units in both masks over units in either; 1 where both are empty, since they differ in nothing."""
    either = int((a | b).sum())
    return int((a & b).sum()) / either if either else 1.0


class Overlap(NamedTuple):
    """inside: mean IoU of masks of two edits of one group, mean over groups with two at least; across: of two
    edits of different groups, mean over all such pairs. None where there is no pair. share: of units that a
    mask holds, mean; chance: IoU to be expected of random masks of that share, p / (2 - p).
    """

    inside: float | None
    across: float | None
    share: float
    chance: float


def overlap(masks: Mapping[str, Sequence[NDArray[np.bool_]]]) -> Overlap | None:
    """By group the masks of its edits, of one shape; None where there is no mask at all (spec 5, Fig. 6).

    With every mask as a row of a matrix M the sizes of all intersections are M M', so that a few hundred
    masks of a thousand units cost one product.
    """
    names = [name for name, held in masks.items() for _ in held]
    if not names:
        return None
    m = np.stack([mask.ravel() for held in masks.values() for mask in held]).astype(np.float64)
    both, sizes = m @ m.T, m.sum(axis=1)
    either = sizes[:, None] + sizes[None] - both
    values = np.divide(both, either, out=np.ones_like(both), where=either > 0)
    inside: dict[str, list[float]] = {}
    across: list[float] = []
    for i, j in combinations(range(len(names)), 2):
        (inside.setdefault(names[i], []) if names[i] == names[j] else across).append(float(values[i, j]))
    share = float(m.mean())
    return Overlap(
        fmean(fmean(held) for held in inside.values()) if inside else None,
        fmean(across) if across else None,
        share,
        share / (2 - share),
    )


def packed(units: NDArray[np.bool_]) -> str:
    """A mask (rows, hidden) as "ROWSxHIDDEN:" and its bits in base64."""
    bits = np.asarray(units, dtype=bool)
    shape = "x".join(map(str, bits.shape))
    return f"{shape}:{base64.b64encode(np.packbits(bits.ravel()).tobytes()).decode()}"


def unpacked(text: str) -> NDArray[np.bool_]:
    """The mask that `packed` wrote."""
    shape_text, _, code = text.partition(":")
    shape = tuple(int(part) for part in shape_text.split("x"))
    bits = np.unpackbits(np.frombuffer(base64.b64decode(code), np.uint8))
    return bits[: int(np.prod(shape))].reshape(shape).astype(bool)


def _places(edited: Collection[int], n: int) -> list[int]:
    places = sorted(set(edited))
    if not places or places[0] < 0 or places[-1] >= n:
        raise ValueError(f"edited pictures {places} of a group of {n}: give one place in it or more")
    return places


def _paired(a: NDArray[Any], b: NDArray[Any]) -> None:
    if a.shape != b.shape or not len(a):
        raise ValueError(f"{len(a)} answers before and {len(b)} after: both must be of the same pictures")
