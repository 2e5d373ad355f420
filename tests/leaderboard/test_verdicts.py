"""One comparison of a claim, against numbers worked out by hand and by SciPy.

The workhorse: toy-coin 0.8, 0.9, 1.0 and toy-slow 0.1, 0.2, 0.3. Means 0.9 and 0.2, both variances 0.01, so
the difference is 0.7 with standard error sqrt(0.01 / 3 + 0.01 / 3) = 0.0816497 and 4 degrees of freedom:
t(0.975, 4) = 2.7764451 makes half = 0.2266949, the interval [0.4733051, 0.9266949].
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from claim_rows import HIGH, LOW, bound, claim, filled, scipy_seeds, verdict
from scipy import stats

from leaderboard.claims import _summary

HALF = 2.7764451052 * math.sqrt(0.02 / 3)


def test_a_difference_beyond_chance_supports_the_claim(rows) -> None:
    found = verdict(filled(rows), claim())
    (pair,) = found.pairs
    assert found.verdict == pair.verdict == "supported"
    assert found.summary == "its one comparison supports it"
    assert pair.difference == pytest.approx(0.7)
    assert pair.interval == pytest.approx((0.7 - HALF, 0.7 + HALF), abs=1e-9)
    # Equal variances and counts, so Welch's degrees of freedom are whole and SciPy's p is the same.
    assert pair.p == pytest.approx(stats.ttest_ind(HIGH, LOW, equal_var=False).pvalue, rel=1e-9)
    assert pair.holm == pair.p


def test_the_same_difference_the_other_way_round_contradicts_it(rows) -> None:
    found = verdict(filled(rows), claim("toy-slow", "toy-coin"))
    assert found.verdict == "contradicted"
    assert found.deciding.difference == pytest.approx(-0.7)
    assert found.deciding.interval == pytest.approx((-0.7 - HALF, -0.7 + HALF), abs=1e-9)
    assert found.summary == "its one comparison speaks against it: toy against toy-coin"


@pytest.mark.parametrize(
    ("margin", "expected"),
    [
        (0.47, "supported"),
        (0.48, "undecided"),
        (0.92, "undecided"),
        (0.93, "contradicted"),
        (-0.1, "supported"),
    ],
)
def test_the_margin_is_compared_with_the_ends_of_the_interval(rows, margin: float, expected: str) -> None:
    assert verdict(filled(rows), claim(margin=margin)).verdict == expected


def test_not_worse_is_a_margin_below_zero(rows) -> None:
    # 0.2 below on average, interval [-0.427, 0.027]: not worse by 0.45, not settled for 0.3.
    filled(rows, [0.2, 0.3, 0.4], [0.4, 0.5, 0.6])
    assert verdict(rows, claim(margin=-0.45)).verdict == "supported"
    assert verdict(rows, claim(margin=-0.3)).verdict == "undecided"
    assert verdict(rows, claim(margin=0.05)).verdict == "contradicted"


def test_where_lower_is_better_the_lower_one_is_better(rows) -> None:
    for seed, (a, b) in enumerate(zip((1.0, 2.0, 3.0), (7.0, 8.0, 9.0), strict=True)):
        rows.add("toy-coin", seed, scores={"errors": a})
        rows.add("toy-slow", seed, scores={"errors": b})
    half = 2.7764451052 * math.sqrt(2 / 3)
    found = verdict(rows, claim(metric="errors", margin=3.0))
    assert found.verdict == "supported"
    assert found.deciding.difference == pytest.approx(6.0)
    assert found.deciding.interval == pytest.approx((6 - half, 6 + half), abs=1e-8)
    assert verdict(rows, claim("toy-slow", "toy-coin", metric="errors")).verdict == "contradicted"
    # A margin is by how much better, so 9 fewer errors than there are is too much.
    assert verdict(rows, claim(metric="errors", margin=9.0)).verdict == "contradicted"


def test_undecided_says_how_many_seeds_would_decide(rows) -> None:
    # 0.1 beyond the margin with a standard deviation of 0.1: an effect of 1, for which tables have 17.
    found = verdict(filled(rows), claim(margin=0.6))
    assert found.verdict == "undecided"
    assert found.deciding.seeds_needed == 17 == scipy_seeds(1.0)
    assert found.summary == (
        "its one comparison undecided; about 17 seeds of each would decide, "
        "if the differences seen are the true ones"
    )
    assert found.commands == (
        "suite run --method toy-coin --task toy --profile small --seeds 0-16",
        "suite run --method toy-slow --task toy --profile small --seeds 0-16",
    )


def test_undecided_and_leaning_against_is_said(rows) -> None:
    found = verdict(filled(rows), claim(margin=0.8))
    assert found.verdict == "undecided" and "undecided and leaning against it;" in found.summary


def test_how_many_of_several_undecided_comparisons_lean_against_is_said(rows) -> None:
    (pair,) = verdict(filled(rows), claim(margin=0.8)).pairs
    pairs = [replace(pair, difference=difference) for difference in (0.9, 0.7, 1.0)]
    found = _summary("undecided", pairs)
    assert found.startswith("3 of 3 comparisons undecided, 1 of them leaning against it;")


def test_other_counts_of_seeds_and_other_spreads_round_the_degrees_of_freedom_down(rows) -> None:
    a, b = [0.9, 0.95], [0.1, 0.3, 0.35, 0.2]
    pair = verdict(filled(rows, a, b), claim()).deciding
    exact = stats.ttest_ind(a, b, equal_var=False)
    df = math.floor(exact.df)
    assert df < exact.df
    error = (sum(a) / 2 - sum(b) / 4) / exact.statistic
    half = stats.t.ppf(0.975, df) * error
    assert pair.difference == pytest.approx(0.925 - 0.2375)
    assert pair.interval == pytest.approx((0.6875 - half, 0.6875 + half), abs=1e-9)
    assert pair.p == pytest.approx(2 * stats.t.sf(exact.statistic, df), rel=1e-9)
    assert (pair.seeds, pair.shared) == (2, 2)


def test_the_paired_test_stands_beside_and_does_not_decide(rows) -> None:
    pair = verdict(filled(rows, [0.8, 0.9, 1.0], [0.3, 0.1, 0.2]), claim()).deciding
    # Differences 0.5, 0.8, 0.8: all of one sign, so 2 of the 8 patterns reach their sum.
    assert pair.paired_p == 0.25 and pair.verdict == "supported"
    assert pair.effect == pytest.approx(0.7 / math.sqrt(0.03))


def test_seeds_that_only_one_has_are_not_paired(rows) -> None:
    for seed, value in zip((0, 1, 2), HIGH, strict=True):
        rows.add("toy-coin", seed, value)
    for seed, value in zip((2, 3, 4), LOW, strict=True):
        rows.add("toy-slow", seed, value)
    pair = verdict(rows, claim()).deciding
    assert (pair.verdict, pair.shared, pair.paired_p, pair.effect) == ("supported", 1, None, None)


def test_one_seed_never_decides(rows) -> None:
    found = verdict(filled(rows, [1.0], LOW), claim())
    assert (found.verdict, found.deciding.interval, found.deciding.p) == ("undecided", None, None)
    assert found.deciding.difference == pytest.approx(0.8)
    assert found.deciding.reason == "one seed of toy-coin decides nothing"
    assert found.summary == "its one comparison undecided; one seed decides nothing"
    # Both get five: the rival has three.
    assert found.commands[0] == "suite run --method toy-coin --task toy --profile small --seeds 0-4"


def test_without_spread_and_examples_any_difference_counts_and_it_is_said(rows) -> None:
    found = verdict(filled(rows, [0.5, 0.5], [0.4, 0.4]), claim())
    assert (found.verdict, found.deciding.p) == ("supported", 0.0)
    assert found.summary == "its one comparison supports it (by one run; seeds do not vary)"
    assert found.deciding.reason == "by one run; seeds do not vary"
    assert found.deciding.difference == pytest.approx(0.1)
    # Nothing over seeds: no interval, no pairing.
    assert (found.deciding.interval, found.deciding.paired_p, found.deciding.effect) == (None, None, None)
    assert verdict(rows, claim(margin=0.2)).verdict == "contradicted"


def test_spread_on_one_side_alone_gives_its_degrees_of_freedom(rows) -> None:
    # Standard error sqrt(0.01 / 3) with 2 degrees of freedom: half = 4.3026527 * 0.0577350.
    pair = verdict(filled(rows, [1.0, 1.0, 1.0], LOW), claim()).deciding
    half = 4.3026527297 * math.sqrt(0.01 / 3)
    assert pair.interval == pytest.approx((0.8 - half, 0.8 + half), abs=1e-9)


def test_a_tie_of_two_that_do_not_vary_is_undecided_and_asks_for_no_seeds(rows) -> None:
    found = verdict(filled(rows, [0.5, 0.5], [0.5, 0.5]), claim())
    assert found.verdict == "undecided" and found.deciding.seeds_needed is None and found.commands == ()
    assert found.deciding.reason == "by one run; seeds do not vary; an exact tie"
    assert found.summary == "its one comparison undecided; seeds do not vary, so more of them do not decide"


def test_an_exact_tie_is_undecided_for_ever(rows) -> None:
    found = verdict(filled(rows, [0.4, 0.6], [0.4, 0.6]), claim())
    assert found.verdict == "undecided" and found.deciding.seeds_needed is None
    assert found.deciding.reason == "an exact tie: more seeds alone do not decide it"
    assert "more than 1,000 seeds of each would decide" in found.summary
    assert found.commands == ()


def test_a_difference_that_a_thousand_seeds_do_not_show_has_no_number(rows) -> None:
    # 0.001 beyond the margin with a standard deviation of 0.1: an effect of 0.01 takes some 157,000 seeds.
    found = verdict(filled(rows), claim(margin=0.699))
    assert (found.verdict, found.deciding.seeds_needed, found.commands) == ("undecided", None, ())


def test_rounding_is_no_difference(rows) -> None:
    found = verdict(filled(rows, [0.1 + 0.2, 0.1 + 0.2], [0.3, 0.3]), claim())
    assert 0.1 + 0.2 != 0.3 and found.verdict == "undecided"


def test_holm_corrects_over_the_pairs_of_a_claim(rows) -> None:
    # 0.25 and 0.27 with standard error 0.0816497 and 4 degrees of freedom: p = 0.0376 and 0.0298. Doubling
    # the smaller one gives 0.0596 for both, although each interval alone lies above 0.
    rows.seeds("toy-coin", HIGH)
    rows.seeds("toy-slow", [0.55, 0.65, 0.75])
    rows.seeds("toy-oom", [0.53, 0.63, 0.73])
    found = verdict(rows, claim("toy-coin", "toy-slow", "toy-oom"))
    p = [2 * stats.t.sf(gap / math.sqrt(0.02 / 3), 4) for gap in (0.25, 0.27)]
    assert [pair.p for pair in found.pairs] == pytest.approx(p, rel=1e-9)
    assert [pair.holm for pair in found.pairs] == pytest.approx([2 * p[1]] * 2, rel=1e-9)
    assert found.verdict == "undecided" and all(pair.interval.low > 0 for pair in found.pairs)
    assert "may be chance (Holm)" in found.deciding.reason
    # The number of seeds is that of the strictest of the two tests, at 2.5 %.
    assert [pair.seeds_needed for pair in found.pairs] == [
        max(4, scipy_seeds(gap / 0.1, 0.975)) for gap in (0.25, 0.27)
    ]
    # Asked of one rival alone the interval decides.
    assert verdict(rows, claim("toy-coin", "toy-slow")).verdict == "supported"


@pytest.mark.parametrize(
    ("relation", "value", "expected"),
    [
        # Mean 0.9, standard error 0.1 / sqrt(3), t(0.975, 2) = 4.3026527: the interval is 0.9 -+ 0.2484138.
        ("at least", 0.65, "supported"),
        ("at least", 0.66, "undecided"),
        ("at least", 1.15, "contradicted"),
        ("at most", 1.15, "supported"),
        ("at most", 1.14, "undecided"),
        ("at most", 0.65, "contradicted"),
    ],
)
def test_a_bound_is_compared_with_the_interval_of_the_mean(
    rows, relation, value: float, expected: str
) -> None:
    rows.seeds("toy-coin", HIGH)
    found = verdict(rows, bound("toy-coin", relation, value))
    assert found.verdict == expected
    assert found.deciding.p == pytest.approx(stats.ttest_1samp(HIGH, value).pvalue, rel=1e-9)
    gap = 0.9 - value if relation == "at least" else value - 0.9
    assert found.deciding.difference == pytest.approx(gap)
    assert found.deciding.interval.half == pytest.approx(4.3026527297 * 0.1 / math.sqrt(3), abs=1e-9)


def test_the_seeds_of_a_bound_are_those_of_one_sample(rows) -> None:
    rows.seeds("toy-coin", HIGH)
    needed = verdict(rows, bound("toy-coin", "at least", 0.8)).deciding.seeds_needed

    def power(n: int) -> float:
        critical = stats.t.ppf(0.975, n - 1)
        return stats.nct.sf(critical, n - 1, math.sqrt(n)) + stats.nct.cdf(-critical, n - 1, math.sqrt(n))

    # An effect of 1: tables have 10 for one sample.
    assert needed == 10 and power(9) < 0.8 <= power(10)


@pytest.mark.parametrize("relation", ["at least", "at most"])
def test_a_bound_that_is_met_exactly_is_kept(rows, relation) -> None:
    rows.seeds("toy-coin", [1.0, 1.0])
    assert verdict(rows, bound("toy-coin", relation, 1.0)).verdict == "supported"


def test_a_bound_needs_two_seeds_and_a_run(rows) -> None:
    assert verdict(rows, bound("toy-coin", "at least", 0.5)).verdict == "not run"
    rows.add("toy-coin", 0, 1.0)
    assert verdict(rows, bound("toy-coin", "at least", 0.5)).verdict == "undecided"
