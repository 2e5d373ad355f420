"""CLS-ER: replay, with a plastic and a stable average of the network as teachers.

    L = CE of the new and the replayed batch + gamma mean (z - z_teacher)^2 on the replayed one
    z_teacher: of the stable average where it gives the true class more probability, else of the plastic one
    after step s (from 1), with probability r:  theta_avg <- a theta_avg + (1 - a) theta,
    a = min(1 - 1 / (s + 1), decay)

Source: Arani et al. (2022), "Learning fast, learning slow", algorithm 1, and the code (models/clser.py). The
stable average answers. Buffers of an encoder (running means) are copied whenever an average is updated.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.cldyb.er import Replay, Replaying, joined
from methods.cldyb.gradient import MAIN, Batch, GradientLearner, Lesson, at_least
from suite.errors import UsageError
from tasks.cldyb.contract import Backbone

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from methods.cldyb.network import Network


def factor(step: int, decay: float) -> float:
    """How much of the average stays after step number `step`, from 1 on: 1/2 after the first."""
    return min(1 - 1 / (step + 1), decay)


def average(mean: Network, network: Network, a: float) -> None:
    """mean <- a mean + (1 - a) network."""
    import torch

    with torch.no_grad():
        for kept, now in zip(mean.parameters(), network.parameters(), strict=True):
            kept.mul_(a).add_(now, alpha=1 - a)
        for kept, now in zip(mean.buffers(), network.buffers(), strict=True):
            kept.copy_(now)


def teaching(stable: Tensor, plastic: Tensor, y: Tensor) -> Tensor:
    """(n, C) logits, row by row of the one with the higher probability of the class y (n,)."""
    sure = [z.softmax(dim=1).gather(1, y[:, None]) for z in (stable, plastic)]
    return stable.where(sure[0] > sure[1], plastic)


class CLSERLearner(Replaying):
    """memory: the reservoir, and steps (): how many were done in all tasks."""

    answering = "stable"
    steps: int
    coins: np.random.Generator

    def __init__(self, method: CLSER, backbone: Backbone) -> None:
        super().__init__(method, backbone)
        for name in ("stable", "plastic"):
            self.networks[name] = copy.deepcopy(self.networks[MAIN])

    def start(self, lesson: Lesson) -> None:
        super().start(lesson)
        self.steps = int(self.memory.get("steps", 0))
        self.coins = lesson.streams.numpy("averages")

    def loss(self, lesson: Lesson, batch: Batch) -> Tensor:
        past = self.replayed()
        both = joined(batch, past)
        z = self.network(both.x)
        loss = self.cross_entropy(lesson, z, both.y)
        if past is None:
            return loss
        teachers = (self.networks[name].scores(past.x) for name in ("stable", "plastic"))
        target = teaching(*teachers, past.y)
        return loss + self.method.consistency * (z[len(batch.y) :] - target).square().mean()

    def stepped(self, lesson: Lesson, batch: Batch) -> None:
        super().stepped(lesson, batch)
        self.steps += 1
        m = self.method
        for name, rate, decay in (
            ("plastic", m.plastic_rate, m.plastic_decay),
            ("stable", m.stable_rate, m.stable_decay),
        ):
            if self.coins.random() < rate:
                average(self.networks[name], self.network, factor(self.steps, decay))

    def finish(self, lesson: Lesson) -> None:
        import torch

        super().finish(lesson)
        self.memory["steps"] = torch.tensor(self.steps)


@dataclass(frozen=True)
class CLSER(Replay):
    """consistency: gamma. rate: the probability r that a step updates an average. decay: of an average."""

    makes: ClassVar[type[GradientLearner]] = CLSERLearner

    consistency: float = 0.1
    plastic_rate: float = 0.9
    stable_rate: float = 0.7
    plastic_decay: float = 0.999
    stable_decay: float = 0.999

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 0, "consistency")
        for name in ("plastic_rate", "stable_rate", "plastic_decay", "stable_decay"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise UsageError(f"{name} must lie in [0, 1], not {value:g}")
