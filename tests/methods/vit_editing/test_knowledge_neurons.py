"""KN: attributions add up to the probability they explain, units are those of the rule, columns turn over."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from methods.vit_editing.knowledge_neurons import KnowledgeNeurons, attributions, carriers, direction
from tasks.vit_editing.contract import ReplacedWeights
from tests.methods.vit_editing import rival_vits as vits

MODEL = vits.tiny()
BLOCKS = (2, 3)


def probability(x: Tensor, number: int, block: int, share: float) -> float:
    """Of a class for a whole picture, the class token's keys in a block being scaled by a share."""
    module = copy.deepcopy(MODEL.module)

    def scale(part: Any, given: tuple[Tensor, ...]) -> tuple[Tensor]:
        return (torch.cat([share * given[0][:, :1], given[0][:, 1:]], 1),)

    module.get_submodule(MODEL.blocks[block].fc2).register_forward_pre_hook(scale)
    with torch.no_grad():
        return float(module(MODEL.prepared(x)).logits.softmax(1)[0, number])


def test_attributions_add_up_to_the_change_of_probability() -> None:
    x, classes = vits.pictures(2), torch.tensor([1, 3])
    found = attributions(MODEL, MODEL.kept(x, 2), classes, BLOCKS, 400, {})
    assert found.shape == (2, 2, vits.HIDDEN)
    for i in range(2):
        for k, block in enumerate(BLOCKS):
            number = int(classes[i])
            whole, none = (probability(x[i : i + 1], number, block, share) for share in (1.0, 0.0))
            assert abs(float(found[i, k].sum()) - (whole - none)) < 2e-3


def test_one_step_is_the_key_times_its_slope() -> None:
    x = vits.pictures(1)
    (found,) = attributions(MODEL, MODEL.kept(x, 3), torch.tensor([2]), (3,), 1, {})
    module, seen = copy.deepcopy(MODEL.module), []

    def keep(part: Any, given: tuple[Tensor, ...]) -> tuple[Tensor]:
        seen.append(given[0].detach().requires_grad_(True))
        return (seen[-1],)

    module.get_submodule(MODEL.blocks[3].fc2).register_forward_pre_hook(keep)
    p = module(MODEL.prepared(x)).logits.softmax(1)[0, 2]
    (slope,) = torch.autograd.grad(p, seen[0])
    torch.testing.assert_close(found[0], (seen[0] * slope)[0, 0], rtol=1e-4, atol=1e-6)


def test_carriers_by_hand() -> None:
    found = torch.tensor([[[1.0, 0.5, 0.1], [0.4, 0.0, -3.0]], [[0.2, 2.0, 0.0], [0.9, 1.1, 0.0]]])
    # The highest are 1 and 2: at 0.5 the first has units 0 and 1 of block 0, the second 1 of 0 and 1 of 1.
    assert carriers(found, 0.5, 1.0).tolist() == [[False, True, False], [False, False, False]]
    assert carriers(found, 0.5, 0.5).tolist() == [[True, True, False], [False, True, False]]
    # Nobody has all shares at 1.0: the one of the largest mean is left.
    assert carriers(found, 1.0, 1.0).tolist() == [[False, True, False], [False, False, False]]


def test_only_the_columns_of_the_units_turn_over() -> None:
    editor = KnowledgeNeurons(copies=1, steps=4, old=0.5, new=2.0)
    (failure,) = vits.failures(MODEL, 1)
    edited: Any = editor.edit(MODEL, {}, failure, 0.5)
    old, new = int(vits.answers(MODEL, failure.x)), int(failure.y)
    assert edited.units.shape == (2, vits.HIDDEN) and edited.units.any()
    for k, block in enumerate(BLOCKS):
        name = MODEL.blocks[block].matrices[1]
        w = MODEL.parameter(name)
        change = edited.weights[name] - w
        assert torch.equal((change != 0).any(0), edited.units[k])
        size = w.norm(dim=0).mean()
        wanted = size * (2 * direction(MODEL, new) - 0.5 * direction(MODEL, old))
        for column in change.T[edited.units[k]]:
            torch.testing.assert_close(column, wanted, rtol=0, atol=1e-5)


def test_on_top_of_an_edit_a_column_turns_by_as_much_as_on_the_original() -> None:
    """Else every edit would scale the next one up."""
    editor = KnowledgeNeurons(copies=1, steps=4, old=0.0, new=20.0)
    (failure,) = vits.failures(MODEL, 1)
    name = MODEL.blocks[BLOCKS[0]].matrices[1]
    original = MODEL.parameter(name)
    large = ReplacedWeights(MODEL, {name: 50.0 * original})
    edited: Any = editor.edit(MODEL, {}, failure, 0.5, large)
    change = edited.weights[name] - 50.0 * original
    turned = change.norm(dim=0)[edited.units[0]]
    assert len(turned)
    wanted = 20.0 * original.norm(dim=0).mean()
    torch.testing.assert_close(turned, wanted.expand(len(turned)), rtol=1e-4, atol=0)


def test_a_direction_is_the_steepest_for_its_class() -> None:
    row = MODEL.parameter("classifier.weight")[1] * MODEL.parameter("vit.layernorm.weight")
    assert abs(float(direction(MODEL, 1).norm()) - 1) < 1e-6
    torch.testing.assert_close(direction(MODEL, 1) * row.norm(), row)


def test_lower_thresholds_have_more_units() -> None:
    (failure,) = vits.failures(MODEL, 1)
    editor = KnowledgeNeurons(copies=2, steps=4)
    units = [editor.edit(MODEL, {}, failure, t).units for t in (0.8, 0.4, 0.1)]
    for few, many in zip(units, units[1:], strict=False):
        assert few is not None and many is not None and bool((many | ~few).all())


def test_two_edits_in_force() -> None:
    editor = KnowledgeNeurons(copies=1, steps=4)
    first, second = vits.failures(MODEL, 2)
    one: Any = editor.edit(MODEL, {}, first, 0.3)
    now = vits.logits(MODEL, one, second.x).argmax(1)
    second = second._replace(y=(now + 1) % vits.CLASSES)
    both: Any = editor.edit(MODEL, {}, second, 0.3, before=one)
    for k, block in enumerate(BLOCKS):
        name = MODEL.blocks[block].matrices[1]
        change = both.weights[name] - one.weights[name]
        assert torch.equal((change != 0).any(0), both.units[k])
        moved = (both.weights[name] != MODEL.parameter(name)).any(0)
        assert bool((moved | ~one.units[k] | both.units[k]).all())


def test_the_contract_is_kept_with_one_and_more_pictures() -> None:
    editor = KnowledgeNeurons(copies=1, steps=4, batch=2, attributes="target")
    asked = [*vits.failures(MODEL, 3), *vits.failures(MODEL, 1, each=2, seed=9)]
    vits.keeps_the_contract(MODEL, editor, {}, 0.5, asked)
