"""Components of GeoQuery: hand-worked substitutions, the laws of exchange, the published training pairs."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from methods.compositional.geo_alignment import Aligned, read
from methods.compositional.geo_classes import Classes, induce, parents
from methods.compositional.geo_components import (
    Component,
    Cut,
    Signature,
    component,
    cuts,
    exchangeable,
    substitute,
)
from methods.compositional.geo_draws import Pool, augment, key, options, replay
from methods.compositional.geo_substitutions import GeoSubstitutions
from methods.compositional.substitutions import substitutions
from tasks.compositional.contract import Example

HEADS = (
    "answer",
    "largest",
    "smallest",
    "city",
    "state",
    "loc_2",
    "next_to_2",
    "stateid",
    "largest_one",
    "area_1",
)
CLASSES = Classes(
    {h: h for h in HEADS} | {"smallest": "largest", "traverse_1": "traverse_1", "riverid": "riverid"},
    {h: h for h in HEADS} | {"stateid": "state", "riverid": "riverid", "traverse_1": "traverse_1"},
    frozenset({"largest", "smallest"}),
)


def line(x: str, y: str, *parts: tuple[tuple[int, int], ...]) -> Aligned:
    """A pair aligned by hand: the parts of each node in turn."""
    return Aligned(tuple(x.split()), tuple(n._replace(parts=p) for n, p in zip(read(y), parts, strict=True)))


CITY = line(
    "what is the largest city in texas ?",
    "answer ( largest ( city ( loc_2 ( stateid ( texas ) ) ) ) )",
    *(((0, 3),), ((3, 4),), ((4, 5),), ((5, 6),), ((6, 7),)),
)
AREA = line(
    "what borders the state with the largest area ?",
    "answer ( next_to_2 ( largest_one ( area_1 ( state ( all ) ) ) ) )",
    *(((0, 1),), ((1, 2),), ((4, 7),), ((7, 8),), ((2, 4),)),
)
SMALL = line(
    "the smallest city in the largest state ?",
    "answer ( smallest ( city ( loc_2 ( largest ( state ( all ) ) ) ) ) )",
    *((), ((0, 2),), ((2, 3),), ((3, 4),), ((4, 6),), ((6, 7),)),
)
RUN = line(
    "which states does ohio run through ?",
    "answer ( state ( traverse_1 ( riverid ( ohio ) ) ) )",
    *(((0, 1),), ((1, 2),), ((2, 3), (4, 6)), ((3, 4),)),
)
LINES = (CITY, AREA, SMALL, RUN)


def cut(host: Aligned, grain: str, x: str) -> Cut:
    (found,) = [c for c in cuts(host, CLASSES) if c.signature.grain == grain and component(host, c, 0).x == x]
    return found


def taken(host: Aligned, grain: str, x: str) -> Component:
    return component(host, cut(host, grain, x), 0)


def test_the_cuts_of_a_pair_are_its_words_spans_and_trees() -> None:
    found = {(c.signature.grain, component(CITY, c, 0).x) for c in cuts(CITY, CLASSES)}
    assert found == {
        *(("word", w) for w in ("largest", "city", "in", "texas")),
        *(
            ("span", f"{s} _")
            for s in ("largest", "largest city", "largest city in", "city", "city in", "in")
        ),
        *(("tree", t) for t in ("largest city in texas", "city in texas", "in texas", "texas")),
    }


def test_a_chain_may_stand_behind_its_argument_or_around_it() -> None:
    spans = {component(AREA, c, 0).x: c.ranges for c in cuts(AREA, CLASSES) if c.signature.grain == "span"}
    assert spans == {
        "borders _": ((1, 2), (8, 8)),
        "borders _ with the largest area": ((1, 2), (4, 8)),
        "_ with the largest area": ((2, 2), (4, 8)),
    }
    assert cut(RUN, "span", "does _ run through").ranges == ((2, 3), (4, 6))


def test_an_argument_with_foreign_words_between_its_own_is_no_component() -> None:
    """area_1 ( state ) has "the state .. area", with "with the largest" of largest_one between."""
    assert all(c.signature.entry != "area_1" for c in cuts(AREA, CLASSES) if c.signature.grain != "word")


def test_signatures_by_hand() -> None:
    signature = {(c.signature.grain, component(SMALL, c, 0).x): c.signature for c in cuts(SMALL, CLASSES)}
    assert signature["word", "the smallest"] == Signature("word", "largest", "largest", "bare before")
    assert signature["span", "the smallest city in _"] == Signature("span", "largest", "loc_2", "bare")
    assert signature["span", "city in _"] == Signature("span", "city", "loc_2", "")
    assert signature["tree", "the largest state"] == Signature("tree", "state", "", "")
    assert cut(CITY, "tree", "texas").signature == Signature("tree", "state", "", "")
    assert cut(AREA, "word", "with the largest").signature.place == "apart"
    assert cut(RUN, "word", "does _ run through").signature.place == "around"


@pytest.mark.parametrize(
    ("host", "grain", "leaves", "donor", "enters", "x", "y"),
    [
        (
            *(CITY, "tree", "texas", SMALL, "the largest state"),
            "what is the largest city in the largest state ?",
            "answer ( largest ( city ( loc_2 ( largest ( state ( all ) ) ) ) ) )",
        ),
        (
            *(CITY, "tree", "texas", AREA, "the state"),
            "what is the largest city in the state ?",
            "answer ( largest ( city ( loc_2 ( state ( all ) ) ) ) )",
        ),
        (
            *(SMALL, "word", "state", RUN, "states"),
            "the smallest city in the largest states ?",
            "answer ( smallest ( city ( loc_2 ( largest ( state ( all ) ) ) ) ) )",
        ),
        (
            *(SMALL, "span", "city in _", CITY, "city in _"),
            "the smallest city in the largest state ?",
            "answer ( smallest ( city ( loc_2 ( largest ( state ( all ) ) ) ) ) )",
        ),
        (
            *(AREA, "span", "_ with the largest area", AREA, "borders _"),
            "what borders borders the state ?",
            "answer ( next_to_2 ( next_to_2 ( state ( all ) ) ) )",
        ),
        (
            *(CITY, "span", "in _", RUN, "does _ run through"),
            "what is the largest city does texas run through ?",
            "answer ( largest ( city ( traverse_1 ( stateid ( texas ) ) ) ) )",
        ),
        (
            *(RUN, "span", "states does _ run through", CITY, "in _"),
            "which in ohio ?",
            "answer ( loc_2 ( riverid ( ohio ) ) )",
        ),
    ],
)
def test_a_substitution_by_hand(
    host: Aligned, grain: str, leaves: str, donor: Aligned, enters: str, x: str, y: str
) -> None:
    """Classes are not looked at here: `substitute` does what it is told."""
    made = substitute(host, cut(host, grain, leaves), taken(donor, grain, enters))
    assert made.example == Example(x, y)
    covered = sorted(p for n in made.nodes for a, b in n.parts for p in range(a, b))
    assert covered == list(range(len(made.words) - 1))


def test_putting_back_what_left_gives_the_pair_again() -> None:
    for host in LINES:
        for c in cuts(host, CLASSES):
            assert substitute(host, c, component(host, c, 0)) == host


def test_a_substitution_can_be_undone() -> None:
    """What entered can leave again at the same nodes, and what left fits there."""
    done = 0
    for host in LINES:
        for c in cuts(host, CLASSES):
            for donor in LINES:
                for d in cuts(donor, CLASSES):
                    new = component(donor, d, 0)
                    if exchangeable(c, new):
                        made = substitute(host, c, new)
                        back = c._replace(last=c.first + len(new.nodes) - 1)
                        (again,) = [
                            e for e in cuts(made, CLASSES) if e[:3] == (new.signature, back.first, back.last)
                        ]
                        assert substitute(made, again, component(host, c, 0)).example == host.example
                        done += 1
    assert done > 30


PROGRAMS = [
    "answer ( largest ( city ( loc_2 ( stateid ( texas ) ) ) ) )",
    "answer ( largest ( state ( all ) ) )",
    "answer ( smallest ( state ( loc_2 ( countryid ( usa ) ) ) ) )",
    "answer ( smallest ( city ( all ) ) )",
    "answer ( population_1 ( largest ( city ( all ) ) ) )",
    "answer ( population_1 ( smallest ( city ( all ) ) ) )",
    "answer ( population_1 ( city ( all ) ) )",
    "answer ( loc_2 ( largest ( state ( all ) ) ) )",
    "answer ( loc_2 ( state ( all ) ) )",
    "answer ( loc_2 ( smallest ( state ( all ) ) ) )",
]


def test_classes_are_induced_from_shared_contexts() -> None:
    """largest and smallest stand below population_1 and loc_2 and above city and state alike (cosines 1);
    city (below largest, smallest, population_1) and state (largest, smallest, loc_2) share 2 of 3 above."""
    found = induce(read(p) for p in PROGRAMS)
    assert found.of["largest"] == found.of["smallest"]
    assert found.transparent == {"largest", "smallest"}
    assert found.sort(read(PROGRAMS[4]), 2) == found.sort(read(PROGRAMS[6]), 2) == found.sorts["city"]
    assert found.sorts["stateid"] == found.sorts["state"] == found.sort(read(PROGRAMS[7]), 2)
    assert found.sorts["city"] != found.sorts["state"]
    assert found.of["stateid"] == "stateid"


def test_classes_do_not_depend_on_the_order_of_the_programs() -> None:
    assert induce(read(p) for p in PROGRAMS[::-1]) == induce(read(p) for p in PROGRAMS)


def test_parents_of_a_program_with_two_arguments() -> None:
    assert parents(read("a ( e ( s ( all ) , n ( c ( x ) ) ) )")) == [-1, 0, 1, 1, 3]


IN, NEW = "city ( loc_2 ( stateid (", ("ohio", "new york")
TOY = [
    *(
        Example(f"what is the largest city in {s} ?", f"answer ( largest ( {IN} {s} ) ) ) ) )")
        for s in ("texas", "utah")
    ),
    *(
        Example(f"what is the smallest city in {s} ?", f"answer ( smallest ( {IN} {s} ) ) ) ) )")
        for s in ("texas", "ohio")
    ),
    *(
        Example(f"what is the area of {s} ?", f"answer ( area_1 ( stateid ( {s} ) ) )")
        for s in ("texas", "new york")
    ),
]


def test_names_are_exchanged_in_a_small_training_set() -> None:
    made = augment(TOY, np.random.default_rng(0), n=100, types="word")
    expected = {
        *((f"what is the largest city in {s} ?", f"answer ( largest ( {IN} {s} ) ) ) ) )") for s in NEW),
        ("what is the area of utah ?", "answer ( area_1 ( stateid ( utah ) ) )"),
    }
    assert expected <= {(a.x, a.y) for a in made}
    assert all(a.how.startswith("word") for a in made)


def test_a_small_training_set_is_drawn_from_and_replayed() -> None:
    made = augment(TOY, np.random.default_rng(0), n=20, depth=2)
    assert len({a.x for a in made}) == len(made) > 5
    assert {a.x for a in made}.isdisjoint(e.x for e in TOY)
    assert [replay(a, TOY) for a in made] == [a.example for a in made]


def test_slots_of_a_small_training_set_give_the_line_back() -> None:
    subs = substitutions(TOY, "geoquery")
    (texas,) = [s for s in subs.slots(0) if s.x == "texas" and s.kind[0] == "word"]  # type: ignore[index]
    assert (texas.start, texas.end) == (6, 7)
    assert [subs.pieces[k].x for k in subs.admitted(texas.kind)] == ["texas", "utah", "ohio", "new york"]
    assert subs.make(0, texas, texas.piece) == TOY[0]
    assert subs.make(0, texas, subs.admitted(texas.kind)[1]) == TOY[1]


@pytest.mark.parametrize(("n", "depth"), [(0, 1), (1, 0)])
def test_augment_refuses_less_than_one(n: int, depth: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        augment(TOY, np.random.default_rng(0), n=n, depth=depth)


def test_nothing_is_made_of_pairs_that_cannot_be_read() -> None:
    assert augment([Example("a", "b")], np.random.default_rng(0), n=5) == []
    assert GeoSubstitutions([Example("a", "b")]).slots(0) == []


@cache
def published() -> tuple[list[Example], Pool]:
    """The first 200 span-annotated training pairs of the query split and their components."""
    folder = Path(os.environ.get("SUITE_DATA_DIR", "")) / "geoquery"
    if not os.environ.get("SUITE_DATA_DIR") or not (folder / "l2s2_comp_src.train.gz").is_file():
        pytest.skip("geoquery/l2s2_comp_*.train.gz are not in SUITE_DATA_DIR")
    with (
        gzip.open(folder / "l2s2_comp_src.train.gz", "rt", encoding="utf-8") as x,
        gzip.open(folder / "l2s2_comp_tgt.train.gz", "rt", encoding="utf-8") as y,
    ):
        train = [Example(a.strip(), b.strip()) for a, b in zip(x, y, strict=True)][:200]
    return train, Pool.of(train)


def test_every_published_pair_comes_back_when_a_component_is_put_back() -> None:
    for host in dict.fromkeys(published()[1].lines):
        assert host is not None
        for c in cuts(host, published()[1].classes):
            assert substitute(host, c, component(host, c, 0)) == host


@pytest.mark.parametrize("depth", [1, 2])
def test_draws_are_new_distinct_readable_and_replayable(depth: int) -> None:
    train, pool = published()
    made = augment(train, np.random.default_rng(depth), n=500, depth=depth, pool=pool)
    inputs = [a.x for a in made]
    assert len(made) == len(set(inputs)) == 500
    assert {e.x for e in train}.isdisjoint(inputs)
    assert max(a.how.count("; ") for a in made) == depth - 1
    for a in made:
        assert replay(a, train, pool) == a.example
        read(a.y)
    assert made == augment(train, np.random.default_rng(depth), n=500, depth=depth, pool=pool)


def test_a_provenance_of_another_line_is_refused() -> None:
    train, pool = published()
    new = augment(train, np.random.default_rng(0), n=1, pool=pool)[0]
    for how in ("nothing", "tree 1:99 a -> b (line 0, piece 0)", "tree 1:1 a -> b (line 0, piece 999999)"):
        with pytest.raises(ValueError, match="is no substitution|has no"):
            replay(new._replace(how=how), train, pool)


def test_a_kind_of_components_can_be_asked_for() -> None:
    train, pool = published()
    for types in ("word", "span", "tree"):
        made = augment(train, np.random.default_rng(0), n=50, types=types, pool=pool)
        assert {a.how.split()[0] for a in made} == {types}


def test_published_slots_agree_with_the_components() -> None:
    train = published()[0][:120]
    pool, subs = Pool.of(train), substitutions(train, "geoquery")
    assert len(subs.pieces) == len(pool.pieces)
    for number in range(0, len(train), 10):
        host = pool.lines[number]
        assert host is not None
        slots = subs.slots(number)
        assert len(slots) == len(options(host, pool))
        for slot in slots[:3]:
            admitted = list(subs.admitted(slot.kind))
            assert slot.piece in admitted == sorted(admitted)
            assert all(subs.pieces[k].kind == slot.kind for k in admitted)
            assert subs.make(number, slot, slot.piece) == train[number]
            assert (
                train[number].x.split()[slot.start : slot.end]
                == slot.x.split(" _")[0].split("_ ")[-1].split()
            )


def test_a_limit_keeps_every_kind_as_long_as_it_can() -> None:
    train = published()[0][:120]
    pool = Pool.of(train)
    few = GeoSubstitutions(train, limit=len(pool.members) + 5)
    assert len(few.pieces) == len(pool.members) + 5
    assert {p.kind for p in few.pieces} == set(pool.members)
    for number in range(0, len(train), 25):
        for slot in few.slots(number):
            assert slot.piece in few.admitted(slot.kind)
            assert few.make(number, slot, slot.piece) == train[number]


def test_pieces_are_distinct_and_named_by_their_first_line() -> None:
    pool = published()[1]
    assert max(Counter(key(p) for p in pool.pieces).values()) == 1
    for piece in pool.pieces[::50]:
        host = pool.lines[piece.donor]
        assert host is not None
        assert piece in [component(host, c, piece.donor) for c in cuts(host, pool.classes)]
