"""What competitors implement: a continual learner learns a sequence of classification tasks, an adversary
finds one.

Class-incremental: a task brings new classes, no task is told at test time, and the answer is one of all
classes seen so far. Paper: CLDyB (arXiv 2503.04655).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from suite.api import Method
from tasks.cldyb.adversary import (
    Adversary,
    Found,
    draw,
    largest,
    legal,
    offers,
    random_tail,
    some_offers,
)
from tasks.cldyb.mdp import MDP, Classes, History, need_legal, rewards, stream, used
from tasks.cldyb.search_settings import SearchSettings
from tasks.cldyb.tree import Search

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

__all__ = [
    "MDP",
    "Adversary",
    "Backbone",
    "Classes",
    "ContinualLearner",
    "Found",
    "History",
    "Learner",
    "Reads",
    "Search",
    "SearchSettings",
    "State",
    "TaskData",
    "draw",
    "largest",
    "legal",
    "need_legal",
    "offers",
    "random_tail",
    "rewards",
    "some_offers",
    "stream",
    "used",
]

Reads = Literal["features", "images"]
State = Mapping[str, "Tensor"]
"""Everything that learning changes, by name; tensors are copies that nobody changes afterwards."""


@dataclass(frozen=True)
class TaskData:
    """The training examples of one task.

    x: (n, d) float32 features of the frozen backbone for a learner that reads features, else (n, H, W, 3)
    uint8 images. y: (n,) int64, numbers of classes in the pool, not positions in the head. classes: those of
    the task, in the order in which they join the head.
    """

    x: Tensor
    y: Tensor
    classes: tuple[int, ...]


class Backbone(Protocol):
    """A pre-trained image encoder. width: of its features. features: (n, H, W, 3) uint8 to (n, width).

    fresh: a trainable copy of the encoder as a torch module that maps images to features; a learner that
    changes the encoder begins from one of its own.
    """

    width: int

    def features(self, images: np.ndarray) -> Tensor: ...

    def fresh(self) -> Any: ...


class Learner(ABC):
    """A learner in the midst of a sequence. Mutable; one is made for every sequence.

    seen: classes so far, in the order of the columns of `logits`.
    """

    seen: tuple[int, ...] = ()

    @abstractmethod
    def learn(self, task: TaskData, seed: int) -> None:
        """Learns one task and appends its classes to `seen`. All that is random comes from the seed.

        The same state, task and seed give the same state afterwards, to the bit. A class that has been seen
        is a ValueError.
        """

    @abstractmethod
    def logits(self, x: Tensor) -> Tensor:
        """(n, len(seen)) scores of test examples, as `TaskData.x` holds them; the largest is the answer."""

    @abstractmethod
    def state(self) -> State:
        """All that learning changes, buffers, prompts, Gaussians and averaged copies among it."""

    @abstractmethod
    def restore(self, state: State, seen: Sequence[int]) -> None:
        """Goes back to a state that `state` gave when `seen` were the classes, to the bit."""

    def representation(self, x: Tensor) -> Tensor:
        """(n, d) features under the learner's present encoder: `x` itself where the encoder is frozen."""
        return x


class ContinualLearner(Method):
    """A competitor: makes learners. exemplars: how many training examples it may keep, 0 for none."""

    reads: Reads = "features"
    exemplars: int = 0

    @abstractmethod
    def begin(self, backbone: Backbone, seed: int) -> Learner:
        """A learner that has seen nothing; `seed` draws what is drawn once, as a random projection."""
