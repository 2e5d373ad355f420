"""Retrieval by hand, and against plain searches."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.compositional.icl.retrieval import (
    bm25,
    by_bm25,
    by_coverage,
    by_distance,
    cover,
    edit_distances,
    features,
    index,
    weights,
)

TEXTS = st.lists(st.sampled_from("abcD"), min_size=1, max_size=7).map(" ".join)


def levenshtein(a: str, b: str) -> int:
    """The recursive definition."""
    s, t = a.split(), b.split()

    @cache
    def of(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(of(i - 1, j) + 1, of(i, j - 1) + 1, of(i - 1, j - 1) + (s[i - 1] != t[j - 1]))

    return of(len(s), len(t))


def test_bm25_by_hand() -> None:
    # Lengths 2, 4, 3: the mean is 3, so that the norms 1.5 (0.25 + 0.75 L / 3) are 1.125, 1.875 and 1.5.
    # "walk" is in two of three texts: idf = ln(1 + 1.5 / 2.5) = ln 1.6; "run" in one: ln(1 + 2.5 / 1.5).
    found = index(["walk left", "walk and walk twice", "run right twice"])
    walk, run = math.log(1.6), math.log(8 / 3)
    expected = [walk * 2.5 / 2.125, walk * 5 / 3.875, run * 2.5 / 2.5]
    assert bm25(found, "Walk run") == pytest.approx(expected)
    assert bm25(found, "walk walk") == pytest.approx([2 * expected[0], 2 * expected[1], 0])
    assert bm25(found, "jump").tolist() == [0, 0, 0]
    assert by_bm25(found, "walk run", 2) == [2, 1]


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=6, unique=True), st.integers(1, 7))
def test_the_best_by_bm25_are_those_of_the_formula(query: str, texts: list[str], k: int) -> None:
    bags = [text.lower().split() for text in texts]
    mean = sum(map(len, bags)) / len(bags)

    def score(bag: list[str]) -> float:
        total = 0.0
        for word in query.lower().split():
            n = sum(word in other for other in bags)
            idf = math.log(1 + (len(bags) - n + 0.5) / (n + 0.5))
            f = bag.count(word)
            total += idf * f * 2.5 / (f + 1.5 * (1 - 0.75 + 0.75 * len(bag) / mean))
        return total

    expected = [score(bag) for bag in bags]
    assert bm25(index(texts), query) == pytest.approx(expected)
    found = by_bm25(index(texts), query, k)
    assert [expected[i] for i in found] == pytest.approx(sorted(expected, reverse=True)[:k])


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=9, unique=True), st.integers(1, 10))
def test_the_nearest_are_those_of_a_plain_search(query: str, texts: list[str], k: int) -> None:
    expected = sorted(range(len(texts)), key=lambda i: (levenshtein(query, texts[i]), i))[:k]
    assert by_distance(index(texts), query, k) == expected


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=6))
def test_edit_distances_are_those_of_the_definition(query: str, texts: list[str]) -> None:
    assert edit_distances(query, texts).tolist() == [levenshtein(query, text) for text in texts]


def test_features_are_words_then_bigrams_in_small_letters() -> None:
    assert features("A b a b") == [("a",), ("b",), ("a", "b"), ("b", "a")]
    assert weights(features("A b a b")).tolist() == [3, 3, 1, 1]


def test_coverage_takes_the_words_first_and_starts_again_when_nothing_is_missing() -> None:
    texts = ["jump", "walk left", "walk left twice", "run right", "left twice"]
    # "walk left twice" holds three of four words, then "jump" the fourth; no text holds the two bigrams left.
    # A second round opens. "walk left" and "left twice" hold two words and a bigram each, and BM25 has them
    # equal, so that the earlier one comes first, and then the other for "twice".
    assert by_coverage(index(texts), "jump left twice walk left", 5) == [2, 0, 1, 4, 3]


def test_every_word_that_some_text_has_is_covered_if_there_are_places() -> None:
    texts = ["a b", "c", "a c", "d e f", "b"]
    chosen = by_coverage(index(texts), "a b c f z", 3)
    assert {"a", "b", "c", "f"} <= {w for i in chosen for w in texts[i].split()}


@given(
    st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=5),
    st.integers(1, 6),
)
def test_each_choice_adds_the_most(columns: list[list[bool]], k: int) -> None:
    holds = np.array(columns, dtype=bool).T
    worth, preference = np.array([4, 4, 1, 1]), np.arange(len(columns)) % 2
    chosen = cover(holds, worth, preference, k)
    assert len(chosen) == len(set(chosen)) == min(k, len(columns))
    missing = {0, 1, 2, 3}

    def gain(column: int) -> int:
        return sum(int(worth[row]) for row in missing if columns[column][row])

    left = list(range(len(columns)))
    for one in chosen:
        if max(map(gain, left)) == 0:
            missing = {0, 1, 2, 3}
        assert one == max(left, key=lambda c: (gain(c), preference[c], -c))
        missing -= {row for row in missing if columns[one][row]}
        left.remove(one)


def test_no_text_is_no_index() -> None:
    with pytest.raises(ValueError, match="at least one text"):
        index([])
