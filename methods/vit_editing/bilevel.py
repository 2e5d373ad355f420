"""Which units of a picture's pseudo edit should change: the bi-level problem of Learning Where to Edit Vision
Transformers, in its released, decoupled, first-order form (meta_train.py).

Inside, a change d of the weights follows plain gradient descent from 0 at the weights w + z d, z the soft
mask of the units: the released code divides the gradient of d by z, which cancels the z of the chain rule. So
z gates how much of the change is applied. Outside, the mask's logits u go down the same loss at the end of
the inner steps, the change being held constant, plus a price for open units; z = sigmoid(10 u).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from methods.vit_editing.mask_trunk import Trunk

Slope = Callable[[Tensor], Tensor]
"""Gradients of each sample's loss at replaced units: (B, rows, hidden, d) to the same."""


@dataclass(frozen=True)
class Bilevel:
    """inner, inner_lr: steps and rate of the change. outer, mask_lr: steps and rate of RMSprop on the mask's
    logits. sparsity: price of the mean of the mask. sharp, soft: what the logits are multiplied by before the
    sigmoid, while searching and in what is given. temperature: of the loss T^2 KL(teacher | edited).
    """

    inner: int = 5
    inner_lr: float = 1e-3
    outer: int = 10
    mask_lr: float = 0.1
    sparsity: float = 1.0
    sharp: float = 10.0
    soft: float = 3.0
    temperature: float = 5.0


class Found(NamedTuple):
    """target: (B, rows, hidden), sigmoid of `soft` times the logits. loss: (B,) at the last outer step,
    before its update.
    """

    target: Tensor
    loss: Tensor


def distances(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(teacher | softmax(logits / T)) of each sample, (B,). teacher: probabilities (B, classes)."""
    told = F.log_softmax(logits / temperature, -1)
    each: Tensor = F.kl_div(told, teacher, reduction="none").sum(-1)
    return temperature**2 * each


def changes(start: Tensor, mask: Tensor, slope: Slope, steps: int, lr: float) -> Tensor:
    """The change of weights after the inner steps. start: weights (rows, hidden, d) or with samples before
    them; mask: (B, rows, hidden).
    """
    change = start.new_zeros((*mask.shape, start.shape[-1]))
    for _ in range(steps):
        change = change - lr * slope(start + mask[..., None] * change)
    return change


def saliency(change: Tensor, gradient: Tensor, sparsity: float, samples: int) -> Tensor:
    """The gradient of the outer loss to the mask, (B, rows, hidden): what the change of a unit adds to the
    loss per open share, to first order, and the price. The losses are summed over samples; the price is of
    the mean over `samples` masks and their units.
    """
    found = (gradient * change).sum(-1)
    return found + sparsity / (samples * found[0].numel())


def search(
    trunk: Trunk, middle: Tensor, teacher: Tensor, logits: Tensor, how: Bilevel, samples: int = 0
) -> Found:
    """Targets for a batch. middle: (B, T, d) mixed pictures before the first edited FFN; teacher: (B,
    classes) probabilities of the pictures before mixing, at the temperature; logits: (B, rows, hidden) of
    the masks at the start. samples: how many share the mean of the price, 0 for all B.
    """
    count = len(teacher)
    start = torch.stack([value.detach() for value in _rows(trunk)])
    last: list[Tensor] = []

    def slope(weights: Tensor) -> Tensor:
        units = trunk.whole(count)
        rows = [row.detach() for row in weights.unbind(1)]
        for j, one in enumerate(units):
            one.first = rows[2 * j].transpose(1, 2).requires_grad_()
            one.second = rows[2 * j + 1].requires_grad_()
        leaves = [value for one in units for value in one.pair]
        loss = distances(trunk.logits(middle[:, None], units)[:, 0], teacher, how.temperature)
        last[:] = [loss.detach()]
        gradients = torch.autograd.grad(loss.sum(), leaves)
        return torch.stack([g if i % 2 else g.transpose(1, 2) for i, g in enumerate(gradients)], 1)

    u, square = logits.clone(), torch.zeros_like(logits)
    for _ in range(how.outer):
        mask = torch.sigmoid(how.sharp * u)
        change = changes(start, mask, slope, how.inner, how.inner_lr)
        to_mask = saliency(change, slope(start + mask[..., None] * change), how.sparsity, samples or count)
        to_logits = to_mask * how.sharp * mask * (1 - mask)
        square.mul_(0.99).addcmul_(to_logits, to_logits, value=0.01)
        u.addcdiv_(to_logits, square.sqrt().add_(1e-8), value=-how.mask_lr)
    return Found(torch.sigmoid(how.soft * u), last[0] if last else teacher.new_zeros(count))


def uniform(count: int, trunk: Trunk, generator: torch.Generator) -> Tensor:
    """Logits of masks at the start, (count, rows, hidden), uniform from -1 to 1."""
    drawn = torch.rand((count, len(trunk.rows), trunk.hidden), generator=generator)
    return 2 * drawn.to(trunk.model.device) - 1


def _rows(trunk: Trunk) -> list[Tensor]:
    """The edited matrices with a unit a row, (hidden, d) each."""
    return [trunk.value(name) if i % 2 == 0 else trunk.value(name).T for i, name in enumerate(trunk.rows)]
