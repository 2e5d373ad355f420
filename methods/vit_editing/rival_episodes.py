"""What editors that are trained practise on: pretended failures made of training pictures."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from methods.vit_editing.rival_streams import augmented
from tasks.vit_editing.contract import Pictures

Kind = Literal["cutmix", "swapped", "both"]
LEAST, MOST = 3 / 14, 8 / 14
"""Sides of a pasted box in shares of the picture's, as Where-to-Edit's training data has them in patches."""


class Episodes(NamedTuple):
    """x: (B, H, W, 3) uint8 to be classed as y (B,). like: others of the same kind, same shape. apart:
    pictures (L, H, W, 3) that must keep their answers, of every episode.
    """

    x: Tensor
    y: Tensor
    like: Tensor
    apart: Tensor


def drawn(
    pictures: Pictures, kind: Kind, size: int, apart: int, classes: int, draw: torch.Generator
) -> Episodes:
    """`size` episodes. cutmix: a picture into which a box of another was pasted, to be classed as the
    picture; like: the same with another box. swapped: a shifted picture to be classed as some other class;
    like: shifted otherwise. both: half and half.
    """
    order = torch.randperm(len(pictures.y), generator=draw)
    while len(order) < 3 * size + apart:
        order = torch.cat([order, torch.randperm(len(pictures.y), generator=draw)])
    own, first, second = order[: 3 * size].view(3, size)
    mixed = {"cutmix": size, "swapped": 0, "both": size // 2}[kind]
    x, y = pictures.x[own].clone(), pictures.y[own].clone()
    like = x.clone()
    for i in range(size):
        if i < mixed:
            paste(x[i], pictures.x[first[i]], draw)
            paste(like[i], pictures.x[second[i]], draw)
        else:
            seed = int(torch.randint(2**31, (1,), generator=draw))
            x[i], like[i] = augmented(x[i : i + 1], 2, seed)[0, 1:]
            y[i] = (y[i] + int(torch.randint(1, classes, (1,), generator=draw))) % classes
    return Episodes(x, y, like, pictures.x[order[3 * size : 3 * size + apart]])


def paste(x: Tensor, other: Tensor, draw: torch.Generator) -> None:
    """Puts a box of another picture (H, W, 3) at its own place into x, in place."""
    height, width = x.shape[:2]
    sides = [max(1, round(side * (LEAST + (MOST - LEAST) * _unit(draw)))) for side in (height, width)]
    top, left = (
        int(_unit(draw) * (side - box + 1)) for side, box in zip((height, width), sides, strict=True)
    )
    rows, columns = slice(top, top + sides[0]), slice(left, left + sides[1])
    x[rows, columns] = other[rows, columns]


def _unit(draw: torch.Generator) -> float:
    return float(torch.rand(1, generator=draw))
