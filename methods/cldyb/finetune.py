"""The two ends between which the gradient learners lie: no care for the past, and all of the past at hand.

Source of fine-tuning: LAMDA-PILOT (models/finetune.py), where after the first task the cross-entropy is over
the new classes alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.cldyb.gradient import MAIN, Batch, Gradient, GradientLearner, Lesson
from methods.cldyb.memory import ALL, columns
from tasks.cldyb.contract import Backbone, TaskData

if TYPE_CHECKING:
    from suite.models.training import Streams


@dataclass(frozen=True)
class FineTune(Gradient):
    """Trains on every task as it comes."""

    over: Literal["new", "seen"] = "new"


class JointLearner(GradientLearner):
    """memory: x and y, all examples so far with the columns of their classes."""

    def __init__(self, method: Joint, backbone: Backbone) -> None:
        super().__init__(method, backbone)
        self.untrained = self.network.copied()

    def prepare(self, task: TaskData, seen: tuple[int, ...], streams: Streams) -> Lesson:
        """All examples so far as one lesson, and a network that has learned nothing."""
        import torch

        x, y = task.x, columns(task.y, seen)
        if self.memory:
            x, y = torch.cat([self.memory["x"], x]), torch.cat([self.memory["y"], y])
        self.memory = {"x": x, "y": y}
        self.networks[MAIN].load(self.untrained)
        self.network.head.grow(self.network.head.fresh(len(seen), streams.torch("head")))
        return Lesson(Batch(x, y), 0, streams)


@dataclass(frozen=True)
class Joint(Gradient):
    """Keeps all examples and trains anew on all of them after every task: an upper bound, no competitor."""

    makes: ClassVar[type[GradientLearner]] = JointLearner

    exemplars: int = ALL
