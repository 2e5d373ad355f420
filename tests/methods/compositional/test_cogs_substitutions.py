"""What LCS and LCS-ICL may do to a COGS line: by hand, and every action by the interpreter."""

from __future__ import annotations

from collections import Counter

import pytest

from methods.compositional.cogs_components import Interface, Signature
from methods.compositional.cogs_substitutions import CogsSubstitutions
from methods.compositional.substitutions import Slot, substitutions
from tasks.compositional.cogs.generator import generate
from tasks.compositional.cogs.grammar import interpret
from tasks.compositional.cogs.lexicon import induce
from tasks.compositional.contract import Example
from tasks.compositional.notation.cogs import joined, logical_form, variable_free

TRAIN = [
    Example(
        "A cup on the bed broke .",
        "* bed ( x_4 ) ; cup ( x_1 ) AND cup . nmod . on ( x_1 , x_4 ) AND break . theme ( x_5 , x_1 )",
    ),
    Example("Mia slept .", "sleep . agent ( x_1 , Mia )"),
    Example("shark", "LAMBDA a . shark ( a )"),
    Example("The shark", "no form"),
    Example("The cat froze .", "* cat ( x_1 ) ; freeze . theme ( x_2 , x_1 )"),
]
NOUN = Signature("word", "noun", "noun")
VERB = Signature("word", "verb", "verb")


def rows(free: bool = False, n: int = 60) -> list[Example]:
    made = generate(0, n, 0, 0, 0, variable_free=free).train
    return [Example(row.sentence, row.form) for row in made]


def entering(found: CogsSubstitutions, slot: Slot) -> list[str]:
    return [found.pieces[k].x for k in found.admitted(slot.kind)]


def test_the_slots_of_a_line_are_its_words_and_spans() -> None:
    found = CogsSubstitutions(TRAIN, "cogs")
    assert [(s.x, s.start, s.end) for s in found.slots(0)] == [
        *(("A cup", 0, 2), ("A cup on", 0, 3), ("A cup on the bed", 0, 5)),
        *(("on", 2, 3), ("on the bed", 2, 5), ("the bed", 3, 5), ("broke", 5, 6)),
    ]
    assert [found.pieces[s.piece].x for s in found.slots(0)] == [
        *("a cup", "a cup on", "a cup on the bed", "on", "on the bed", "the bed", "broke")
    ]
    assert found.slots(2) == found.slots(3) == ()


def test_what_may_enter_keeps_the_label_right() -> None:
    found = CogsSubstitutions(TRAIN, "cogs")
    cup, _, span, on, _, bed, broke = found.slots(0)
    nouns = ["a cup", "a cup on the bed", "the bed", "Mia", "a shark", "the shark", "the cat"]
    assert entering(found, bed) == nouns
    assert entering(found, cup) == [n for n in nouns if n != "Mia"]  # "Mia on the bed" is no phrase
    assert entering(found, span) == ["a cup on the bed"]
    assert entering(found, on) == ["on"]
    assert entering(found, broke) == ["broke", "froze"]
    mia, slept = found.slots(1)
    assert entering(found, mia) == nouns
    assert entering(found, slept) == ["slept"]
    assert found.admitted("no kind") == ()


def test_a_piece_enters_with_its_share_of_the_output() -> None:
    found = CogsSubstitutions(TRAIN, "cogs")
    pieces = [p.x for p in found.pieces]
    cup, *_, broke = found.slots(0)
    mia, _ = found.slots(1)
    assert found.make(1, mia, pieces.index("the shark")) == (
        "The shark slept .",
        "* shark ( x_1 ) ; sleep . agent ( x_2 , x_1 )",
    )
    assert found.make(1, mia, pieces.index("a cup on the bed")) == (
        "A cup on the bed slept .",
        "* bed ( x_4 ) ; cup ( x_1 ) AND cup . nmod . on ( x_1 , x_4 ) AND sleep . agent ( x_5 , x_1 )",
    )
    assert found.make(0, broke, pieces.index("froze")) == (
        TRAIN[0].x.replace("broke", "froze"),
        TRAIN[0].y.replace("break", "freeze"),
    )
    assert found.make(0, cup, pieces.index("a cup on the bed")) == (
        "A cup on the bed on the bed broke .",
        "* bed ( x_4 ) ; * bed ( x_7 ) ; cup ( x_1 ) AND cup . nmod . on ( x_1 , x_4 ) AND "
        "bed . nmod . on ( x_4 , x_7 ) AND break . theme ( x_8 , x_1 )",
    )


