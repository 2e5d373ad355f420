"""Pareto sets and their area, against grids and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.vit_editing.fronts import (
    UNEDITED,
    WANTED,
    Point,
    area,
    gr_at,
    hull,
    hypervolume,
    mean_point,
    pareto,
)

SHARES = st.integers(0, 20).map(lambda k: k / 20)
ALWAYS = Point(1.0, 0.2)
POINTS = st.lists(st.builds(Point, SHARES, SHARES), max_size=8)


def better(a: Point, b: Point) -> bool:
    return a.gr >= b.gr and a.lr >= b.lr and a != b


@given(POINTS)
def test_the_front_is_what_nothing_beats(points: list[Point]) -> None:
    front = pareto(points)
    literal = {p for p in points if not any(better(q, p) for q in points)}
    assert set(front) == literal and len(front) == len(literal)
    assert front == sorted(front) and [p.lr for p in front] == sorted((p.lr for p in front), reverse=True)


@given(POINTS)
def test_the_area_is_that_of_the_cells_under_some_point(points: list[Point]) -> None:
    """On a grid of 20 by 20 cells, on whose corners all points lie."""
    corners = np.arange(1, 21) / 20
    under = np.zeros((20, 20), bool)
    for p in points:
        under |= (corners[:, None] <= p.gr) & (corners[None] <= p.lr)
    assert hypervolume(points) == pytest.approx(under.sum() / 400)


@given(POINTS, st.builds(Point, SHARES, SHARES), SHARES)
def test_a_further_point_never_lowers_anything(points: list[Point], more: Point, wanted: float) -> None:
    assert hypervolume([*points, more]) >= hypervolume(points) - 1e-12
    assert area([*points, more], ALWAYS) >= area(points, ALWAYS) - 1e-12
    assert gr_at([*points, more], wanted) >= gr_at(points, wanted) - 1e-12


@given(POINTS, SHARES)
def test_gr_at_is_the_best_mixture_of_two(points: list[Point], wanted: float) -> None:
    """Over all pairs, and on each line the point nearest to its higher GR that is local enough."""
    held = [*points, UNEDITED]
    best = 0.0
    for a in held:
        for b in held:
            if a.lr >= wanted and b.lr < wanted:
                best = max(best, a.gr + (a.lr - wanted) / (a.lr - b.lr) * (b.gr - a.gr))
            best = max([best, *(p.gr for p in (a, b) if p.lr >= wanted)])
    assert gr_at(points, wanted) == pytest.approx(best)


@given(POINTS)
def test_the_area_is_what_the_best_mixtures_have_beyond_the_line(points: list[Point]) -> None:
    """The highest LR of a mixture of two at each GR, summed in the middle of fine steps."""
    held = np.array([*points, UNEDITED, ALWAYS])
    steps = 2000
    grid = (np.arange(steps) + 0.5) / steps
    best = np.zeros(steps)
    for a, b in held:
        best = np.where(grid <= a, np.maximum(best, b), best)
        for c, d in held:
            if a < c:
                mixed = b + (grid - a) / (c - a) * (d - b)
                best = np.where((a <= grid) & (grid <= c), np.maximum(best, mixed), best)
    assert area(points, ALWAYS) == pytest.approx(best.mean() - 0.6, abs=1e-3)


@given(POINTS)
def test_not_editing_adds_no_area_and_is_the_first_corner(points: list[Point]) -> None:
    assert hypervolume([*points, UNEDITED]) == hypervolume(points)
    assert area([*points, UNEDITED, ALWAYS], ALWAYS) == area(points, ALWAYS)
    assert area(points, ALWAYS) >= max(hypervolume(points) - 0.6, 0.0) - 1e-12
    assert hull(points)[0].lr == 1.0


def test_by_hand() -> None:
    points = [Point(0.2, 0.96), Point(0.6, 0.86), Point(0.5, 0.8), Point(0.9, 0.5), Point(0.2, 0.9)]
    assert pareto(points) == [(0.2, 0.96), (0.6, 0.86), (0.9, 0.5)]
    assert hypervolume(points) == pytest.approx(0.2 * 0.96 + 0.4 * 0.86 + 0.3 * 0.5)
    beyond = 0.2 * 1.96 / 2 + 0.4 * 1.82 / 2 + 0.3 * 1.36 / 2 + 0.1 * 0.7 / 2 - 0.6
    assert area(points, ALWAYS) == pytest.approx(beyond)
    # From (0, 1) to (0.6, 0.86) the LR is 0.9533 at a GR of 0.2: below 0.96, which stays a corner.
    assert hull(points) == [UNEDITED, (0.2, 0.96), (0.6, 0.86), (0.9, 0.5)]
    assert hull([Point(0.2, 0.95), *points[1:]]) == [UNEDITED, (0.6, 0.86), (0.9, 0.5)]
    assert gr_at(points, 0.9) == pytest.approx(0.2 + 0.06 / 0.1 * 0.4)
    assert gr_at(points, 0.8) == pytest.approx(0.6 + 0.06 / 0.36 * 0.3)


def test_the_ends_are_exact() -> None:
    assert [gr_at([], w) for w in WANTED] == [0.0, 0.0, 0.0]
    far = [Point(0.8, 0.5)]
    assert gr_at(far, 0.9) == pytest.approx(0.8 * 0.1 / 0.5) and gr_at(far, 1.0) == 0.0
    assert gr_at(far, 0.5) == gr_at(far, 0.0) == 0.8  # nothing beyond the last point
    assert gr_at([Point(0.3, 1.0)], 1.0) == gr_at([Point(0.3, 1.0)], 0.8) == 0.3
    assert hypervolume([]) == 0.0 and hypervolume([UNEDITED]) == 0.0 and hypervolume([Point(1.0, 1.0)]) == 1.0
    assert area([], ALWAYS) == area([UNEDITED], ALWAYS) == area([ALWAYS], ALWAYS) == 0.0
    assert area([Point(1.0, 1.0)], ALWAYS) == pytest.approx(0.4)
    # Along one line further values of the knob add steps and no area; nor is there any below the ends' line.
    line = [Point(0.4, 0.8), Point(0.2, 0.9)]
    assert area(line, ALWAYS) == pytest.approx(area(line[:1], ALWAYS)) != 0
    assert hypervolume(line) > hypervolume(line[:1])
    assert area([Point(0.9, 0.25)], ALWAYS) == 0.0
    with pytest.raises(ValueError, match="GR of 1"):
        area([], Point(0.9, 0.2))
    assert gr_at([Point(0.0, 0.3)], 0.9) == 0.0


def test_along_a_dented_front_a_further_point_would_have_cost() -> None:
    """Why the hull is read and not the Pareto set: (0.1, 0.1) is undominated, and drags the line down."""
    points = [Point(1.0, 0.0)]
    assert Point(0.1, 0.1) in pareto([*points, Point(0.1, 0.1), UNEDITED])
    assert gr_at([*points, Point(0.1, 0.1)], 0.5) == gr_at(points, 0.5) == 0.5


@pytest.mark.parametrize("bad", [Point(1.1, 0.5), Point(0.5, -0.1), Point(float("nan"), 0.5)])
def test_what_is_no_fraction_is_refused(bad: Point) -> None:
    with pytest.raises(ValueError, match="fractions"):
        pareto([bad])
    with pytest.raises(ValueError, match="LR >="):
        gr_at([], 1.5)


def test_mean_points() -> None:
    assert mean_point([Point(0.0, 1.0), Point(0.5, 0.5)]) == (0.25, 0.75)
    with pytest.raises(ValueError, match="no point"):
        mean_point([])
