"""The counting proxy by hand, and the draw against enumeration."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.compositional.icl.weighting import BigramAlignment, bits, draw
from tasks.compositional.contract import Example

TRAIN = [Example("walk", "W"), Example("walk twice", "W W"), Example("run", "R")]


def test_the_proxy_by_hand() -> None:
    # Output tokens W, R and the end, with one for the unseen: V = 4.
    # Bigrams after the begin: W 2, R 1; after W: W 1, end 2.
    # With "walk": W 3, end 2; with "twice": W 2, end 1.
    proxy = BigramAlignment(TRAIN)
    first = (3 / 7 + 4 / 9) / 2
    end = (3 / 7 + 3 / 9) / 2
    assert proxy.difficulty([Example("walk", "W")]) == pytest.approx([-(math.log(first) + math.log(end)) / 2])
    given_both = (4 / 9 + 3 / 7) / 2
    end_both = (3 / 9 + 2 / 7) / 2
    expected = [(3 / 7 + given_both) / 2, (2 / 7 + given_both) / 2, (3 / 7 + end_both) / 2]
    assert proxy.difficulty([Example("walk twice", "W W")]) == pytest.approx(
        [-sum(map(math.log, expected)) / 3]
    )


def test_words_and_tokens_that_are_not_in_training_are_the_hardest() -> None:
    # An unseen word tells nothing: 1 / V. Nor does what follows an unseen token.
    proxy = BigramAlignment(TRAIN)
    unseen, end = (1 / 7 + 1 / 4) / 2, (1 / 4 + 1 / 4) / 2
    assert proxy.difficulty([Example("jump", "J")]) == pytest.approx(
        [-(math.log(unseen) + math.log(end)) / 2]
    )
    assert proxy.difficulty([Example("", "")]) == pytest.approx([-math.log((1 / 7 + 1 / 4) / 2)])


@given(st.lists(st.sampled_from(["walk", "twice", "run", "jump"]), min_size=1, max_size=3).map(" ".join))
def test_probabilities_of_the_next_token_add_up_to_one(x: str) -> None:
    # The end alone has the probability exp(-difficulty); of two tokens the first has what is left of both.
    proxy = BigramAlignment(TRAIN)

    def begins_with(token: str) -> float:
        pair = proxy.difficulty([Example(x, token)])[0] * 2
        follows = {"W": {"W": 1, "</s>": 2}, "R": {"</s>": 1}}.get(token, {})
        after = (follows.get("</s>", 0) + 1) / (sum(follows.values()) + 4)
        words = {"walk": (2, 5), "twice": (1, 3), "run": (1, 2), "jump": (0, 0)}
        aligned = [(c + 1) / (n + 4) for c, n in (words[w] for w in x.split())]
        return math.exp(-pair) / ((after + sum(aligned) / len(aligned)) / 2)

    ending = math.exp(-proxy.difficulty([Example(x, "")])[0])
    assert begins_with("W") + begins_with("R") + begins_with("unseen") + ending == pytest.approx(1)


def test_words_of_the_query_as_bits() -> None:
    # Features of "A b a": a, b, "a b", "b a".
    assert bits("A b a", ["a", "b A", "c b", "A b"]) == [0b0001, 0b1011, 0b0010, 0b0111]


def sequential(scores: list[float], order: tuple[int, ...]) -> float:
    """Probability of drawing `order` one by one without replacement from softmax(scores)."""
    left, p = dict(enumerate(map(math.exp, scores))), 1.0
    for i in order:
        p *= left[i] / sum(left.values())
        del left[i]
    return p


def test_without_a_word_to_cover_the_draw_is_softmax_without_replacement() -> None:
    difficulty, tau, k, n = [0.2, 1.0, 1.7, 0.9], 0.5, 2, 4000
    rng = np.random.default_rng(0)
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(n):
        drawn = tuple(sorted(draw(difficulty, [0] * 4, k, tau, rng)))
        counts[drawn] = counts.get(drawn, 0) + 1
    expected: dict[tuple[int, ...], float] = {}
    for order in permutations(range(4), k):
        key = tuple(sorted(order))
        expected[key] = expected.get(key, 0.0) + sequential([d / tau for d in difficulty], order)
    chi = sum((counts.get(s, 0) - n * p) ** 2 / (n * p) for s, p in expected.items())
    assert sum(expected.values()) == pytest.approx(1)
    assert chi < 20.5  # the 0.1 % point of chi-square with 5 degrees of freedom


def test_a_word_that_one_candidate_has_is_always_covered() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        assert 0 in draw([-9.0, 5.0, 5.0, 5.0], [1, 0, 0, 0], 2, 1.0, rng)


def test_the_place_that_coverage_needs_is_drawn_by_difficulty_too() -> None:
    # One place, two candidates that cover: odds exp(1) to 1 between them, none for the third.
    rng, n = np.random.default_rng(2), 4000
    hits = [draw([1.0, 0.0, 9.0], [1, 1, 0], 1, 1.0, rng)[0] for _ in range(n)]
    p = math.e / (1 + math.e)
    assert 2 not in hits
    assert abs(hits.count(0) - n * p) < 4 * math.sqrt(n * p * (1 - p))


CASES = st.lists(st.tuples(st.floats(0, 3), st.integers(0, 15)), min_size=1, max_size=7)


@given(CASES, st.integers(1, 8), st.integers(0, 9))
def test_all_is_covered_where_greedy_choice_can_and_order_is_easy_to_hard(
    cases: list[tuple[float, int]], k: int, seed: int
) -> None:
    difficulty, covers = [d for d, _ in cases], [c for _, c in cases]
    drawn = draw(difficulty, covers, k, 1.0, np.random.default_rng(seed))
    assert len(drawn) == len(set(drawn)) == min(k, len(cases))
    assert [difficulty[i] for i in drawn] == sorted(difficulty[i] for i in drawn)
    assert drawn == draw(difficulty, covers, k, 1.0, np.random.default_rng(seed))
    missing, places = 15 & (covers[0] if len(covers) == 1 else _union(covers)), 0
    while missing:
        missing &= ~max(covers, key=lambda c: (missing & c).bit_count())
        places += 1
    if places <= k:
        assert _union([covers[i] for i in drawn]) == _union(covers)


def _union(covers: list[int]) -> int:
    found = 0
    for c in covers:
        found |= c
    return found
