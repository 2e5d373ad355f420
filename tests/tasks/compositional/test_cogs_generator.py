"""Generated COGS: what the interpreter makes of it, and that what is held out is where it should be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest
from cogs_rows import clauses, depth, frame, of, sentences

from tasks.compositional.cogs import words
from tasks.compositional.cogs.categories import EXPOSURES, FRAMES, TESTS
from tasks.compositional.cogs.generator import Made, Row, generate
from tasks.compositional.cogs.grammar import interpret, interpret_word
from tasks.compositional.cogs.lexicon import induce
from tasks.compositional.cogs.spelling import Plan, Said, spell
from tasks.compositional.notation.cogs import Clause, logical_form, variable_free
from tasks.compositional.notation.cogs_reading import read

SEEDS = (0, 1, 2)
SIZES = (2_000, 100, 150, 20)
VERBS = {verb.lemma: verb for name, frame in FRAMES.items() for group in frame.verbs for verb in group}


@cache
def made(seed: int) -> Made:
    return generate(seed, *SIZES, joined=False)


@cache
def parsed(row: Row) -> Clause:
    return read(row.sentence, row.form)


def every(parts: Made) -> Iterator[Row]:
    for part in parts:
        yield from part


def uses(rows: Iterable[Row]) -> Iterator[tuple[str, str, str, int, bool]]:
    """(word, frame, role, modifiers, whether it comes first) of arguments; the role of verbs is "verb"."""
    for row in rows:
        for clause in clauses(parsed(row)):
            kind = frame(row.sentence, clause)
            yield clause.verb, kind, "verb", 0, False
            for k, (role, argument) in enumerate(clause.arguments):
                if not isinstance(argument, Clause):
                    yield argument.word, kind, role, depth(argument), k == 0
                elif role == "xcomp":
                    yield argument.verb, kind, "raised", 0, False


@cache
def uses_of(row: Row) -> list[tuple[str, str, str, int, bool]]:
    return list(uses([row]))


def places(rows: Iterable[Row], word: str) -> set[tuple[str, str]]:
    """The frames and roles in which a word is used."""
    return {(kind, role) for row in rows for used, kind, role, *_ in uses_of(row) if used == word}


@pytest.mark.parametrize(
    ("name", "lemma", "said", "sentence", "form"),
    [
        (
            "passive double by",
            "give",
            {
                "recipient": Said("Clara"),
                "theme": Said("kite", "a", "on", Said("desk", "the")),
                "agent": Said("Hugo"),
            },
            "Clara was given a kite on the desk by Hugo .",
            "* desk ( x _ 7 ) ; give . recipient ( x _ 2 , Clara ) AND give . theme ( x _ 2 , x _ 4 ) AND "
            "give . agent ( x _ 2 , Hugo ) AND kite ( x _ 4 ) AND kite . nmod . on ( x _ 4 , x _ 7 )",
        ),
        (
            "to",
            "send",
            {"agent": Said("goat", "the"), "theme": Said("coin", "the"), "recipient": Said("fox", "a")},
            "The goat sent the coin to a fox .",
            "* goat ( x _ 1 ) ; * coin ( x _ 4 ) ; send . agent ( x _ 2 , x _ 1 ) AND "
            "send . theme ( x _ 2 , x _ 4 ) AND send . recipient ( x _ 2 , x _ 7 ) AND fox ( x _ 7 )",
        ),
        (
            "passive",
            "hide",
            {"theme": Said("coin", "a")},
            "A coin was hidden .",
            "coin ( x _ 1 ) AND hide . theme ( x _ 3 , x _ 1 )",
        ),
        ("theme", "melt", {"theme": Said("Rosa")}, "Rosa melted .", "melt . theme ( x _ 1 , Rosa )"),
    ],
)  # fmt: skip
def test_a_plan_is_spelled_with_its_form(
    name: str, lemma: str, said: dict[str, Said], sentence: str, form: str
) -> None:
    spelled, tree = spell(Plan(FRAMES[name], VERBS[lemma], said))
    assert (spelled, logical_form(tree)) == (sentence, form)


def test_every_word_has_one_class_and_every_form_one_lemma() -> None:
    assert (len(words.PEOPLE), len(words.THINGS), len(words.NAMES)) == (40, 36, 40)
    groups = (words.TRANSITIVE, words.OMISSIBLE, words.UNACCUSATIVE, words.UNERGATIVE, words.DATIVE)
    assert all(len({v.lemma for v in group}) == 20 for group in (*groups, words.THAT, words.TO, words.RAISED))
    assert len({v.lemma for group in groups for v in group}) == 100
    held = (
        words.ACTIVE,
        words.PASSIVE,
        words.OMITTED,
        words.ALONE,
        words.DOUBLE,
        words.PREPOSITIONAL,
        words.BARE,
    )
    verbs = {*(v for group in (*groups, words.THAT, words.TO) for v in group), *held}
    forms = {(form, verb.lemma) for verb in verbs for form in verb}
    assert len({form for form, _ in forms}) == len(forms)
    nouns = {*words.PEOPLE, *words.THINGS, *(n for group in words.PLACES.values() for n in group)}
    assert not nouns & {form for form, _ in forms} and not any(noun[0] in "aeiou" for noun in nouns)
    fresh = {words.SUBJECT_NOUN, words.OBJECT_NOUN, words.BARE_NOUN, words.AGENT_NOUN, words.THEME_NOUN}
    assert len(fresh) == 5 and not fresh & nouns
    names = {words.SUBJECT_NAME, words.OBJECT_NAME, words.BARE_NAME}
    assert len(names) == 3 and not names & set(words.NAMES)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_form_is_what_the_interpreter_says_with_the_lexicon_of_train(seed: int) -> None:
    lexicon = induce((row.sentence, row.form) for row in made(seed).train)
    assert len(lexicon.unaccusative) == 21
    for row in every(made(seed)):
        if row.category == "primitive":
            assert interpret_word(row.sentence, lexicon) == row.form
            continue
        tree = interpret(row.sentence, lexicon)
        assert logical_form(tree) == row.form
        assert parsed(row) == tree


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4])
def test_a_training_set_of_twenty_sentences_tells_all_the_same(seed: int) -> None:
    small = generate(seed, 20, 10, 10, 10, joined=False)
    lexicon = induce((row.sentence, row.form) for row in small.train)
    for row in (*sentences(small.train), *small.dev, *small.test, *small.gen):
        assert logical_form(interpret(row.sentence, lexicon)) == row.form


def test_the_other_ways_of_writing_say_the_same() -> None:
    spaced = generate(5, 100, 10, 10, 3, joined=False)
    joined, free = generate(5, 100, 10, 10, 3), generate(5, 100, 10, 10, 3, variable_free=True)
    for row, same, brief in zip(every(spaced), every(joined), every(free), strict=True):
        assert row.sentence == same.sentence == brief.sentence
        assert same.form == row.form.replace("x _ ", "x_")
        primitive = row.category == "primitive"
        assert brief.form == (row.form if primitive else variable_free(parsed(row)))


@pytest.mark.parametrize("seed", SEEDS)
def test_sizes_are_as_asked_and_no_sentence_stands_twice(seed: int) -> None:
    n_train, n_dev, n_test, per_category = SIZES
    parts = made(seed)
    counts = Counter(row.category for row in parts.train)
    exposures = {f"exposure_example_{name}": 1 for name in EXPOSURES}
    assert counts == {"in_distribution": n_train, "primitive": 143, **exposures}
    assert (len(parts.dev), len(parts.test), len(EXPOSURES)) == (n_dev, n_test, 12)
    assert Counter(row.category for row in parts.gen) == dict.fromkeys(TESTS, per_category)
    assert {row.category for row in (*parts.dev, *parts.test)} == {"in_distribution"}
    every_sentence = [row.sentence for row in every(parts)]
    assert len(set(every_sentence)) == len(every_sentence)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_word_of_the_other_parts_is_in_train(seed: int) -> None:
    parts = made(seed)
    known = {word for row in parts.train for word in row.sentence.split()}
    assert {word for row in (*parts.dev, *parts.test, *parts.gen) for word in row.sentence.split()} <= known


@pytest.mark.parametrize("seed", SEEDS)
def test_train_has_each_verb_in_each_frame_and_each_noun_on_both_sides(seed: int) -> None:
    used = list(uses(of(made(seed).train, "in_distribution")))
    shown = {(word, kind) for word, kind, role, *_ in used if role == "verb"}
    roles = {"agent", "theme", "recipient", "xcomp", "was"}
    for made_of in FRAMES.values():
        parts = [part for part in made_of.pattern.split() if part in roles]
        kind = " ".join(sorted(parts, key=lambda part: part != "was"))
        assert {(verb.lemma, kind) for group in made_of.verbs for verb in group} <= shown
    assert {(verb.lemma, "agent ccomp") for verb in words.THAT} <= shown
    for first in (True, False):
        heads = {word for word, _, role, _, there in used if role != "verb" and there == first}
        assert {*words.PEOPLE, *words.THINGS, *words.NAMES} <= heads


HELD: dict[str, tuple[str, set[tuple[str, str]]]] = {
    "subj_to_obj_common": ("badger", {("agent theme", "agent")}),
    "subj_to_obj_proper": ("Greta", {("agent theme recipient", "agent")}),
    "obj_to_subj_common": ("beetle", {("agent theme", "theme")}),
    "obj_to_subj_proper": ("Oscar", {("agent theme", "theme")}),
    "prim_to_subj_common": ("dolphin", set()),
    "prim_to_subj_proper": ("Thea", set()),
    "prim_to_obj_common": ("dolphin", set()),
    "prim_to_obj_proper": ("Thea", set()),
    "prim_to_inf_arg": ("swim", set()),
    "active_to_passive": ("praise", {("agent theme", "verb")}),
    "passive_to_active": ("polish", {("was theme", "verb")}),
    "obj_omitted_transitive_to_transitive": ("carve", {("agent", "verb")}),
    "unacc_to_transitive": ("explode", {("theme", "verb")}),
    "do_dative_to_pp_dative": ("fax", {("agent recipient theme", "verb")}),
    "pp_dative_to_do_dative": ("ferry", {("agent theme recipient", "verb")}),
    "only_seen_as_transitive_subj_as_unacc_subj": ("falcon", {("agent theme", "agent")}),
    "only_seen_as_unacc_subj_as_obj_omitted_transitive_subj": ("walrus", {("theme", "theme")}),
    "only_seen_as_unacc_subj_as_unerg_subj": ("walrus", {("theme", "theme")}),
}
"""The item of each lexical category and all its uses in train, by hand."""
OBJECTS = {(kind, "theme") for kind in ("agent theme", "agent recipient theme", "agent theme recipient")}
SUBJECTS = {(kind, "agent") for kind, _ in OBJECTS} | {("agent", "agent"), ("agent xcomp", "agent")}
ASKED = {
    **{name: OBJECTS for name in HELD if "to_obj" in name},
    **{name: SUBJECTS for name in HELD if "to_subj" in name},
    "prim_to_inf_arg": {("agent xcomp", "raised")},
    "active_to_passive": {("was theme", "verb"), ("was theme agent", "verb")},
    **dict.fromkeys(
        ("passive_to_active", "obj_omitted_transitive_to_transitive", "unacc_to_transitive"),
        {("agent theme", "verb")},
    ),
    "do_dative_to_pp_dative": {("agent theme recipient", "verb")},
    "pp_dative_to_do_dative": {("agent recipient theme", "verb")},
    "only_seen_as_transitive_subj_as_unacc_subj": {("theme", "theme")},
    **dict.fromkeys([name for name in HELD if name.startswith("only_seen_as_unacc")], {("agent", "agent")}),
}
"""Where the item stands in its category."""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("category", sorted(HELD))
def test_an_item_is_in_train_in_one_place_and_in_its_category_in_another(category: str, seed: int) -> None:
    item, seen = HELD[category]
    parts = made(seed)
    assert places(sentences(parts.train), item) == seen
    form = next((verb.past for verb in HELD_VERBS if verb.lemma == item), item)
    once = [row for row in parts.train if {item, form} & set(row.sentence.split())]
    assert len(once) == 1 and (once[0].category == "primitive") == (not seen)
    assert not places((*parts.dev, *parts.test), item)
    asked = ASKED[category]
    for row in of(parts.gen, category):
        assert len(places([row], item) & asked) == 1 and not places([row], item) - asked
    for row in parts.gen:
        assert HELD.get(row.category, ("",))[0] == item or not places([row], item)


HELD_VERBS = (words.ACTIVE, words.PASSIVE, words.OMITTED, words.ALONE, words.DOUBLE, words.PREPOSITIONAL)


def test_the_categories_are_the_21_and_the_verbs_of_two_are_of_their_class() -> None:
    assert set(TESTS) == {*HELD, "obj_pp_to_subj_pp", "cp_recursion", "pp_recursion"} and len(TESTS) == 21
    for name, group in (("obj_omitted_transitive", words.OMISSIBLE), ("unerg", words.UNERGATIVE)):
        rows = of(made(0).gen, f"only_seen_as_unacc_subj_as_{name}_subj")
        verbs = {verb for verb, kind, role, *_ in uses(rows) if (kind, role) == ("agent", "verb")}
        assert verbs <= {verb.lemma for verb in group}


@pytest.mark.parametrize("seed", SEEDS)
def test_depths_beyond_two_and_modified_subjects_are_in_their_categories_alone(seed: int) -> None:
    parts = made(seed)

    def deepest(row: Row) -> tuple[int, int]:
        tree = parsed(row)
        return sum(1 for _ in clauses(tree)) - 1, max(n for *_, n, _ in uses([row]))

    familiar = (*sentences(parts.train), *parts.dev, *parts.test)
    depths = [deepest(row) for row in familiar]
    assert [max(d) for d in zip(*depths, strict=True)] == [2, 2]
    modified = {(kind, role) for _, kind, role, n, _ in uses(familiar) if n}
    assert modified == OBJECTS | {("was recipient theme", "theme"), ("was recipient theme agent", "theme")}
    in_turn = [k for k in range(3, 13) for _ in range(SIZES[3] // 10)]
    for category, which in (("cp_recursion", 0), ("pp_recursion", 1)):
        found = [deepest(row) for row in of(parts.gen, category)]
        assert sorted(d[which] for d in found) == in_turn
        assert all(d[1 - which] <= 2 for d in found)
    for row in parts.gen:
        if not row.category.endswith("recursion"):
            assert max(deepest(row)) <= 2
        top = parsed(row).arguments[0][1]
        assert not isinstance(top, Clause)
        assert (depth(top) > 0) == (row.category == "obj_pp_to_subj_pp")


@pytest.mark.parametrize("seed", SEEDS)
def test_single_words_are_those_of_the_published_kinds(seed: int) -> None:
    forms = {row.sentence: row.form for row in of(made(seed).train, "primitive")}
    kinds = Counter(form.count("LAMBDA") if "agent" in form or "theme" in form else -form.count("LAMBDA")
                    for form in forms.values())  # fmt: skip
    assert kinds == {2: 41, 3: 40, -1: 41, 0: 21}
    assert {word: forms[word] for word in ("swim", "melt", "wash", "dolphin", "Thea")} == {
        "swim": "LAMBDA a . LAMBDA e . swim . agent ( e , a )",
        "melt": "LAMBDA a . LAMBDA e . melt . theme ( e , a )",
        "wash": "LAMBDA a . LAMBDA b . LAMBDA e . wash . agent ( e , b ) AND wash . theme ( e , a )",
        "dolphin": "LAMBDA a . dolphin ( a )",
        "Thea": "Thea",
    }


def test_the_same_seed_makes_the_same_and_another_another() -> None:
    assert generate(1, *SIZES, joined=False) == made(1)
    shared = {row.sentence for row in made(0).test} & {row.sentence for row in made(1).test}
    assert made(0).train != made(1).train and len(shared) < SIZES[2] / 2


def test_rows_do_not_depend_on_the_order_of_sets() -> None:
    code = (
        "import sys; from tasks.compositional.cogs.generator import generate; print(generate(3, 60, 9, 9, 2))"
    )
    root = Path(__file__).parents[3]
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert printed == {f"{generate(3, 60, 9, 9, 2)}\n"}


def test_depths_can_be_chosen() -> None:
    rows = generate(0, 100, 0, 0, 4, joined=False, depths=(3, 4)).gen
    found = [sum(1 for _ in clauses(parsed(r))) - 1 for r in of(rows, "cp_recursion")]
    assert found == [3, 4, 3, 4]


@pytest.mark.parametrize("n_train", [0, 10])
def test_a_training_set_too_small_for_the_categories_is_refused(n_train: int) -> None:
    with pytest.raises(ValueError, match="no new sentence for"):
        generate(0, n_train, 0, 0, 1)
