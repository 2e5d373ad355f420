"""Masked RMSprop on FFN matrices, many independent edits at once.

Each edit has its own copy of the matrices, its own mask and its own end: it stops before a step as soon as
all its pictures are right and their mean cross-entropy is at most `enough`, as in the released code of
Learning Where to Edit Vision Transformers (editing/hprdmask.py, editing/ft.py). RMSprop has PyTorch's
defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from methods.vit_editing.mask_trunk import Trunk, Units, scattered

Pull = Literal["", "l1", "l2"]
CROWDED = 0.75
"""Stopped edits leave the stack once no more than this share of it goes on."""
PIECE = 2**17
"""Numbers of a tensor that RMSprop goes through at a time."""


@dataclass(frozen=True)
class Descent:
    """lr, alpha, eps: of RMSprop. steps: at most. enough: mean cross-entropy at which an edit stops, if it is
    right. pull: what draws the weights back, strength times sum |w - w0| (l1) or half of sum (w - w0)^2 (l2).
    sgd_first: the first step is one of plain gradient descent at the same rate, and RMSprop's mean of squares
    starts after it, as the released fine-tuning does.
    """

    lr: float = 2e-5
    steps: int = 100
    enough: float = 0.01
    pull: Pull = ""
    strength: float = 0.0
    sgd_first: bool = False
    alpha: float = 0.99
    eps: float = 1e-8


class Outcome(NamedTuple):
    """weights: the edited matrices, whole, by name. steps: taken. stopped: whether it was right and sure
    enough before the steps ran out.
    """

    weights: Mapping[str, Tensor]
    steps: int
    stopped: bool


class RMSprop:
    """torch.optim.RMSprop's step on tensors without gradients of their own. Where a gradient has always been
    0 its weight keeps every bit.
    """

    def __init__(self, how: Descent, values: Sequence[Tensor]) -> None:
        self.how = how
        self.squares = [torch.zeros_like(value) for value in values]

    @torch.no_grad()
    def step(self, values: Sequence[Tensor], gradients: Sequence[Tensor], first: bool) -> None:
        """Changes `values` in place. first: whether this is the first step of the descent.

        A few edits at a time, so that what is read again is still in the processor's cache.
        """
        how = self.how
        for whole in zip(values, gradients, self.squares, strict=True):
            few = max(1, PIECE // max(1, whole[0][0].numel()))
            for value, gradient, square in zip(*(one.split(few) for one in whole), strict=True):
                if first and how.sgd_first:
                    value.add_(gradient, alpha=-how.lr)
                    continue
                square.mul_(how.alpha).addcmul_(gradient, gradient, value=1 - how.alpha)
                value.addcdiv_(gradient, square.sqrt().add_(how.eps), value=-how.lr)

    def take(self, index: Tensor) -> None:
        """Keep the state of some of the edits, by number."""
        self.squares = [square[index] for square in self.squares]


def descend(trunk: Trunk, streams: Tensor, labels: Tensor, masks: Tensor, how: Descent) -> list[Outcome]:
    """E independent edits of the trunk's weights. streams: (E, k, T, d) before its first edited block;
    labels: (E, k) int64; masks: (E, rows, hidden) of bool, rows being fc1 and fc2 of each block in turn:
    which rows of fc1 and columns of fc2 may change.

    The same as one by one, but for the order of sums.
    """
    stack = _Stack(trunk, streams, labels, masks, how)
    for step in range(how.steps):
        loss, ended = stack.loss()
        stack.leave(ended, step)
        if not bool(stack.going.any()):
            break
        stack.step(loss, step)
    stack.leave(stack.going.clone(), how.steps, stopped=False)
    return [stack.outcomes[e] for e in range(len(labels))]


def ended(logits: Tensor, labels: Tensor, loss: Tensor, enough: float) -> Tensor:
    """Which edits stop, (E,) bool. logits: (E, k, classes), labels (E, k), loss (E,)."""
    right = (logits.argmax(-1) == labels).all(-1)
    return right & (loss <= enough)


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of each edit, (E,). logits: (E, k, classes), labels (E, k)."""
    each: Tensor = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return each.view_as(labels).mean(1)


class _Stack:
    """The edits that still go on. numbers: which they are; going: those of the stack that have not ended."""

    def __init__(self, trunk: Trunk, streams: Tensor, labels: Tensor, masks: Tensor, how: Descent) -> None:
        self.trunk, self.how, self.labels = trunk, how, labels
        count, k = labels.shape
        self.middle = trunk.middle(streams.flatten(0, 1)).unflatten(0, (count, k))
        self.order = trunk.order(masks)
        self.units: list[Units] = trunk.units(masks, self.middle)
        self.free: list[Tensor] = []
        for j, one in enumerate(self.units):
            one.first.requires_grad_()
            one.second.requires_grad_()
            index = self.order[j][:, : one.second.shape[1]]
            rows, columns = (masks[:, 2 * j + side].gather(1, index) for side in (0, 1))
            self.free += [rows[:, None], columns[..., None]]
        self.start = [one.detach().clone() for one in self.values] if how.pull else []
        self.all_free = all(bool(one.all()) for one in self.free)
        self.rms = RMSprop(how, self.values)
        self.numbers = torch.arange(count, device=labels.device)
        self.going = torch.ones(count, dtype=torch.bool, device=labels.device)
        self.outcomes: dict[int, Outcome] = {}

    @property
    def values(self) -> list[Tensor]:
        return [value for one in self.units for value in one.pair]

    def loss(self) -> tuple[Tensor, Tensor]:
        """Of every edit of the stack, and which of those that go on end now."""
        logits = self.trunk.logits(self.middle, self.units)
        loss = losses(logits, self.labels)
        return loss, self.going & ended(logits.detach(), self.labels, loss.detach(), self.how.enough)

    def leave(self, which: Tensor, steps: int, stopped: bool = True) -> None:
        """Write down the edits that end."""
        for e in which.nonzero()[:, 0].tolist():
            weights = scattered(self.trunk, self.order, self.units, e)
            self.outcomes[int(self.numbers[e])] = Outcome(weights, steps, stopped)
        self.going &= ~which

    def step(self, loss: Tensor, step: int) -> None:
        values = self.values
        gradients = torch.autograd.grad(loss[self.going].sum(), values)
        with torch.no_grad():
            for i, gradient in enumerate(gradients):
                if self.how.pull:
                    moved = values[i] - self.start[i]
                    gradient.add_(moved.sign() if self.how.pull == "l1" else moved, alpha=self.how.strength)
                if not self.all_free or not bool(self.going.all()):
                    gradient.mul_(self.free[i] & self.going[:, None, None])
        self.rms.step(values, gradients, step == 0)
        if int(self.going.sum()) <= CROWDED * len(self.going):
            self._thin()

    def _thin(self) -> None:
        index = self.going.nonzero()[:, 0]
        self.middle, self.labels = self.middle[index], self.labels[index]
        self.order = [one[index] for one in self.order]
        self.units = [one.taken(index) for one in self.units]
        self.free = [one[index] for one in self.free]
        self.start = [one[index] for one in self.start]
        self.rms.take(index)
        self.numbers, self.going = self.numbers[index], self.going[index]
