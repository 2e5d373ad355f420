"""SimpleAlign against hand-worked lexicons and the published ones."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.compositional.lexicon import simple_align
from tasks.compositional.scan.splits import examples, published

SENTENCES = st.lists(st.sampled_from("abcd"), min_size=1, max_size=4).map(" ".join)
IMAGES = st.lists(st.sampled_from("aABC"), min_size=1, max_size=4).map(" ".join)


def data(name: str) -> Path:
    folder = os.environ.get("SUITE_DATA_DIR")
    path = Path(folder or ".") / name
    if folder is None or not path.is_file():
        pytest.skip(f"needs {name} in SUITE_DATA_DIR")
    return path


def literally(pairs: list[tuple[str, str]], epsilon: int) -> dict[str, dict[str, int]]:
    """The five steps of the definition, each as a search through all pairs."""
    sets = [(set(x.split()), set(y.split())) for x, y in pairs]
    xs, ys = {w for x, _ in sets for w in x}, {w for _, y in sets for w in y}
    kept = {(a, b) for a in xs for b in ys if all(b in y for x, y in sets if a in x)}
    incoming = {b: {a for a, c in kept if c == b} for b in ys}
    kept = {(a, b) for a, b in kept if len(incoming[b]) <= epsilon}
    for b in ys:
        needed = [a for a in incoming[b] if all(a in x for x, y in sets if b in y)]
        if len(incoming[b]) > 1 and len(needed) == 1:
            kept = {(a, c) for a, c in kept if c != b or a == needed[0]}
    return {
        a: {b: sum(a in x and b in y for x, y in sets) + (a == b) for c, b in kept if c == a}
        for a in {a for a, _ in kept}
    }


@given(st.lists(st.tuples(SENTENCES, IMAGES), max_size=6), st.integers(1, 3))
def test_the_lexicon_follows_the_definition(pairs: list[tuple[str, str]], epsilon: int) -> None:
    assert simple_align(pairs, epsilon) == literally(pairs, epsilon)


def test_a_word_keeps_what_is_there_whenever_it_is() -> None:
    # "the" is with DOG and CAT once each, so it means neither; "dog" and "cat" mean one thing each.
    assert simple_align([("the dog", "DOG"), ("the cat", "CAT")]) == {"dog": {"DOG": 1}, "cat": {"CAT": 1}}


def test_an_output_word_of_several_words_stays_with_the_one_that_always_brings_it() -> None:
    pairs = [("dax wif", "R"), ("dax lug", "R"), ("blick", "B")]
    assert simple_align(pairs) == {"dax": {"R": 2}, "blick": {"B": 1}}


def test_an_output_word_of_more_than_epsilon_words_is_dropped() -> None:
    pairs = [("a b", "R"), ("c d", "R")]
    assert simple_align(pairs, epsilon=3) == {}
    assert simple_align(pairs, epsilon=4) == {word: {"R": 1} for word in "abcd"}


def test_a_word_that_stands_for_itself_counts_once_more() -> None:
    assert simple_align([("Emma", "Emma"), ("Lina", "Lina"), ("Emma", "Emma")]) == {
        "Emma": {"Emma": 3},
        "Lina": {"Lina": 2},
    }


def test_repeated_words_of_a_pair_count_once() -> None:
    assert simple_align([("dax dax", "R R R"), ("wif", "B")]) == {"dax": {"R": 1}, "wif": {"B": 1}}


def test_scan_jump_gives_its_four_verbs_and_two_directions() -> None:
    # Of the 81 phrases without "jump" 21 hold "walk" and 36 "left": 21 + 2 (81^2 - 60^2) commands hold
    # "walk", 36 + 2 (81^2 - 45^2) hold "left". The line "jump" is there 1,467 times.
    assert simple_align(examples(published("addprim_jump").train)) == {
        "walk": {"I_WALK": 5943},
        "look": {"I_LOOK": 5943},
        "run": {"I_RUN": 5943},
        "jump": {"I_JUMP": 1467},
        "left": {"I_TURN_LEFT": 9108},
        "right": {"I_TURN_RIGHT": 9108},
    }


def test_scan_around_right_gives_the_same_six_words() -> None:
    lexicon = simple_align(examples(published("around_right").train))
    assert sorted(lexicon) == ["jump", "left", "look", "right", "run", "walk"]
    assert all(len(images) == 1 for images in lexicon.values())


def test_cogs_gives_the_published_717_entries() -> None:
    with gzip.open(data("cogs/train.tsv.gz"), "rt", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    lexicon = simple_align([(x, y) for x, y, _ in rows])
    assert len(lexicon) == 717
    # The bare noun "shark" and nothing else shows it; the second one stands for the name itself.
    assert lexicon["shark"] == {"shark": 2}
