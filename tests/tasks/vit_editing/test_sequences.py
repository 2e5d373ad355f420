"""Edits in a row, taken back, and with several pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from editing_bench import HeadRow, Nothing, bench, tiny
from hypothesis import given
from hypothesis import strategies as st

from suite.api import Context
from suite.kept import Kept
from tasks.vit_editing.classifier import Classifier
from tasks.vit_editing.contract import Edited, Editor, ReplacedWeights
from tasks.vit_editing.measure import Bench, Trial
from tasks.vit_editing.sequences import Row, in_a_row, row, several, without

ORDER = [(0, 2), (1, 0), (0, 4), (1, 3)]
CTX = Context(1)


@pytest.fixture(scope="module")
def model() -> Classifier:
    return tiny()


@pytest.fixture(scope="module")
def ward(model: Classifier) -> Bench:
    return bench(model)


def trial(editor: Editor, model: Classifier, ward: Bench, folder: Path | None = None) -> Trial:
    return Trial.of(editor, model, {}, ward, Kept.at(folder), CTX.seed_for)


def chain(at_work: Trial, knob: float, order: Any = ORDER) -> list[ReplacedWeights]:
    made: list[ReplacedWeights] = []
    for number, place in order:
        failure = at_work.failure(at_work.bench.groups[number], (place,))
        before = made[-1] if made else None
        edited = at_work.editor.edit(at_work.model, {}, failure, knob, before=before)
        assert isinstance(edited, ReplacedWeights)
        made.append(edited)
    return made


def test_a_row_is_measured_after_each_length(model: Classifier, ward: Bench) -> None:
    """Against the head's rows added up by hand, and plain questions to that model."""
    at_work = trial(HeadRow(), model, ward)
    found = row(at_work, 0.5, ORDER, (1, 4, 9))
    assert [one.edits for one in found.milestones] == [1, 4]
    name = f"{model.head}.weight"
    for one in found.milestones:
        weight = model.parameter(name).clone()
        for number, place in ORDER[: one.edits]:
            group = ward.groups[number]
            x = group.x[place : place + 1]
            weight[group.target] += 0.5 * model.tokens(model.kept(x, model.depth), model.depth)[0]
        weights = {name: weight}
        right = {
            (k, i): int(model.logits(group.x[i : i + 1], weights).argmax()) == group.target
            for k, group in enumerate(ward.groups)
            for i in range(len(group.x))
        }
        done = ORDER[: one.edits]
        assert one.sr == pytest.approx(np.mean([right[at] for at in done]))
        groups = sorted({k for k, _ in done})
        mates = [[v for (k, i), v in right.items() if k == g and (k, i) not in done] for g in groups]
        assert one.gr == pytest.approx(np.mean([np.mean(m) for m in mates]))
        was, now = (model.logits(ward.locality, w).argmax(1) for w in (None, weights))
        assert one.lr == pytest.approx(float((was == now).float().mean()))
        change = [
            float((model.logits(ward.test.x, w).argmax(1) == ward.test.y).float().mean())
            for w in (weights, None)
        ]
        assert one.accuracy_change == pytest.approx(change[0] - change[1], abs=1e-6)
        assert one.distance == pytest.approx(float((weight - model.parameter(name)).norm()), rel=1e-5)


def test_a_row_of_nothing(model: Classifier, ward: Bench) -> None:
    found = row(trial(Nothing(), model, ward), 0.0, ORDER, (2,))
    (one,) = found.milestones
    assert (one.sr, one.gr, one.lr, one.drift, one.accuracy_change, one.distance) == (0, 0, 1, 0, 0, 0)
    assert found.undone is not None and found.undone.back == 1.0 and found.undone.kept is None
    assert row(trial(Nothing(), model, ward), 0.0, ORDER, (9,)) == Row((), None)


def test_groups_without_mates_left_have_no_generalization(model: Classifier, ward: Bench) -> None:
    whole = [(1, place) for place in range(4)]
    (one,) = row(trial(HeadRow(), model, ward), 0.5, whole, (4,)).milestones
    assert one.gr is None and one.sr == 1.0


def test_an_edit_is_taken_back_by_what_it_had_changed(model: Classifier, ward: Bench) -> None:
    """Edits of the head add up, so that a row without one is the row of the others."""
    at_work = trial(HeadRow(), model, ward)
    made = chain(at_work, 0.5)
    name = f"{model.head}.weight"
    for k in range(len(ORDER)):
        others = chain(at_work, 0.5, ORDER[:k] + ORDER[k + 1 :])[-1]
        torch.testing.assert_close(without(made, k).weights[name], others.weights[name])
    torch.testing.assert_close(without(made[:1], 0).weights[name], model.parameter(name))


