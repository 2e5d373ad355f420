"""LexSym: which words may be swapped, and what a swap makes."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.compositional.lexsym import (
    LexSym,
    images,
    replay,
    swap,
    swappable,
    swaps,
    without_shared_images,
)
from suite.api import Context
from tasks.compositional.contract import Example, Problem
from tasks.compositional.scan.grammar import commands, interpret
from tasks.compositional.scan.splits import examples, published, sample

TRAIN = examples(["walk", "run", "jump", "walk left", "walk right", "run left", "look left twice", "look"])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(" ".join), max_size=6))
def test_swappable_words_turn_one_input_into_another_and_back(inputs: list[str]) -> None:
    expected = {
        first: [
            second
            for second in "abc"
            if any(
                x != z and put(x, first, second) == z and put(z, second, first) == x
                for x, z in product(inputs, inputs)
            )
        ]
        for first in "abc"
    }
    assert swappable(dict.fromkeys("abc"), inputs) == {
        word: others for word, others in expected.items() if others
    }


def put(text: str, old: str, new: str) -> str:
    return " ".join(new if token == old else token for token in text.split())


def test_verbs_swap_with_verbs_and_directions_with_directions() -> None:
    lexicon = dict.fromkeys(["walk", "run", "jump", "look", "left", "right"])
    assert swappable(lexicon, [e.x for e in TRAIN]) == {
        "jump": ["look", "run", "walk"],
        "left": ["right"],
        "look": ["jump", "run", "walk"],
        "right": ["left"],
        "run": ["jump", "look", "walk"],
        "walk": ["jump", "look", "run"],
    }


def test_a_word_in_environments_of_its_own_has_no_partner() -> None:
    assert swappable(dict.fromkeys(["dax", "wif"]), ["dax left", "wif twice"]) == {}


def test_words_that_share_an_image_leave_the_lexicon() -> None:
    lexicon = {"walk": {"WALK": 3}, "stroll": {"WALK": 2, "SLOW": 2}, "run": {"RUN": 1}}
    assert without_shared_images(lexicon) == {"run": {"RUN": 1}}


def test_a_swap_exchanges_words_and_images_everywhere() -> None:
    example = Example("walk left and run and walk", "L W R W")
    made = swap(example, "walk", "run", {"W": "R", "R": "W"})
    assert made.example == Example("run left and walk and run", "L R W R")
    assert made.how == "walk <-> run | W -> R | R -> W"


def test_swapping_back_restores_the_example() -> None:
    for line in commands()[::97]:
        example = Example(line, interpret(line))
        there = swap(example, "walk", "jump", {"I_WALK": "I_JUMP", "I_JUMP": "I_WALK"}).example
        assert swap(there, "walk", "jump", {"I_WALK": "I_JUMP", "I_JUMP": "I_WALK"}).example == example
        assert there.y == interpret(there.x)


def test_several_images_become_images_of_the_other_word() -> None:
    lexicon = {"a": {"A": 1}, "b": {"B1": 1, "B2": 1}}
    drawn = [images(lexicon, "a", "b", rng(seed)) for seed in range(20)]
    assert {d["A"] for d in drawn} == {"B1", "B2"}
    assert all((d["B1"], d["B2"]) == ("A", "A") for d in drawn)


def test_all_unseen_swaps_are_found_and_nothing_else() -> None:
    # Worked by hand: each line with one verb takes the other three, or the other direction.
    lines = ["walk left", "walk right", "run left", "look left twice"]
    verbs = {f"{v} left" for v in ("jump", "look")} | {f"{v} right" for v in ("jump", "look", "run")}
    twice = {f"{v} left twice" for v in ("jump", "run", "walk")} | {"look right twice"}
    assert {e.x for e in TRAIN} >= set(lines)
    made = swaps(TRAIN, 100, rng())
    assert {a.x for a in made} == verbs | twice
    assert all(a.y == interpret(a.x) for a in made)


def test_rare_words_enter_in_proportion_to_their_rarity() -> None:
    # Counts 6 and 2 give the weights 1/6 and 1/2, or 1 : 3. The words u, v, w share an image, so they stay.
    train = [Example("host", "H")] + [Example("often", "O")] * 6 + [Example("rare", "R")] * 2
    train += [Example("u v w", "Z")] + [
        Example(f"host {' '.join(t)}", "H Z") for t in product("uvw", repeat=6)
    ]
    made = swaps(train, 60, rng())
    assert Counter(a.x.split()[0] for a in made).keys() == {"often", "rare"}
    rare = sum(a.x.startswith("rare ") for a in made)
    assert abs(rare - 45) < 4 * (60 * 0.75 * 0.25) ** 0.5


def test_provenance_replays_to_the_same_pair() -> None:
    train = examples(sample(published("right").train, 1500, seed=0))
    made = swaps(train, 300, rng())
    assert len(made) == 300
    assert [replay(train, a) for a in made] == [a.example for a in made]


def test_inputs_are_distinct_and_unseen_and_labels_right() -> None:
    train = examples(sample(published("right").train, 1500, seed=0))
    made = swaps(train, 300, rng())
    assert len({a.x for a in made}) == 300
    assert not {a.x for a in made} & {e.x for e in train}
    assert all(interpret(a.x) == a.y for a in made)


def test_the_generator_decides_what_is_made() -> None:
    train = examples(sample(published("right").train, 1500, seed=0))
    assert swaps(train, 50, rng(1)) == swaps(train, 50, rng(1))
    assert swaps(train, 50, rng(1)) != swaps(train, 50, rng(2))


def test_a_training_set_closed_under_swaps_gives_nothing() -> None:
    assert swaps(examples(["walk", "run"]), 10, rng()) == []


def test_the_method_draws_from_the_context() -> None:
    problem = Problem("scan", TRAIN, [], frozenset(), interpret, 53)
    context = Context(seed=3)
    assert LexSym(n=5).augment(problem, context) == swaps(TRAIN, 5, context.rng("lexsym"))
    assert len(LexSym(n=5).augment(problem, context)) == 5


def cogs(noun: str, verb: str, free: bool) -> str:
    return f"{verb} ( agent = {noun} )" if free else f"{noun} ( x_1 ) AND {verb} . agent ( x_2 , x_1 )"


@pytest.mark.parametrize("free", [False, True])
def test_a_noun_that_stands_for_itself_takes_its_place_in_a_logical_form(free: bool) -> None:
    verbs = {"slept": "sleep", "ran": "run"}
    words = [("cat", "slept"), ("cat", "ran"), ("dog", "slept"), ("bee", "slept")]
    train = [Example(f"A {n} {v} .", cogs(n, verbs[v], free)) for n, v in words]
    made = swaps(train, 50, rng())
    # Every noun has been where a cat is, and both verbs go with a cat; the rest follows from swaps.
    expected = {(n, v) for n in ("dog", "bee") for v in verbs} - set(words)
    assert {a.example for a in made} == {
        Example(f"A {n} {v} .", cogs(n, verbs[v], free)) for n, v in expected
    }


def test_bare_words_are_partners_whatever_they_are() -> None:
    assert swappable(dict.fromkeys(["cat", "run"]), ["cat", "run", "a cat slept"]) == {
        "cat": ["run"],
        "run": ["cat"],
    }


def test_a_pool_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="n must be at least 1"):
        LexSym(n=0)
