"""InfLoRA: low-rank updates that read nothing of what the old tasks' tokens span.

    W x + sum over tasks s of B_s A_s x on keys and values; of task t only B_t is trained
    A_t: the r left singular vectors, over sqrt(3), of (I - U U^T) H_t,  H_t the mean of x x^T over the task's
    tokens and U an orthonormal basis of the old tasks' tokens, so that A_t x = 0 for x in that space
    after task t:  U grows by left singular vectors of (I - U U^T) H_t until U holds the share eps_t of the
    squared singular values of H_t;  eps_t = lamb + (lame - lamb) t / sessions

Source: Liang and Li (2024), "InfLoRA: Interference-free low-rank adaptation for continual learning",
and the code (methods/inflora.py, models/vit_inflora.py, configs/cifar100_inflora.json), of which the
singular values are those of H, not of the tokens. DualGPM stores the complement of U where that is smaller
(a saving of memory that changes no result); U itself is stored here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.cldyb.adapt_base import AdaptingLearner
from methods.cldyb.adapt_seqlora import SeqLoRA
from methods.cldyb.gradient import GradientLearner, Lesson, at_least
from suite.errors import UsageError
from tasks.cldyb.contract import State

if TYPE_CHECKING:
    from torch import Tensor

NOUGHT = 1e-10
"""Singular values below this share of the norm of H are rounding; their vectors are no directions."""


def outside(moment: Tensor, basis: Tensor) -> Tensor:
    """(I - U U^T) H."""
    return moment - basis @ (basis.T @ moment)


def designed(moment: Tensor, basis: Tensor, rank: int) -> Tensor:
    """A (rank, d) float64: orthogonal to the basis (d, k). Rows for which nothing is left are nought."""
    import torch

    vectors, values, _ = torch.linalg.svd(outside(moment, basis))
    real = values[:rank] > NOUGHT * moment.norm()
    return (vectors[:, :rank] * real).T / math.sqrt(3)


def extended(basis: Tensor, moment: Tensor, share: float) -> Tensor:
    """The basis (d, k) and the columns that it lacks to hold `share` of the squared singular values of H.

    A first basis (k = 0) has at least one column, and stops before the share is reached, as the code's count
    of cumulated shares below it does; later ones stop where it is.
    """
    import torch

    vectors, values, _ = torch.linalg.svd(outside(moment, basis))
    total = moment.square().sum()
    left = values.square()
    if not basis.shape[1]:
        more = max(int(((left / left.sum()).cumsum(0) < share).sum()), 1)
    else:
        held = 1 - left.sum() / total
        more = int((held + (left / total).cumsum(0) - left / total < share).sum())
    more = min(more, int((values > NOUGHT * total.sqrt()).sum()))
    return torch.cat([basis, vectors[:, :more]], dim=1)


class InfLoRALearner(AdaptingLearner):
    """memory: basis.BLOCK (d, k) float64; down.NAME (R, d), up.NAME (d, R) of all tasks so far; tasks ()."""

    def start(self, lesson: Lesson) -> None:
        import torch

        found = self.host.moments(lesson.examples.x, self.parts, self.method.batch)
        for name, update in self.parts.items():
            number = int(name.rpartition("_")[2])
            a = designed(found[number], self._basis(number), self.method.rank)
            with torch.no_grad():
                update.down.copy_(a)
                update.up.zero_()
            update.down.requires_grad_(False)

    def _basis(self, number: int) -> Tensor:
        import torch

        empty = torch.zeros(self.host.width, 0, dtype=torch.float64)
        return self.memory.get(f"basis.{number}", empty)

    def finish(self, lesson: Lesson) -> None:
        import torch

        m, tasks = self.method, int(self.memory.get("tasks", 0))
        share = m.lamb + (m.lame - m.lamb) * min(tasks / m.sessions, 1.0)
        for number, moment in self.host.moments(lesson.examples.x, self.parts, m.batch).items():
            self.memory[f"basis.{number}"] = extended(self._basis(number), moment, share)
        for name, update in self.parts.items():
            down, up = update.down.detach().clone(), update.up.detach().clone()
            if update.before is not None:
                down, up = torch.cat([update.before[0], down]), torch.cat([update.before[1], up], dim=1)
            self.memory[f"down.{name}"], self.memory[f"up.{name}"] = down, up
        self.memory["tasks"] = torch.tensor(tasks + 1)
        self._rest()

    def _rest(self) -> None:
        """Puts the updates in memory under the parts, which add nothing between tasks."""
        import torch

        for name, update in self.parts.items():
            if f"down.{name}" in self.memory:
                update.before = self.memory[f"down.{name}"], self.memory[f"up.{name}"]
                with torch.no_grad():
                    update.down.zero_()
                    update.up.zero_()
            else:
                update.before = None

    def restore(self, state: State, seen: Sequence[int]) -> None:
        super().restore(state, seen)
        self._rest()


@dataclass(frozen=True)
class InfLoRA(SeqLoRA):
    """lamb, lame: the share at the first task and the one it grows to over `sessions` tasks, and keeps."""

    makes: ClassVar[type[GradientLearner]] = InfLoRALearner

    lamb: float = 0.95
    lame: float = 1.0
    sessions: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "sessions")
        if not 0 < self.lamb <= self.lame <= 1:
            raise UsageError(f"0 < lamb <= lame <= 1 must hold, not lamb={self.lamb:g}, lame={self.lame:g}")
