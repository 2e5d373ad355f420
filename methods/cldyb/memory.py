"""What the learners of this family share: how classes arrive, and a memory of tensors that are replaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.cldyb.contract import Learner, State, TaskData

if TYPE_CHECKING:
    from torch import Tensor

ALL = 1_000_000_000
"""`exemplars` of a competitor that keeps every training example: more than any pool has."""


def admit(seen: Sequence[int], task: TaskData, least: int = 1) -> tuple[int, ...]:
    """The classes seen once `task` has been learned, in the order of the columns.

    ValueError for a class that was seen before or stands twice in the task, for a label that is not of the
    task, and for a class with fewer than `least` training examples.
    """
    after = (*seen, *task.classes)
    if len(set(after)) < len(after) or not task.classes:
        raise ValueError(f"a task brings new classes, each once: {task.classes} after {tuple(seen)}")
    if len(task.x) != len(task.y):
        raise ValueError(f"{len(task.x)} examples have {len(task.y)} labels")
    labels, counts = task.y.unique(return_counts=True)
    found = dict(zip(labels.tolist(), counts.tolist(), strict=True))
    if stray := sorted(found.keys() - set(task.classes)):
        raise ValueError(f"labels {stray} are not among the task's classes {task.classes}")
    if few := [c for c in task.classes if found.get(c, 0) < least]:
        raise ValueError(f"classes {few} have fewer than {least} training examples")
    return after


def columns(y: Tensor, seen: Sequence[int]) -> Tensor:
    """(n,) places in `seen` of the classes y (n,), all of which are among them."""
    place = y.new_full((max(seen) + 1,), -1)
    place[list(seen)] = y.new_tensor(range(len(seen)))
    return place[y]


class Remembering(Learner):
    """A learner that knows nothing but the tensors in `memory`.

    They are replaced, never changed in place, so that a state can be handed out without a copy.
    """

    def __init__(self) -> None:
        self.memory: dict[str, Tensor] = {}

    def state(self) -> State:
        return dict(self.memory)

    def restore(self, state: State, seen: Sequence[int]) -> None:
        self.memory = dict(state)
        self.seen = tuple(seen)

    def append(self, name: str, rows: Tensor) -> None:
        """Puts `rows` below the memory's tensor of that name, or makes them that tensor."""
        import torch

        old = self.memory.get(name)
        self.memory[name] = rows if old is None else torch.cat([old, rows])
