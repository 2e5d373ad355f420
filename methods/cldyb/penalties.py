"""How much a parameter matters to what was learned, and the quadratic pull to where it then stood."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from methods.cldyb.gradient import Batch, batches

Held = list[tuple[Tensor, Tensor, Tensor]]
"""A parameter, its importance and its anchor; the latter two may have fewer rows."""


def quadratic(held: Held) -> Tensor:
    """(1/2) sum of importance (theta - anchor)^2: a scalar. Rows that joined later are free."""
    terms = [(f * (_rows(p, f) - anchor).square()).sum() for p, f, anchor in held]
    return 0.5 * torch.stack(terms).sum()


def _rows(tensor: Tensor, like: Tensor) -> Tensor:
    return tensor if tensor.shape == like.shape else tensor[: len(like)]


def hold(
    parameters: Mapping[str, Tensor], importance: Mapping[str, Tensor], anchors: Mapping[str, Tensor]
) -> Held:
    """What `quadratic` takes, by name."""
    return [(parameters[name], importance[name], anchors[name]) for name in importance]


def gradients(
    network: nn.Module, names: list[str], examples: Batch, size: int, loss: Callable[[Batch], Tensor]
) -> Iterator[tuple[float, dict[str, Tensor]]]:
    """The gradient of `loss` by the named parameters for every batch, with the batch's share of examples."""
    parameters = dict(network.named_parameters())
    network.eval()
    for batch in batches(examples, size):
        found = torch.autograd.grad(loss(batch), [parameters[n] for n in names], allow_unused=True)
        pairs = zip(names, found, strict=True)
        grads = {n: torch.zeros_like(parameters[n]) if g is None else g for n, g in pairs}
        yield len(batch.y) / len(examples.y), grads


def accumulate(old: Mapping[str, Tensor], new: Mapping[str, Tensor], a: float, b: float) -> dict[str, Tensor]:
    """a old + b new by name; rows that `old` lacks count as nought."""
    out = {}
    for name, value in new.items():
        total = b * value
        if name in old:
            _rows(total, old[name]).add_(a * old[name])
        out[name] = total
    return out
