"""KE: a matrix's network by hand, what training does to edits and to the price of drift."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from methods.vit_editing.ke import KE
from methods.vit_editing.rival_conditioned import Conditioned
from methods.vit_editing.rival_training import outcome, under
from suite.errors import UsageError
from tests.methods.vit_editing import rival_vits as vits

MODEL = vits.tiny()
NAMES = [name for block in (2, 3) for name in MODEL.blocks[block].matrices]
EDITOR = KE(knobs="0.5,0.1", iterations=12, episodes=3, apart=3, width=8, hidden=8, lr=0.01)
TRAINING = vits.workshop(40, model=MODEL)
PREPARED = EDITOR.prepare(MODEL, TRAINING)


def test_a_matrix_by_hand() -> None:
    net = Conditioned(3, 2, (2, 3), torch.Generator())
    told = [1.0, 2.0, 3.0, math.log(3.0), 0.0, 4.0, 8.0, 0.0, 0.0, 0.0, math.log(3.0)]
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.second.bias.copy_(torch.tensor(told))
    gradient = torch.tensor([[[1.0, 1.0, -1.0], [0.0, 2.0, 4.0]]])
    # softmax(log 3, 0) = (3/4, 1/4); softmax(0, 0) = (1/2, 1/2); sigmoid(log 3) = 3/4.
    mask = torch.tensor([[0.75, 1.5, 2.25], [0.25, 0.5, 0.75]])
    offset = torch.tensor([[2.0, 4.0, 0.0], [2.0, 4.0, 0.0]])
    wanted = 0.75 * (mask * gradient[0] + offset)
    torch.testing.assert_close(net(torch.zeros(1, 3), gradient)[0], wanted)


def test_every_margin_has_its_network() -> None:
    assert {name.partition("/")[0] for name in PREPARED} == {"0.5", "0.1"}
    one, two = under(PREPARED, "0.5/"), under(PREPARED, "0.1/")
    assert set(one) == set(two)
    assert any(not torch.equal(one[name], two[name]) for name in one)
    with pytest.raises(UsageError, match="margin 0.2"):
        EDITOR.edit(MODEL, PREPARED, vits.failures(MODEL, 1)[0], 0.2)


def test_training_makes_edits_better() -> None:
    given = EDITOR.practice(MODEL, TRAINING, "new", 16)
    start = KE(knobs="0.5", iterations=0, width=8, hidden=8).prepare(MODEL, TRAINING)

    def edit(prepared: Any) -> float:
        net = EDITOR._net(MODEL, torch.Generator())
        net.load_state_dict(under(prepared, "0.5/"))
        return float(
            outcome(MODEL, given, 2, EDITOR._changes(net, MODEL, given.edit, given.y, {})).edit.detach()
        )

    assert edit(PREPARED) < edit(start)


def test_the_price_follows_the_drift(tmp_path: Path) -> None:
    """One step: lambda grows by its rate times what the drift is over the margin."""
    from safetensors.torch import load_file

    editor = KE(knobs="0.5", iterations=1, episodes=2, apart=2, width=8, hidden=8, dual=2.0)
    editor.prepare(MODEL, vits.workshop(20, folder=tmp_path))
    (path,) = tmp_path.iterdir()
    price = float(load_file(path)["price/value"])
    net = editor._net(MODEL, vits.workshop(20).generator("ke/network"))
    given = editor.practice(MODEL, vits.workshop(20), "ke/0/0", 2)
    told = outcome(MODEL, given, 2, editor._changes(net, MODEL, given.edit, given.y, {}))
    drift = float(told.drift.detach())
    assert price == pytest.approx(max(0.0, 1 + 2.0 * (drift - 0.5)), abs=1e-5)


def test_a_training_that_is_done_is_not_made_again(tmp_path: Path) -> None:
    editor = KE(knobs="0.5,0.1", iterations=2, episodes=2, apart=2, width=8, hidden=8)
    whole = editor.prepare(MODEL, vits.workshop(20))
    editor.prepare(MODEL, vits.workshop(20, folder=tmp_path))
    (tmp_path / "training-of-ke-2-of-2.safetensors").unlink()
    seen: list[str] = []
    workshop = vits.workshop(20)
    again = type(workshop)(workshop.training, workshop.seed, tmp_path, lambda label, *_: seen.append(label))
    found = editor.prepare(MODEL, again)
    assert seen == ["training of ke 2 of 2"] * 2
    for name, value in whole.items():
        assert torch.equal(found[name], value), name


def test_the_gradient_of_an_edit_has_a_mean_square_of_1() -> None:
    """With masks of 1 and no offset the change is half the gradient, whatever the loss was."""
    net = EDITOR._net(MODEL, torch.Generator())
    with torch.no_grad():
        for part, name in zip(net.maps, NAMES, strict=True):
            out, n = MODEL.parameter(name).shape
            for parameter in part.parameters():
                parameter.zero_()
            part.second.bias[:n] = float(out)  # times softmax's 1 / out
    (failure,) = vits.failures(MODEL, 1)
    h = MODEL.kept(failure.x, 2)[None]
    changes = EDITOR._changes(net, MODEL, h, failure.y[None], {})
    total = sum(float(c.detach().double().square().sum()) for c in changes.values())
    entries = sum(c.numel() for c in changes.values())
    assert (total / entries) ** 0.5 == pytest.approx(0.5, abs=1e-4)


def test_two_edits_in_force() -> None:
    first, second = vits.failures(MODEL, 2)
    one: Any = EDITOR.edit(MODEL, PREPARED, first, 0.5)
    both: Any = EDITOR.edit(MODEL, PREPARED, second, 0.5, before=one)
    net = EDITOR._net(MODEL, torch.Generator())
    net.load_state_dict(under(PREPARED, "0.5/"))
    changes = EDITOR._changes(net, MODEL, MODEL.kept(second.x, 2)[None], second.y[None], one.weights)
    for name in NAMES:
        wanted = one.weights[name] + changes[name][0].detach()
        torch.testing.assert_close(both.weights[name], wanted, rtol=0, atol=1e-6)
        assert not torch.equal(one.weights[name], MODEL.parameter(name))


def test_the_contract_is_kept_with_one_and_more_pictures() -> None:
    asked = [*vits.failures(MODEL, 2), *vits.failures(MODEL, 2, each=2, seed=9)]
    vits.keeps_the_contract(MODEL, EDITOR, PREPARED, 0.1, asked)


def test_margins_must_be_above_0() -> None:
    with pytest.raises(UsageError, match="margins"):
        KE(knobs="0.1,0")
