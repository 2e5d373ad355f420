"""Pseudo failures for meta-training: a rectangle of one picture pasted into another.

As released (meta_train.py of Learning Where to Edit Vision Transformers): the sides are independent integers
from 3 to 8 of 14 patches, the top left corner is drawn below 14 minus the side and so never touches the last
row or column. Another grid has the same shares.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

AREA = (0.25, 1.0)
RATIO = (3 / 4, 4 / 3)
TRIES = 10


def sides(grid: int) -> tuple[int, int]:
    """The least and the greatest side of a rectangle, in patches: 3 and 8 of 14, 2 and 4 of 8."""
    return math.ceil(3 * grid / 14), max(math.ceil(3 * grid / 14), 8 * grid // 14)


def boxes(count: int, grid: int, generator: torch.Generator) -> Tensor:
    """(count, 4) int64: top, left, height and width in patches."""
    low, high = sides(grid)
    size = torch.randint(low, high + 1, (count, 2), generator=generator)
    free = torch.clamp(grid - size, min=1)
    corner = (torch.rand((count, 2), generator=generator, dtype=torch.float64) * free).long()
    return torch.cat([corner, size], 1)


def paste(base: Tensor, other: Tensor, places: Tensor, patch: int) -> Tensor:
    """(n, S, S, 3) `base` with the rectangles `places` (n, 4) of patches taken from `other`."""
    mixed = base.clone()
    for i, (top, left, height, width) in enumerate((places * patch).tolist()):
        mixed[i, top : top + height, left : left + width] = other[i, top : top + height, left : left + width]
    return mixed


def crops(pictures: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """A random piece of each of (n, H, W, 3) pictures as (n, size, size, 3) float of 0 to 255: a quarter to
    all of the area, sides 3:4 to 4:3, bilinear, as torchvision's RandomResizedCrop(scale=(0.25, 1)).
    """
    high, wide = pictures.shape[1:3]
    found = []
    for picture in pictures.permute(0, 3, 1, 2).float():
        top, left, height, width = _piece(high, wide, generator)
        piece = picture[None, :, top : top + height, left : left + width]
        found.append(F.interpolate(piece, (size, size), mode="bilinear", antialias=True))
    return torch.cat(found).permute(0, 2, 3, 1)


def mixtures(
    pictures: Tensor, pairs: int, grid: int, size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """(pairs, size, size, 3) pieces of randomly drawn pictures, and the same with a rectangle of as many
    others. pictures: (n, H, W, 3) uint8.
    """
    drawn = torch.randperm(len(pictures), generator=generator)[: 2 * pairs]
    drawn = drawn.repeat(-(-2 * pairs // len(drawn)))[: 2 * pairs]
    base, other = crops(pictures[drawn], size, generator).split(pairs)
    return base, paste(base, other, boxes(pairs, grid, generator), size // grid)


def _piece(high: int, wide: int, generator: torch.Generator) -> tuple[int, int, int, int]:
    """Top, left, height and width; the whole where no try fits."""
    for _ in range(TRIES):
        share, shape = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        area = high * wide * (AREA[0] + share * (AREA[1] - AREA[0]))
        ratio = math.exp(math.log(RATIO[0]) + shape * math.log(RATIO[1] / RATIO[0]))
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= wide and 0 < height <= high:
            top = int(torch.randint(0, high - height + 1, (), generator=generator))
            left = int(torch.randint(0, wide - width + 1, (), generator=generator))
            return top, left, height, width
    return 0, 0, high, wide
