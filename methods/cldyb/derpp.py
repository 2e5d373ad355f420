"""Dark experience replay ++: replayed examples keep their logits as well as their labels.

    L = CE + alpha mean (z - z_kept)^2 on one replayed batch + beta CE on another

z_kept are the logits that the network gave when the example came by. Source: Buzzega et al. (2020), equation
6, and Mammoth's derpp.py, whose squared error is the mean over examples and classes. Its head has all
classes from the start; here an example has kept as many logits as there were classes, and the mean is over
those that were kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.cldyb.er import Replay, Replaying
from methods.cldyb.gradient import Batch, GradientLearner, Lesson, at_least

if TYPE_CHECKING:
    from torch import Tensor


def logit_error(z: Tensor, kept: Tensor, width: Tensor) -> Tensor:
    """Mean of (z - kept)^2, both (n, C), over the first width[i] columns of every row i."""
    valid = width.new_tensor(range(z.shape[1])) < width[:, None]
    return (z - kept).square().where(valid, 0.0).sum() / valid.sum()


class DERppLearner(Replaying):
    """The reservoir has x, y, logits (filled with noughts on the right), width: how many logits are kept."""

    logits_now: Tensor

    def start(self, lesson: Lesson) -> None:
        from torch.nn import functional as F

        super().start(lesson)
        if "logits" in self.buffer.rows:
            kept = self.buffer.rows["logits"]
            new = len(self.network.head.weight) - kept.shape[1]
            self.buffer.rows["logits"] = F.pad(kept, (0, new))

    def loss(self, lesson: Lesson, batch: Batch) -> Tensor:
        self.logits_now = self.network(batch.x)
        loss = self.cross_entropy(lesson, self.logits_now, batch.y)
        if not len(self.buffer):
            return loss
        dark = self.buffer.draw(self.rng, self.method.replay)
        loss = loss + self.method.alpha * logit_error(self.network(dark["x"]), dark["logits"], dark["width"])
        past = self.buffer.draw(self.rng, self.method.replay)
        return loss + self.method.beta * self.cross_entropy(lesson, self.network(past["x"]), past["y"])

    def stepped(self, lesson: Lesson, batch: Batch) -> None:
        logits = self.logits_now.detach()
        width = batch.y.new_full((len(batch.y),), logits.shape[1])
        self.buffer.offer(self.rng, x=batch.x, y=batch.y, logits=logits, width=width)

    def finish(self, lesson: Lesson) -> None:
        super().finish(lesson)
        del self.logits_now


@dataclass(frozen=True)
class DERpp(Replay):
    """alpha, beta: weights of the kept logits and of the kept labels; as in the CLS-ER repository's settings
    for CIFAR-10 with 500 exemplars.
    """

    makes: ClassVar[type[GradientLearner]] = DERppLearner

    alpha: float = 0.2
    beta: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 0, "alpha", "beta")
