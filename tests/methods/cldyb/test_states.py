"""What every learner promises: a state exact to the bit, the same seed the same bits, columns in order."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from learner_states import need_exact_states, same
from torch import Tensor, nn

from methods.cldyb.afec import AFEC
from methods.cldyb.clser import CLSER
from methods.cldyb.derpp import DERpp
from methods.cldyb.er import ER
from methods.cldyb.ewc import EWC
from methods.cldyb.fecam import FeCAM
from methods.cldyb.finetune import FineTune, Joint
from methods.cldyb.floors import Majority, Nearest, RandomGuess
from methods.cldyb.gradient import Gradient
from methods.cldyb.lwf import LwF
from methods.cldyb.mas import MAS
from methods.cldyb.memory import ALL
from methods.cldyb.ranpac import RanPAC
from methods.cldyb.simplecil import SimpleCIL
from methods.cldyb.slda import SLDA
from suite.settings import fields_of
from tasks.cldyb.contract import ContinualLearner, Learner, TaskData

D = 5
TRAINED = (FineTune, Joint, EWC, MAS, AFEC, LwF, ER, DERpp, CLSER)
FLOORS = (Majority, RandomGuess)
CLOSED = (SimpleCIL, SLDA, FeCAM, Nearest, *FLOORS)
QUICK: dict[str, Any] = {"epochs": 2, "batch": 8, "lr": 0.05}


def quick(kind: type, **more: Any) -> ContinualLearner:
    strength = {"strength": 5.0} if "strength" in fields_of(kind) else {}
    buffer = {"exemplars": 9, "replay": 4} if "replay" in fields_of(kind) else {}
    made: ContinualLearner = kind(**QUICK, **strength, **buffer, **more)
    return made


FROZEN = (
    [kind() for kind in CLOSED] + [RanPAC(dim=20), SLDA(covariance="batch")] + [quick(k) for k in TRAINED]
)
COSINE = [quick(FineTune, head="cosine"), quick(CLSER, head="cosine"), quick(EWC, head="cosine")]
IMAGES = [quick(kind, reads="images") for kind in TRAINED]
IMAGES += [quick(AFEC, reads="images", protects="encoder"), quick(MAS, reads="images", protects="encoder")]


class Encoder(nn.Module):
    """Buffers, dropout and weights, as an encoder has them."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.map = nn.Linear(12, D)
        self.norm = nn.BatchNorm1d(D)
        self.drop = nn.Dropout(0.3)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.drop(self.norm(self.map(images.flatten(1).float() / 255)))
        return out


BACKBONE: Any = SimpleNamespace(width=D, fresh=Encoder)


def task(reads: str, *classes: int) -> TaskData:
    rng = np.random.default_rng(classes)
    y = torch.tensor(np.repeat(classes, 7))
    if reads == "images":
        bright = rng.integers(0, 60, (len(y), 2, 2, 3)) + 20 * y.numpy()[:, None, None, None]
        return TaskData(torch.tensor(bright, dtype=torch.uint8), y, classes)
    centres = np.random.default_rng(1).normal(size=(10, D)) * 4
    return TaskData(
        torch.tensor(centres[y.numpy()] + rng.normal(size=(len(y), D)), dtype=torch.float32), y, classes
    )


def tasks(method: ContinualLearner) -> list[TaskData]:
    return [task(method.reads, 6, 2), task(method.reads, 3), task(method.reads, 0, 9), task(method.reads, 5)]


def name(method: ContinualLearner) -> str:
    return f"{type(method).__name__}-{method.reads}"


def begun(method: ContinualLearner) -> Learner:
    return method.begin(BACKBONE, 11)


@pytest.mark.parametrize("method", FROZEN + COSINE + IMAGES, ids=name)
def test_a_restored_learner_goes_on_as_if_never_stopped(method: ContinualLearner) -> None:
    need_exact_states(lambda: begun(method), tasks(method))


@pytest.mark.parametrize("method", [quick(k) for k in TRAINED] + IMAGES[:1], ids=name)
def test_the_seed_of_a_task_decides_its_training(method: ContinualLearner) -> None:
    one = task(method.reads, 6, 2)
    states = []
    for seed in (4, 4, 5):
        learner = begun(method)
        before = torch.get_rng_state()
        learner.learn(one, seed)
        assert torch.equal(torch.get_rng_state(), before)
        states.append(learner.state())
    assert same(states[0], states[1]) and not same(states[0], states[2])


@pytest.mark.parametrize("method", [m for m in [*FROZEN, *COSINE] if type(m) not in FLOORS], ids=name)
def test_columns_stand_in_the_order_of_the_classes(method: ContinualLearner) -> None:
    """Well-separated classes in an odd order are told apart by all that learn."""
    lesson = task("features", 6, 2, 9, 0)
    learner = begun(replace(method, epochs=20) if isinstance(method, Gradient) else method)
    learner.learn(lesson, 0)
    answers = torch.tensor(learner.seen)[learner.logits(lesson.x).argmax(1)]
    assert learner.seen == (6, 2, 9, 0)
    assert float((answers == lesson.y).float().mean()) > 0.7
    with pytest.raises(ValueError, match="new classes"):
        learner.learn(task("features", 9, 1), 1)


def test_an_encoder_that_is_trained_changes_the_representation() -> None:
    lesson = task("images", 6, 2)
    learner = begun(quick(FineTune, reads="images"))
    before = learner.representation(lesson.x)
    learner.learn(lesson, 0)
    assert before.shape == (14, D) and not torch.equal(before, learner.representation(lesson.x))
    frozen = begun(quick(FineTune))
    x = torch.ones(2, D)
    assert torch.equal(frozen.representation(x), x)


def test_what_a_learner_may_keep_is_declared() -> None:
    assert [kind().exemplars for kind in (SimpleCIL, SLDA, RanPAC, FeCAM, FineTune, EWC, MAS, AFEC, LwF)] == [
        0
    ] * 9
    assert [kind().exemplars for kind in (Joint, Nearest)] == [ALL, ALL]
    learner = begun(quick(ER))
    learner.learn(task("features", 6, 2), 0)
    assert len(learner.state()["memory/buffer.x"]) == quick(ER).exemplars == 9
