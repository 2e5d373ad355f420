"""Elastic weight consolidation: what mattered to the tasks before is held where they left it.

    L = CE + (lambda / 2) sum_k F_k (theta_k - theta*_k)^2
    F_k = sum over batches b of (|b| / n) (d CE_b / d theta_k)^2                    (true labels)
    merge "mean":  F <- (F_new + t F_old) / (t + 1),  t tasks before;  "sum":  F <- gamma F_old + F_new

Source: Kirkpatrick et al. (2017), equation 3; the merge and batches of 20 as in AFEC's code (approaches/
afec_ewc.py, utils.py); "sum" as in Mammoth's ewc_on. A batch of 1 gives the empirical Fisher information
proper. Here the cross-entropy is over all classes seen (AFEC's code has one head for every task): over the
new ones alone, the old rows of a head on frozen features would never move and the penalty would be nought.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.cldyb.gradient import Batch, Gradient, GradientLearner, Lesson, at_least, part
from suite.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from methods.cldyb.network import Network
    from methods.cldyb.penalties import Held


class Anchored(GradientLearner):
    """memory: importance.NAME and anchor.NAME of every parameter, tasks (): how many were learned.

    A subclass says how importance is measured and merged.
    """

    held: Held

    def start(self, lesson: Lesson) -> None:
        from methods.cldyb.penalties import hold

        importance, anchors = part(self.memory, "importance."), part(self.memory, "anchor.")
        self.held = hold(dict(self.network.named_parameters()), importance, anchors)

    def loss(self, lesson: Lesson, batch: Batch) -> Tensor:
        from methods.cldyb.penalties import quadratic

        loss = super().loss(lesson, batch)
        return loss + self.method.strength * quadratic(self.held) if self.held else loss

    def protected(self) -> list[str]:
        """Names of the parameters that are held."""
        names = [name for name, _ in self.network.named_parameters()]
        return [n for n in names if self.method.protects == "all" or not n.startswith("head.")]

    def finish(self, lesson: Lesson) -> None:
        import torch

        tasks = int(self.memory.get("tasks", 0))
        importance = self.merged(part(self.memory, "importance."), self.importance(lesson), tasks)
        now = self.network.copied()
        self.memory = {"tasks": torch.tensor(tasks + 1)}
        for name, value in importance.items():
            self.memory[f"importance.{name}"] = value
            self.memory[f"anchor.{name}"] = now[name]

    @abstractmethod
    def importance(self, lesson: Lesson) -> dict[str, Tensor]:
        """Of every protected parameter, for the task just learned."""

    @abstractmethod
    def merged(self, old: dict[str, Tensor], new: dict[str, Tensor], tasks: int) -> dict[str, Tensor]:
        """The importance for all tasks from that for `tasks` tasks before and for the new one."""

    def fisher(self, network: Network, lesson: Lesson, names: list[str], first: int) -> dict[str, Tensor]:
        """F of a network for the cross-entropy over the columns from `first` on."""
        from torch.nn import functional as F

        from methods.cldyb.penalties import accumulate, gradients

        def loss(batch: Batch) -> Tensor:
            return F.cross_entropy(network(batch.x)[:, first:], batch.y - first)

        total: dict[str, Tensor] = {}
        for share, found in gradients(network, names, lesson.examples, self.method.sample, loss):
            total = accumulate(total, {n: g.square() for n, g in found.items()}, 1.0, share)
        return total


class EWCLearner(Anchored):
    """Importance is the diagonal of the Fisher information."""

    def importance(self, lesson: Lesson) -> dict[str, Tensor]:
        return self.fisher(self.network, lesson, self.protected(), self.first(lesson))

    def merged(self, old: dict[str, Tensor], new: dict[str, Tensor], tasks: int) -> dict[str, Tensor]:
        from methods.cldyb.penalties import accumulate

        if self.method.merge == "sum":
            return accumulate(old, new, self.method.gamma, 1.0)
        return accumulate(old, new, tasks / (tasks + 1), 1 / (tasks + 1))


@dataclass(frozen=True)
class EWC(Gradient):
    """strength: lambda; the value is that of AFEC's README for its EWC on CIFAR-100. sample: batch size of F.

    protects: "encoder" leaves the head free.
    """

    makes: ClassVar[type[GradientLearner]] = EWCLearner

    strength: float = 10_000.0
    sample: int = 20
    merge: Literal["mean", "sum"] = "mean"
    gamma: float = 1.0
    protects: Literal["all", "encoder"] = "all"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 0, "strength", "gamma")
        at_least(self, 1, "sample")
        something_to_protect(self)


def something_to_protect(method: Any) -> None:
    """UsageError where the encoder is to be protected and there is none to train."""
    if method.protects == "encoder" and method.reads == "features":
        raise UsageError("protects=encoder protects nothing where reads=features: use protects=all")
