"""Prim2PrimX: which words are multiplied, and how lines are mutated."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.compositional.prim2primx import (
    Prim2PrimX,
    Settings,
    mutate,
    mutations,
    primitives,
    replay,
    strip_index,
    without_identity_conflicts,
)
from suite.api import Context
from tasks.compositional.contract import Example, Problem
from tasks.compositional.scan.grammar import commands, interpret
from tasks.compositional.scan.splits import examples, published

VERBS = {"walk": "I_WALK", "look": "I_LOOK", "run": "I_RUN", "jump": "I_JUMP"}
NAMES = {*VERBS, *VERBS.values()}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_all_mutations_of_two_primitives_are_made() -> None:
    made = mutations(examples(["walk and run twice"]), VERBS, 1, rng())
    assert [a.example for a in made] == [
        Example("walk1 and run twice", "I_WALK1 I_RUN I_RUN"),
        Example("walk and run1 twice", "I_WALK I_RUN1 I_RUN1"),
        Example("walk1 and run1 twice", "I_WALK1 I_RUN1 I_RUN1"),
    ]
    assert made[2].how == "walk -> walk1 | I_WALK -> I_WALK1 | run -> run1 | I_RUN -> I_RUN1"


def test_a_primitive_has_one_index_in_a_line() -> None:
    made = mutations(examples(["jump and jump left"]), VERBS, 5, rng())
    assert [a.x for a in made] == [f"jump{k} and jump{k} left" for k in range(1, 6)]
    assert made[3].y == "I_JUMP4 I_TURN_LEFT I_JUMP4"


@pytest.mark.parametrize(("line", "expected"), [("turn left", 0), ("run", 5), ("walk and run", 35)])
def test_k_primitives_have_6_to_the_k_mutations_but_for_the_line_itself(line: str, expected: int) -> None:
    assert len(mutations(examples([line]), VERBS, 5, rng())) == expected


@given(st.lists(st.sampled_from(commands()), min_size=1, max_size=4), st.integers(1, 3))
def test_token_counts_stay_and_un_indexing_gives_the_line_back(lines: list[str], copies: int) -> None:
    train = examples(lines)
    for a in mutations(train, VERBS, copies, rng()):
        host = train[a.host]
        assert len(a.x.split()) == len(host.x.split())
        assert len(a.y.split()) == len(host.y.split())
        assert (strip_index(a.x, NAMES), strip_index(a.y, NAMES)) == (host.x, host.y)
        assert a.example == replay(train, a) != host


def test_only_twins_of_the_given_words_lose_their_index() -> None:
    assert strip_index("jump3 x_1 left2 jump 7 jump0", ["jump"]) == "jump x_1 left2 jump 7 jump0"


def test_repeated_lines_are_mutated_once() -> None:
    made = mutations(examples(["run", "jump", "jump"]), VERBS, 2, rng())
    assert [(a.x, a.host) for a in made] == [("run1", 0), ("run2", 0), ("jump1", 1), ("jump2", 1)]


def test_a_cap_draws_evenly_from_the_mutations_of_all_lines() -> None:
    # "walk and run" has 35 mutations and "jump" 5, so 1 in 8 drawn ones is of "jump".
    train = examples(["walk and run", "jump"])
    drawn = Counter(a.host for seed in range(400) for a in mutations(train, VERBS, 5, rng(seed), max_n=4))
    assert drawn.total() == 1600
    # Standard deviation of the count without replacement: sqrt(400 * 4 * 1/8 * 7/8 * 36/39) = 12.7.
    assert abs(drawn[1] - 200) < 4 * 12.7


def test_a_cap_keeps_members_of_the_full_set_in_order() -> None:
    train = examples(["walk and run", "turn left", "jump", "look after jump"])
    every = mutations(train, VERBS, 5, rng())
    assert len(every) == 35 + 5 + 35
    some = mutations(train, VERBS, 5, rng(), max_n=20)
    places = [every.index(a) for a in some]
    assert len(places) == 20
    assert places == sorted(set(places))
    assert mutations(train, VERBS, 5, rng(), max_n=75) == every


def test_per_example_draws_as_many_of_each_line() -> None:
    train = examples(["walk and run", "turn left", "jump"])
    made = mutations(train, VERBS, 5, rng(), per_example=10)
    assert Counter(a.host for a in made) == {0: 10, 2: 5}
    assert len({a.x for a in made}) == 15
    assert len(mutations(train, VERBS, 5, rng(), per_example=10, max_n=7)) == 7


def test_the_primitives_of_scan_jump_are_its_verbs() -> None:
    # "left" and "right" are each in 9,108 of 14,670 lines, 62 %: above 0.5, below 0.9.
    train = examples(published("addprim_jump").train)
    assert primitives(train, tau=0.5) == VERBS
    assert primitives(train, tau=0.9) == VERBS | {"left": "I_TURN_LEFT", "right": "I_TURN_RIGHT"}


def test_all_mutations_of_scan_jump() -> None:
    train = examples(published("addprim_jump").train)
    # Each of three verbs is in 21 phrases, 18 have "turn". One verb: 63 + 2 (3 * 21^2 + 2 * 63 * 18) lines
    # and "jump", 7,246 in all; two verbs: 2 * 63 * 42 = 5,292 lines. 7,246 * 5 + 5,292 * 35 = 221,450.
    assert len(mutations(train, VERBS, 5, rng())) == 221_450


def test_frequent_words_are_no_primitives() -> None:
    train = [Example("dax wif", "D W"), Example("dax", "D"), Example("lug", "L")]
    assert primitives(train, tau=0.5) == {"wif": "W", "lug": "L"}
    assert primitives(train, tau=0.7) == {"dax": "D", "wif": "W", "lug": "L"}


def test_ambiguous_words_are_no_primitives() -> None:
    # "wif" means W and V; "lug" and "zup", always together, both mean L.
    train = [Example("dax", "D"), Example("wif", "W V"), Example("lug zup", "L"), Example("dax", "D")]
    assert primitives(train) == {"dax": "D"}


def test_a_word_that_stands_for_itself_stands_for_nothing_else() -> None:
    lexicon = {"Emma": {"Emma": 3, "e": 2}, "dog": {"dog": 2}, "ran": {"run": 1, "r": 1}}
    assert without_identity_conflicts(lexicon) == {
        "Emma": {"Emma": 3},
        "dog": {"dog": 2},
        "ran": {"run": 1, "r": 1},
    }


def test_a_word_whose_twin_is_a_token_is_no_primitive() -> None:
    train = [Example("dax", "D"), Example("wif", "W"), Example("dax2", "X"), Example("lug", "L")]
    assert "dax" in primitives(train, copies=1)
    assert "dax" not in primitives(train, copies=2)


def test_the_generator_decides_what_is_drawn() -> None:
    train = examples(commands()[:60])
    drawn = [[a.x for a in mutations(train, VERBS, 5, rng(seed), max_n=20)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_an_index_is_put_on_both_sides() -> None:
    made = mutate(Example("jump left", "I_TURN_LEFT I_JUMP"), VERBS, {"jump": 12})
    assert made.example == Example("jump12 left", "I_TURN_LEFT I_JUMP12")


def test_the_method_draws_from_the_context() -> None:
    train = examples(["walk", "run left", "jump", "walk and run"])
    problem = Problem("scan", train, [], frozenset(), interpret, 53)
    made = Prim2PrimX(tau=0.5, per_example=0, max_n=9).augment(problem, Context(seed=3))
    words = primitives(train)
    assert words == {"walk": "I_WALK", "run": "I_RUN", "jump": "I_JUMP", "left": "I_TURN_LEFT"}
    assert made == mutations(train, words, 5, Context(seed=3).rng("prim2primx"), max_n=9)
    assert len(made) == 9


def test_a_language_has_its_own_settings_unless_they_are_given() -> None:
    method = Prim2PrimX()
    assert method.settings("scan") == Settings(tau=0.9, copies=5, per_example=10)
    for language in ("cogs", "cogs-ql", "geoquery"):
        assert method.settings(language) == Settings(tau=0.5, copies=2, per_example=2)
    assert Prim2PrimX(tau=0.3, per_example=0).settings("cogs") == Settings(0.3, 2, 0)


def test_a_line_of_cogs_has_two_of_its_mutations() -> None:
    train = [
        Example(
            "Emma saw a cat .", "see . agent ( x_1 , Emma ) AND see . theme ( x_1 , x_3 ) AND cat ( x_3 )"
        ),
        Example("Emma", "Emma"),
        Example("cat", "LAMBDA a . cat ( a )"),
        Example("Noah slept .", "sleep . agent ( x_1 , Noah )"),
        Example("Noah", "Noah"),
    ]
    made = Prim2PrimX().augment(Problem("cogs", train, [], frozenset(), None, 20), Context(seed=0))
    # Two copies: eight mutations of the first line (two words, three names each), two of a bare word.
    counts = Counter(a.host for a in made)
    assert counts[0] == counts[1] == counts[2] == counts[4] == 2
    assert {a.x for a in made} >= {"Emma1", "Emma2", "cat1", "cat2"}
    assert Example("cat2", "LAMBDA a . cat2 ( a )") in [a.example for a in made]


@pytest.mark.parametrize(
    "wrong", [{"copies": 0}, {"tau": 0.0}, {"tau": 1.5}, {"per_example": -1}, {"max_n": 0}]
)
def test_settings_without_meaning_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Prim2PrimX(**wrong)
