"""Many pairs at once give what suite.stats gives one by one, and counts that can be checked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from leaderboard.pairs import Pair, Wins, compare, over_examples, wins
from leaderboard.samples import Logged
from suite import stats


def logged(correct: list[float], index: list[int] | None = None) -> Logged:
    numbers = np.array(index if index is not None else range(len(correct)))
    return Logged(numbers, np.array(correct, float), ())


def test_a_hand_worked_pair() -> None:
    # differences 1, 2, 3: mean 2, sd 1, t(0.975, 2) = 4.302653; of the 8 sign patterns 2 reach a sum of 6
    (pair,) = compare([{0: 2.0, 1: 4.0, 2: 6.0}, {0: 1.0, 1: 2.0, 2: 3.0}], [(0, 1)])
    half = 4.302652729749462 / math.sqrt(3)
    assert pair.difference == pytest.approx(2)
    assert (pair.low, pair.high) == (pytest.approx(2 - half), pytest.approx(2 + half))
    assert (pair.p, pair.adjusted, pair.effect, pair.seeds) == (0.25, 0.25, pytest.approx(2), 3)


@pytest.mark.parametrize("seeds", [2, 5, 12, 13, 40])
def test_each_pair_equals_the_single_functions_and_scipy(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    values = [dict(enumerate(rng.normal(shift, 1, seeds).tolist())) for shift in (0, 0.3, 1)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    found = compare(values, pairs)
    for (i, j), pair in zip(pairs, found, strict=True):
        a, b = list(values[i].values()), list(values[j].values())
        # the order of a sum may differ in the last bit, which moves no more than a pattern or two
        assert pair.p == pytest.approx(stats.permutation_test(a, b), abs=2e-4)
        assert pair.effect == pytest.approx(stats.effect_size(a, b))
        test = scipy_stats.ttest_rel(a, b).confidence_interval(0.95)
        assert (pair.low, pair.high) == (pytest.approx(test.low), pytest.approx(test.high))
    assert [pair.adjusted for pair in found] == stats.holm([pair.p for pair in found])


def test_only_shared_seeds_count_and_pairs_may_share_different_numbers() -> None:
    values = [{0: 1.0, 1: 2.0, 2: 4.0}, {1: 1.0, 2: 1.0, 3: 9.0}, {2: 3.0}, {7: 0.0}]
    found = compare(values, [(0, 1), (0, 2), (0, 3)])
    assert (found[0].difference, found[0].seeds) == (2.0, 2)
    assert found[1] == Pair(1.0, seeds=1)
    assert found[2] == Pair(None)


def test_two_that_do_not_vary_have_a_difference_and_nothing_over_seeds() -> None:
    fixed, other, varied = {0: 0.5, 1: 0.5}, {0: 0.75, 1: 0.75}, {0: 0.25, 1: 0.75}
    both, one = compare([fixed, other, varied], [(1, 0), (2, 0)])
    assert both == Pair(0.25, seeds=2)
    # -0.25 and 0.25: a mean of 0, and every pattern of signs reaches it.
    assert (one.difference, one.p, one.adjusted) == (0.0, 1.0, 1.0)


def test_no_spread_is_an_infinite_effect_and_no_difference_is_none() -> None:
    same, more = {0: 0.5, 1: 0.25}, {0: 0.75, 1: 0.5}
    up, down, none = compare([same, more], [(1, 0), (0, 1), (0, 0)])
    assert (up.effect, down.effect, none.effect) == (math.inf, -math.inf, 0.0)
    assert (up.low, up.high, none.low, none.p) == (0.25, 0.25, 0.0, 1.0)


def test_no_pairs_are_no_trouble() -> None:
    assert compare([{0: 1.0}], []) == []


def test_wins_are_counted_over_shared_seeds_and_examples() -> None:
    a = {0: logged([1, 1, 0, 0, math.nan]), 1: logged([1, 0], [3, 9]), 2: logged([1])}
    b = {0: logged([1, 0, 1, 0, 1]), 1: logged([0, 1, 1], [3, 4, 5]), 5: logged([1])}
    # seed 0: tied, won, lost, tied, one without a verdict; seed 1 shares example 3 alone: won
    assert wins(a, b) == Wins(2, 1, 2)
    assert wins(b, a) == Wins(1, 2, 2)
    assert wins(a, {9: logged([1])}) is None
    assert wins({0: logged([math.nan])}, {0: logged([1])}) is None


def test_one_seed_over_examples_is_mcnemars_exact_test() -> None:
    a = {0: logged([1] * 9 + [0] * 2 + [1] * 30)}
    b = {0: logged([0] * 9 + [1] * 2 + [1] * 30)}
    assert over_examples(a, b) == pytest.approx(scipy_stats.binomtest(2, 11).pvalue)


def test_seeds_are_averaged_over_the_examples_that_each_logged() -> None:
    a = {0: logged([1, 0], [4, 5]), 1: logged([1, 1], [5, 6])}
    b = {0: logged([0, 0], [4, 5]), 1: logged([0, 1], [5, 6])}
    grid_a = np.array([[1, 0, math.nan], [math.nan, 1, 1]])
    grid_b = np.array([[0, 0, math.nan], [math.nan, 0, 1]])
    expected = stats.paired_samples(grid_a, grid_b)
    assert expected is not None and over_examples(a, b) == expected.p
    assert over_examples(a, {3: logged([1])}) is None