def test_pieces_are_distinct_and_name_the_line_they_are_first_seen_in() -> None:
    found = CogsSubstitutions(TRAIN, "cogs")
    assert [(p.x, p.donor) for p in found.pieces if p.kind.signature in (NOUN, VERB)] == [
        *(("a cup", 0), ("the bed", 0), ("broke", 0), ("Mia", 1), ("slept", 1)),
        *(("a shark", 2), ("the shark", 2), ("the cat", 4), ("froze", 4)),
    ]
    assert found.pieces[[p.x for p in found.pieces].index("Mia")].kind == Interface(NOUN, (), True)


def test_a_slot_admits_its_own_piece_which_leaves_the_line_as_it_is() -> None:
    for language in ("cogs", "cogs-ql"):
        train = rows(language == "cogs-ql")
        found = substitutions(train, language)
        for line in range(len(train)):
            for slot in found.slots(line):
                assert slot.piece in found.admitted(slot.kind)
                assert list(found.admitted(slot.kind)) == sorted(found.admitted(slot.kind))
                assert found.make(line, slot, slot.piece) == train[line]


def test_every_action_gives_the_label_of_the_interpreter() -> None:
    lexicon = induce([(row.sentence, row.form) for row in generate(0, 60, 0, 0, 0, joined=False).train])
    forms, frees = CogsSubstitutions(rows(), "cogs"), CogsSubstitutions(rows(True), "cogs-ql")
    n = 0
    for line in range(0, len(forms.train), 7):
        for slot in forms.slots(line):
            for piece in forms.admitted(slot.kind):
                new = forms.make(line, slot, piece)
                tree = interpret(new.x, lexicon)
                assert new.y == joined(logical_form(tree))
                assert frees.make(line, slot, piece) == (new.x, variable_free(tree))
                n += 1
    assert n > 4000


def test_both_notations_have_the_same_slots_and_pieces() -> None:
    forms, frees = CogsSubstitutions(rows(), "cogs", 200), CogsSubstitutions(rows(True), "cogs-ql", 200)
    assert forms.pieces == frees.pieces
    assert all(forms.slots(line) == frees.slots(line) for line in range(len(forms.train)))


def test_a_thinned_pool_is_even_and_keeps_words_that_stand_alone() -> None:
    train = rows(n=300)
    whole = CogsSubstitutions(train, "cogs")
    thinned = CogsSubstitutions(train, "cogs", 400)
    assert len(thinned.pieces) == 400 < len(whole.pieces)
    assert [p for p in whole.pieces if p in set(thinned.pieces)] == list(thinned.pieces)
    alone = {(p.x, p.kind) for p in CogsSubstitutions(train, "cogs", 1).pieces}
    words = {x.split()[-1] for x, _ in alone}
    assert words == {e.x for e in train if " " not in e.x} and len(words) == 143
    assert alone <= {(p.x, p.kind) for p in thinned.pieces}
    # The rest is dealt out one by one: no kind that has more to give is two behind another.
    given, there = (
        Counter(p.kind for p in found.pieces if (p.x, p.kind) not in alone) for found in (thinned, whole)
    )
    assert min(given[kind] for kind in there if given[kind] < there[kind]) >= max(given.values()) - 1


def test_a_limit_below_the_words_that_stand_alone_keeps_just_these() -> None:
    found = CogsSubstitutions(TRAIN, "cogs", 1)
    assert [p.x for p in found.pieces] == ["a shark", "the shark"]
    assert [s.piece for s in found.slots(0)] == [-1] * 7
    mia, _ = found.slots(1)
    assert found.make(1, mia, 0) == ("A shark slept .", "shark ( x_1 ) AND sleep . agent ( x_2 , x_1 )")


def test_words_come_before_second_forms_of_them() -> None:
    """Of the nouns a cup, the cup and a bed, two may stay: one of each word."""
    train = [
        Example(f"{noun} broke .", y)
        for noun, y in (
            ("A cup", "cup ( x_1 ) AND break . theme ( x_2 , x_1 )"),
            ("The cup", "* cup ( x_1 ) ; break . theme ( x_2 , x_1 )"),
            ("A bed", "bed ( x_1 ) AND break . theme ( x_2 , x_1 )"),
        )
    ]
    assert [p.x for p in CogsSubstitutions(train, "cogs", 3).pieces] == ["a cup", "broke", "a bed"]


@pytest.mark.parametrize("limit", [None, 50])
def test_the_pool_does_not_depend_on_anything_but_the_lines(limit: int | None) -> None:
    one, two = (CogsSubstitutions(rows(), "cogs", limit) for _ in range(2))
    assert one.pieces == two.pieces
    assert [one.slots(k) for k in range(20)] == [two.slots(k) for k in range(20)]
