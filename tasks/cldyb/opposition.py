"""How much a task's loss gradient points against that of the tasks learned so far: a guess at forgetting.

A reviewer of CLDyB (arXiv 2503.04655) suggested a proxy by the direction of gradients; what follows is this
suite's own. The loss is the cross-entropy of a linear head on a learner's present representation h, whose
logits z are the learner's own for the classes seen and 0 for those of the task. Its gradient by the head is
the mean of (softmax(z) - one-hot of the class) h^T. A small step down the task's gradient raises the loss on
the earlier tasks where the two have a negative inner product. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tasks.cldyb.mdp import Classes, History

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.cldyb.matrix import Examples
    from tasks.cldyb.memo import Memo


def head_gradient(h: Tensor, logits: Tensor, column: Tensor, extra: int) -> Tensor:
    """(C + extra, d) gradient of the mean cross-entropy by the head's weights, float64.

    h: (n, d). logits: (n, C) of the classes seen; `extra` more are 0. column: (n,) the place of the truth.
    """
    import torch

    z = torch.cat([logits.double(), logits.new_zeros((len(logits), extra)).double()], dim=1)
    error = z.softmax(1)
    error[torch.arange(len(z)), column] -= 1
    return error.T @ h.double() / len(z)


def opposition(a: Tensor, b: Tensor) -> float:
    """Minus the cosine of two gradients: 1 where they are opposed. 0 where one is nought."""
    scale = float(a.norm() * b.norm())
    return -float((a * b).sum()) / scale if scale > 0 else 0.0


class Opposed:
    """Called with a history and a task, the mean over learners of `opposition`; 0 before the first task.

    examples: a few training examples of classes, for a learner by name.
    """

    def __init__(self, memo: Memo, examples: Callable[[str, Sequence[int]], Examples]) -> None:
        self.memo, self.examples = memo, examples

    def __call__(self, history: History, action: Classes) -> float:
        if not history:
            return 0.0
        found = [self._of(name, history, action) for name in self.memo.names]
        return sum(found) / len(found)

    def _of(self, name: str, history: History, action: Classes) -> float:
        learner = self.memo.at(name, history)
        columns = (*learner.seen, *action)
        gradients = []
        for classes in (learner.seen, action):
            shown = self.examples(name, classes)
            place = shown.y.new_tensor([columns.index(int(c)) for c in shown.y])
            h = learner.representation(shown.x).flatten(1)
            gradients.append(head_gradient(h, learner.logits(shown.x), place, len(action)))
        return opposition(*gradients)
