"""SCAN behind the shared interface: the same components, in the same order, with the same results."""

from __future__ import annotations

import pytest

from methods.compositional import scan_components as scan
from methods.compositional.scan_substitutions import ScanSubstitutions
from methods.compositional.substitutions import describe, substitutions
from tasks.compositional.contract import Example
from tasks.compositional.scan.grammar import commands, interpret

COMMANDS = ["walk left twice and run", "look after walk right", "run and run"]
COMMANDS += ["jump", *sorted(c for c in commands() if len(c.split()) < 3)]
LINES = [Example(c, interpret(c)) for c in COMMANDS]
SPREAD = [Example(c, interpret(c)) for c in sorted(commands())[::97]]


@pytest.mark.parametrize("train", [LINES, SPREAD], ids=["by hand", "of the whole grammar"])
def test_slots_are_the_candidates_of_the_scan_components(train: list[Example]) -> None:
    found, pool = ScanSubstitutions(train), scan.pool(train)
    assert [p.x for p in found.pieces] == [c.x for c in pool.components]
    assert [p.donor for p in found.pieces] == [c.donor for c in pool.components]
    for line, example in enumerate(train):
        candidates = scan.candidates(*example, pool.lexicon)
        slots = found.slots(line)
        assert [(s.x, s.kind, s.start, s.end) for s in slots] == [
            (c.x, c.signature, c.start, c.end) for c in candidates
        ]
        for slot, candidate in zip(slots, candidates, strict=True):
            assert pool.components[slot.piece] == pool.find(candidate.signature, candidate.x)


@pytest.mark.parametrize("train", [LINES, SPREAD], ids=["by hand", "of the whole grammar"])
def test_what_is_made_is_right_and_the_own_piece_changes_nothing(train: list[Example]) -> None:
    found = ScanSubstitutions(train)
    for line in range(0, len(train), max(1, len(train) // 60)):
        for slot in found.slots(line):
            assert found.make(line, slot, slot.piece) == train[line]
            for piece in found.admitted(slot.kind):
                made = found.make(line, slot, piece)
                assert made.y == interpret(made.x)


def test_what_may_enter_has_the_same_signature() -> None:
    found, pool = ScanSubstitutions(SPREAD), scan.pool(SPREAD)
    for signature in pool.by_signature:
        same = [k for k, c in enumerate(pool.components) if c.signature == signature]
        assert list(found.admitted(signature)) == same
    assert not found.admitted("no such kind")


def test_a_phrase_its_v_part_and_a_word_by_hand() -> None:
    found = ScanSubstitutions(LINES)
    slots = {(s.kind.grain, s.x): s for s in found.slots(0)}
    assert list(slots) == [
        *(("span", "walk left twice"), ("span", "walk left"), ("span", "run")),
        *(("word", "walk"), ("word", "left"), ("word", "run")),
    ]
    pieces = {(p.kind, p.x): k for k, p in enumerate(found.pieces)}
    v_part = slots["span", "walk left"]
    right = pieces[v_part.kind, "walk right"]
    assert found.make(0, v_part, right) == Example(
        "walk right twice and run", "I_TURN_RIGHT I_WALK I_TURN_RIGHT I_WALK I_RUN"
    )
    assert describe(v_part, found.pieces[right]) == "0:2 walk left -> walk right (line 1)"


def test_a_word_is_replaced_at_every_place_and_a_span_at_its_own() -> None:
    found = ScanSubstitutions(LINES)
    pieces = {(p.kind, p.x): k for k, p in enumerate(found.pieces)}
    first, second, word = found.slots(2)
    assert found.make(2, first, pieces[first.kind, "jump"]).x == "jump and run"
    assert found.make(2, second, pieces[second.kind, "jump"]).x == "run and jump"
    assert found.make(2, word, pieces[word.kind, "jump"]).x == "jump and jump"


def test_scan_is_reached_by_its_name_and_never_thinned() -> None:
    assert substitutions(LINES, "scan", limit=2).pieces == ScanSubstitutions(LINES).pieces
