"""CompSub on SCAN: hand-worked substitutions, the published closure sizes, and the laws of exchange."""

from __future__ import annotations

import itertools
import os
from functools import cache
from pathlib import Path

import pytest

from methods.compositional import cogs_draws, geo_draws
from methods.compositional.compsub import CompSub, closure, replay
from methods.compositional.scan_components import (
    Pool,
    Signature,
    candidates,
    exchangeable,
    induced_lexicon,
    n_actions,
    pool,
    substitute,
)
from suite.api import Context
from suite.errors import Skip
from tasks.compositional.contract import Augmented, Example, Problem
from tasks.compositional.scan.grammar import commands, interpret
from tasks.compositional.scan.splits import Split, examples, published, shuffled

LEXICON = {
    **{word: f"I_{word.upper()}" for word in ("walk", "look", "run", "jump")},
    **{"left": "I_TURN_LEFT", "right": "I_TURN_RIGHT"},
}

# Split: new at depth 1, test covered by it, new at depth 2, test covered by both (hundredths of a per cent).
CLOSURES = {
    "addprim_jump": (7_706, 100_00, 0, 100_00),
    "around_right": (2_985, 51_74, 2_700, 100_00),
    "length": (3_792, 96_73, 128, 100_00),
    "mcd1": (9_130, 1_24, 3_069, 82_87),
    "mcd2": (7_785, 6_99, 3_860, 59_33),
}


@cache
def split(name: str) -> Split:
    """A published split; skips the test when MCD's files are not at hand."""
    root = Path(os.environ.get("SUITE_DATA_DIR") or ".")
    if name.startswith("mcd") and not (root / f"scan/mcd/{name}.json").exists():
        pytest.skip("MCD needs scan/mcd in SUITE_DATA_DIR")
    return published(name, open_data=lambda file: root / file)


@cache
def whole(name: str) -> tuple[list[Example], Pool, list[Augmented]]:
    """Training lines, pool and depth-2 closure of a split."""
    train = examples(split(name).train)
    components = pool(train)
    return train, components, closure(train, 2, components)


def pair(x: str) -> Example:
    return Example(x, interpret(x))


def problem(train: list[str], held_out: frozenset[str] = frozenset(), language: str = "scan") -> Problem:
    return Problem(language, examples(train), [], held_out, interpret, 53)


def test_actions_of_a_phrase_are_counted_by_its_words() -> None:
    phrases = (c for c in commands() if " and " not in c and " after " not in c)
    assert all(n_actions(p.split()) == len(interpret(p).split()) for p in phrases)


def test_components_of_a_command_by_hand() -> None:
    x, y = pair("walk left twice and walk")  # L W L W W
    found = {(c.signature.grain, c.x): (c.spans, c.segments) for c in candidates(x, y, LEXICON)}
    assert found == {
        ("span", "walk left twice"): (((0, 3),), ((0, 4),)),
        ("span", "walk left"): (((0, 2),), ((0, 2), (2, 4))),
        ("span", "walk"): (((4, 5),), ((4, 5),)),
        ("word", "walk"): (((0, 1), (4, 5)), ((1, 2), (3, 4), (4, 5))),
        ("word", "left"): (((1, 2),), ((0, 1), (2, 3))),
    }


def test_after_turns_the_order_of_the_actions_around() -> None:
    x, y = pair("turn left after jump thrice")  # J J J L
    found = {c.x: c.segments for c in candidates(x, y, {})}
    assert found == {"turn left": ((3, 4),), "jump thrice": ((0, 3),), "jump": ((0, 1), (1, 2), (2, 3))}


def test_signatures_are_the_classes_of_first_and_last_word() -> None:
    x, y = pair("turn around left thrice and jump opposite right")
    signatures = {c.x: c.signature[1:] for c in candidates(x, y, {})}
    assert signatures == {
        "turn around left thrice": ("turn", "quantifier"),
        "turn around left": ("turn", "direction"),
        "jump opposite right": ("verb", "direction"),
    }


