"""Relabel: the answer to the failure by another name, checked against renamed answers."""

from __future__ import annotations

import pytest
import torch

from methods.vit_editing.floors import Relabel, Relabelled
from suite.errors import MethodError
from tasks.vit_editing.contract import Failure, ReplacedWeights
from tests.methods.vit_editing import mask_vits as vits

ASKED = vits.pictures(40, seed=7)


def answers(edited: Relabelled) -> list[int]:
    model = vits.tiny()
    return edited.logits_from(model.kept(ASKED, edited.start)).argmax(1).tolist()


def test_one_answer_gets_another_name_and_no_other_does() -> None:
    model = vits.tiny()
    before = model.logits(ASKED).argmax(1).tolist()
    assert len(set(before)) > 1
    said = before[0]
    meant = (said + 1) % vits.CLASSES
    edited = Relabel().edit(model, {}, Failure(ASKED[:1], torch.tensor([meant]), 0), 0.0)
    assert answers(edited) == [meant if one == said else one for one in before]
    assert (edited.start, edited.touched, edited.added, edited.distance) == (vits.DEPTH, 0, 1, 0.0)


def test_logits_change_places_so_that_the_confidence_is_kept() -> None:
    model = vits.tiny()
    logits = model.logits(ASKED)
    said, meant = int(logits[0].argmax()), int(logits[0].argmin())
    edited = Relabelled(model, {said: meant})
    moved = logits.argmax(1) == said
    expected = logits.clone()
    expected[moved, said], expected[moved, meant] = logits[moved, meant], logits[moved, said]
    found = edited.logits_from(model.kept(ASKED, edited.start))
    assert torch.allclose(found, expected, atol=1e-5)


def test_in_a_row_all_names_are_in_force_and_the_last_one_of_an_answer_counts() -> None:
    model = vits.tiny()
    before = model.logits(ASKED).argmax(1).tolist()
    places = [before.index(one) for one in sorted(set(before))[:2]]
    names = {before[place]: (before[place] + 1) % vits.CLASSES for place in places}
    edited: Relabelled | None = None
    for place in places:
        asked = Failure(ASKED[place : place + 1], torch.tensor([names[before[place]]]), 0)
        edited = Relabel().edit(model, {}, asked, 0.0, edited)
    assert edited is not None
    assert answers(edited) == [names.get(one, one) for one in before]
    # The first answer anew: what the model itself says is renamed, not what it says after the edits.
    again = Failure(ASKED[places[0] : places[0] + 1], torch.tensor([before[places[0]]]), 0)
    edited = Relabel().edit(model, {}, again, 0.0, edited)
    assert answers(edited) == [names[one] if one == before[places[1]] else one for one in before]
    assert edited.added == 1


def test_pictures_of_one_failure_may_be_taken_for_several_classes() -> None:
    model = vits.tiny()
    before = model.logits(ASKED).argmax(1).tolist()
    taken = sorted(set(before))[:2]
    places, meant = [before.index(one) for one in taken], taken[-1]
    edited = Relabel().edit(model, {}, Failure(ASKED[places], torch.full((2,), meant), 0), 0.0)
    assert answers(edited) == [meant if one in taken else one for one in before]


def test_it_goes_on_from_its_own_edits_alone() -> None:
    model = vits.tiny()
    with pytest.raises(MethodError, match="not from ReplacedWeights"):
        Relabel().edit(model, {}, vits.failures(model, 1)[0], 0.0, ReplacedWeights(model, {}))
