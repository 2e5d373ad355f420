"""KnowledgeEditor's network: what is to be changed, to masks and gates on the gradient of each matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from tasks.vit_editing.contract import Classifier


class Conditioned(nn.Module):
    """For one matrix (out, in): s(eta) (softmax(a) b^T * gradient + softmax(c) e^T)."""

    def __init__(self, reads: int, hidden: int, shape: Sequence[int], draw: torch.Generator) -> None:
        super().__init__()
        out, n = shape
        self.sizes = [n, out, n, out, 1]
        self.first = _linear(reads, hidden, draw)
        self.second = _linear(hidden, sum(self.sizes), draw)

    def forward(self, condition: Tensor, gradient: Tensor) -> Tensor:
        """Conditions (E, reads) and gradients (E, out, in) to changes (E, out, in)."""
        told = self.second(torch.tanh(self.first(condition)))
        columns, rows, more_columns, more_rows, eta = told.split(self.sizes, -1)
        mask = rows.softmax(-1)[:, :, None] * columns[:, None]
        offset = more_rows.softmax(-1)[:, :, None] * more_columns[:, None]
        return eta.sigmoid()[:, :, None] * (mask * gradient + offset)


class Editing(nn.Module):
    """Conditions of features (E, reads) through a shared map, then one network for every matrix."""

    def __init__(
        self, model: Classifier, names: Sequence[str], width: int, hidden: int, draw: torch.Generator
    ) -> None:
        super().__init__()
        self.names = tuple(names)
        self.shared = _linear(3 * model.width, width, draw)
        self.maps = nn.ModuleList(Conditioned(width, hidden, model.parameter(n).shape, draw) for n in names)

    def changes(self, asked: Tensor, gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Of every matrix, (E, out, in)."""
        condition = torch.tanh(self.shared(asked))
        maps = zip(self.names, self.maps, strict=True)
        return {name: one(condition, gradients[name]) for name, one in maps}


def _linear(reads: int, writes: int, draw: torch.Generator) -> nn.Linear:
    """As torch starts one, from a generator."""
    made: nn.Linear = nn.utils.skip_init(nn.Linear, reads, writes)
    bound = reads**-0.5
    with torch.no_grad():
        for parameter in (made.weight, made.bias):
            parameter.copy_((torch.rand(parameter.shape, generator=draw) * 2 - 1) * bound)
    return made
