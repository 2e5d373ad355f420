"""SimpleCIL: the mean feature of every class, compared by the cosine; nothing is trained.

Source: Zhou et al. (2023), "Revisiting class-incremental learning with pre-trained models", section 4, and
the code of LAMDA-PILOT (models/simplecil.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.cldyb.memory import Remembering, admit, columns
from tasks.cldyb.contract import Backbone, ContinualLearner, Learner, TaskData

if TYPE_CHECKING:
    from torch import Tensor


def class_means(x: Tensor, place: Tensor, n: int) -> Tensor:
    """(n, d) means in float64 of the rows of x (N, d) that stand at place 0 .. n - 1; none is empty."""
    sums = x.new_zeros((n, x.shape[1])).double().index_add_(0, place, x.double())
    return sums / place.bincount(minlength=n)[:, None]


class Prototypes(Remembering):
    """memory: means (C, d) float32."""

    def learn(self, task: TaskData, seed: int) -> None:
        seen = admit(self.seen, task)
        place = columns(task.y, task.classes)
        self.append("means", class_means(task.x, place, len(task.classes)).float())
        self.seen = seen

    def logits(self, x: Tensor) -> Tensor:
        """cos(x, mean of the class)."""
        from torch.nn import functional as F

        return F.normalize(x, dim=1) @ F.normalize(self.memory["means"], dim=1).T


@dataclass(frozen=True)
class SimpleCIL(ContinualLearner):
    """The nearest class mean by the cosine: the order of the tasks makes no difference."""

    def begin(self, backbone: Backbone, seed: int) -> Learner:
        return Prototypes()
