"""MEND: untrained it is a step of SGD, factors make the gradient, training lowers what it is trained on."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from methods.vit_editing import rival_training
from methods.vit_editing.mend import MEND
from methods.vit_editing.rival_episodes import drawn
from methods.vit_editing.rival_training import Factors, factors, outcome, practice, trained
from methods.vit_editing.rival_transforms import Layer, Transform
from suite.errors import UsageError
from tasks.vit_editing.contract import Pictures, ReplacedWeights
from tests.methods.vit_editing import rival_vits as vits

MODEL = vits.tiny()
NAMES = [name for block in (2, 3) for name in MODEL.blocks[block].matrices]
UNTRAINED = MEND(iterations=0, measured=8, rate=0.02)
PREPARED = UNTRAINED.prepare(MODEL, vits.workshop(40))


def gradients(x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Of the mean CE, from whole pictures through a copy of the module."""
    module = copy.deepcopy(MODEL.module)
    parameters = [module.get_parameter(name).requires_grad_(True) for name in NAMES]
    loss = F.cross_entropy(module(MODEL.prepared(x)).logits, y)
    return dict(zip(NAMES, torch.autograd.grad(loss, parameters), strict=True))


@pytest.mark.parametrize("each", [1, 3])
@pytest.mark.parametrize("knob", [1.0, 0.5])
def test_untrained_networks_make_one_step_of_sgd(each: int, knob: float) -> None:
    for failure in vits.failures(MODEL, 2, each=each):
        edited: Any = UNTRAINED.edit(MODEL, PREPARED, failure, knob)
        wanted = gradients(failure.x, failure.y)
        assert set(edited.weights) == set(NAMES)
        for name in NAMES:
            step = edited.weights[name] - MODEL.parameter(name)
            torch.testing.assert_close(step, -knob * 0.02 * wanted[name], rtol=1e-4, atol=1e-7)


def test_factors_make_the_gradient() -> None:
    asked = vits.failures(MODEL, 2, each=2)
    x, y = torch.stack([f.x for f in asked]), torch.stack([f.y for f in asked])
    h = MODEL.kept(x.flatten(0, 1), 2).unflatten(0, (2, 2))
    found = factors(MODEL, h, y, (2, 3))
    for i in range(2):
        for name, wanted in gradients(x[i], y[i]).items():
            got = found[name].delta[i].T @ found[name].read[i]
            torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-6)


def test_a_layer_by_hand() -> None:
    layer = Layer(2, 1, 2, torch.Generator())
    x = torch.tensor([[1.0, -2.0]])
    assert torch.equal(layer(x, 0), x)
    with torch.no_grad():
        layer.u.copy_(torch.tensor([[1.0], [2.0]]))
        layer.v.copy_(torch.tensor([[3.0, 1.0]]))
        layer.bias.copy_(torch.tensor([0.5, 0.0]))
        layer.scale[1], layer.shift[1] = torch.tensor([2.0, -1.0]), torch.tensor([0.0, 1.0])
    # V x = 1, U V x = (1, 2); with the bias (1.5, 2); mode 1: (3, -1), cut to (3, 0).
    torch.testing.assert_close(layer(x, 0), torch.tensor([[2.5, 0.0]]))
    torch.testing.assert_close(layer(x, 1), torch.tensor([[4.0, -2.0]]))


def test_a_transform_measures_and_skips_tokens_without_a_gradient() -> None:
    net = Transform(1, 1, 2, 1, 0.1, torch.Generator().manual_seed(0))
    given = Factors(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[[2.0], [6.0], [0.0]]]))
    net.measure([given])
    torch.testing.assert_close(net.mean, torch.tensor([2.0, 4.0]))
    torch.testing.assert_close(net.deviation, torch.tensor([2.0, 8.0]).sqrt(), rtol=1e-5, atol=0)
    with torch.no_grad():
        net.layers[0].bias.copy_(torch.tensor([1.0, 0.5]))
    with torch.no_grad():
        told = net(given, 0)
    # The layer adds (1, 0.5) to what is normalised: the deviations, and half of them, to the factors.
    torch.testing.assert_close(told.read[0, :2, 0], torch.tensor([1.0, 3.0]) + 2**0.5)
    torch.testing.assert_close(told.delta[0, :2, 0], torch.tensor([2.0, 6.0]) + 8**0.5 / 2)
    assert float(told.read[0, 2]) == float(told.delta[0, 2]) == 0.0


def test_the_outcome_is_that_of_edited_copies() -> None:
    episodes = drawn(vits.workshop(20).training, "both", 3, 4, 4, torch.Generator().manual_seed(0))
    given = practice(MODEL, episodes, 2)
    draw = torch.Generator().manual_seed(1)
    changes = {n: 0.1 * torch.randn(3, *MODEL.parameter(n).shape, generator=draw) for n in NAMES}
    found = outcome(MODEL, given, 2, changes)
    edits, drifts = [], []
    for i in range(3):
        edited = ReplacedWeights(MODEL, {n: MODEL.parameter(n) + c[i] for n, c in changes.items()})
        own = torch.stack([episodes.x[i], episodes.like[i]])
        edits.append(F.cross_entropy(vits.logits(MODEL, edited, own), episodes.y[i].expand(2)))
        now, old = (
            vits.logits(MODEL, edited, episodes.apart).softmax(1),
            MODEL.logits(episodes.apart).softmax(1),
        )
        drifts.append((old * (old / now).log()).sum(1).mean())
    assert float(found.edit) == pytest.approx(float(torch.stack(edits).mean()), rel=1e-4)
    assert float(found.drift) == pytest.approx(float(torch.stack(drifts).mean()), rel=1e-3)


