"""Neurons added to the last FFN, and how well-behaved one is on what it must not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from methods.vit_editing.rival_streams import activation
from tasks.vit_editing.contract import Edited

if TYPE_CHECKING:
    from tasks.vit_editing.contract import Classifier


class Patched(Edited):
    """The last FFN with more hidden units. keys (m, d), biases (m,), values (m, d) of those added, oldest
    first.

    queries (q, d): what the class tokens of the edited pictures ask them with.
    """

    def __init__(
        self, model: Classifier, keys: Tensor, biases: Tensor, values: Tensor, queries: Tensor, steps: int
    ) -> None:
        self.model, self.keys, self.biases, self.values, self.queries = model, keys, biases, values, queries
        self.start, self.steps, self.touched = model.depth - 1, steps, 0
        self.added = keys.numel() + biases.numel() + values.numel()
        parts = (keys, biases, values)
        self.distance = float(sum(float(p.double().square().sum()) for p in parts) ** 0.5)

    def logits_from(self, h: Tensor) -> Tensor:
        return self.model.logits_from(h, self.start, self.weights())

    def weights(self) -> dict[str, Tensor]:
        """The three parameters of the last FFN that are wider than before."""
        last, model = self.model.blocks[-1], self.model
        fc1, fc2 = last.matrices
        bias = f"{last.fc1}.bias"
        return {
            fc1: torch.cat([model.parameter(fc1), self.keys]),
            bias: torch.cat([model.parameter(bias), self.biases]),
            fc2: torch.cat([model.parameter(fc2), self.values.T], 1),
        }

    def adds(self, queries: Tensor) -> Tensor:
        """What the neurons add to the stream (n, d) for queries (n, d)."""
        act = activation(self.model, self.model.depth - 1)
        return act(queries @ self.keys.T + self.biases) @ self.values


def hardest(excess: Tensor, count: int) -> Tensor:
    """Mean of exp over the `count` largest of the last axis."""
    return excess.topk(min(count, excess.shape[-1]), -1).values.exp().mean(-1)


def memory_loss(seen: Tensor, asked: Tensor, above: float, below: float, count: int) -> Tensor:
    """exp(seen - asked + above) and exp(seen - below), each averaged over its largest, (E,).

    seen: (E, M) activations before the nonlinearity on memory, asked: (E, k) on the edit's own pictures.
    """
    apart = (seen[:, None] - asked[:, :, None] + above).flatten(1)
    return hardest(apart, count) + hardest(seen - below, count)