def test_taking_back_leaves_alone_what_the_edit_had_left_alone(model: Classifier) -> None:
    a, b = (model.blocks[k].matrices[0] for k in (0, 1))
    one = torch.ones_like(model.parameter(a))
    first = ReplacedWeights(model, {a: model.parameter(a) + one})
    second = ReplacedWeights(model, {b: model.parameter(b) + 3}, before=first)
    third = ReplacedWeights(model, {a: first.weights[a] + 2 * one}, before=second)
    back = without([first, second, third], 0)
    torch.testing.assert_close(back.weights[a], model.parameter(a) + 2 * one)
    assert torch.equal(back.weights[b], second.weights[b]) and back.start == 0
    back = without([first, second, third], 1)
    assert torch.equal(back.weights[a], third.weights[a])
    torch.testing.assert_close(back.weights[b], model.parameter(b))


def test_undoing_is_told_for_the_first_length(model: Classifier, ward: Bench) -> None:
    at_work = trial(HeadRow(), model, ward)
    found = row(at_work, 0.5, ORDER, (3, 4)).undone
    made = chain(at_work, 0.5)[:3]
    back, kept = [], []
    for k in range(3):
        weights = without(made, k).weights
        asked = [(ward.groups[g].x[i : i + 1], ward.groups[g].target) for g, i in ORDER[:3]]
        now = [int(model.logits(x, weights).argmax()) for x, _ in asked]
        before = [int(model.logits(x, made[-1].weights).argmax()) == target for x, target in asked]
        back.append(now[k] == int(model.logits(asked[k][0]).argmax()))
        others = [j for j in range(3) if j != k and before[j]]
        if others:
            kept.append(np.mean([now[j] == asked[j][1] for j in others]))
    assert found is not None and found.edits == 3
    assert found.back == pytest.approx(np.mean(back)) and found.kept == pytest.approx(np.mean(kept))


class Memory(Edited):
    """No replaced weights."""

    def __init__(self, model: Classifier) -> None:
        self.model, self.start = model, model.depth

    def logits_from(self, h: torch.Tensor) -> torch.Tensor:
        return self.model.logits_from(h, self.start)


@dataclass(frozen=True, kw_only=True)
class Remembering(Editor):
    def edit(self, model: Classifier, *_: Any, **__: Any) -> Edited:
        return Memory(model)


def test_edits_that_are_no_weights_are_not_taken_back(model: Classifier, ward: Bench) -> None:
    found = row(trial(Remembering(), model, ward), 0.0, ORDER, (2, 3))
    assert found.undone is None and [one.edits for one in found.milestones] == [2, 3]


def test_a_row_is_kept_as_a_whole(model: Classifier, ward: Bench, tmp_path: Path) -> None:
    found = row(trial(HeadRow(), model, ward, tmp_path), 0.5, ORDER, (2, 4))

    @dataclass(frozen=True, kw_only=True)
    class Refusing(HeadRow):
        def edit(self, *_: Any, **__: Any) -> Edited:
            raise AssertionError("was edited before")

    assert row(trial(Refusing(), model, ward, tmp_path), 0.5, ORDER, (4, 2, 4)) == found
    with pytest.raises(AssertionError):
        row(trial(Refusing(), model, ward, tmp_path), 5.0, ORDER, (2, 4))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 9))
def test_a_row_has_every_pick_once(sizes: list[int], seed: int) -> None:
    picks = [list(range(3, 3 + n)) for n in sizes]
    order = in_a_row(picks, np.random.default_rng(seed))
    assert sorted(order) == [(k, place) for k, held in enumerate(picks) for place in held]


@given(st.permutations(range(7)), st.integers(1, 7), st.integers(1, 9))
def test_several_pictures_begin_with_fewer(picks: list[int], pictures: int, edits: int) -> None:
    jobs = several(picks, pictures, edits)
    assert len(jobs) == min(edits, 7) and all(len(set(job)) == pictures for job in jobs)
    assert [job[0] for job in jobs] == list(picks[: len(jobs)])
    fewer = several(picks, max(1, pictures - 1), edits)
    assert all(many[: len(few)] == few for many, few in zip(jobs, fewer, strict=True))


def test_several_by_hand() -> None:
    assert several([4, 0, 2], 2, 9) == [(4, 0), (0, 2), (2, 4)] and several([4, 0, 2], 2, 1) == [(4, 0)]
    assert several([4, 0], 3, 2) == []
