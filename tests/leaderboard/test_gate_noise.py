"""The tests behind the noise rule, against SciPy and by hand; how often they err, by simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from leaderboard import _noise
from leaderboard._judge import LEVEL, Series, Value, judge
from leaderboard.gate import Results, compare
from suite.stats import detectable_difference

SD = 0.03


def family(before: np.ndarray, after: np.ndarray, primary: str = "m") -> list[Series]:
    """A series for each row of (cells, seeds)."""
    return [
        Series(("t", f"m{k}", "small", "", "{}"), ("m", "all"), True, primary, values=values)
        for k, (old, new) in enumerate(zip(before.tolist(), after.tolist(), strict=True))
        if (values := [Value(s, b, a) for s, (b, a) in enumerate(zip(old, new, strict=True))])
    ]


def regressions(before: np.ndarray, after: np.ndarray) -> int:
    findings, _ = judge(family(before, after), "noise", 0.0, None, None)
    return sum(f.verdict == "regression" for f in findings)


def test_over_seeds_is_the_better_of_both_t_tests_doubled() -> None:
    rng = np.random.default_rng(3)
    for n in (3, 5, 8):
        before, after = rng.normal(0.6, SD, n), rng.normal(0.57, SD, n)
        chance = _noise.over_seeds(before.tolist(), after.tolist())
        both = stats.ttest_ind(before, after).pvalue, stats.ttest_rel(before, after).pvalue
        assert chance.p == pytest.approx(min(1.0, 2 * min(both)), rel=1e-9)
        spread = float(np.std(before, ddof=1))
        assert chance.floor == pytest.approx(detectable_difference(spread, n), rel=1e-9)


def test_a_shift_of_every_seed_alike_is_certain_and_none_is_none() -> None:
    old = [0.60, 0.66, 0.63]
    assert _noise.over_seeds(old, [v - 0.1 for v in old]).p == 0.0
    assert _noise.over_seeds(old, old).p == 1.0


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (1, 0), (12, 0), (12, 3), (3, 12), (7, 7), (40, 20)])
def test_mcnemar_is_the_binomial_test_of_the_changed_answers(lost: int, won: int) -> None:
    expected = stats.binomtest(lost, lost + won).pvalue if lost + won else 1.0
    assert _noise.mcnemar(lost, won) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("a", "b", "n"), [(0, 0, 5), (5, 0, 5), (3, 9, 10), (50, 62, 100), (10, 10, 10)])
def test_fisher_is_the_exact_test_of_a_two_by_two_table(a: int, b: int, n: int) -> None:
    expected = stats.fisher_exact([[a, n - a], [b, n - b]]).pvalue
    assert _noise.fisher(a, b, n) == pytest.approx(expected, rel=1e-7)


def test_examples_of_a_hand_worked_case() -> None:
    """Of 10 right answers 6 are lost and none is won: p = 2 / 2^6; sd of the differences is 0.5164."""
    before, after = dict.fromkeys(range(10), 1.0), {k: float(k >= 6) for k in range(10)}
    chance = _noise.over_examples(before, after)
    assert chance is not None
    assert chance.p == pytest.approx(2 / 64, rel=1e-9)
    assert chance.floor == pytest.approx(2.80158 * math.sqrt(0.24 * 10 / 9) / math.sqrt(10), rel=1e-5)
    assert chance.how == "10 examples, 6 lost and 0 won"


def test_partial_credit_gets_the_sign_flip_test() -> None:
    """All of 5 differences fall: 2 of 32 sign patterns reach their sum."""
    before = dict.fromkeys(range(5), 0.75)
    chance = _noise.over_examples(before, {k: 0.5 - k / 100 for k in range(5)})
    assert chance is not None and chance.p == 2 / 32


def test_other_examples_tell_nothing() -> None:
    assert _noise.over_examples({0: 1.0, 1: 0.0}, {0: 1.0, 2: 0.0}) is None
    assert _noise.over_examples({0: 1.0}, {0: 0.0}) is None


def test_false_alarms_over_two_thousand_families_stay_below_the_level() -> None:
    """20 cells of 5 seeds, baseline and candidate from one distribution: a regression in 2.5 % at the most.

    Holm's level is 5 % on both sides together, and an improvement is no alarm.
    """
    rng = np.random.default_rng(11)
    alarms = 0
    for _ in range(2000):
        alarms += bool(regressions(rng.normal(0.6, SD, (20, 5)), rng.normal(0.6, SD, (20, 5))))
    assert alarms / 2000 <= LEVEL / 2


@pytest.mark.parametrize("seeds", [3, 5])
def test_false_alarms_where_seeds_mean_the_same_on_both_sides(seeds: int) -> None:
    """Most of the spread is shared by the two runs of a seed, so that the paired test is the sharper one."""
    rng = np.random.default_rng(12)
    alarms = 0
    for _ in range(500):
        shared = rng.normal(0.6, SD, (20, seeds))
        before, after = (shared + rng.normal(0, SD / 10, (20, seeds)) for _ in range(2))
        alarms += bool(regressions(before, after))
    assert alarms / 500 <= LEVEL / 2


@pytest.mark.parametrize(("seeds", "least"), [(5, 0.8), (3, 0.4)])
def test_a_drop_of_twice_the_noise_floor_is_caught_four_times_in_five(seeds: int, least: float) -> None:
    """One of 20 cells falls by twice what so many seeds of the true spread detect; three catch about half."""
    rng = np.random.default_rng(13)
    drop = 2 * detectable_difference(SD, seeds)
    caught = 0
    for _ in range(300):
        before, after = rng.normal(0.6, SD, (20, seeds)), rng.normal(0.6, SD, (20, seeds))
        after[7] -= drop
        findings, _ = judge(family(before, after), "noise", 0.0, None, None)
        caught += any(f.verdict == "regression" and f.cell.startswith("m7 ") for f in findings)
    assert caught / 300 >= least


def test_twenty_candidates_of_another_machine_raise_no_alarm(new_rows: Any) -> None:
    """Each method's seeds drawn anew, as training on another machine does; two metrics, one slice.

    The draw is fixed. By the rate above a comparison is false at most once in 20; with other draws about
    three in ten series of 20 have one alarm.
    """
    rng = np.random.default_rng(15)
    methods = {f"toy-{k}": rng.uniform(0.3, 0.8) for k in range(6)}

    def drawn(host: str) -> Any:
        rows = new_rows()
        for method, mean in methods.items():
            for seed in range(5):
                value = rng.normal(mean, SD)
                more = {"errors": 10 * (1 - value), ("accuracy", "odd"): rng.normal(mean, 2 * SD)}
                rows.add(method, seed, value, scores=more, host=host)
        return rows

    baseline = drawn("here")
    reports = []
    for _ in range(20):
        other = drawn("there")
        reports.append(
            compare(Results(baseline.runs, baseline.scores), Results(other.runs, other.scores), {})
        )
    assert [r.exit_code for r in reports] == [0] * 20
    assert {r.within for r in reports} == {6 * 5 * 3}
