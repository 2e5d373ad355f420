"""Which tokens of a batch are meant: "all", "last", an index, several, or a mask; padding never counts.

Tokens are counted among the real ones of their row, whatever side the padding is on, and over the whole
sequence: while a model generates with a KV cache, a call computes the newest tokens only, and a position that
lies in the cache cannot be reached any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from suite.errors import UsageError

At: TypeAlias = Literal["all", "last"] | int | Sequence[int] | Tensor
"""Token positions: -1 and "last" are the last real token of each row, 0 the first; a bool tensor (B, L) is
a mask over the columns of the sequence; a list of indices keeps its order.
"""


@dataclass(frozen=True)
class Columns:
    """The columns that one call computes. real: (B, T) bool. number: (B, T) int, the how manieth real token
    of its row each is. total: (B,) real tokens so far. past: columns before these.
    """

    real: Tensor
    number: Tensor
    total: Tensor
    past: int


def columns(rows: int, width: int, mask: Tensor | None, past: int, device: torch.device) -> Columns:
    """From the padding mask (B, past + T) of a call, 1 for real tokens, or None where all are real.

    Raises UsageError for a mask that does not fit.
    """
    if mask is None:
        number = torch.arange(past, past + width, device=device).expand(rows, width)
        real = torch.ones(rows, width, dtype=torch.bool, device=device)
        return Columns(real, number, torch.full((rows,), past + width, device=device), past)
    if mask.shape[0] != rows or mask.shape[1] < width:
        raise UsageError(f"an attention mask of shape {tuple(mask.shape)} for {rows} rows of {width} tokens")
    real = mask.to(device).bool()
    number = real.long().cumsum(1) - 1
    return Columns(real[:, -width:], number[:, -width:], real.sum(1), mask.shape[1] - width)


def matches(at: At, here: Columns) -> list[Tensor]:
    """One bool tensor (B, T) for each position asked for; a single one but for a list of indices.

    Raises UsageError for a position that is none.
    """
    if isinstance(at, Tensor):
        return [_masked(at, here)]
    if at == "all":
        return [here.real]
    if at == "last":
        return [_index(-1, here)]
    if isinstance(at, int) and not isinstance(at, bool):
        return [_index(at, here)]
    if isinstance(at, (list, tuple, range)) and at and all(type(k) is int for k in at):
        return [_index(k, here) for k in at]
    raise UsageError(f"positions are 'all', 'last', whole numbers or a bool tensor (B, L), not {at!r}")


def _index(k: int, here: Columns) -> Tensor:
    wanted = here.total[:, None] + k if k < 0 else k
    return (here.number == wanted) & here.real


def _masked(at: Tensor, here: Columns) -> Tensor:
    """The columns of this call that a mask over the sequence selects; what lies beyond it is not."""
    rows, width = here.real.shape
    if at.dtype != torch.bool or at.ndim != 2 or at.shape[0] != rows:
        raise UsageError(
            f"a mask of positions is a bool tensor ({rows}, L), not {at.dtype} {tuple(at.shape)}"
        )
    chosen = torch.zeros_like(here.real)
    part = at[:, here.past : here.past + width].to(chosen.device)
    chosen[:, : part.shape[1]] = part
    return chosen & here.real


def take(x: Tensor, at: At, here: Columns) -> Tensor | None:
    """The part of x (B, T, ...) at the positions; None where this call computes none of them.

    "all" gives x as it is, padding included; "last" and one index (B, ...); K indices (B, K, ...); a mask of
    M positions (M, ...), row by row. Raises UsageError where only some rows have the position.
    """
    if isinstance(at, str) and at == "all":
        return x
    found = matches(at, here)
    if isinstance(at, Tensor):
        return x[found[0]] if bool(found[0].any()) else None
    per_row = torch.stack([match.any(1) for match in found])
    if not bool(per_row.any()):
        return None
    if not bool(per_row.all()):
        place, row = (int(i) for i in (~per_row).nonzero()[0])
        raise UsageError(
            f"position {_spelled(at, place)} is not among the tokens that this call computes for row {row}"
        )
    rows = torch.arange(len(x), device=x.device)
    picked = torch.stack([x[rows, match.int().argmax(1)] for match in found], dim=1)
    return picked[:, 0] if isinstance(at, (str, int)) else picked


def _spelled(at: At, place: int) -> str:
    return str(at[place]) if isinstance(at, (list, tuple, range)) else str(at)


def spread(value: Tensor | float, x: Tensor, at: At, found: list[Tensor], dims: int) -> Tensor:
    """`value` laid out so that it meets x (B, T, ...) at the positions; elsewhere it is of no account.

    dims: how many dimensions a single token's activation has. A value of that many dimensions (or a number)
    serves every position; one in the shape that `take` gives serves each its own. Raises UsageError for
    another shape.
    """
    value = torch.as_tensor(value, device=x.device).to(x.dtype)
    if value.ndim <= dims:
        return _fitting(value, x)
    if isinstance(at, Tensor):
        if value.shape != x[found[0]].shape:
            raise UsageError(
                f"a value of shape {tuple(value.shape)} for {tuple(x[found[0]].shape)} positions"
            )
        return torch.zeros_like(x).masked_scatter(_over(found[0], x), value)
    if isinstance(at, str) and at == "all":
        return _fitting(value, x)
    if isinstance(at, (str, int)):
        return _fitting(value[:, None] if value.ndim == dims + 1 else value, x)
    each = value if value.ndim == dims + 2 else value[None]
    if each.shape[1] != len(found):
        raise UsageError(f"a value for {each.shape[1]} positions where {len(found)} are asked for")
    laid = torch.zeros_like(x)
    for k, match in enumerate(found):
        laid = torch.where(_over(match, x), _fitting(each[:, k : k + 1], x), laid)
    return laid


def _over(match: Tensor, x: Tensor) -> Tensor:
    """(B, T) with as many dimensions as x."""
    return match.reshape(*match.shape, *(1,) * (x.ndim - 2))


def _fitting(value: Tensor, x: Tensor) -> Tensor:
    try:
        return value.expand(x.shape)
    except RuntimeError:
        raise UsageError(
            f"a value of shape {tuple(value.shape)} does not fit activations of shape {tuple(x.shape)}"
        ) from None


def chosen(x: Tensor, new: Tensor, found: list[Tensor]) -> Tensor:
    """x with `new` at the positions."""
    where = found[0]
    for match in found[1:]:
        where = where | match
    return torch.where(_over(where, x), new, x)
