"""Competitors that learn nothing, or everything by heart: what a score must be read against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.cldyb.memory import ALL, Remembering, admit, columns
from tasks.cldyb.contract import Backbone, ContinualLearner, Learner, TaskData

if TYPE_CHECKING:
    from torch import Tensor


class Guesses(Remembering):
    """Draws from a stream of its seed and of the number of classes: row by row, so that fewer test examples
    get the same answers.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def learn(self, task: TaskData, seed: int) -> None:
        self.seen = admit(self.seen, task)

    def logits(self, x: Tensor) -> Tensor:
        from suite.models.training import Streams

        rng = Streams(self.seed).numpy("guess", len(self.seen))
        return x.new_tensor(rng.random((len(x), len(self.seen)), dtype="float32"))


@dataclass(frozen=True)
class RandomGuess(ContinualLearner):
    """Any class seen so far, all alike."""

    def begin(self, backbone: Backbone, seed: int) -> Learner:
        return Guesses(seed)


class Counts(Remembering):
    """memory: counts (C,) int64."""

    def learn(self, task: TaskData, seed: int) -> None:
        seen = admit(self.seen, task)
        self.append("counts", columns(task.y, task.classes).bincount(minlength=len(task.classes)))
        self.seen = seen

    def logits(self, x: Tensor) -> Tensor:
        return self.memory["counts"].float().repeat(len(x), 1)


@dataclass(frozen=True)
class Majority(ContinualLearner):
    """The class with the most training examples; of equal ones the earliest."""

    def begin(self, backbone: Backbone, seed: int) -> Learner:
        return Counts()


class Neighbours(Remembering):
    """memory: x (n, d) of length 1, y (n,) columns."""

    def learn(self, task: TaskData, seed: int) -> None:
        from torch.nn import functional as F

        seen = admit(self.seen, task)
        self.append("x", F.normalize(task.x, dim=1))
        self.append("y", columns(task.y, seen))
        self.seen = seen

    def logits(self, x: Tensor) -> Tensor:
        """Of every class, the cosine of its nearest example."""
        from torch.nn import functional as F

        near = F.normalize(x, dim=1) @ self.memory["x"].T
        best = near.new_full((len(x), len(self.seen)), -2.0)
        return best.scatter_reduce(1, self.memory["y"].expand(len(x), -1), near, "amax")


@dataclass(frozen=True)
class Nearest(ContinualLearner):
    """The class of the nearest training example by the cosine, of all that were ever seen."""

    exemplars: int = ALL

    def begin(self, backbone: Backbone, seed: int) -> Learner:
        return Neighbours()