def test_a_line_that_does_not_align_has_no_components() -> None:
    assert candidates("walk left", "I_WALK", LEXICON) == []
    assert candidates("fly left", "I_TURN_LEFT I_FLY", LEXICON) == []


SUBSTITUTIONS = [
    ("span", "walk", "jump", "walk left after jump", "I_JUMP I_TURN_LEFT I_WALK"),
    ("span", "walk left", "run right", "run right after walk", "I_WALK I_TURN_RIGHT I_RUN"),
    ("word", "walk", "jump", "jump left after jump", "I_JUMP I_TURN_LEFT I_JUMP"),
    ("word", "left", "right", "walk right after walk", "I_WALK I_TURN_RIGHT I_WALK"),
]


@pytest.mark.parametrize(("grain", "out", "into", "x", "y"), SUBSTITUTIONS)
def test_substitution_by_hand(grain: str, out: str, into: str, x: str, y: str) -> None:
    host = pair("walk left after walk")
    components = pool(examples(["jump", "run right"]), LEXICON)
    leaving = next(c for c in candidates(*host, LEXICON) if (c.signature.grain, c.x) == (grain, out))
    assert substitute(*host, leaving, components.find(leaving.signature, into)) == (x, y)


def test_a_v_part_is_replaced_in_every_repetition() -> None:
    host = pair("run and walk left thrice")
    leaving = next(c for c in candidates(*host, {}) if c.x == "walk left")
    entering = pool([pair("jump around right")], {}).find(leaving.signature, "jump around right")
    assert substitute(*host, leaving, entering) == pair("run and jump around right thrice")


def test_a_quantified_phrase_never_enters_a_v_part() -> None:
    host = pair("walk twice")
    components = pool(examples(["run thrice", "jump"]), {})
    part = next(c for c in candidates(*host, {}) if c.x == "walk")
    assert [c.x for c in components.by_signature[part.signature]] == ["run", "jump"]


def test_the_pool_names_the_first_line_of_each_component() -> None:
    components = pool(examples(["walk", "run twice", "run", "walk"]), {})
    assert [(c.x, c.y, c.donor) for c in components.components] == [
        ("walk", "I_WALK", 0),
        ("run twice", "I_RUN I_RUN", 1),
        ("run", "I_RUN", 1),
    ]


@pytest.mark.parametrize("name", ["addprim_jump", "around_right", "length"])
def test_the_lexicon_is_learned_from_the_lines(name: str) -> None:
    assert induced_lexicon(examples(split(name).train)) == LEXICON


def test_a_word_that_is_always_with_another_is_not_in_the_lexicon() -> None:
    # With "left" only ever beside "walk", nothing tells which of the two words stands for which action.
    assert induced_lexicon(examples(["walk left", "jump"])) == {"jump": "I_JUMP"}


@pytest.mark.parametrize("name", CLOSURES)
def test_closure_has_the_published_size_and_coverage(name: str) -> None:
    _, _, made = whole(name)
    shallow = [new for new in made if ";" not in new.how]
    test = set(split(name).test)

    def covered(part: list[Augmented]) -> int:
        return round(10_000 * len(test & {new.x for new in part}) / len(test))

    measured = (len(shallow), covered(shallow), len(made) - len(shallow), covered(made))
    assert measured == CLOSURES[name]


@pytest.mark.parametrize("name", CLOSURES)
def test_every_label_of_the_closure_is_right(name: str) -> None:
    _, _, made = whole(name)
    assert all(new.y == interpret(new.x) for new in made)


@pytest.mark.parametrize(
    "name", ["simple", "addprim_turn_left", "opposite_right", "right", "jump_around_right"]
)
def test_every_label_is_right_on_the_other_splits(name: str) -> None:
    train = examples(split(name).train)
    assert all(new.y == interpret(new.x) for new in closure(train, 1, pool(train)))


