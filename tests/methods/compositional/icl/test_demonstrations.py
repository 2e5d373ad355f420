"""Making demonstrations: by hand on a toy language, against the interpreter on SCAN."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.compositional.icl.demonstrations import Kitchen, compose, coverage, covering, holdings
from methods.compositional.icl.retrieval import by_distance, features, index
from methods.compositional.scan_substitutions import ScanSubstitutions
from methods.compositional.substitutions import Piece, Slot, Substitutions, substitutions
from tasks.compositional.contract import Example
from tasks.compositional.scan.grammar import commands, interpret

COMMANDS = sorted(commands())


class Words(Substitutions):
    """A toy: the first word of a line is of the kind "verb", the others are "rest"; y is x in capitals."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.train = [Example(x, x.upper()) for x in lines]
        self.made = 0
        found: dict[tuple[str, str], int] = {}
        for line, x in enumerate(lines):
            for place, word in enumerate(x.split()):
                found.setdefault((word, "rest" if place else "verb"), line)
        self.pieces = [Piece(word, kind, line) for (word, kind), line in found.items()]

    def slots(self, line: int) -> list[Slot]:
        out = []
        for place, word in enumerate(self.train[line].x.split()):
            kind = "rest" if place else "verb"
            number = next(i for i, p in enumerate(self.pieces) if (p.x, p.kind) == (word, kind))
            out.append(Slot(word, kind, number, place, place + 1))
        return out

    def admitted(self, kind: object) -> list[int]:
        return [i for i, piece in enumerate(self.pieces) if piece.kind == kind]

    def make(self, line: int, slot: Slot, piece: int) -> Example:
        self.made += 1
        words = self.train[line].x.split()
        words[slot.start] = self.pieces[piece].x
        return Example(" ".join(words), " ".join(words).upper())


def composed(lines: Sequence[str], query: str, k: int, *, strict: bool = False) -> list[tuple[str, str, int]]:
    kitchen = Kitchen(Words(lines))
    found = compose(kitchen, query, range(len(lines)), k, frozenset(lines), strict=strict)
    assert all(d.y == d.x.upper() and d.example == Example(d.x, d.y) for d in found)
    return [(d.x, d.how, d.line) for d in found]


def test_components_of_the_query_are_found_in_small_letters() -> None:
    kitchen = Kitchen(Words(["Jump far", "run far"]))
    assert [kitchen.substitutions.pieces[i].x for i in kitchen.in_query("jump FAR now")] == ["Jump", "far"]


def test_proposals_are_the_substitutions_that_are_admitted_and_change_the_line() -> None:
    kitchen = Kitchen(Words(["run far", "jump", "sit now"]))
    found = [(p.line, p.x) for p in kitchen.proposals("jump now", [0, 1, 2])]
    # "run" and "sit" may become "jump", "far" may become "now"; "jump" and "now" stay as they are.
    assert found == [(0, "jump far"), (0, "run now"), (2, "jump now")]


def test_what_no_line_joins_is_made_with_its_provenance() -> None:
    lines = ["run far", "jump", "sit now"]
    assert composed(lines, "jump far", 3) == [
        ("jump far", "0:1 run -> jump (line 1)", 0),
        ("run far", "", 0),
        ("jump", "", 1),
    ]


def test_strict_never_makes_the_query_itself() -> None:
    # Without "jump far" three candidates hold one of its two words; the nearest is a training line.
    assert composed(["run far", "jump", "sit now"], "jump far", 3, strict=True) == [
        ("run far", "", 0),
        ("jump", "", 1),
        ("jump now", "0:1 sit -> jump (line 1)", 2),
    ]
    assert "Jump far" not in [x for x, _, _ in composed(["run far", "Jump"], "jump far", 3, strict=True)]
    assert ("jump far", "", 0) in composed(["jump far", "run"], "jump far", 2, strict=True)


def test_a_training_input_is_not_made_again() -> None:
    assert [how for _, how, _ in composed(["run far", "jump far"], "jump far", 4)] == ["", ""]


