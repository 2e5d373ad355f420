"""Learning without forgetting: on the new task's inputs, the old classes' outputs stay as they were.

    L = CE + lambda_0 KL(softmax(z_old / T) || softmax(z / T))       z: logits of the old classes

Source: Li and Hoiem (2016), equations 2 to 4 (cross-entropy there, which differs from KL by a constant;
T = 2, lambda_0 = 1). There the cross-entropy is over the new classes' own head; here by default over all
classes seen, as one head must tell them apart (Mammoth's lwf.py does so).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.cldyb.gradient import Batch, Gradient, GradientLearner, Lesson, at_least
from suite.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from methods.cldyb.network import Network


def distillation(z: Tensor, z_old: Tensor, temperature: float) -> Tensor:
    """KL of (n, C) softened outputs from the earlier ones, the mean over the rows."""
    from torch.nn import functional as F

    log_q = F.log_softmax(z / temperature, dim=1)
    log_p = F.log_softmax(z_old / temperature, dim=1)
    return F.kl_div(log_q, log_p, log_target=True, reduction="batchmean")


class LwFLearner(GradientLearner):
    """The teacher is the network before the task, so that nothing is kept between tasks."""

    teacher: Network

    def start(self, lesson: Lesson) -> None:
        self.teacher = copy.deepcopy(self.network)

    def loss(self, lesson: Lesson, batch: Batch) -> Tensor:
        logits = self.network(batch.x)
        loss = self.cross_entropy(lesson, logits, batch.y)
        if not lesson.old:
            return loss
        before = self.teacher.scores(batch.x)[:, : lesson.old]
        kept = distillation(logits[:, : lesson.old], before, self.method.temperature)
        return loss + self.method.strength * kept

    def finish(self, lesson: Lesson) -> None:
        del self.teacher


@dataclass(frozen=True)
class LwF(Gradient):
    """strength: lambda_0. temperature: T."""

    makes: ClassVar[type[GradientLearner]] = LwFLearner

    strength: float = 1.0
    temperature: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 0, "strength")
        if self.temperature <= 0:
            raise UsageError(f"temperature must be positive, not {self.temperature:g}")
