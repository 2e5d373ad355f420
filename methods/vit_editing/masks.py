"""Which hidden units may change: exact choice by score, and the masks that need no training.

A unit is one row of fc1 or one column of fc2; the two have masks of their own. Density is the share that may
change, as in the released code of Learning Where to Edit Vision Transformers (the paper's sparsity is the
share that may not).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from methods.vit_editing.mask_editor import MaskedEditor

if TYPE_CHECKING:
    from torch import Tensor

    from methods.vit_editing.mask_trunk import Trunk
    from tasks.vit_editing.contract import Failure, Prepared


def kept_units(density: float, units: int) -> int:
    """floor(density * units), of the density as it is written and not of its binary fraction."""
    return int(Fraction(str(density)) * units)


def top_k(scores: Tensor, density: float, strict_greater: bool = False) -> Tensor:
    """Masks (E, rows, hidden) of bool over the largest of scores (E, rows, hidden), over all rows together.

    Exactly `kept_units` are chosen; of equal scores the first in order, so that a smaller density chooses a
    subset.
    strict_greater: only those above the smallest of the chosen, as released, which drops that one and all of
    its score.
    """
    import torch

    flat = scores.flatten(1)
    k = kept_units(density, flat.shape[1])
    order = torch.sort(flat, dim=1, descending=True, stable=True)
    chosen = torch.zeros_like(flat, dtype=torch.bool).scatter_(1, order.indices[:, :k], True)
    if strict_greater and k:
        chosen &= flat > order.values[:, k - 1 : k]
    return chosen.view_as(scores)


def unit_gradients(trunk: Trunk, streams: Tensor, labels: Tensor, power: int) -> Tensor:
    """Sum of |dl/dw|^power over the weights of each unit, (E, rows, hidden), l the mean cross-entropy of an
    edit's pictures. streams: (E, k, T, d), labels: (E, k).
    """
    import torch

    from methods.vit_editing.descent import losses

    count, k = labels.shape
    middle = trunk.middle(streams.flatten(0, 1)).unflatten(0, (count, k))
    units = trunk.whole(count)
    leaves = [value.requires_grad_() for one in units for value in one.pair]
    loss = losses(trunk.logits(middle, units), labels)
    gradients = torch.autograd.grad(loss.sum(), leaves)
    # Of fc1 a unit is a column here, of fc2 a row.
    sums = [g.abs().pow(power).sum(2 if i % 2 else 1) for i, g in enumerate(gradients)]
    return torch.stack(sums, 1)


@dataclass(frozen=True, kw_only=True)
class RandomMask(MaskedEditor):
    """Units drawn by chance, then masked RMSprop: what a learned mask must beat at equal density. The draw of
    a failure is the same at every density, so that its masks are nested.
    """

    def scores(
        self, trunk: Trunk, prepared: Prepared, failures: Sequence[Failure], streams: Tensor, labels: Tensor
    ) -> Tensor:
        import torch

        draws = [torch.Generator().manual_seed(failure.seed) for failure in failures]
        size = (len(trunk.rows), trunk.hidden)
        return torch.stack([torch.rand(size, generator=draw) for draw in draws]).to(streams.device)


@dataclass(frozen=True, kw_only=True)
class GradientMask(MaskedEditor):
    """Units with the largest sum of |dl/dw| over their weights, l the failure's cross-entropy, then masked
    RMSprop.
    """

    def scores(
        self, trunk: Trunk, prepared: Prepared, failures: Sequence[Failure], streams: Tensor, labels: Tensor
    ) -> Tensor:
        return unit_gradients(trunk, streams, labels, 1)