def test_episodes_are_what_they_say() -> None:
    x = torch.arange(12).to(torch.uint8).view(12, 1, 1, 1).expand(12, 14, 14, 3)
    training = Pictures(x, torch.arange(12) % 4)
    mixed = drawn(training, "cutmix", 2, 3, 4, torch.Generator().manual_seed(0))
    for i in range(2):
        for one in (mixed.x[i], mixed.like[i]):
            numbers, counts = one[:, :, 0].unique(return_counts=True)
            own = int(numbers[counts.argmax()])
            assert own % 4 == int(mixed.y[i])
            rows, columns = (one[:, :, 0] != own).nonzero().T
            height, width = (int(v.max() - v.min()) + 1 for v in (rows, columns))
            assert height * width == len(rows) and 3 <= height <= 8 and 3 <= width <= 8
    used = set(mixed.x.unique().tolist()) | set(mixed.like.unique().tolist())
    assert not used & set(mixed.apart.unique().tolist())
    same = Pictures(training.x, torch.zeros(12, dtype=torch.int64))
    swapped = drawn(same, "swapped", 9, 1, 4, torch.Generator().manual_seed(0))
    assert set(swapped.y.tolist()) == {1, 2, 3}
    both = drawn(same, "both", 8, 1, 4, torch.Generator().manual_seed(0))
    assert (both.y == 0).tolist() == [True] * 4 + [False] * 4


def test_training_lowers_its_loss_on_new_episodes() -> None:
    training = vits.workshop(60, model=MODEL)
    editor = MEND(iterations=30, measured=8, episodes=4, apart=4, lr=0.02, rate=0.02)
    new = editor.practice(MODEL, training, "new", 24)

    def loss(prepared: Any) -> float:
        nets = editor._nets(MODEL, torch.Generator())
        nets.load_state_dict(prepared)
        found = factors(MODEL, new.edit, new.y, (2, 3))
        with torch.no_grad():
            told = outcome(MODEL, new, 2, nets.changes(found))
        return float(editor.c_edit * told.edit + editor.c_loc * told.drift)

    start = MEND(iterations=0, measured=8, episodes=4, apart=4, rate=0.02).prepare(MODEL, training)
    assert loss(editor.prepare(MODEL, training)) < loss(start)


def test_a_killed_training_goes_on_as_if_it_had_not_been(tmp_path: Path, monkeypatch: Any) -> None:
    editor = MEND(iterations=5, measured=4, episodes=2, apart=2)
    whole = editor.prepare(MODEL, vits.workshop(20))
    monkeypatch.setattr(rival_training, "EVERY_S", -1.0)

    def killed(label: str, done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    workshop = vits.workshop(20, folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        editor.prepare(MODEL, type(workshop)(workshop.training, workshop.seed, tmp_path, killed))
    seen: list[int] = []
    again = type(workshop)(
        workshop.training, workshop.seed, tmp_path, lambda label, done, total: seen.append(done)
    )
    resumed = editor.prepare(MODEL, again)
    assert seen == [4, 5]
    assert set(resumed) == set(whole)
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name


def test_a_loss_that_is_none_is_told(tmp_path: Path) -> None:
    net = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with pytest.raises(UsageError, match="lower lr"):
        trained({}, optimizer, lambda step: net.weight.sum() * float("nan"), 1, vits.workshop(4), "x")


def test_two_edits_in_force() -> None:
    first, second = vits.failures(MODEL, 2)
    one: Any = UNTRAINED.edit(MODEL, PREPARED, first, 1.0)
    both: Any = UNTRAINED.edit(MODEL, PREPARED, second, 1.0, before=one)
    module = copy.deepcopy(MODEL.module)
    for name, value in one.weights.items():
        module.get_parameter(name).copy_(value)
    parameters = [module.get_parameter(name).requires_grad_(True) for name in NAMES]
    loss = F.cross_entropy(module(MODEL.prepared(second.x)).logits, second.y)
    for name, slope in zip(NAMES, torch.autograd.grad(loss, parameters), strict=True):
        torch.testing.assert_close(
            both.weights[name] - one.weights[name], -0.02 * slope, rtol=1e-3, atol=1e-6
        )


def test_the_contract_is_kept() -> None:
    editor = MEND(iterations=2, measured=4, episodes=2, apart=2, batch=2)
    prepared = editor.prepare(MODEL, vits.workshop(20))
    vits.keeps_the_contract(MODEL, editor, prepared, 1.0, vits.failures(MODEL, 3))
    with pytest.raises(UsageError, match="kind"):
        MEND(kind="other")  # type: ignore[arg-type]
