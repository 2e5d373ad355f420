"""Experience replay: every batch is joined by a random batch of a reservoir of past examples.

    L = CE of the new batch and the replayed one together, over all classes seen

Source: Riemer et al. (2019) and Mammoth's er.py and buffer.py. As there, a batch is offered to the reservoir
after its step, in every epoch, so that examples of the task itself are replayed too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.cldyb.gradient import Batch, Gradient, GradientLearner, Lesson, at_least, part
from suite.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from methods.cldyb.reservoir import Reservoir


class Replaying(GradientLearner):
    """memory: buffer.NAME, the tensors of the reservoir."""

    buffer: Reservoir
    rng: np.random.Generator

    def start(self, lesson: Lesson) -> None:
        from methods.cldyb.reservoir import Reservoir

        self.buffer = Reservoir(self.method.exemplars, part(self.memory, "buffer."))
        self.rng = lesson.streams.numpy("replay")

    def replayed(self) -> Batch | None:
        """A batch of the reservoir; None while it is empty."""
        if not len(self.buffer):
            return None
        drawn = self.buffer.draw(self.rng, self.method.replay)
        return Batch(drawn["x"], drawn["y"])

    def stepped(self, lesson: Lesson, batch: Batch) -> None:
        self.buffer.offer(self.rng, x=batch.x, y=batch.y)

    def finish(self, lesson: Lesson) -> None:
        kept = {name: value for name, value in self.memory.items() if not name.startswith("buffer.")}
        self.memory = kept | {f"buffer.{name}": value for name, value in self.buffer.tensors().items()}
        del self.buffer


class ERLearner(Replaying):
    """One cross-entropy over both batches."""

    def loss(self, lesson: Lesson, batch: Batch) -> Tensor:
        return super().loss(lesson, joined(batch, self.replayed()))


def joined(batch: Batch, past: Batch | None) -> Batch:
    """The examples of both."""
    import torch

    return batch if past is None else Batch(torch.cat([batch.x, past.x]), torch.cat([batch.y, past.y]))


@dataclass(frozen=True)
class Replay(Gradient):
    """exemplars: the size of the reservoir. replay: the size of a batch of it; both as in the CLS-ER
    repository's settings for CIFAR-10.
    """

    exemplars: int = 500
    replay: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "exemplars", "replay")
        if self.over == "new":
            raise UsageError("replay needs over=seen: replayed examples are of old classes")


@dataclass(frozen=True)
class ER(Replay):
    """Plain replay."""

    makes: ClassVar[type[GradientLearner]] = ERLearner
