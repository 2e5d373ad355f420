"""AFEC: EWC, and a second pull to where a net stands that learns the new task alone.

    L = CE + (lambda / 2) sum F (theta - theta*)^2 + (lambda_e / 2) sum F_e (theta - theta_e)^2

theta_e is trained for one epoch before every epoch of the main net, and F_e measured after it; from the
second task on. Source: Wang et al. (2021), "AFEC", equation 10, and the code (approaches/afec_ewc.py;
strengths for CIFAR-100 in the README). Here the expanded net of every task begins at the encoder before all
learning and at the new rows of the head, and its cross-entropy is over the task's own classes. The code
leaves the heads out of both pulls ("encoder"); with a frozen encoder nothing would be left, so that here
"all" is the default, and the rows of the head are held as well.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.cldyb.ewc import EWC, EWCLearner
from methods.cldyb.gradient import Batch, GradientLearner, Lesson, at_least, batches
from tasks.cldyb.contract import Backbone

if TYPE_CHECKING:
    from torch import Tensor

    from methods.cldyb.network import SGD, Network
    from methods.cldyb.penalties import Held


class AFECLearner(EWCLearner):
    """The expanded net lives within a task alone, so that it is no part of the state."""

    expanded: Network
    expanded_optimizer: SGD
    drawn: Held

    def __init__(self, method: AFEC, backbone: Backbone) -> None:
        super().__init__(method, backbone)
        self.untrained = copy.deepcopy(self.network.encoder)

    def start(self, lesson: Lesson) -> None:
        super().start(lesson)
        self.drawn = []
        if lesson.old:
            self.expanded = copy.deepcopy(self.network)
            self.expanded.encoder = copy.deepcopy(self.untrained)
            self.expanded_optimizer = self.optimizer(self.expanded)

    def epoch(self, lesson: Lesson, number: int) -> None:
        """One epoch of the expanded net on the new classes, then its Fisher information."""
        from torch.nn import functional as F

        from methods.cldyb.penalties import hold

        if not lesson.old:
            return
        self.expanded.train()
        order = lesson.streams.numpy("expanded", number).permutation(len(lesson.examples.y))
        for batch in batches(lesson.examples, self.method.batch, order):
            logits = self.expanded(batch.x)[:, lesson.old :]
            self.expanded_optimizer.step(F.cross_entropy(logits, batch.y - lesson.old))
        fisher = self.fisher(self.expanded, lesson, self.protected(), lesson.old)
        self.drawn = hold(dict(self.network.named_parameters()), fisher, self.expanded.copied())

    def loss(self, lesson: Lesson, batch: Batch) -> Tensor:
        from methods.cldyb.penalties import quadratic

        loss = super().loss(lesson, batch)
        return loss + self.method.strength_new * quadratic(self.drawn) if self.drawn else loss

    def finish(self, lesson: Lesson) -> None:
        super().finish(lesson)
        if lesson.old:
            del self.expanded, self.expanded_optimizer


@dataclass(frozen=True)
class AFEC(EWC):
    """strength_new: lambda_e."""

    makes: ClassVar[type[GradientLearner]] = AFECLearner

    strength_new: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 0, "strength_new")
