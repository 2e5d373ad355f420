"""Scores of edits, by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.stats import mean_interval
from tasks.vit_editing import metrics, scores
from tasks.vit_editing.fronts import Point, area, gr_at, hypervolume
from tasks.vit_editing.measure import Single
from tasks.vit_editing.scores import EDITING, estimate, working
from tasks.vit_editing.sequences import Milestone, Row, Undone

PLAIN: dict[str, Any] = {
    "places": (0,),
    "sr": 1.0,
    "gr_repo": 0.0,
    "drift": 0.1,
    "accuracy_change": None,
    "seconds": 2.0,
    "touched": 10,
    "added": 0,
    "distance": 1.0,
    "steps": 3,
    "right": "",
    "units": None,
}


def single(gr: float, lr: float, **more: Any) -> Single:
    return Single(**{**PLAIN, "gr": gr, "lr": lr, **more})


SWEEP = {
    0.1: {"a": [single(0.0, 1.0), single(0.2, 1.0)], "b": [single(0.3, 0.9, accuracy_change=-0.5)]},
    0.5: {"a": [single(0.4, 0.8), single(0.4, 0.6)], "b": [single(0.8, 0.5, sr=0.0)]},
}
"""Mean points: a (0.1, 1), (0.4, 0.7); b (0.3, 0.9), (0.8, 0.5); both (0.2, 0.95), (0.6, 0.6)."""


ALWAYS = {"a": 0.1, "b": 0.3}
"""LR of always answering with a group's class; of both 0.2."""


def values(found: Any) -> dict[tuple[str, str], float]:
    return {(s.metric, s.slice): s.value for s in found}


def test_the_front_is_of_means_over_edits_and_then_groups() -> None:
    got = values(scores.front_scores(SWEEP, ALWAYS))
    assert got["hypervolume", "all"] == pytest.approx(0.2 * 0.95 + 0.4 * 0.6)
    assert got["always_lr", "all"] == pytest.approx(0.2)
    # From (0, 1) over the points to (1, 0.2), less the triangle and square below the line between the ends.
    assert got["front_area", "all"] == pytest.approx(
        0.2 * (1 + 0.95) / 2 + 0.4 * (0.95 + 0.6) / 2 + 0.4 * (0.6 + 0.2) / 2 - (1 + 0.2) / 2
    )
    assert got["gr_at_95", "all"] == pytest.approx(0.2)
    assert got["gr_at_90", "all"] == pytest.approx(0.2 + 0.4 * 0.05 / 0.35)
    assert got["gr_at_80", "all"] == pytest.approx(0.2 + 0.4 * 0.15 / 0.35)
    assert got["front_area", "group a"] == pytest.approx(
        0.1 * 1 + 0.3 * (1 + 0.7) / 2 + 0.6 * (0.7 + 0.1) / 2 - (1 + 0.1) / 2
    )
    # From (0, 1) to (0.8, 0.5) the LR is 0.8125 at a GR of 0.3: below 0.9, which stays a corner.
    assert got["front_area", "group b"] == pytest.approx(
        0.3 * (1 + 0.9) / 2 + 0.5 * (0.9 + 0.5) / 2 + 0.2 * (0.5 + 0.3) / 2 - (1 + 0.3) / 2
    )


def test_an_interval_of_two_groups_by_hand() -> None:
    """Pseudo-values 2 f - f_-g of f over {a, b}, whose other halves are b and a alone."""
    got = values(scores.front_scores(SWEEP, ALWAYS))
    both, a, b = 0.43, 0.31, 0.52
    pseudo = [2 * both - b, 2 * both - a]
    half = 12.7062047362 * np.std(pseudo, ddof=1) / math.sqrt(2)
    assert got["hypervolume_lo", "all"] == max(0.0, both - half) == 0.0
    assert got["hypervolume_hi", "all"] == min(1.0, both + half) == 1.0
    assert scores.estimate([[Point(0.5, 0.5)]], hypervolume).ends is None
    alone = {0.1: {"a": SWEEP[0.1]["a"]}}
    assert not [m for m, _ in values(scores.front_scores(alone, ALWAYS)) if m.endswith(("_lo", "_hi"))]


