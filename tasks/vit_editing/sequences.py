"""What the paper does not measure: many edits on top of each other, taking one back, and edits that are given
several pictures of a failure.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from tasks.vit_editing import metrics
from tasks.vit_editing.contract import Edited, ReplacedWeights
from tasks.vit_editing.measure import Trial, group_set

Place = tuple[int, int]
"""A failure: the number of its group and its place there."""


class Milestone(NamedTuple):
    """After so many edits in a row. sr: share of all edited pictures that are right now. gr: share right of
    the pictures that were not edited, of the groups edited so far, mean over these groups; None where none is
    left. lr, drift, accuracy_change: against the unedited model. seconds: an edit, mean.
    """

    edits: int
    sr: float
    gr: float | None
    lr: float
    drift: float
    accuracy_change: float
    distance: float
    seconds: float


class Undone(NamedTuple):
    """One edit of a row taken back, mean over all of its edits. back: the picture has the unedited model's
    answer again. kept: of the other edited pictures that were right before, the share that still is; None
    where none was right.
    """

    edits: int
    back: float
    kept: float | None


class Row(NamedTuple):
    """A row of edits. undone: None for an editor whose edits are no replaced weights."""

    milestones: tuple[Milestone, ...]
    undone: Undone | None


def in_a_row(picks: Sequence[Sequence[int]], rng: np.random.Generator) -> list[Place]:
    """All failures that were picked, in a random order over the groups."""
    places = [(number, place) for number, held in enumerate(picks) for place in held]
    return [places[i] for i in rng.permutation(len(places))]


def several(picks: Sequence[int], pictures: int, edits: int) -> list[tuple[int, ...]]:
    """Of the places picked in a group the first `edits`, each with the next ones behind it (the first ones
    behind the last): `pictures` in all. Those with fewer pictures are the beginnings of those with more.

    Nothing for a group that has no more pictures than that.
    """
    if pictures > len(picks):
        return []
    n = len(picks)
    return [tuple(picks[(i + k) % n] for k in range(pictures)) for i in range(min(edits, n))]


def row(trial: Trial, knob: float, order: Sequence[Place], lengths: Sequence[int]) -> Row:
    """Edits one after another, each with `before=` the one before; measured after each of `lengths`.

    Lengths beyond the failures that there are are left out. The first length's edits are taken back one by
    one, each from the same state. Kept as a whole: a killed cell makes the row again.
    """
    wanted = sorted(n for n in set(lengths) if 0 < n <= len(order))
    if not wanted:
        return Row((), None)

    def make() -> dict[str, Any]:
        milestones: list[Milestone] = []
        undone: Undone | None = None
        chain: list[ReplacedWeights] | None = []
        edited: Edited | None = None
        spent = 0.0
        for n, (number, place) in enumerate(order[: wanted[-1]], 1):
            failure = trial.failure(trial.bench.groups[number], (place,))
            began = time.perf_counter()
            edited = trial.editor.edit(trial.model, trial.prepared, failure, knob, before=edited)
            spent += time.perf_counter() - began
            if chain is not None:
                chain = [*chain, edited] if isinstance(edited, ReplacedWeights) else None
            if n in wanted:
                milestones.append(_milestone(trial, edited, order[:n], spent / n))
            if n == wanted[0]:
                undone = None if chain is None else _undone(trial, chain, order[:n])
                chain = None  # later weights need not be held
        told = [one._asdict() for one in milestones]
        return {"milestones": told, "undone": None if undone is None else undone._asdict()}

    found = trial.kept.once(f"row {knob!r} {' '.join(map(str, wanted))}", make)
    back = found["undone"]
    return Row(
        tuple(Milestone(**one) for one in found["milestones"]), None if back is None else Undone(**back)
    )


def without(chain: Sequence[ReplacedWeights], number: int) -> ReplacedWeights:
    """The last of a row of edits with edit `number` taken back: its weights less what that edit changed.

    Weights that it left alone are those of the last edit, to the bit. Exact for what adds up; what later
    edits did because of it stays.
    """
    last = chain[-1]
    earlier = chain[number - 1].weights if number else {}
    weights = dict(last.weights)
    for name, now in chain[number].weights.items():
        change = now - (earlier[name] if name in earlier else last.model.parameter(name))
        weights[name] = last.weights[name] - change
    return ReplacedWeights(last.model, weights)


def _milestone(trial: Trial, edited: Edited, order: Sequence[Place], seconds: float) -> Milestone:
    streams, start, bench = trial.streams, edited.start, trial.bench
    done: dict[int, list[int]] = {}
    for number, place in order:
        done.setdefault(number, []).append(place)
    right, mates = [], []
    for number, places in done.items():
        answers = streams.after(group_set(number), edited).answers == bench.groups[number].target
        right += [bool(answers[place]) for place in places]
        if len(places) < len(answers):
            mates.append(metrics.generalization(answers, places))
    before, after = streams.before("locality", start), streams.after("locality", edited)
    was, now = streams.before("test", start), streams.after("test", edited)
    return Milestone(
        edits=len(order),
        sr=fmean(right),
        gr=fmean(mates) if mates else None,
        lr=metrics.locality(before.answers, after.answers),
        drift=metrics.drift(before, after),
        accuracy_change=metrics.accuracy_change(was.answers, now.answers, bench.test.y.numpy()),
        distance=float(edited.distance),
        seconds=seconds,
    )


def _undone(trial: Trial, chain: Sequence[ReplacedWeights], order: Sequence[Place]) -> Undone:
    """See `Undone`; of every edit of the row."""
    targets = np.array([trial.bench.groups[number].target for number, _ in order])
    before = _answers(trial, chain[-1], order)
    back, kept = [], []
    for k, (number, place) in enumerate(order):
        edited = without(chain, k)
        answers = _answers(trial, edited, order)
        unedited = trial.streams.before(group_set(number), edited.start).answers[place]
        back.append(bool(answers[k] == unedited))
        others = (before == targets) & (np.arange(len(order)) != k)
        if others.any():
            kept.append(float((answers == targets)[others].mean()))
    return Undone(len(order), fmean(back), fmean(kept) if kept else None)


def _answers(trial: Trial, edited: Edited, order: Sequence[Place]) -> np.ndarray:
    """Top-1 of the edited pictures, in the order of the edits."""
    of = {
        number: trial.streams.after(group_set(number), edited).answers
        for number in sorted({number for number, _ in order})
    }
    return np.array([of[number][place] for number, place in order])
