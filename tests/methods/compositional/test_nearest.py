"""The nearest neighbour against a plain search with a textbook edit distance."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.compositional.nearest import NearestNeighbour, Neighbours, distances, nearest
from suite.api import Context
from suite.errors import Skip
from tasks.compositional.contract import Example, Problem

TEXTS = st.lists(st.sampled_from("abcd"), max_size=7).map(" ".join)


def levenshtein(a: str, b: str) -> int:
    """The recursive definition."""
    s, t = a.split(), b.split()

    @cache
    def of(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(of(i - 1, j) + 1, of(i, j - 1) + 1, of(i - 1, j - 1) + (s[i - 1] != t[j - 1]))

    return of(len(s), len(t))


def problem(train: list[Example]) -> Problem:
    return Problem("toy", train, [], frozenset(), str, 10)


def fitted(train: list[tuple[str, str]]) -> Neighbours:
    return NearestNeighbour().fit(problem([Example(*e) for e in train]), Context(seed=0))


@given(st.lists(TEXTS, max_size=6), st.lists(TEXTS, min_size=1, max_size=8))
def test_the_nearest_text_is_that_of_a_plain_search(queries: list[str], texts: list[str]) -> None:
    expected = [min(range(len(texts)), key=lambda k: (levenshtein(q, texts[k]), k)) for q in queries]
    assert nearest(queries, texts) == expected


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8))
def test_distances_are_those_of_the_definition(pairs: list[tuple[str, str]]) -> None:
    def side(texts: list[str], pad: int) -> tuple[np.ndarray, np.ndarray]:
        ids = [[ord(t) for t in text.split()] for text in texts]
        width = max(map(len, ids))
        rows = np.array([row + [pad] * (width - len(row)) for row in ids], dtype=np.int16).reshape(
            len(ids), width
        )
        return rows, np.array([len(row) for row in ids])

    found = distances(side([a for a, _ in pairs], -1), side([b for _, b in pairs], -2))
    assert found.tolist() == [levenshtein(a, b) for a, b in pairs]


def test_many_queries_and_many_pairs_of_one_bound_are_searched_in_parts() -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.permutation(list("abcdef"))) for _ in range(120)]
    queries = [" ".join(rng.permutation(list("abcdef"))) for _ in range(300)]
    expected = [min(range(len(texts)), key=lambda k: (levenshtein(q, texts[k]), k)) for q in queries]
    assert nearest(queries, texts) == expected


def test_of_equally_near_inputs_the_first_in_training_counts() -> None:
    model = fitted([("walk left", "1"), ("walk right", "2"), ("walk", "3")])
    assert model.predict(["walk twice"]) == ["1"]
    assert fitted([("walk right", "2"), ("walk left", "1")]).predict(["walk twice"]) == ["2"]


def test_a_training_input_gets_its_own_first_output() -> None:
    model = fitted([("jump", "J"), ("jump left", "L J"), ("jump", "K")])
    assert model.predict(["jump left", "jump"]) == ["L J", "J"]


def test_words_never_seen_match_nothing() -> None:
    model = fitted([("a b c", "far"), ("a", "near")])
    assert model.predict(["x y", "x a", "x"]) == ["near", "near", "near"]
    assert model.predict(["x y z"]) == ["far"]


def test_an_output_does_not_depend_on_the_batch() -> None:
    model = fitted([("a b", "1"), ("b a", "2"), ("c", "3"), ("a b c d", "4")])
    queries = ["b", "a b c", "d c", "b b a", "b", ""]
    assert model.predict(queries) == [model.predict([q])[0] for q in queries]
    assert model.predict([]) == []


def test_a_saved_model_predicts_the_same(tmp_path: Path) -> None:
    model = fitted([("walk", "W"), ("größe ∀", "ü"), ("", "empty"), ("walk left", "L W")])
    model.save(tmp_path)
    queries = ["walk", "größe", "", "left"]
    assert NearestNeighbour().load(tmp_path).predict(queries) == model.predict(queries)
    assert model.predict(["", "größe ∀"]) == ["empty", "ü"]


def test_without_training_lines_it_steps_aside() -> None:
    with pytest.raises(Skip, match="empty"):
        fitted([])