def test_no_more_is_made_than_the_shortlist_holds() -> None:
    lines = [f"{verb} {rest}" for verb in "abcdefgh" for rest in "stuvw"][::3]
    toy = Words(lines)
    compose(Kitchen(toy), "a t", range(len(lines)), 1, frozenset(lines), strict=False)
    assert 0 < toy.made <= 4


def test_holdings_coverage_and_covering_by_hand() -> None:
    assert holdings(features("a b"), ["A", "b a", "a b c"]).T.tolist() == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
    assert coverage("a B c d a", ["b", "x A"]) == 0.5
    assert coverage("", ["a"]) == 1
    # Both hold all; the one at the smaller edit distance comes first.
    assert covering("a b", ["x y a b z", "a b z"], 2) == [1, 0]
    assert covering("a b", [], 2) == []


@pytest.fixture(scope="module")
def jump() -> Kitchen:
    """400 lines without "jump", and "jump" alone."""
    lines = [x for x in COMMANDS if "jump" not in x][::33][:400] + ["jump"]
    return Kitchen(ScanSubstitutions([Example(x, interpret(x)) for x in lines]))


@settings(max_examples=30)
@given(query=st.sampled_from(COMMANDS), start=st.integers(0, 390), strict=st.booleans())
def test_on_scan_labels_are_right_and_the_words_of_the_seeds_are_covered(
    jump: Kitchen, query: str, start: int, strict: bool
) -> None:
    train = jump.substitutions.train
    known = frozenset(e.x for e in train)
    lines = [400, *range(start, start + 10)]
    shown = compose(jump, query, lines, 8, known, strict=strict)
    assert len({d.x for d in shown}) == len(shown) == 8
    for d in shown:
        assert d.y == interpret(d.x)
        assert (d.x in known) == (not d.how)
        assert not d.how or d.line in lines
        assert not (strict and d.how) or d.x != query
    # Six words at most, each of which takes a place at most.
    words = set(query.split()) & {w for line in lines for w in train[line].x.split()}
    assert words <= {w for d in shown for w in d.x.split()}


def test_on_jump_one_substitution_gives_the_query_itself(jump: Kitchen) -> None:
    host = next(e.x for e in jump.substitutions.train if e.x.count("run") == 1 and len(e.x.split()) > 4)
    query = host.replace("run", "jump")
    lines = [i for i, e in enumerate(jump.substitutions.train) if e.x in (host, "jump")]
    found = compose(jump, query, lines, 2, frozenset(), strict=False)
    assert (found[0].x, found[0].y) == (query, interpret(query))


def geoquery(part: str) -> list[Example]:
    """The query split of GeoQuery in FunQL."""
    folder = Path(os.environ.get("SUITE_DATA_DIR", "")) / "geoquery"
    if not os.environ.get("SUITE_DATA_DIR") or not folder.is_dir():
        pytest.skip("needs the real data: SUITE_DATA_DIR names no folder with geoquery")

    def lines(side: str) -> list[str]:
        text = gzip.decompress((folder / f"l2s2_comp_{side}.{part}.gz").read_bytes()).decode()
        return [" ".join(line.split()) for line in text.splitlines()]

    return [Example(x, y) for x, y in zip(lines("src"), lines("tgt"), strict=True)]


def test_on_geoquery_what_is_made_of_training_lines_has_the_right_programs() -> None:
    train = list(dict.fromkeys(geoquery("train")))
    gold = dict(geoquery("test"))
    kitchen, found = Kitchen(substitutions(train, "geoquery")), index([x for x, _ in train])
    known = frozenset(x for x, _ in train)
    made = [
        (demonstration.y, gold[demonstration.x])
        for query in list(gold)[:24]
        for demonstration in compose(kitchen, query, by_distance(found, query, 16), 8, known, strict=False)
        if demonstration.how and demonstration.x in gold
    ]
    assert len(made) >= 8
    assert all(y == program for y, program in made)
