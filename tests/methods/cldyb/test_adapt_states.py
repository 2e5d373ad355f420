"""What every learner with parts promises: a state exact to the bit, the same seed the same bits, columns in
order.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from learner_states import copied, same
from torch import nn

from methods.cldyb.adapt_seqlora import SeqLoRA
from methods.cldyb.ease import EASE
from methods.cldyb.inflora import InfLoRA
from methods.cldyb.lae import LAE
from methods.cldyb.mos import MOS
from methods.cldyb.slca import SLCA
from suite.errors import Skip
from suite.settings import fields_of
from tasks.cldyb.contract import ContinualLearner
from tests.methods.cldyb.adapt_vits import BACKBONE, WIDTH, task

QUICK: Any = {"epochs": 2, "batch": 8, "lr": 0.02}
ALIGNED: Any = {"align_epochs": 2, "samples": 6}
METHODS: list[ContinualLearner] = [
    SLCA(**QUICK, **ALIGNED),
    LAE(**QUICK, still=1, decay=0.9),
    LAE(**QUICK, still=1, decay=0.9, part="lora"),
    EASE(**QUICK, inner=4, start=1),
    MOS(**QUICK, **ALIGNED, inner=4),
    SeqLoRA(**QUICK, rank=3, places="qkv"),
    InfLoRA(**QUICK, rank=3),
]
LESSONS = [task(6, 2), task(3), task(0, 9), task(5)]
X = torch.cat([one.x for one in LESSONS])


def name(method: ContinualLearner) -> str:
    return f"{type(method).__name__}-{getattr(method, 'part', '')}"


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_a_restored_learner_goes_on_as_if_never_stopped(method: ContinualLearner) -> None:
    """Into a new learner, and back into one that has gone on; and a state never changes afterwards."""
    straight = method.begin(BACKBONE, 11)
    empty = straight.state()
    assert straight.logits(X).shape == (len(X), 0)
    for number, one in enumerate(LESSONS[:2]):
        straight.learn(one, number)
    half, seen = straight.state(), straight.seen
    kept, middle, shown = copied(half), straight.logits(X), straight.representation(X)
    assert shown.shape == (len(X), WIDTH) and not shown.requires_grad
    for number, one in enumerate(LESSONS[2:], 2):
        straight.learn(one, number)
    end, last = copied(straight.state()), straight.logits(X)
    assert same(half, kept)
    assert last.shape == (len(X), 6) and straight.seen == (6, 2, 3, 0, 9, 5)
    assert not last.requires_grad and bool(last.isfinite().all())

    fresh = method.begin(BACKBONE, 12)
    for learner in (fresh, straight):
        learner.restore(half, seen)
        assert same(learner.state(), kept) and learner.seen == seen
        assert torch.equal(learner.logits(X), middle)
        assert torch.equal(learner.representation(X), shown)
        torch.rand(3)
        for number, one in enumerate(LESSONS[2:], 2):
            learner.learn(one, number)
        assert same(learner.state(), end)
        assert torch.equal(learner.logits(X), last)
    assert same(half, kept)

    straight.restore(empty, ())
    for number, one in enumerate(LESSONS[:2]):
        straight.learn(one, number)
    assert same(straight.state(), kept)


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_the_seed_of_a_task_decides_its_training(method: ContinualLearner) -> None:
    states = []
    for seed in (4, 4, 5):
        learner = method.begin(BACKBONE, 0)
        before = torch.get_rng_state()
        learner.learn(LESSONS[0], seed)
        assert torch.equal(torch.get_rng_state(), before)
        states.append(learner.state())
    assert same(states[0], states[1]) and not same(states[0], states[2])
    with pytest.raises(ValueError, match="new classes"):
        learner.learn(task(2, 8), 1)


WELL: Any = {"epochs": 10, "batch": 6}
LEARNED: list[ContinualLearner] = [
    SLCA(**WELL, lr=0.05, align_epochs=3, samples=32),
    LAE(**WELL, lr=0.01, still=2),
    EASE(**WELL, inner=4),
    MOS(**WELL, inner=4, samples=32),
    InfLoRA(**WELL, lr=0.01, rank=3),
]


@pytest.mark.parametrize("method", LEARNED, ids=name)
def test_columns_stand_in_the_order_of_the_classes(method: ContinualLearner) -> None:
    """Colours in an odd order are told apart: among a task's own classes by all, among all by those whose
    head is aligned or made of prototypes.
    """
    learner = method.begin(BACKBONE, 0)
    lessons = (task(6, 2), task(9, 0))
    for number, one in enumerate(lessons):
        learner.learn(one, number)
        own = torch.tensor(one.classes)[learner.logits(one.x)[:, -2:].argmax(dim=1)]
        assert float((own == one.y).float().mean()) > 0.9
    if not isinstance(method, (LAE, InfLoRA)):
        scores = torch.cat([learner.logits(one.x) for one in lessons])
        right = torch.tensor(learner.seen)[scores.argmax(dim=1)] == torch.cat([one.y for one in lessons])
        assert float(right.float().mean()) > 0.7
    assert learner.seen == (6, 2, 9, 0)


@pytest.mark.parametrize("method", METHODS[1:], ids=name)
def test_no_state_holds_the_frozen_encoder(method: ContinualLearner) -> None:
    frozen = {value.shape for value in BACKBONE.fresh().state_dict().values() if value.ndim > 2}
    learner = method.begin(BACKBONE, 0)
    learner.learn(LESSONS[0], 0)
    state = learner.state()
    assert not [key for key in state if "body" in key or "host" in key]
    assert not frozen & {value.shape for value in state.values()}


@pytest.mark.parametrize("method", METHODS[1:], ids=name)
def test_another_backbone_is_skipped_with_the_reason(method: ContinualLearner) -> None:
    backbone: Any = SimpleNamespace(width=4, fresh=lambda: nn.Conv2d(3, 4, 1))
    with pytest.raises(Skip, match="needs a ViT"):
        method.begin(backbone, 0)


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_every_setting_can_be_set_by_name(method: ContinualLearner) -> None:
    assert {"epochs", "batch", "lr", "reads"} <= set(fields_of(type(method)))
    assert method.reads == "images" and method.exemplars == 0
