"""Paired comparisons against brute force, SciPy and cases worked by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from suite import stats
from suite.stats import _paired

FIVE = [0.61, 0.72, 0.69, 0.80, 0.55]
NAN = math.nan


def test_permutation_p_of_five_seeds_all_better_is_one_sixteenth() -> None:
    assert stats.permutation_test([2, 3, 4, 5, 6], [1, 1, 1, 1, 1]) == 2 / 32


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=7))
@settings(max_examples=50, deadline=None)
def test_permutation_p_is_the_share_of_sign_patterns(differences: list[int]) -> None:
    observed = abs(sum(differences))
    patterns = list(itertools.product((1, -1), repeat=len(differences)))
    hits = sum(abs(sum(s * d for s, d in zip(p, differences, strict=True))) >= observed for p in patterns)
    assert stats.permutation_test(differences, [0] * len(differences)) == hits / len(patterns)


def test_permutation_p_is_scipys_exact_one() -> None:
    b = [0.5, 0.6, 0.72, 0.7, 0.58]
    theirs = scipy_stats.permutation_test(
        (FIVE, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert stats.permutation_test(FIVE, b) == pytest.approx(theirs.pvalue)


def test_permutation_p_of_many_pairs_is_near_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.4, 1, 14), rng.normal(0, 1, 14)
    sampled = stats.permutation_test(a, b)
    monkeypatch.setattr(_paired, "EXACT_UP_TO", 14)
    assert sampled == pytest.approx(stats.permutation_test(a, b), abs=0.012)
    monkeypatch.undo()
    assert stats.permutation_test(a, b) == sampled


def test_a_sampled_p_is_never_zero() -> None:
    assert stats.permutation_test([9.0] * 30, [0.0] * 30, draws=100) >= 1 / 101


def test_unpaired_values_are_refused() -> None:
    with pytest.raises(ValueError, match="pairs are needed"):
        stats.permutation_test([1, 2], [1])


def test_effect_size_of_a_hand_worked_case() -> None:
    """Differences 1, 2, 3: mean 2, sd 1."""
    assert stats.effect_size([2, 4, 6], [1, 2, 3]) == pytest.approx(2.0)


def test_effect_size_without_spread() -> None:
    assert stats.effect_size([1, 1], [1, 1]) == 0.0
    assert stats.effect_size([0.1 + 0.2, 0.3], [0, 0]) == math.inf
    assert stats.effect_size([0, 0], [1, 1]) == -math.inf


def test_holm_on_a_hand_worked_case() -> None:
    """Sorted .01 .02 .03 .04 times 4 3 2 1 gives .04 .06 .06 .04; made monotone: .04 .06 .06 .06."""
    assert stats.holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert stats.holm([0.6, 0.7]) == [1.0, 1.0]
    assert stats.holm([]) == []


def test_shared_seeds_of_a_hand_worked_case() -> None:
    """Shared seeds 1, 2, 3 differ by 1, 2, 3: mean 2, sd 1, t interval 2 -+ 2.48414, p 2 / 8."""
    made = stats.paired_seeds({1: 2.0, 2: 4.0, 3: 6.0, 9: 100.0}, {3: 3.0, 2: 2.0, 1: 1.0, 4: -50.0})
    assert made is not None
    assert made.interval == pytest.approx((2 - 2.48414, 2 + 2.48414), abs=1e-5)
    assert (made.difference, made.p, made.effect, made.pairs) == pytest.approx((2.0, 0.25, 2.0, 3))


def test_shared_seeds_are_scipys_paired_t_interval() -> None:
    a, b = dict(enumerate(FIVE)), dict(enumerate([0.5, 0.6, 0.72, 0.7, 0.58]))
    theirs = scipy_stats.ttest_rel(list(a.values()), list(b.values())).confidence_interval()
    made = stats.paired_seeds(a, b)
    assert made is not None
    assert made.interval == pytest.approx((theirs.low, theirs.high), rel=1e-9)


@pytest.mark.parametrize("other", [{}, {7: 1.0}, {0: 1.0}])
def test_fewer_than_two_shared_seeds_say_nothing(other: dict[int, float]) -> None:
    assert stats.paired_seeds({0: 0.5, 1: 0.6}, other) is None


def test_examples_are_won_lost_and_tied_by_their_mean_over_seeds() -> None:
    """a answers 2/2, 1/2, 0/2, 1/1; b 1/2, 1/2, 1/2, 0/2: the gaps are 1/2, 0, -1/2, 1."""
    a = [[1, 1, 0, 1], [1, 0, 0, NAN]]
    b = [[0, 1, 1, 0], [1, 0, 0, 0]]
    made = stats.paired_samples(a, b)
    assert made is not None
    assert (made.pairs, made.won, made.lost, made.tied) == (4, 2, 1, 1)
    assert made.difference == pytest.approx(0.25)
    assert made.effect == pytest.approx(0.25 / np.std([0.5, 0, -0.5, 1], ddof=1))


def test_methods_may_have_different_seeds_and_examples_nobody_answered_are_left_out() -> None:
    made = stats.paired_samples([[1, NAN, 0, 1]], [[0, 1, NAN, 1], [0, 1, NAN, 0], [0, 1, NAN, 0]])
    assert made is not None
    assert (made.pairs, made.won, made.lost, made.tied) == (2, 2, 0, 0)
    assert made.difference == pytest.approx((1 + 2 / 3) / 2)


def test_interval_over_examples_is_that_of_all_resamples() -> None:
    """Four examples have 256 equally likely resamples; the interval's ends are their 10 % and 90 % points."""
    a = np.array([[1, 1, 0, 1], [1, 0, 1, 1]])
    b = np.array([[0, 1, 0, 0], [0, 1, 1, 1]])
    gaps = (a - b).mean(axis=0)
    means = [np.mean(pick) for pick in itertools.product(gaps, repeat=4)]
    made = stats.paired_samples(a, b, level=0.8, draws=40_000)
    assert made is not None
    assert made.interval == pytest.approx(tuple(np.quantile(means, [0.1, 0.9])), abs=1e-9)


