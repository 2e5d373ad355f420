"""Claims about two methods that draw nothing: their test examples decide, against numbers worked out by hand.

Of 20 examples the first method alone has `a` right, the second alone `b`, both have the rest up to 18.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from claim_rows import METHODS, TASKS, bound, claim
from logged_store import LoggedStore
from scipy import stats

from leaderboard._by_examples import compare
from leaderboard.claims import Judged, judge
from leaderboard.samples import Logged
from suite.claims import Book, Bound, Claim

N = 20


@pytest.fixture
def store(tmp_path: Path) -> LoggedStore:
    return LoggedStore(tmp_path / "results")


def right(a: int, b: int) -> tuple[list[float], list[float]]:
    """How right each of the examples is for the two methods."""
    both = 18 - a - b
    first = [1.0] * a + [0.0] * b + [1.0] * both + [0.0] * 2
    second = [0.0] * a + [1.0] * b + [1.0] * both + [0.0] * 2
    return first, second


def filled(store: LoggedStore, a: int, b: int) -> LoggedStore:
    for method, correct in zip(("toy-coin", "toy-slow"), right(a, b), strict=True):
        for seed in range(3):
            store.add(method, seed, correct)
    return store


def verdict(store: LoggedStore, wanted: Claim | Bound) -> Judged:
    return judge(store.board(), Book("toy"), wanted, TASKS, METHODS)


def logged(correct: list[float], start: int = 0) -> Logged:
    return Logged(np.arange(start, start + len(correct)), np.array(correct), ())


def test_many_against_few_supports_by_mcnemars_exact_test(store: LoggedStore) -> None:
    found = verdict(filled(store, 8, 1), claim())
    (pair,) = found.pairs
    # P(at most 1 of 9 fair coins) twice: 2 * (1 + 9) / 2^9.
    assert pair.p == pair.holm == 20 / 512
    assert found.verdict == "supported" and pair.difference == pytest.approx(7 / 20)
    assert found.summary == "its one comparison supports it (over test examples; seeds do not vary)"
    assert pair.reason == "over 20 test examples; seeds do not vary" and pair.examples == N
    assert (pair.paired_p, pair.effect, pair.shared) == (None, None, 3)


def test_the_other_way_round_it_is_contradicted(store: LoggedStore) -> None:
    found = verdict(filled(store, 1, 8), claim())
    assert found.verdict == "contradicted" and found.pairs[0].p == 20 / 512
    assert found.summary == (
        "its one comparison speaks against it: toy against toy-slow (over test examples; seeds do not vary)"
    )


def test_a_difference_that_the_examples_do_not_tell_is_undecided(store: LoggedStore) -> None:
    found = verdict(filled(store, 5, 0), claim())
    (pair,) = found.pairs
    assert pair.p == 2 / 2**5
    assert found.verdict == "undecided"
    assert pair.reason == "over 20 test examples; seeds do not vary; the difference may be chance"
    assert (pair.seeds_needed, found.commands) == (None, ())
    assert found.summary == "its one comparison undecided; seeds do not vary, so more of them do not decide"


def test_a_margin_is_compared_with_the_bootstrap_of_the_difference(store: LoggedStore) -> None:
    # A resample holds Binomial(20, 0.4) of the eight: at most 2 of them give 0.1 or less.
    filled(store, 8, 0)
    (pair,) = verdict(store, claim(margin=0.1)).pairs
    assert pair.p == pytest.approx(2 * stats.binom.cdf(2, N, 0.4), abs=0.003)
    assert pair.verdict == "supported"
    (pair,) = verdict(store, claim(margin=0.3)).pairs
    assert pair.p == pytest.approx(2 * stats.binom.cdf(6, N, 0.4), abs=0.03)
    assert pair.verdict == "undecided"
    (pair,) = verdict(store, claim(margin=0.7)).pairs
    assert pair.verdict == "contradicted" and pair.p is not None and pair.p < 0.02
    low, high = stats.binom.ppf([0.025, 0.975], N, 0.4) / N
    assert pair.interval == pytest.approx((low, high), abs=1e-12)


def test_examples_that_do_not_make_the_score_are_not_taken_for_it(store: LoggedStore) -> None:
    for seed in range(2):
        store.add("toy-coin", seed, [1.0, 1.0], value=0.9)  # a capped log
        store.add("toy-slow", seed, [1.0, 0.0], value=0.5)
    (pair,) = verdict(store, claim()).pairs
    assert (pair.verdict, pair.examples, pair.reason) == ("supported", None, "by one run; seeds do not vary")


def test_other_metrics_than_the_primary_one_go_by_one_run(store: LoggedStore) -> None:
    from suite.records import ScoreRow

    for method, errors in (("toy-coin", 2.0), ("toy-slow", 7.0)):
        for seed in range(2):
            store.add(method, seed, [1.0, 0.0], scores=[ScoreRow("errors", "all", errors, 2, False)])
    (pair,) = verdict(store, claim(metric="errors")).pairs
    assert (pair.verdict, pair.reason) == ("supported", "by one run; seeds do not vary")


def test_a_bound_by_one_run_says_so(store: LoggedStore) -> None:
    filled(store, 8, 0)
    found = verdict(store, bound("toy-coin", "at least", 0.9))
    assert found.verdict == "supported"  # 18 of 20, exactly
    assert found.summary == "its one comparison supports it (by one run; seeds do not vary)"


def test_one_that_varies_is_compared_over_seeds(store: LoggedStore) -> None:
    filled(store, 8, 0)
    store.add("toy-slow", 3, right(9, 0)[1])
    (pair,) = verdict(store, claim()).pairs
    assert (pair.examples, pair.reason) == (None, "") and pair.interval is not None


def test_each_example_counts_once_with_its_mean_over_seeds() -> None:
    # Seeds with other answers and the same score: 1/2 less 0 twice, 0 less 0 twice. Two signs agree: p = 1/2.
    a = {0: logged([1, 0, 0, 0]), 1: logged([0, 1, 0, 0])}
    b = {0: logged([0, 0, 0, 0]), 1: logged([0, 0, 0, 0])}
    found = compare(a, b, 1.0, 0.0)
    assert found is not None and (found.examples, found.p) == (4, 0.5)


def test_turned_round_it_is_the_same_test() -> None:
    a, b = ({0: logged(side)} for side in right(8, 1))
    assert compare(a, b, -1.0, 0.0) == compare(b, a, 1.0, 0.0)


def test_other_examples_are_not_compared() -> None:
    a, b = {0: logged([1, 0, 1])}, {0: logged([1, 0, 1], start=1)}
    assert compare(a, b, 1.0, 0.0) is None and compare(a, {}, 1.0, 0.0) is None
    assert compare({0: logged([1])}, {0: logged([0])}, 1.0, 0.0) is None
