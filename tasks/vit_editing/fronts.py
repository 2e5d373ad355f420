"""The trade of generalization against locality: Pareto set, the area under it, GR at a wanted LR.

A point is (GR, LR), both from 0 to 1, of one value of an editor's knob, mean over edits and groups (spec 5).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

WANTED = (0.95, 0.90, 0.80)
"""Values of LR at which GR is told."""


class Point(NamedTuple):
    """One setting of an editor."""

    gr: float
    lr: float


UNEDITED = Point(0.0, 1.0)
"""What not editing gives, which everybody can have: nobody's mates are mended, nothing is changed."""


def pareto(points: Iterable[Point]) -> list[Point]:
    """The points that no other one beats: none has a GR and an LR as high with one of them higher.

    In order of rising GR and so of falling LR; equal points stand there once. ValueError for a value outside
    of 0 to 1.
    """
    kept: list[Point] = []
    for point in sorted({_checked(p) for p in points}, key=lambda p: (-p.gr, -p.lr)):
        if not kept or point.lr > kept[-1].lr:
            kept.append(point)
    return kept[::-1]


def hypervolume(points: Iterable[Point]) -> float:
    """The area that is dominated by the points, with reference (0, 0): of all (g, l) such that some point has
    GR >= g and LR >= l. From 0 to 1. `UNEDITED` adds nothing to it.
    """
    front = pareto(points)
    before = [0.0, *(p.gr for p in front)]
    return math.fsum((p.gr - left) * p.lr for p, left in zip(front, before, strict=False))


def area(points: Iterable[Point], always: Point) -> float:
    """The area between the upper concave hull of the points, `UNEDITED` and `always`, and the line from
    `UNEDITED` to `always`: what an editor adds to two that need no editing. From 0 to 1.

    always: (1, LR) of the one that answers every picture with the edit's class. Mixing the two at random
    costs nothing, so that GR for LR along that line shows no skill, nor does an edit that gives up all
    answers; `hypervolume` counts both. More values of a knob along one line add nothing here. ValueError for
    an `always` whose GR is not 1.
    """
    if always.gr != 1:
        raise ValueError(f"{always}: always answering with the class has a GR of 1")
    corners = hull([*points, always])
    corners = [Point(0.0, corners[0].lr), *corners]
    under = math.fsum((b.gr - a.gr) * (a.lr + b.lr) / 2 for a, b in zip(corners, corners[1:], strict=False))
    return max(0.0, under - (1 + always.lr) / 2)


def gr_at(points: Iterable[Point], wanted: float) -> float:
    """The highest GR that is to be had at LR >= wanted, by linear interpolation.

    Interpolated between any two of the points and `UNEDITED`, which is along their upper concave hull: an
    editor that is used for a random share of the failures, or with one of two settings by chance, has in
    expectation a point on the line between. Along a mere Pareto set, which may be dented, a further point
    could make the value lower; here it never does. At wanted = 1 it is the highest GR of the points with LR
    1, and 0 without one; where every point is local enough it is the highest GR of all; nothing is
    extrapolated. ValueError for `wanted` outside of 0 to 1.
    """
    if not 0 <= wanted <= 1:
        raise ValueError(f"LR >= {wanted}: from 0 to 1")
    corners = hull(points)
    best = 0.0
    for left, right in zip(corners, [*corners[1:], None], strict=True):
        if left.lr < wanted:
            break
        best = left.gr
        if right is not None and right.lr < wanted:
            share = (left.lr - wanted) / (left.lr - right.lr)
            best = left.gr + share * (right.gr - left.gr)
    return best


def hull(points: Iterable[Point]) -> list[Point]:
    """Corners of the upper concave hull of the Pareto set of the points and `UNEDITED`, from highest LR."""
    corners: list[Point] = []
    for point in pareto([*points, UNEDITED]):
        while len(corners) > 1 and _turn(corners[-2], corners[-1], point) >= 0:
            corners.pop()
        corners.append(point)
    return corners


def mean_point(points: Sequence[Point]) -> Point:
    """The mean of each; ValueError of none."""
    if not points:
        raise ValueError("no point has a mean")
    n = len(points)
    return Point(math.fsum(p.gr for p in points) / n, math.fsum(p.lr for p in points) / n)


def _turn(a: Point, b: Point, c: Point) -> float:
    """Above 0 where the way a, b, c turns left, so that b lies below the line from a to c."""
    return (b.gr - a.gr) * (c.lr - a.lr) - (b.lr - a.lr) * (c.gr - a.gr)


def _checked(point: Point) -> Point:
    if not (0 <= point.gr <= 1 and 0 <= point.lr <= 1):
        raise ValueError(f"{point}: GR and LR are fractions from 0 to 1")
    return Point(point.gr + 0.0, point.lr + 0.0)