@given(st.lists(st.tuples(*[st.integers(0, 1)] * 4), min_size=2, max_size=7))
@settings(max_examples=40, deadline=None)
def test_p_over_few_examples_is_the_share_of_sign_patterns(answers: list[tuple[int, int, int, int]]) -> None:
    a0, a1, b0, b1 = np.array(answers).T
    twice = (a0 + a1 - b0 - b1).tolist()
    patterns = list(itertools.product((1, -1), repeat=len(twice)))
    sums = [abs(sum(s * d for s, d in zip(p, twice, strict=True))) for p in patterns]
    made = stats.paired_samples([a0, a1], [b0, b1])
    assert made is not None
    assert made.p == pytest.approx(np.mean([s >= abs(sum(twice)) for s in sums]))


def test_p_over_examples_is_scipys_permutation_test() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.random((3, 9)), rng.random((3, 9))
    theirs = scipy_stats.permutation_test(
        (a.mean(axis=0), b.mean(axis=0)),
        lambda x, y: np.mean(x - y),
        permutation_type="samples",
        n_resamples=np.inf,
    )
    made = stats.paired_samples(a, b)
    assert made is not None
    assert made.p == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize(("won", "lost"), [(30, 12), (12, 30), (9, 9), (40, 0), (700, 620)])
def test_one_seed_of_right_and_wrong_is_mcnemars_exact_test(won: int, lost: int) -> None:
    a = [1] * won + [0] * lost + [1] * 20
    b = [0] * won + [1] * lost + [1] * 20
    made = stats.paired_samples(a, b)
    assert made is not None
    assert (made.won, made.lost, made.tied) == (won, lost, 20)
    assert made.p == pytest.approx(scipy_stats.binomtest(won, won + lost).pvalue, rel=1e-9)


def test_p_drawn_by_sizes_is_near_the_exact_one() -> None:
    """20 examples gained two seeds of two, 12 lost one: the exact p by the two binomial distributions."""
    a = np.array([[1] * 20 + [0] * 12, [1] * 20 + [0] * 12])
    b = np.array([[0] * 20 + [1] * 12, [0] * 32])
    big, small = (scipy_stats.binom.pmf(np.arange(n + 1), n, 0.5) for n in (20, 12))
    sums = 2 * (2 * np.arange(21) - 20)[:, None] + (2 * np.arange(13) - 12)[None, :]
    exact = np.sum(np.outer(big, small)[np.abs(sums) >= 28])
    made = stats.paired_samples(a, b)
    assert made is not None
    assert made.p == pytest.approx(exact, abs=0.0008)
    assert 0 < exact < 0.005


def test_scores_of_any_value_give_what_the_direct_resampling_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a different gap at every example both ways of drawing have to agree."""
    rng = np.random.default_rng(9)
    a, b = rng.random((2, 120)), rng.random((2, 120)) - 0.03
    by_size = stats.paired_samples(a, b)
    monkeypatch.setattr(_paired, "FEW_DISTINCT", 1)
    direct = stats.paired_samples(a, b)
    assert by_size is not None and direct is not None
    assert by_size.interval == pytest.approx(direct.interval, abs=0.06 * direct.interval.half)
    assert by_size.p == pytest.approx(direct.p, abs=0.02)
    gaps = (a - b).mean(axis=0)
    spread = 1.96 * gaps.std() / math.sqrt(120)
    assert direct.interval == pytest.approx((gaps.mean() - spread, gaps.mean() + spread), abs=0.1 * spread)


def test_sums_that_differ_by_rounding_are_one_gap() -> None:
    """(3 of 5) - (2 of 5) and (2 of 5) - (1 of 5) differ in the last digit of a float."""
    a = [[1, 1], [1, 1], [1, 0], [0, 0], [0, 0]]
    b = [[1, 1], [1, 0], [0, 0], [0, 0], [0, 0]]
    made = stats.paired_samples(a, b)
    assert made is not None
    assert made.effect == math.inf
    assert made.interval == pytest.approx((0.2, 0.2))


def test_the_same_answers_are_all_ties() -> None:
    a = np.random.default_rng(10).integers(0, 2, (3, 50))
    made = stats.paired_samples(a, a[::-1])
    assert made is not None
    assert (made.difference, made.interval, made.p, made.effect, made.tied) == (0.0, (0.0, 0.0), 1.0, 0.0, 50)


def test_examples_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="3 and 2 examples"):
        stats.paired_samples([1, 0, 1], [1, 0])
    with pytest.raises(ValueError, match="finite"):
        stats.paired_samples([1, math.inf], [1, 0])
    assert stats.paired_samples([1, NAN], [1, 0]) is None
