"""What is said of an edit, by hand and against literal loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.vit_editing import metrics
from tasks.vit_editing.metrics import NO_ANSWER, told

RIGHT = [True, False, True, True, False]


def test_success_and_generalization_keep_the_edited_picture_apart() -> None:
    assert metrics.success(RIGHT, [0]) == 1.0 and metrics.success(RIGHT, [0, 1]) == 0.5
    assert metrics.generalization(RIGHT, [0]) == 2 / 4
    assert metrics.generalization(RIGHT, [1]) == 3 / 4
    assert metrics.generalization(RIGHT, [0, 1, 2]) == 1 / 2


def test_the_released_rate_counts_the_edited_picture_and_takes_it_for_mended() -> None:
    assert metrics.generalization_released(RIGHT) == 2 / 5
    assert metrics.generalization_released([True] * 5) == 4 / 5
    assert metrics.generalization_released([False] * 5) == -1 / 5


@given(st.lists(st.booleans(), min_size=2, max_size=9), st.data())
def test_both_rates_say_the_same_of_a_mended_picture(right: list[bool], data: st.DataObject) -> None:
    """For one edit that worked: right mates are GR (n - 1) and gr_repo n."""
    place = data.draw(st.integers(0, len(right) - 1))
    right[place] = True
    n = len(right)
    mates = metrics.generalization(right, [place]) * (n - 1)
    assert mates == pytest.approx(metrics.generalization_released(right) * n)


@pytest.mark.parametrize("edited", [[], [5], [-1]])
def test_places_outside_of_a_group_are_refused(edited: list[int]) -> None:
    with pytest.raises(ValueError, match="of a group of 5"):
        metrics.generalization(RIGHT, edited)


def test_rates_of_nobody_are_refused() -> None:
    with pytest.raises(ValueError, match="nobody to generalize to"):
        metrics.generalization([True, False], [0, 1])
    with pytest.raises(ValueError, match="without pictures"):
        metrics.generalization_released([])
    with pytest.raises(ValueError, match="same pictures"):
        metrics.locality(np.array([1]), np.array([1, 2]))


def test_logits_become_answers_and_probabilities() -> None:
    z = np.log([[1.0, 3.0, 4.0], [5.0, 5.0, 2.0]])
    said = told(z)
    assert said.answers.tolist() == [2, 0]
    np.testing.assert_allclose(said.probabilities, [[1 / 8, 3 / 8, 1 / 2], [5 / 12, 5 / 12, 1 / 6]])
    np.testing.assert_allclose(told(z + 1e4).probabilities, said.probabilities, atol=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers_answer_nothing(bad: float) -> None:
    said = told([[0.0, bad], [1.0, 0.0]])
    assert said.answers.tolist() == [NO_ANSWER, 0]
    assert said.probabilities[0].tolist() == [0.0, 0.0]
    before = told([[0.0, 2.0], [1.0, 0.0]])
    assert metrics.locality(before.answers, said.answers) == 0.5
    assert metrics.drift(before, said) == pytest.approx(before.probabilities[0, 1] / 2)


def test_locality_looks_at_top_one_and_drift_at_its_probability() -> None:
    before = told(np.log([[0.6, 0.4], [0.2, 0.8], [0.5, 0.5]]))
    after = told(np.log([[0.9, 0.1], [0.7, 0.3], [0.5, 0.5]]))
    assert metrics.locality(before.answers, after.answers) == 2 / 3
    assert metrics.drift(before, after) == pytest.approx((0.3 + 0.5 + 0.0) / 3)
    assert metrics.locality(before.answers, before.answers) == 1.0 and metrics.drift(before, before) == 0.0


def test_accuracy_change() -> None:
    labels = np.array([0, 1, 2, 3])
    before, after = np.array([0, 1, 0, 0]), np.array([0, 0, 0, 0])
    assert metrics.accuracy_change(before, after, labels) == 1 / 4 - 2 / 4


def test_iou_by_hand() -> None:
    a, b = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    assert metrics.iou(a, b) == 1 / 3 and metrics.iou(a, a) == 1.0
    assert metrics.iou(a, ~a) == 0.0 and metrics.iou(np.zeros(3, bool), np.zeros(3, bool)) == 1.0


@given(st.integers(0, 2**32 - 1))
def test_overlap_is_the_mean_of_pairs_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = {f"g{k}": [rng.random((2, 5)) < 0.4 for _ in range(n)] for k, n in enumerate((3, 1, 2))}
    found = metrics.overlap(masks)
    assert found is not None
    g0, g2 = masks["g0"], masks["g2"]
    own = [
        (metrics.iou(g0[0], g0[1]) + metrics.iou(g0[0], g0[2]) + metrics.iou(g0[1], g0[2])) / 3,
        metrics.iou(g2[0], g2[1]),
    ]
    assert found.inside == pytest.approx(np.mean(own))
    every = [(g, m) for g, held in masks.items() for m in held]
    pairs = [metrics.iou(a, b) for i, (g, a) in enumerate(every) for h, b in every[:i] if g != h]
    assert found.across == pytest.approx(np.mean(pairs))
    assert found.share == pytest.approx(np.mean([m for _, m in every]))


def test_random_masks_overlap_as_chance_says() -> None:
    """p / (2 - p): 0.0256 at a density of 0.05."""
    rng = np.random.default_rng(0)
    masks = {"a": [rng.permutation(4000) < 200 for _ in range(40)]}
    found = metrics.overlap(masks)
    assert found is not None and found.across is None
    assert found.chance == pytest.approx(0.05 / 1.95) and round(found.chance, 4) == 0.0256
    assert found.inside == pytest.approx(found.chance, abs=0.001)


def test_no_masks_have_no_overlap() -> None:
    assert metrics.overlap({"a": []}) is None
    one = metrics.overlap({"a": [np.ones(3, bool)]})
    assert one is not None and one.inside is None and one.across is None and one.share == one.chance == 1.0


@given(st.integers(1, 4), st.integers(1, 19), st.integers(0, 2**16))
def test_masks_come_back_from_text(rows: int, hidden: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((rows, hidden)) < 0.5
    assert np.array_equal(metrics.unpacked(metrics.packed(mask)), mask)
