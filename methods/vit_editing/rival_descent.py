"""Independent small descents side by side: the first axis of every parameter numbers them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Losses = Callable[[], tuple[Tensor, Tensor]]
"""Gives the losses (E,) and where to stop before the next step (E,) bool."""


def descend(
    parameters: Sequence[Tensor],
    losses: Losses,
    optimizer: torch.optim.Optimizer,
    steps: int,
    project: Callable[[], None] | None = None,
) -> list[int]:
    """Steps of an elementwise optimizer on parameters (E, ...), in place; how many each descent took, (E,).

    A descent that has stopped keeps its values while others go on. project: called behind every step, may
    change parameters in place; it must leave those as they are that it has seen before.
    """
    active = torch.ones(len(parameters[0]), dtype=torch.bool, device=parameters[0].device)
    taken = torch.zeros_like(active, dtype=torch.int64)
    for _ in range(steps):
        loss, enough = losses()
        active = active & ~enough
        if not active.any():
            break
        optimizer.zero_grad()
        loss[active].sum().backward()
        held = [p.detach().clone() for p in parameters]
        optimizer.step()
        with torch.no_grad():
            if project is not None:
                project()
            for parameter, old in zip(parameters, held, strict=True):
                parameter[~active] = old[~active]
        taken += active
    return [int(n) for n in taken]


def solved(logits: Tensor, y: Tensor, enough: float) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy (E,) of logits (E, k, classes), and where all k are right and it is at most
    `enough`.
    """
    flat = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none")
    loss = flat.view(y.shape).mean(1)
    return loss, (logits.argmax(2) == y).all(1) & (loss.detach() <= enough)