@pytest.mark.parametrize("name", ["addprim_jump", "around_right", "length"])
def test_the_closure_is_new_distinct_and_replays_to_itself(name: str) -> None:
    train, components, made = whole(name)
    inputs = [new.x for new in made]
    assert len(set(inputs)) == len(inputs)
    assert not set(inputs) & {e.x for e in train}
    assert all(replay(new, train, components) == new.example for new in made[::20] + made[-20:])


def test_a_foreign_provenance_is_refused() -> None:
    train = examples(["walk left", "run"])
    components = pool(train)
    with pytest.raises(ValueError, match="is no substitution"):
        replay(Augmented("a", "b", 0, "magic"), train, components)
    with pytest.raises(ValueError, match="'run' has no span at 0:2"):
        replay(Augmented("a", "b", 1, "span 0:2 walk left -> run (line 1)"), train, components)


def test_the_closure_equals_one_by_brute_force() -> None:
    train = examples(["walk left twice and run", "jump after turn right", "look", "look thrice", "walk left"])
    components = pool(train)
    known, reached = {e.x for e in train}, {e.x: e for e in train}
    for depth in (1, 2, 3):
        for host in list(reached.values()):
            leaving = candidates(*host, components.lexicon)
            for out, into in itertools.product(leaving, components.components):
                if exchangeable(out, into):
                    new = substitute(*host, out, into)
                    reached[new.x] = new
        made = closure(train, depth, components)
        assert {new.example for new in made} == {e for x, e in reached.items() if x not in known}


def test_deeper_closures_begin_with_the_shallower_ones() -> None:
    train, components, made = whole("around_right")
    shallow = closure(train, 1, components)
    assert made[: len(shallow)] == shallow


def test_exchangeability_is_an_equivalence_relation() -> None:
    components = whole("addprim_jump")[1].components
    assert all(exchangeable(a, a) for a in components)
    related = {(a.x, b.x) for a, b in itertools.product(components, repeat=2) if exchangeable(a, b)}
    assert all((b, a) in related for a, b in related)
    spans = [c for c in components if c.signature.grain == "span"]
    for a, b, c in itertools.product(spans[::4], repeat=3):
        assert exchangeable(a, c) or not (exchangeable(a, b) and exchangeable(b, c))


def test_words_and_spans_are_never_exchanged() -> None:
    assert Signature("word", "verb", "verb") != Signature("span", "verb", "verb")


def test_substituting_back_restores_the_example_and_keeps_the_signature() -> None:
    every = commands()
    components = pool(examples(every[:102]))
    checked = 0
    for k in shuffled(len(every), 0)[:60]:
        host = pair(every[k])
        for out in candidates(*host, LEXICON):
            for into in components.by_signature[out.signature]:
                if out.signature.grain == "word" and into.x in host.x.split():
                    continue  # two words become one, which nothing can tell apart again
                new = substitute(*host, out, into)
                assert new == pair(new.x)
                back = next(
                    c
                    for c in candidates(*new, LEXICON)
                    if (c.x, c.start, c.signature) == (into.x, out.start, out.signature)
                )
                assert substitute(*new, back, components.find(out.signature, out.x)) == host
                checked += 1
    assert checked > 3_000


def augmented(method: CompSub, given: Problem, seed: int = 0) -> list[Augmented]:
    return method.augment(given, Context(seed))


TRAIN = ["walk left", "walk left twice", "run and run", "jump", "look right thrice", "turn left after walk"]


def test_the_method_gives_the_whole_closure() -> None:
    train = examples(TRAIN)
    assert augmented(CompSub(depth=1), problem(TRAIN)) == closure(train, 1, pool(train))


def test_types_choose_what_is_exchanged() -> None:
    words = augmented(CompSub(depth=1, types="word"), problem(TRAIN))
    spans = augmented(CompSub(depth=1, types="span"), problem(TRAIN))
    assert all(new.how.startswith("word") for new in words)
    assert all(new.how.startswith("span") for new in spans)
    both = augmented(CompSub(depth=1), problem(TRAIN))
    assert {new.x for new in words} | {new.x for new in spans} == {new.x for new in both}


