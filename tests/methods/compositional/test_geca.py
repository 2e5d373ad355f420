"""GECA: templates, neighbours and what they make of each other."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.compositional.geca import (
    Geca,
    Limits,
    describe,
    drawn_lines,
    fill,
    first_lines,
    generalisations,
    joined,
    recombine,
    replay,
    split,
    take_out,
)
from suite.api import Context
from tasks.compositional.contract import Augmented, Example, Problem
from tasks.compositional.scan.grammar import interpret
from tasks.compositional.scan.splits import examples, published, sample

PICKS = "she picks the wug up in Fresno"
PUTS = "she puts the wug down in Tempe"
FRESNO, TEMPE = "she puts the wug down in Fresno", "she picks the wug up in Tempe"
ALL = Limits(variants=1000)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def pairs(made: list[Augmented]) -> set[Example]:
    return {a.example for a in made}


def shouted(sentences: list[str]) -> list[Example]:
    return [Example(s, s.upper()) for s in sentences]


def literally(train: list[Example], limits: Limits) -> set[Example]:
    """Every recombination by the definition, for fragments of one token, by search over all pairs.

    A template is kept as the joined sequence with placeholders; a filling is an ordered tuple of tokens
    of which each one starts before the next one ends.
    """
    known: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
    for example in train:
        x, y = example.x.split(), example.y.split()
        whole = [*x, "##", *y]
        if len(whole) >= limits.length:
            continue
        for size in range(1, limits.slots + 1):
            for words in permutations(sorted({*x, *y}), size):
                if words in _in_order(whole, size) and all(set(words) & set(side) for side in (x, y)):
                    template = tuple(f"WUG{words.index(t)}" if t in words else t for t in whole)
                    known.add((template, words))
    out = set()
    for template in {t for t, _ in known}:
        own = {a for t, a in known if t == template}
        for neighbour in {t for t, a in known if a in own and t != template}:
            offered = {a for t, a in known if t == neighbour}
            for words in offered - own if len(offered) > 1 else ():
                if any(not set(words) & set(a) for a in own):
                    text = " ".join(words[int(t[3:])] if t.startswith("WUG") else t for t in template)
                    out.add(Example(*text.split(" ## ")))
    return {e for e in out if e.x not in {t.x for t in train} and e.y not in {t.y for t in train}}


def _in_order(whole: list[str], size: int) -> set[tuple[str, ...]]:
    """All choices of `size` places from left to right, as tokens."""
    if size == 1:
        return {(t,) for t in whole}
    return {(a, b) for i, a in enumerate(whole) for b in whole[i + 1 :]}


def test_the_toy_of_the_paper_yields_exactly_its_two_recombinations() -> None:
    train = [Example(s, s) for s in (PICKS, PUTS, "pat picks cats up", "pat puts cats down")]
    assert pairs(recombine(train, 100, ALL, rng())) == {Example(FRESNO, FRESNO), Example(TEMPE, TEMPE)}


def test_it_yields_them_too_when_the_output_has_words_of_its_own() -> None:
    train = shouted([PICKS, PUTS, "pat picks cats up", "pat puts cats down"])
    limits = Limits(slots=4, variants=1000)
    assert pairs(recombine(train, 100, limits, rng())) == set(shouted([FRESNO, TEMPE]))


def test_without_a_shared_environment_nothing_is_recombined() -> None:
    train = [Example(s, s) for s in (PICKS, PUTS, "pat picks cats up")]
    assert recombine(train, 100, ALL, rng()) == []


def test_fragments_of_several_tokens_move_as_one() -> None:
    train = [Example(s, s) for s in ("I saw a big dog", "I saw a cat", "you met a cat")]
    assert recombine(train, 10, Limits(size=1, slots=1, variants=9), rng()) == []
    made = recombine(train, 10, Limits(size=2, slots=1, variants=9), rng())
    assert pairs(made) == {Example("you met a big dog", "you met a big dog")}


LETTERS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(" ".join)
OUTPUTS = st.lists(st.sampled_from("abXY"), min_size=1, max_size=3).map(" ".join)


@given(st.lists(st.builds(Example, LETTERS, OUTPUTS), max_size=7), st.integers(1, 2))
def test_inputs_are_those_of_the_definition(train: list[Example], slots: int) -> None:
    limits = Limits(slots=slots, length=7, variants=1000)
    made = recombine(train, 1000, limits, rng())
    expected = literally(train, limits)
    assert pairs(made) <= expected
    assert {a.x for a in made} == {e.x for e in expected}


def test_the_templates_of_a_pair_are_those_with_slots_on_both_sides() -> None:
    found = set(generalisations(joined(Example("run left", "L R")), Limits()))
    assert found == {
        (("WUG0", "left", "##", "WUG1", "R"), (("run",), ("L",))),
        (("WUG0", "left", "##", "L", "WUG1"), (("run",), ("R",))),
        (("run", "WUG0", "##", "WUG1", "R"), (("left",), ("L",))),
        (("run", "WUG0", "##", "L", "WUG1"), (("left",), ("R",))),
    }


def test_a_shared_token_is_a_fragment_of_both_sides() -> None:
    found = set(generalisations(joined(Example("Emma Emma", "e Emma")), Limits(slots=1)))
    assert found == {(("WUG0", "WUG0", "##", "e", "WUG0"), (("Emma",),))}


def test_long_examples_give_no_template() -> None:
    tokens = joined(Example("a b", "A"))
    assert list(generalisations(tokens, Limits(length=4))) == []
    assert len(list(generalisations(tokens, Limits(length=5)))) == 2


def test_fragments_are_taken_out_from_left_to_right() -> None:
    assert take_out(("a", "a", "a", "b"), ("a", "a"), "W") == ("W", "a", "b")
    assert fill(("W", "WUG1", "WUG0", "WUG1"), (("a", "b"), ("c",))) == ("W", "c", "a", "b", "c")
    assert split(("a", "b", "##", "C")) == Example("a b", "C")
    assert describe((("a", "b"), ("A",)), (("c",), ("C",))) == "a b -> c | A -> C"


def test_a_bare_verb_enters_the_environments_of_its_kind() -> None:
    train = examples(["walk", "run", "jump", "walk twice", "run twice", "walk left", "turn left"])
    made = recombine(train, 100, Limits(), rng())
    assert {"jump twice", "jump left", "run left"} <= {a.x for a in made}
    assert all(interpret(a.x) == a.y for a in made)


def test_provenance_replays_to_the_same_pair() -> None:
    drawn = sample(published("addprim_jump").train, 1500, seed=0)
    train = examples(("jump", "walk", *drawn))
    made = recombine(train, 200, Limits(), rng())
    assert len(made) == 200
    assert [replay(train, a) for a in made] == [a.example for a in made]
    assert all(interpret(a.x) == a.y for a in made)
    assert any(a.x != "jump" and "jump" in a.x.split() for a in made)


def test_provenance_replays_with_longer_fragments_and_semicolons() -> None:
    train = [Example(s, s) for s in ("I saw ; big dog", "I saw a cat", "you met a cat")]
    made = recombine(train, 10, Limits(size=3, slots=1, variants=9), rng())
    assert Example("you met ; big dog", "you met ; big dog") in pairs(made)
    assert [replay(train, a) for a in made] == [a.example for a in made]


def test_the_generator_decides_what_is_made() -> None:
    train = examples(sample(published("right").train, 1500, seed=0))
    first, again, other = (recombine(train, 20, Limits(), rng(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_new_inputs_and_outputs_are_unseen_and_inputs_distinct() -> None:
    train = examples(sample(published("right").train, 1500, seed=0))
    made = recombine(train, 500, Limits(), rng())
    assert len({a.x for a in made}) == len(made)
    assert not {a.x for a in made} & {e.x for e in train}
    assert not {a.y for a in made} & {e.y for e in train}


def test_variants_limits_what_one_template_makes() -> None:
    verbs = ["v1", "v2", "v3", "v4", "v5"]
    train = [Example(v, v.upper()) for v in verbs] + [Example("v1 again", "V1 V1")]
    made = [recombine(train, 100, Limits(variants=k), rng()) for k in (1, 2, 9)]
    # Only "WUG0 again" lacks fillings: those of the other four verbs.
    assert [len(m) for m in made] == [1, 2, 4]


def test_scan_has_the_released_settings_and_draws_come_from_the_context() -> None:
    method = Geca()
    assert method.limits("scan") == Limits(slots=2, size=1, length=40, variants=2, lines=None)
    assert (method.aug_ratio, method.dedup) == (0.3, True)
    train = examples(["walk", "run", "jump", "walk twice", "run twice", "walk left", "turn left"])
    problem = Problem("scan", train, [], frozenset(), interpret, 53)
    context = Context(seed=3)
    assert method.augment(problem, context) == recombine(train, 1000, Limits(), context.rng("geca"))


def test_other_languages_have_their_own_limits_unless_they_are_given() -> None:
    assert Geca().limits("geoquery") == Limits(size=4)
    assert Geca().limits("cogs") == Geca().limits("cogs-ql") == Limits(lines=4000)
    assert Geca(wug_size=2, lines=7).limits("cogs") == Limits(size=2, lines=7)
    assert Geca().limits("unheard-of") == Limits()


def test_lines_that_alone_show_a_word_are_looked_at_first() -> None:
    train = [Example(f"a b{k % 2}", "A") for k in range(2)] + [
        Example(f"b{k % 2} a c", "B") for k in range(2)
    ]
    train += [Example("dax a", "D"), Example("a", "A"), Example("a", "A")]
    for seed in range(5):
        lines = drawn_lines(train, 3, rng(seed))
        assert {("dax a", 4), ("a", 5)} < {(e.x, line) for e, line in lines.items()}
        assert len(lines) == 3
        assert list(lines.values()) == sorted(lines.values())
    assert drawn_lines(train, 6, rng()) == drawn_lines(train, None, rng()) == first_lines(train)
    assert len(first_lines(train)) == 6


def test_a_limit_on_lines_leaves_the_rest_of_the_training_set_known() -> None:
    train = examples(["walk", "run", "walk twice", "walk left", "run left", "walk right", "run right"])
    every = {a.x for a in recombine(train, 9, Limits(), rng())}
    assert every == {"run twice"}
    for seed in range(5):
        made = recombine(train, 9, Limits(lines=4), rng(seed))
        assert {a.x for a in made} <= every


@pytest.mark.parametrize("wrong", [{"n": 0}, {"wug_size": 0}, {"wug_count": 11}, {"lines": 0}])
def test_settings_without_meaning_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Geca(**wrong)
