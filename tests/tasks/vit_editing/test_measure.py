"""Single edits: what is measured of them, from what, and what it may not depend on."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from editing_bench import Columns, HeadRow, Nothing, bench, pictures, tiny

from suite.api import Context
from suite.errors import MethodError
from suite.kept import Kept
from tasks.vit_editing import metrics
from tasks.vit_editing.classifier import Classifier
from tasks.vit_editing.contract import Edited, Editor, Prepared, ReplacedWeights, Workshop
from tasks.vit_editing.measure import BATCH, Bench, Single, Streams, Trial, group_set, picked

CTX = Context(3)


@pytest.fixture(scope="module")
def model() -> Classifier:
    return tiny()


@pytest.fixture(scope="module")
def ward(model: Classifier) -> Bench:
    return bench(model)


def trial(
    editor: Editor, model: Classifier, ward: Bench, folder: Path | None = None, chunk: int = 3
) -> Trial:
    prepared = editor.prepare(model, Workshop(ward.training, 5))
    return Trial.of(editor, model, prepared, ward, Kept.at(folder), CTX.seed_for, chunk)


def numbers(singles: Sequence[Single]) -> list[dict[str, Any]]:
    """All but the clock."""
    return [one._replace(seconds=0.0)._asdict() for one in singles]


def test_an_editor_that_does_nothing_has_no_success_and_no_cost(model: Classifier, ward: Bench) -> None:
    for k, group in enumerate(ward.groups):
        jobs = [(place,) for place in range(len(group.x))]
        for one in trial(Nothing(), model, ward).singles(0.0, k, jobs, tested=len(jobs)):
            assert (one.sr, one.gr, one.lr, one.drift, one.accuracy_change) == (0.0, 0.0, 1.0, 0.0, 0.0)
            assert one.gr_repo == -1 / len(group.x)
            assert (one.touched, one.added, one.distance, one.units) == (0, 0, 0.0, None)


def test_numbers_are_those_of_the_edited_model_asked_directly(model: Classifier, ward: Bench) -> None:
    """With everything from pixels on, one picture at a time, in Python loops."""
    editor, group = HeadRow(), ward.groups[0]
    at_work = trial(editor, model, ward)
    (one,) = at_work.singles(0.5, 0, [(2,)], tested=1)
    edited = editor.edit(model, {}, at_work.failure(group, (2,)), 0.5)
    assert isinstance(edited, ReplacedWeights)

    def answers(x: torch.Tensor, weights: Any) -> list[int]:
        return [int(model.logits(p[None], weights).argmax()) for p in x]

    now = answers(group.x, edited.weights)
    mates = [a == group.target for i, a in enumerate(now) if i != 2]
    assert one.sr == float(now[2] == group.target) and one.gr == sum(mates) / 4
    assert metrics.unpacked(one.right).tolist() == [a == group.target for a in now]
    was, then = answers(ward.locality, None), answers(ward.locality, edited.weights)
    assert one.lr == sum(a == b for a, b in zip(was, then, strict=True)) / 7
    p, q = (model.logits(ward.locality, w).softmax(1) for w in (None, edited.weights))
    gaps = [abs(float(p[i, c] - q[i, c])) for i, c in enumerate(was)]
    assert one.drift == pytest.approx(sum(gaps) / 7, abs=1e-6)
    before, after = answers(ward.test.x, None), answers(ward.test.x, edited.weights)
    y = ward.test.y.tolist()
    hits = [sum(a == b for a, b in zip(side, y, strict=True)) for side in (before, after)]
    assert one.accuracy_change == pytest.approx((hits[1] - hits[0]) / 9)
    assert one.touched == 16 and one.steps == 1
    assert one.sr + one.gr > 0 and one.lr < 1  # the edit has done something to be compared


@pytest.mark.parametrize("editor", [HeadRow(), Columns()], ids=lambda e: type(e).__name__)
def test_the_order_of_edits_groups_and_knobs_does_not_matter(
    editor: Editor, model: Classifier, ward: Bench
) -> None:
    jobs = [
        (k, place, knob) for k, g in enumerate(ward.groups) for place in range(4) for knob in editor.values
    ]

    def run(order: Sequence[tuple[int, int, float]], chunk: int) -> dict[Any, Any]:
        at_work = trial(editor, model, ward, chunk=chunk)
        found = {}
        for k, place, knob in order:
            at_work.kept.found.clear()
            found[k, place, knob] = numbers(at_work.singles(knob, k, [(place,)]))
        return found

    shuffled = random.Random(1).sample(jobs, len(jobs))
    first = run(jobs, 3)
    assert run(shuffled, 1) == first
    together = trial(editor, model, ward).singles(editor.values[0], 0, [(3,), (0,), (1,), (2,)])
    assert numbers(together) == [first[0, place, editor.values[0]][0] for place in (3, 0, 1, 2)]


def test_the_seed_of_an_edit_is_its_pictures_and_not_its_knob(model: Classifier, ward: Bench) -> None:
    at_work = trial(Columns(), model, ward)
    few, many = (
        [metrics.unpacked(one.units or "") for one in at_work.singles(k, 0, [(0,), (1,)])]
        for k in (0.25, 0.75)
    )
    assert [int(m.sum()) for m in (*few, *many)] == [8, 8, 24, 24]
    assert all((a <= b).all() for a, b in zip(few, many, strict=True))
    assert not np.array_equal(few[0], few[1])
    group = ward.groups[0]
    assert at_work.failure(group, (0, 1)).seed != at_work.failure(group, (1, 0)).seed
    assert at_work.failure(group, (0, 1)).y.tolist() == [group.target] * 2


def test_a_killed_cell_goes_on_with_what_it_had(model: Classifier, ward: Bench, tmp_path: Path) -> None:
    whole = trial(Columns(), model, ward).singles(0.25, 0, [(0,), (1,)])
    first = trial(Columns(), model, ward, tmp_path).singles(0.25, 0, [(0,), (1,)])
    assert numbers(first) == numbers(whole)

    @dataclass(frozen=True, kw_only=True)
    class Refusing(Columns):
        def edit(self, *_: Any, **__: Any) -> Edited:
            raise AssertionError("was edited before")

    assert trial(Refusing(), model, ward, tmp_path).singles(0.25, 0, [(0,), (1,)]) == first
    with pytest.raises(AssertionError):
        trial(Refusing(), model, ward, tmp_path).singles(0.75, 0, [(0,), (1,)])
    with pytest.raises(AssertionError):
        trial(Refusing(), model, ward, tmp_path).singles(0.25, 1, [(0,), (1,)])
    (kept,) = tmp_path.glob("*.json")
    kept.write_text(kept.read_text()[:-5])
    assert numbers(trial(Columns(), model, ward, tmp_path).singles(0.25, 0, [(0,), (1,)])) == numbers(whole)


def test_streams_are_the_models_own_at_every_block(model: Classifier, ward: Bench) -> None:
    streams = Streams(model, {"x": ward.locality})
    for at in range(model.depth + 1):
        made = torch.cat(list(streams.batches("x", at)))
        torch.testing.assert_close(made, model.stream(ward.locality, at), rtol=0, atol=0)
    assert torch.equal(torch.cat(list(streams.batches("x", -1))), ward.locality)
    for at in (-1, 0, model.depth):
        assert streams.before("x", at).answers.tolist() == model.logits(ward.locality).argmax(1).tolist()


def test_streams_stay_within_their_memory_and_give_the_same(model: Classifier) -> None:
    sets = {"a": pictures(3, 1), "b": pictures(2, 2), "long": pictures(BATCH + 1, 3)}
    one = 10 * 16 * 4  # a picture: nine patches and the class token, 16 floats each
    streams = Streams(model, sets, limit=5 * one)
    for name, at in [("a", 1), ("b", 1), ("long", 1), ("a", 2), ("b", 1), ("long", 2), ("a", 1)]:
        made = torch.cat(list(streams.batches(name, at)))
        assert torch.equal(made, torch.cat([model.kept(part, at) for part in sets[name].split(BATCH)]))
        assert streams.kept_bytes <= 5 * one
    assert streams.kept_bytes == 5 * one


def test_picks_are_of_the_group_alone_and_change_with_the_seed(ward: Bench) -> None:
    first, second = picked(ward.groups, 3, Context(0).rng)
    assert len(first) == len(second) == 3 and len(set(first)) == 3 and max(first) < 5
    assert picked(ward.groups[1:], 3, Context(0).rng) == [second]
    assert sorted(picked(ward.groups, 99, Context(0).rng)[1]) == [0, 1, 2, 3]
    assert any(picked(ward.groups, 3, Context(s).rng)[0] != first for s in (1, 2))
    assert picked(ward.groups, 99, Context(0).rng)[0][:3] == first


@dataclass(frozen=True, kw_only=True)
class Diverged(HeadRow):
    """Weights that are no numbers."""

    def edit(self, model: Classifier, *args: Any, **more: Any) -> Edited:
        name = f"{model.head}.weight"
        return ReplacedWeights(model, {name: torch.full_like(model.parameter(name), float("nan"))})


def test_an_edit_that_has_diverged_is_measured_as_a_ruin(model: Classifier, ward: Bench) -> None:
    (one,) = trial(Diverged(), model, ward).singles(0.5, 0, [(0,)])
    assert (one.sr, one.gr, one.lr) == (0.0, 0.0, 0.0) and np.isnan(one.distance)


@dataclass(frozen=True, kw_only=True)
class Short(HeadRow):
    def edit_many(self, model: Classifier, prepared: Prepared, failures: Any, knob: float) -> list[Edited]:
        return super().edit_many(model, prepared, failures[1:], knob)


class Narrow(ReplacedWeights):
    def logits_from(self, h: torch.Tensor) -> torch.Tensor:
        return super().logits_from(h)[:, 1:]


@dataclass(frozen=True, kw_only=True)
class Cut(HeadRow):
    def edit(self, model: Classifier, *args: Any, **more: Any) -> Edited:
        return Narrow(model, {})


def test_broken_promises_are_named(model: Classifier, ward: Bench) -> None:
    with pytest.raises(MethodError, match="gave 1 edits for 2 failures"):
        trial(Short(), model, ward).singles(0.5, 0, [(0,), (1,)])
    with pytest.raises(MethodError, match=r"logits \(5, 3\), not \(5, 4\)"):
        trial(Cut(), model, ward).singles(0.5, 0, [(0,)])


def test_an_edit_from_the_pixels_on(model: Classifier, ward: Bench) -> None:
    """An edit of the embeddings starts at -1, and is given pictures."""

    @dataclass(frozen=True, kw_only=True)
    class Shifted(HeadRow):
        def edit(
            self, model: Classifier, prepared: Any, failure: Any, knob: float, before: Any = None
        ) -> Edited:
            edited = super().edit(model, prepared, failure, knob, before)
            assert isinstance(edited, ReplacedWeights)
            name = f"{model.embeddings}.cls_token"
            weights = {**edited.weights, name: moved * model.parameter(name)}
            return ReplacedWeights(model, weights, steps=1)

    moved = 1.0
    at_work = trial(Shifted(), model, ward)
    plain = trial(HeadRow(), model, ward).singles(0.5, 0, [(0,), (1,)])
    assert at_work.editor.edit(model, {}, at_work.failure(ward.groups[0], (0,)), 0.5).start == -1
    assert numbers(at_work.singles(0.5, 0, [(0,), (1,)])) == [
        {**row, "drift": pytest.approx(row["drift"], abs=1e-6)} for row in numbers(plain)
    ]
    assert at_work.streams.kept_bytes == 0
    moved = -3.0
    (one,) = trial(Shifted(), model, ward).singles(0.5, 0, [(0,)])
    edited = Shifted().edit(model, {}, at_work.failure(ward.groups[0], (0,)), 0.5)
    assert isinstance(edited, ReplacedWeights)
    # In a copy of the module itself, whose class token is another one.
    other = copy.deepcopy(model.module)
    other.load_state_dict(edited.weights, strict=False)
    copied = Classifier.of(other, model.images, model.classes)
    said = [copied.logits(x).argmax(1) for x in (ward.groups[0].x, ward.locality)]
    assert metrics.unpacked(one.right).tolist() == (said[0] == ward.groups[0].target).tolist()
    assert one.lr == float((said[1] == model.logits(ward.locality).argmax(1)).double().mean())
    assert one.lr != numbers(plain)[0]["lr"]


def test_groups_have_names_of_their_own_among_the_streams(model: Classifier, ward: Bench) -> None:
    same = replace_names(ward)
    at_work = trial(HeadRow(), model, same)
    assert {group_set(0), group_set(1), "locality", "test"} == set(at_work.streams.sets)
    a, b = (at_work.singles(0.5, k, [(0,)])[0] for k in (0, 1))
    assert len(metrics.unpacked(a.right)) == 5 and len(metrics.unpacked(b.right)) == 4


def replace_names(ward: Bench) -> Bench:
    return ward._replace(groups=tuple(g._replace(name="one name") for g in ward.groups))