def test_strict_makes_no_held_out_input() -> None:
    faithful = augmented(CompSub(), problem(TRAIN))
    held_out = frozenset(new.x for new in faithful[::2])
    strict = augmented(CompSub(strict=True), problem(TRAIN, held_out))
    assert strict == [new for new in faithful if new.x not in held_out]
    assert strict


def test_strict_is_skipped_where_nothing_is_left() -> None:
    held_out = frozenset(new.x for new in augmented(CompSub(), problem(TRAIN)))
    with pytest.raises(Skip, match="nothing is made outside of dev and test"):
        augmented(CompSub(strict=True), problem(TRAIN, held_out))


def test_n_is_a_random_part_that_the_seed_decides() -> None:
    faithful = augmented(CompSub(), problem(TRAIN))
    some = augmented(CompSub(n=6), problem(TRAIN), seed=1)
    assert len(some) == 6
    assert some == [new for new in faithful if new in some]
    assert some == augmented(CompSub(n=6), problem(TRAIN), seed=1)
    assert some != augmented(CompSub(n=6), problem(TRAIN), seed=2)
    assert augmented(CompSub(n=10_000), problem(TRAIN)) == faithful


def test_the_interpreter_is_never_called() -> None:
    def refuse(command: str) -> str:
        raise AssertionError(command)

    given = Problem("scan", examples(TRAIN), [], frozenset(), refuse, 53)
    assert augmented(CompSub(), given) == augmented(CompSub(), problem(TRAIN))


def test_another_language_is_skipped() -> None:
    with pytest.raises(Skip, match="components of scan, cogs and geoquery, not of klingon"):
        augmented(CompSub(), problem(TRAIN, language="klingon"))


@pytest.mark.parametrize("language", ["scan", "geoquery"])
def test_the_safe_mode_is_of_cogs_alone(language: str) -> None:
    with pytest.raises(Skip, match="role_safe is of COGS"):
        augmented(CompSub(role_safe=True), problem(TRAIN, language=language))


def test_scan_has_no_subtrees() -> None:
    with pytest.raises(Skip, match="no subtrees"):
        augmented(CompSub(types="tree"), problem(TRAIN))


def test_the_fields_reach_the_draws_of_cogs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def augment(train: object, language: str, rng: object, **fields: object) -> list[Augmented]:
        asked.update(fields, language=language)
        return [Augmented("a", "b", 0, "")]

    monkeypatch.setattr(cogs_draws, "augment", augment)
    given = problem(TRAIN, language="cogs-ql")
    assert augmented(CompSub(depth=3, types="word", n=7, role_safe=True), given)
    assert asked == {"language": "cogs-ql", "n": 7, "rounds": 3, "types": "word", "role_safe": True}
    augmented(CompSub(), given)
    assert asked["n"] == 60_000 and asked["rounds"] == 2 and asked["role_safe"] is False


def test_the_fields_reach_the_draws_of_geoquery(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def augment(train: object, rng: object, **fields: object) -> list[Augmented]:
        asked.update(fields)
        return [Augmented("a", "b", 0, ""), Augmented("held", "c", 0, "")]

    monkeypatch.setattr(geo_draws, "augment", augment)
    given = Problem("geoquery", examples(TRAIN), [], frozenset({"held"}), None, 53)
    assert len(augmented(CompSub(depth=1, types="span"), given)) == 2
    assert asked == {"n": 40_000, "depth": 1, "types": "span"}
    assert [new.x for new in augmented(CompSub(strict=True), given)] == ["a"]


def test_an_empty_command_has_no_component() -> None:
    for x in ("", "and walk", "walk after"):
        assert candidates(x, "I_WALK", LEXICON) == []


@pytest.mark.parametrize(("field", "message"), [({"depth": 0}, "depth must be"), ({"n": 0}, "n must be")])
def test_impossible_settings_are_refused(field: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CompSub(**field)
