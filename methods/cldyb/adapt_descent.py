"""Gradient descent with a rate for each group of parameters, and how the rate changes over the epochs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from methods.cldyb.network import SGD

Rule = Literal["sgd", "adam"]
Schedule = Literal["constant", "cosine", "coda"]
BETAS, EPS = (0.9, 0.999), 1e-8


def share(schedule: Schedule, epoch: int, epochs: int) -> float:
    """The part of the learning rate that epoch 0 .. epochs - 1 has.

    cosine: (1 + cos(pi e / E)) / 2, as torch's CosineAnnealingLR down to 0; coda: the cosine of
    99 pi e / (200 (E - 1)), the schedule of CODA-Prompt's code that InfLoRA's takes with Adam.
    """
    if schedule == "cosine":
        return (1 + math.cos(math.pi * epoch / epochs)) / 2
    if schedule == "coda" and epoch:
        return math.cos(99 * math.pi * epoch / (200 * (epochs - 1)))
    return 1.0


class Descent(SGD):
    """groups: parameters, and the factor of the rate for them. lr may be set between steps.

    sgd: v <- m v + (g + w theta), theta <- theta - lr v; adam: Kingma and Ba (2015), algorithm 1, with
    w theta added to the gradient.
    """

    def __init__(
        self,
        groups: Sequence[tuple[Iterable[nn.Parameter], float]],
        lr: float,
        rule: Rule = "sgd",
        momentum: float = 0.9,
        decay: float = 0.0,
    ) -> None:
        members = [(p, factor) for group, factor in groups for p in group if p.requires_grad]
        super().__init__([p for p, _ in members], lr, momentum, decay)
        self.factors = [factor for _, factor in members]
        self.rule = rule
        self.squares = [torch.zeros_like(p) for p in self.parameters] if rule == "adam" else []
        self.steps = [0] * len(self.parameters)

    @torch.no_grad()
    def step(self, loss: Tensor) -> None:
        """One step down the gradient of `loss`; parameters that it does not reach, or cannot, stay."""
        free = [i for i, p in enumerate(self.parameters) if p.requires_grad]
        found = torch.autograd.grad(loss, [self.parameters[i] for i in free], allow_unused=True)
        for i, g in zip(free, found, strict=True):
            if g is None:
                continue
            p, rate = self.parameters[i], self.lr * self.factors[i]
            g = g.add(p, alpha=self.decay) if self.decay else g
            p.sub_(self._adam(i, g) if self.rule == "adam" else self._sgd(i, g), alpha=rate)

    def _sgd(self, i: int, g: Tensor) -> Tensor:
        v = self.velocity[i]
        v = g.clone() if v is None else v.mul_(self.momentum).add_(g)
        self.velocity[i] = v
        return v

    def _adam(self, i: int, g: Tensor) -> Tensor:
        old = self.velocity[i]
        mean = (torch.zeros_like(g) if old is None else old).mul_(BETAS[0]).add_(g, alpha=1 - BETAS[0])
        square = self.squares[i].mul_(BETAS[1]).addcmul_(g, g, value=1 - BETAS[1])
        self.velocity[i] = mean
        self.steps[i] += 1
        root = (square / (1 - BETAS[1] ** self.steps[i])).sqrt_().add_(EPS)
        return mean / (1 - BETAS[0] ** self.steps[i]) / root
