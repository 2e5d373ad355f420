"""Channels of an activation split and merged, and the weights that read it with them (QLLM)."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.quantization.transforms import Reassemble

CHUNK = 1 << 16
"""Pairs turned into Python's numbers at a time: wide activations have millions, of which few are needed."""


def reassemble(absmax: Tensor, hessian: Tensor, weight: Tensor, theta: float) -> Reassemble | None:
    """Splits the channels above theta and merges as many others as are needed for the width to stay.

    absmax: (d,); hessian: X^T X (d, d) up to a factor; weight: (o, d) of all maps that read the activation.
    Pairs are of one channel at an even and one at an odd place among those not split, each used once, the
    pairs of least error first. None where there are not enough of them.
    """
    width = len(absmax)
    times = (absmax / theta).ceil().clamp_min(1).long()
    whole = (times == 1).nonzero().flatten()
    more = int(times.sum()) - width
    if more > len(whole) // 2:
        return None
    pairs = _least(merge_errors(hessian, weight, whole), more)
    left, right = whole[[a for a, _ in pairs]], whole[[b for _, b in pairs]]
    second = torch.arange(width, device=absmax.device)
    other_share = torch.zeros_like(absmax)
    share = 1 / times.to(absmax)
    second[left], other_share[left], share[left] = right, 0.5, 0.5
    keep = torch.ones(width, dtype=torch.bool, device=absmax.device)
    keep[right] = False
    # Every channel stays in its place; what is split stands there several times.
    order = torch.arange(width, device=absmax.device)[keep].repeat_interleave(times[keep])
    return Reassemble(order, share[order], second[order], other_share[order])


def merge_errors(hessian: Tensor, weight: Tensor, channels: Tensor) -> Tensor:
    """|x_i - x_j|^2 |w_i - w_j|^2 / 4 for i at the even and j at the odd places of `channels`, (A, B).

    That is the squared error of the outputs when x_i w_i + x_j w_j becomes (x_i + x_j)(w_i + w_j) / 2.
    """
    even, odd = channels[::2], channels[1::2]
    w = weight.double()

    def apart(gram: Tensor) -> Tensor:
        size = gram.diagonal()
        return (size[even, None] + size[odd] - 2 * gram[even][:, odd]).clamp_min(0)

    return apart(hessian.double()) * apart(w.T @ w) / 4


def _least(errors: Tensor, count: int) -> list[tuple[int, int]]:
    """`count` places (2 row, 2 column + 1) of the least errors, no row and no column twice."""
    columns = errors.shape[1]
    taken_rows, taken_columns = set[int](), set[int]()
    found: list[tuple[int, int]] = []
    order = errors.flatten().argsort(stable=True) if count else torch.empty(0, dtype=torch.long)
    for place in (place for part in order.split(CHUNK) for place in part.tolist()):
        row, column = divmod(place, columns)
        if row in taken_rows or column in taken_columns:
            continue
        taken_rows.add(row)
        taken_columns.add(column)
        found.append((2 * row, 2 * column + 1))
        if len(found) == count:
            break
    return found