@given(st.lists(st.integers(40, 60).map(lambda k: k / 100), min_size=3, max_size=9))
def test_of_a_plain_mean_it_is_students_interval(shares: list[float]) -> None:
    found = estimate([[Point(gr, 1.0)] for gr in shares], lambda points: points[0].gr)
    students = mean_interval(shares)
    assert students is not None and found.ends is not None
    assert found.ends == pytest.approx((max(0, students.low), min(1, students.high)))
    assert estimate([[Point(gr, 1.0)] for gr in shares], hypervolume).ends == pytest.approx(found.ends)


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Of the hypervolume of a front of two knobs, six groups that scatter about known means."""
    rng = np.random.default_rng(0)
    truth = hypervolume([Point(0.3, 0.9), Point(0.5, 0.7)])
    held = 0
    for _ in range(400):
        shift = rng.normal(0, 0.08, 6)
        groups = [[Point(0.3 + s, 0.9 - s / 2), Point(0.5 + s, 0.7 - s / 2)] for s in shift]
        ends = estimate(groups, hypervolume).ends
        assert ends is not None
        held += ends[0] <= truth <= ends[1]
    assert 0.92 <= held / 400 <= 0.98


def test_edits_are_told_at_the_working_knob_by_group_and_at_every_knob() -> None:
    assert working(SWEEP) == 0.1
    got = {(s.metric, s.slice): (s.value, s.n) for s in scores.edit_scores(SWEEP)}
    assert got["knob", "all"] == (0.1, None)
    assert got["gr", "all"] == got["gr", "knob 0.1"] == (pytest.approx(0.2), 3)
    assert got["lr", "all"] == (pytest.approx(0.95), 3)
    assert got["sr", "knob 0.5"] == (0.5, 3) and got["sr", "all"] == (1.0, 3)
    assert got["gr", "group a"] == (pytest.approx(0.1), 2) and got["edit_s", "all"] == (2.0, 3)
    assert got["accuracy_change", "all"] == (-0.5, 1) and ("accuracy_change", "knob 0.5") not in got


def test_the_working_knob_is_the_most_general_one_that_is_local_enough() -> None:
    def sweep(*points: tuple[float, float]) -> scores.Sweep:
        return {float(k): {"a": [single(*p)]} for k, p in enumerate(points)}

    assert working(sweep((0.1, 0.99), (0.3, 0.9), (0.9, 0.89))) == 1.0
    assert working(sweep((0.1, 0.5), (0.3, 0.8), (0.9, 0.7))) == 1.0
    assert working(sweep((0.1, 0.8), (0.3, 0.8))) == 1.0
    assert working(sweep((0.3, 0.95), (0.3, 0.9))) == 0.0


def test_a_distance_that_is_no_number_is_left_out() -> None:
    sweep = {0.1: {"a": [single(0, 0, distance=math.nan), single(0, 0, distance=3.0)]}}
    got = {(s.metric, s.slice): (s.value, s.n) for s in scores.edit_scores(sweep)}
    assert got["distance", "all"] == (3.0, 1) and got["lr", "all"] == (0.0, 2)
    nothing = {0.1: {"a": [single(0, 0, distance=math.inf)]}}
    assert "distance" not in {s.metric for s in scores.edit_scores(nothing)}


def test_masks_are_told_at_every_knob_and_as_all_where_they_are_sparsest() -> None:
    def mask(*places: int) -> str:
        return metrics.packed(np.isin(np.arange(8), places)[None])

    sweep = {
        0.5: {"a": [single(0, 1, units=mask(0, 1, 2, 3))] * 2, "b": [single(0, 1, units=mask(0, 1, 2, 3))]},
        0.25: {
            "a": [single(0, 1, units=mask(0, 1)), single(0, 1, units=mask(0, 2))],
            "b": [single(0, 1, units=mask(6, 7))],
        },
    }
    got = values(scores.mask_scores(sweep))
    assert got["mask_share", "all"] == got["mask_share", "knob 0.25"] == 0.25
    assert got["mask_iou_inside", "all"] == pytest.approx(1 / 3) and got["mask_iou_across", "all"] == 0.0
    assert got["mask_iou_inside", "knob 0.5"] == got["mask_iou_across", "knob 0.5"] == 1.0
    assert got["mask_iou_chance", "all"] == pytest.approx(0.25 / 1.75)
    assert list(scores.mask_scores(SWEEP)) == []


def test_a_row_is_told_after_each_length_and_as_all_at_its_end() -> None:
    short = Milestone(10, 0.9, 0.5, 0.8, 0.1, -0.02, 1.0, 0.5)
    long = Milestone(30, 0.6, None, 0.7, 0.2, -0.05, math.nan, 0.25)
    got = {
        (s.metric, s.slice): (s.value, s.n)
        for s in scores.row_scores(Row((short, long), Undone(10, 0.7, 0.9)))
    }
    assert got["row_sr", "after 10"] == (0.9, 10) and got["row_sr", "all"] == got["row_sr", "after 30"] == (
        0.6,
        30,
    )
    assert got["row_gr", "after 10"] == (0.5, None) and ("row_gr", "all") not in got
    assert got["row_lr", "all"] == (0.7, None) and ("row_distance", "all") not in got
    assert got["undo_back", "all"] == (0.7, 10) and got["undo_kept", "all"] == (0.9, 10)
    assert list(scores.row_scores(Row((), None))) == []
    assert "undo_kept" not in {s.metric for s in scores.row_scores(Row((short,), Undone(10, 0.7, None)))}


def test_several_pictures_are_compared_on_the_groups_that_had_them() -> None:
    two = {knob: {"a": [single(0.5, 1.0)]} for knob in SWEEP}
    got = values(scores.several_scores({1: SWEEP, 2: two}, ALWAYS))
    one = area([Point(0.1, 1.0), Point(0.4, 0.7)], Point(1.0, 0.1))
    both = area([Point(0.5, 1.0)], Point(1.0, 0.1))
    assert got["several_area", "pictures 1"] == pytest.approx(one)
    assert got["several_area", "pictures 2"] == got["several_area", "all"] == pytest.approx(both)
    assert (
        got["several_gain", "all"] == pytest.approx(both - one) and got["several_gain", "pictures 1"] == 0.0
    )
    assert list(scores.several_scores({1: SWEEP}, ALWAYS)) == list(scores.several_scores({}, ALWAYS)) == []


def test_every_score_is_declared_and_names_are_said_once() -> None:
    names = [metric.name for metric in EDITING]
    assert len(set(names)) == len(names)
    row = Row((Milestone(10, 0.9, 0.5, 0.8, 0.1, -0.02, 1.0, 0.5),), Undone(10, 0.7, 0.9))
    found = [
        *scores.front_scores(SWEEP, ALWAYS),
        *scores.edit_scores(SWEEP),
        *scores.row_scores(row),
        *scores.several_scores({1: SWEEP, 2: SWEEP}, ALWAYS),
    ]
    assert {s.metric for s in found} <= set(names)
    assert len({(s.metric, s.slice) for s in found}) == len(found)


def test_gr_at_is_named_by_its_percentage() -> None:
    points = [Point(0.4, 0.7)]
    for wanted, name in scores.AT.items():
        assert name == f"gr_at_{round(100 * wanted)}"
        assert values(scores.front_scores({0.1: {"a": [single(0.4, 0.7)]}}, ALWAYS))[name, "all"] == gr_at(
            points, wanted
        )
