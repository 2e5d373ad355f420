"""DuQuant's block rotation: a greedy search for the orthogonal matrix that spreads the largest entry.

    R^k = E_c S E_c,    X <- X R^k,    R = R^1 ... R^n

with S = base . diag(1, Q'), base an orthogonal matrix whose first row is flat, Q' a random orthogonal
completion, and E_c the swap of channel 0 with the channel c of the largest entry; n is the step of the
lowest peak, 0 (no rotation) allowed. All blocks of a layer share R.

The released code swaps with the entry's row number modulo the block size instead of its channel; that is
kept as `quirk="row"`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

FIRST, GROWTH = 64, 4  # rows that the search looks at first; by how much more it has seen after each look

Peak = Literal["abs", "range"]


class Rotation(NamedTuple):
    """The rotations of P problems.

    matrix (P, B, B): R, the identity where no step lowered the peak. peaks (P, N + 1): before each step and
    after the last. steps (P,): n, how many of the steps are in R.
    """

    matrix: Tensor
    peaks: Tensor
    steps: Tensor


def base(size: int) -> Tensor:
    """The orthogonal start (size, size), in float64: a flat first row, below it differences of means.

    It is the released chain of rotations between neighbours, i by i, with the first and last channel
    exchanged in rows and columns, written out: its rows are Helmert's.
    """
    if size < 1:
        raise ValueError(f"a block has at least one channel, not {size}")
    index = torch.arange(size, dtype=torch.float64)
    row, column = index[:, None], index[None, :]
    helmert = (column <= row).double() - (column == row + 1).double() * (row + 1)
    helmert /= ((row + 1) * (row + 2)).sqrt()
    helmert[-1] = size**-0.5
    swap = _swaps(size)[-1]
    return helmert[swap][:, swap]


def start(size: int, rng: np.random.Generator) -> Tensor:
    """S (size, size) in float64: the base with its rows 2.. mixed by a random orthogonal matrix.

    The completion is the Q of a Gaussian matrix, as in the released code: column 0 of the base stays.
    """
    mixing = torch.eye(size, dtype=torch.float64)
    gaussian = torch.from_numpy(rng.standard_normal((size - 1, size - 1)))
    mixing[1:, 1:] = torch.linalg.qr(gaussian).Q
    return base(size) @ mixing


def blocks(x: Tensor, size: int) -> Tensor:
    """The blocks of all rows stacked: (..., d) to (rows * d / size, size).

    ValueError where the blocks do not divide d: a plain reshape would mix tokens without an error.
    """
    if size < 1 or x.shape[-1] % size:
        raise ValueError(f"blocks of {size} do not divide {x.shape[-1]} channels")
    return x.reshape(-1, size)


def rotate(x: Tensor, matrix: Tensor) -> Tensor:
    """x G over the last axis, G block diagonal with the same `matrix` (B, B) in every block."""
    return (blocks(x, len(matrix)) @ matrix.to(x)).reshape(x.shape)


@torch.no_grad()
def greedy(
    x: Tensor,
    starts: Tensor,
    steps: int = 256,
    *,
    quirk: Literal["row"] | None = None,
    peak: Peak = "abs",
) -> Rotation:
    """Search the rotations of P problems of equal shape at once.

    Each problem finds what it would find alone. Problems with fewer rows may be filled up with zeros at the
    end, which changes nothing (under "range", nothing as long as the peak's two ends differ in sign).

    Args:
        x: (P, M, B) blocks of activations, float32 or float64; half precision is taken to float32.
        starts: (P, B, B), one `start` a problem.
        steps: N, at most so many rotations.
        quirk: "row" swaps with the row number of the largest entry modulo B (the released code).
        peak: what is to fall: "abs", the largest magnitude, or "range", largest minus smallest entry
            (the released code).
    """
    if x.ndim != 3 or starts.shape != (len(x), x.shape[2], x.shape[2]) or not x.shape[1]:
        raise ValueError(
            f"x must be (problems, rows, block) and starts (problems, block, block), not "
            f"{tuple(x.shape)} and {tuple(starts.shape)}"
        )
    if not bool(x.isfinite().all()):
        raise ValueError("activations must be finite to have a peak")
    size = x.shape[2]
    rows = _Rows.of(x.float() if x.dtype in (torch.float16, torch.bfloat16) else x, by_row=quirk == "row")
    # Products of hundreds of rotations stay orthogonal in float64; entries are read in the data's own.
    # The product is kept transposed: rows swap faster than columns.
    backwards, swaps = starts.to(x.device, torch.float64).mT.contiguous(), _swaps(size).to(x.device)
    everyone = torch.arange(len(x), device=x.device)[:, None]
    turned = torch.eye(size, dtype=torch.float64, device=x.device).repeat(len(x), 1, 1)
    best, lowest, chosen = turned, None, torch.zeros(len(x), dtype=torch.long, device=x.device)
    peaks = []
    for step in range(steps + 1):
        place, high, low = rows.extremes(turned.to(rows.x.dtype).mT, peak)
        peaks.append(torch.maximum(high, -low) if peak == "abs" else high - low)
        if lowest is None:
            lowest = peaks[0]
        else:
            fell = peaks[-1] < lowest
            best = torch.where(fell[:, None, None], turned, best)
            lowest = torch.where(fell, peaks[-1], lowest)
            chosen = torch.where(fell, step, chosen)
        if step < steps:
            swap = swaps[place % size]
            turned = torch.bmm(backwards, turned[everyone, swap])[everyone, swap]
    return Rotation(best.mT.contiguous().to(rows.x.dtype), torch.stack(peaks, 1), chosen)


class _Rows(NamedTuple):
    """The rows of P problems, longest first, so that the peak is found without reading them all.

    A rotation keeps a row's norm and no entry exceeds it: once the peak found is above the norms of all
    rows that are left, they cannot hold it. The result is the same as that of reading every entry.

    x (P, M, B); order (P, M): which row of the problem each one was; ceiling (P, M): its norm, widened by
    what rounding in a product can add; by_row: report the row of the peak, not its channel.
    """

    x: Tensor
    order: Tensor
    ceiling: Tensor
    by_row: bool

    @classmethod
    def of(cls, x: Tensor, by_row: bool) -> _Rows:
        norms = torch.linalg.vector_norm(x, dim=2, dtype=torch.float64)
        ceiling, order = norms.sort(dim=1, descending=True, stable=True)
        ceiling = ceiling * (1 + 2 * x.shape[2] * torch.finfo(x.dtype).eps)
        sorted_x = x.gather(1, order[:, :, None].expand_as(x))
        return cls(sorted_x, order, ceiling, by_row)

    def extremes(self, matrix: Tensor, peak: Peak) -> tuple[Tensor, Tensor, Tensor]:
        """(place, largest, smallest), each (P,): the entries of x R; place of the larger in magnitude.

        As in the released code the smallest wins a tie of magnitudes, and the first row or channel one of
        places.
        """
        left = places = values = matrix.new_empty(0)
        for first, last in self._looks():
            x, order = self.x[:, first:last], self.order[:, first:last]
            if first == 0:
                places, values = self._look(torch.bmm(x, matrix), order)
            else:
                if len(left) < len(matrix):
                    x, order = x.index_select(0, left), order.index_select(0, left)
                found = self._look(torch.bmm(x, matrix[left]), order)
                places[:, left], values[:, left] = _larger((places[:, left], values[:, left]), found)
            if last == self.x.shape[1]:
                break
            safe = values.amax(0) if peak == "abs" else values.amin(0)
            left = (self.ceiling[:, last] >= safe).nonzero()[:, 0]  # problems whose peak is not yet sure
            if not len(left):
                break
        place = torch.where(values[0] > values[1], places[0], places[1])
        return place, values[0], -values[1]

    def _looks(self) -> Iterator[tuple[int, int]]:
        """Growing ranges of rows; one range of all where waiting for an answer is dear."""
        total = self.x.shape[1]
        first, last = 0, total if self.x.is_cuda else FIRST
        while first < total:
            yield first, min(last, total)
            first, last = last, GROWTH * last

    def _look(self, y: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
        """Places and values (2, P) of the largest entry of y and of -y."""
        axis = 2 if self.by_row else 1  # two passes are many times faster than one aminmax
        both = torch.stack([y.amax(axis), -y.amin(axis)])  # (2, P, places)
        values, places = both.max(2)
        if not self.by_row:
            return places, values
        # rows are not in their own order here: of equal ones, the first in that order
        names = torch.where(both == values[:, :, None], order, torch.iinfo(order.dtype).max)
        return names.amin(2), values


def _larger(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """(places, values) of the larger values, the lower place of equal ones."""
    (a, x), (b, y) = one, other
    place = torch.where(x > y, a, torch.where(y > x, b, torch.minimum(a, b)))
    return place, torch.maximum(x, y)


def _swaps(size: int) -> Tensor:
    """Row c: the order 0..size-1 with 0 and c exchanged; (size, size)."""
    index = torch.arange(size)
    order = index.repeat(size, 1)
    order[:, 0] = index
    order[index, index] = 0
    return order
