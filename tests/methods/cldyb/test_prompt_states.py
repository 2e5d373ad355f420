"""What every prompt learner promises: a small state exact to the bit, the same seed the same bits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from learner_states import copied, need_exact_states, same
from prompt_vits import PIXELS, WIDTH, backbone, task

from methods.cldyb.coda_prompt import CODAPrompt
from methods.cldyb.dualprompt import DualPrompt
from methods.cldyb.hide_prompt import HiDePrompt
from methods.cldyb.l2p import L2P
from methods.cldyb.pgp import PGP
from tasks.cldyb.contract import ContinualLearner, Learner
from tasks.cldyb.features import FrozenBackbone

QUICK: Any = {"epochs": 2, "batch": 8, "lr": 0.01}
HIDE: Any = {"inference_epochs": 2, "align_epochs": 2, "layers": 2, "inference_lr": 0.01, **QUICK}
METHODS = [
    L2P(**QUICK),
    L2P(majority="always", **QUICK),
    DualPrompt(pool=3, general_layers=1, expert_layers=1, **QUICK),
    CODAPrompt(components=3, layers=2, **QUICK),
    HiDePrompt(**HIDE),
    HiDePrompt(spread="variance", **HIDE),
    PGP(**QUICK),
    PGP(on="dualprompt", rule="plain", **QUICK),
]


def name(method: ContinualLearner) -> str:
    return f"{type(method).__name__}{METHODS.index(method)}"


def shown(method: ContinualLearner, kind: str = "vit") -> FrozenBackbone:
    """PGP has DualPrompt's own layers, which need five blocks."""
    return backbone(kind, 5 if isinstance(method, PGP) and method.on == "dualprompt" else 2)


def begun(method: ContinualLearner, kind: str = "vit") -> Learner:
    return method.begin(shown(method, kind), 11)


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_a_restored_learner_goes_on_as_if_never_stopped(method: ContinualLearner) -> None:
    need_exact_states(lambda: begun(method), [task(6, 2), task(3), task(0, 9), task(5)])


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_the_seed_of_a_task_decides_its_training_and_nothing_else_is_drawn(method: ContinualLearner) -> None:
    states = []
    for seed in (4, 4, 5):
        learner = begun(method)
        before = torch.get_rng_state()
        learner.learn(task(6, 2), seed)
        assert torch.equal(torch.get_rng_state(), before)
        states.append(learner.state())
    assert same(states[0], states[1]) and not same(states[0], states[2])
    first = begun(method).state()
    assert same(first, begun(method).state())
    drawn = {key for key in first if first[key].numel() and key.startswith("network/prompts")}
    other = method.begin(shown(method), 12).state()
    assert all(not torch.equal(first[key], other[key]) for key in drawn)


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_columns_are_classes_in_order_and_the_encoder_is_left_alone(method: ContinualLearner) -> None:
    """Well-separated pictures are told apart; the state has none of the encoder, whose buffers stay too."""
    learner: Any = begun(replace(method, epochs=10, lr=0.04), "conv")
    encoder = copied(learner.encoder.encoder.state_dict())
    lesson = task(6, 2, 9, 0, n=8)
    before = learner.representation(lesson.x)
    learner.learn(lesson, 0)
    answers = torch.tensor(learner.seen)[learner.logits(lesson.x).argmax(1)]
    assert learner.seen == (6, 2, 9, 0) and before.shape == (32, WIDTH)
    assert float((answers == lesson.y).float().mean()) > 0.7
    assert same(encoder, learner.encoder.encoder.state_dict())
    assert not any("body" in key or "norm_" in key for key in learner.state())
    assert not torch.equal(before, learner.representation(lesson.x))
    with pytest.raises(ValueError, match="new classes"):
        learner.learn(task(9, 1), 1)


def test_they_read_pictures_and_keep_none() -> None:
    for method in METHODS:
        assert method.reads == "images" and method.exemplars == 0
    x = torch.zeros(2, PIXELS, PIXELS, 3, dtype=torch.uint8)
    for method in METHODS:
        assert begun(method).logits(x).shape == (2, 0)
