"""FunQL: texts to trees and back, every functor by hand on a small country, and what is told apart."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

from tasks.compositional.geoquery.database import (
    City,
    Database,
    Lake,
    Names,
    Place,
    River,
    State,
    Thing,
    generate,
)
from tasks.compositional.geoquery.denotation import denotations, evaluate, mentioned, same_denotation
from tasks.compositional.geoquery.funql import DEEPEST, FUNCTORS, LONGEST, Call, Type, check, parse, show

SMALL = Database(
    states=(
        State("texas", 1_000_000, 1_000, "austin", ("ohio",)),
        State("ohio", 500_000, 2_000, "columbus", ("texas", "utah")),
        State("utah", 800_000, 500, "austin", ("ohio",)),
        State("iowa", 90_000, 300, "ames", ()),
    ),
    cities=(
        City("austin", "texas", 200_000, 100),
        City("dallas", "texas", 300_000, 400),
        City("columbus", "ohio", 160_000, 40),
        City("austin", "utah", 100_000, 25),
        City("ames", "iowa", 50_000, 10),
    ),
    rivers=(
        River("red", 1_000, ("texas", "ohio"), (("austin", "texas"),)),
        River("big", 2_000, ("ohio", "utah")),
        River("low", 500, ("ohio",)),
    ),
    places=(
        Place("peak", 3_000, "texas", mountain=True),
        Place("hill", 1_000, "texas", city="dallas"),
        Place("top", 2_000, "ohio", mountain=True),
        Place("shore", 0, "ohio"),
        Place("mesa", 1_500, "utah", mountain=True),
        Place("sink", -50, "utah"),
        Place("flat", 300, "iowa"),
    ),
    lakes=(Lake("great", 6_000, ("ohio", "utah")), Lake("pond", 900, ("texas",))),
    population=3_000_000,
    area=4_000,
)

THINGS = {
    "stateid ( texas )": "texas",
    "stateid ( nowhere )": "",
    "riverid ( red )": "red",
    "placeid ( peak )": "peak",
    "countryid ( usa )": "usa",
    "countryid ( peru )": "",
    "cityid ( austin, _ )": "austin/texas austin/utah",
    "cityid ( austin, ut )": "austin/utah",
    "cityid ( austin, oh )": "",
    "cityid ( austin, zz )": "",
    "state ( all )": "texas ohio utah iowa",
    "city ( all )": "austin/texas dallas/texas columbus/ohio austin/utah ames/iowa",
    "river ( all )": "red big low",
    "place ( all )": "peak hill top shore mesa sink flat",
    "lake ( all )": "great pond",
    "mountain ( all )": "peak top mesa",
    "capital ( all )": "austin/texas columbus/ohio austin/utah ames/iowa",
    "capital ( loc_2 ( stateid ( texas ) ) )": "austin/texas",
    "capital ( highest ( place ( all ) ) )": "",
    "major ( city ( all ) )": "austin/texas dallas/texas columbus/ohio",
    "major ( river ( all ) )": "red big",
    "major ( lake ( all ) )": "great",
    "loc_1 ( cityid ( austin, tx ) )": "texas usa",
    "loc_1 ( riverid ( red ) )": "texas ohio usa",
    "loc_1 ( placeid ( hill ) )": "texas usa dallas/texas",
    "loc_1 ( stateid ( ohio ) )": "usa",
    "loc_2 ( stateid ( utah ) )": "austin/utah big mesa sink great",
    "loc_2 ( cityid ( dallas, _ ) )": "hill",
    "next_to_1 ( stateid ( texas ) )": "ohio red",
    "next_to_2 ( stateid ( texas ) )": "ohio",
    "next_to_2 ( riverid ( big ) )": "ohio utah",
    "traverse_1 ( riverid ( red ) )": "texas ohio austin/texas usa",
    "traverse_2 ( stateid ( utah ) )": "big",
    "traverse_2 ( cityid ( austin, _ ) )": "red",
    "traverse_2 ( countryid ( usa ) )": "red big low",
    "capital_1 ( state ( next_to_2 ( stateid ( ohio ) ) ) )": "austin/texas austin/utah",
    "capital_2 ( cityid ( austin, _ ) )": "texas utah",
    "high_point_1 ( stateid ( ohio ) )": "top",
    "high_point_1 ( countryid ( usa ) )": "peak",
    "high_point_2 ( placeid ( peak ) )": "texas usa",
    "high_point_2 ( placeid ( hill ) )": "",
    "low_point_1 ( stateid ( ohio ) )": "shore",
    "low_point_2 ( placeid ( sink ) )": "utah usa",
    "longer ( riverid ( red ) )": "big",
    "longer ( river ( all ) )": "red big",
    "higher_2 ( placeid ( top ) )": "peak",
    "higher_2 ( low_point_1 ( stateid ( texas ) ) )": "peak top mesa",
    "lower_2 ( placeid ( flat ) )": "shore sink",
    "elevation_2 ( 0 )": "shore",
    "elevation_2 ( -50 )": "sink",
    "elevation_2 ( 7 )": "",
    "largest ( state ( all ) )": "ohio",
    "largest ( city ( all ) )": "dallas/texas",
    "largest ( lake ( all ) )": "great",
    "smallest ( state ( all ) )": "iowa",
    "smallest ( city ( all ) )": "ames/iowa",
    "largest ( stateid ( nowhere ) )": "",
    "longest ( river ( all ) )": "big",
    "shortest ( river ( all ) )": "low",
    "highest ( place ( all ) )": "peak",
    "highest ( mountain ( loc_2 ( stateid ( utah ) ) ) )": "mesa",
    "lowest ( place ( all ) )": "sink",
    "largest_one ( population_1 ( state ( all ) ) )": "texas",
    "largest_one ( density_1 ( state ( all ) ) )": "utah",
    "smallest_one ( density_1 ( state ( all ) ) )": "ohio",
    "smallest_one ( area_1 ( state ( all ) ) )": "iowa",
    "most ( state ( loc_1 ( city ( all ) ) ) )": "texas",
    "most ( state ( next_to_2 ( state ( all ) ) ) )": "ohio",
    "most ( river ( traverse_2 ( state ( all ) ) ) )": "red big",
    "most ( major ( city ( loc_2 ( state ( all ) ) ) ) )": "austin/texas dallas/texas columbus/ohio",
    "fewest ( river ( traverse_2 ( state ( all ) ) ) )": "low",
    "fewest ( state ( loc_1 ( river ( all ) ) ) )": "texas utah",
    "exclude ( state ( all ) , next_to_2 ( state ( all ) ) )": "iowa",
    "exclude ( river ( all ) , traverse_2 ( stateid ( utah ) ) )": "red low",
    "intersection ( loc_2 ( stateid ( ohio ) ) , loc_2 ( stateid ( utah ) ) )": "big great",
}

NUMBERS = {
    "population_1 ( stateid ( texas ) )": {1_000_000},
    "population_1 ( cityid ( austin, _ ) )": {200_000, 100_000},
    "population_1 ( countryid ( usa ) )": {3_000_000},
    "area_1 ( cityid ( dallas, _ ) )": {400},
    "area_1 ( lake ( all ) )": {6_000, 900},
    "density_1 ( stateid ( utah ) )": {1_600},
    "density_1 ( cityid ( ames, ia ) )": {5_000},
    "density_1 ( countryid ( usa ) )": {750},
    "len ( riverid ( low ) )": {500},
    "elevation_1 ( placeid ( sink ) )": {-50},
    "size ( stateid ( ohio ) )": {2_000},
    "size ( cityid ( dallas, _ ) )": {300_000},
    "size ( riverid ( red ) )": {1_000},
    "size ( placeid ( peak ) )": {3_000},
    "size ( lake ( all ) )": {6_000, 900},
    "size ( countryid ( usa ) )": {4_000},
    "smallest ( population_1 ( state ( all ) ) )": {90_000},
    "largest ( population_1 ( state ( all ) ) )": {1_000_000},
    "count ( state ( all ) )": {4},
    "count ( cityid ( austin, _ ) )": {2},
    "count ( loc_2 ( countryid ( usa ) ) )": {21},
    "count ( stateid ( nowhere ) )": {0},
    "sum ( len ( river ( all ) ) )": {3_500},
    "sum ( population_1 ( state ( next_to_2 ( stateid ( ohio ) ) ) ) )": {1_800_000},
}


def answer(inner: str, database: Database = SMALL) -> frozenset[object]:
    """The answer with things by their names, cities with their states."""
    tree = parse(f"answer ( {inner} )")
    check(tree)
    return frozenset(
        "/".join(filter(None, found[1:])) if isinstance(found, Thing) else found
        for found in evaluate(tree, database)
    )


@pytest.mark.parametrize("program", THINGS)
def test_things_by_hand(program: str) -> None:
    assert answer(program) == set(THINGS[program].split())


@pytest.mark.parametrize("program", NUMBERS)
def test_numbers_by_hand(program: str) -> None:
    assert answer(program) == NUMBERS[program]


def functors(tree: Call) -> set[str]:
    return {tree.functor}.union(*(functors(a) for a in tree.arguments if isinstance(a, Call)))


def test_every_functor_is_worked_out_by_hand() -> None:
    used = set().union(*(functors(parse(f"answer ( {p} )")) for p in (*THINGS, *NUMBERS)))
    assert used == set(FUNCTORS)


def test_equal_numbers_tie_for_the_extreme_and_both_count_in_a_sum() -> None:
    rivers = (*SMALL.rivers[:2], River("low", 1_000, ("ohio",)))
    twins = replace(SMALL, rivers=rivers)
    assert answer("shortest ( river ( all ) )", twins) == {"red", "low"}
    assert answer("len ( river ( all ) )", twins) == {1_000, 2_000}
    assert answer("sum ( len ( river ( all ) ) )", twins) == {4_000}


def test_a_program_is_read_into_a_tree_and_written_as_the_data_writes_it() -> None:
    text = "answer ( exclude ( city ( cityid ( new york, _ ) ) , loc_2 ( stateid ( new mexico ) ) ) )"
    city = Call("city", (Call("cityid", ("new york", "_")),))
    inside = Call("loc_2", (Call("stateid", ("new mexico",)),))
    tree = Call("answer", (Call("exclude", (city, inside)),))
    assert parse(text) == tree
    assert show(tree) == text
    assert parse(text.replace(" (", "(").replace(", ", " ,")) == tree


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "empty"),
        ("texas", "is a name"),
        ("answer ( state ( all )", "'answer' is not closed"),
        ("answer ( state ( all ) ) )", r"'\)' follows the end"),
        ("answer ( state ( ) )", "'state' has an empty argument"),
        ("answer ( cityid ( austin, ) )", "'cityid' has an empty argument"),
        ("answer ( the state ( all ) )", "'the state' before a bracket"),
        ("answer ( ( all ) )", "'' before a bracket"),
        ("answer ( state ( all ) city )", "'answer' is not closed"),
        ("x ( " * (DEEPEST + 1) + "all" + " )" * (DEEPEST + 1), "more than 100 calls"),
        ("answer ( " + "texas " * LONGEST + ")", "more than 1000 tokens"),
    ],
)
def test_malformed_text_is_refused_with_its_reason(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        parse(text)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("state ( all )", "is 'answer' of one argument"),
        ("answer ( state ( all ) , city ( all ) )", "is 'answer' of one argument"),
        ("answer ( answer ( state ( all ) ) )", "'answer' is no functor within"),
        ("answer ( town ( all ) )", "'town' is no functor"),
        ("answer ( texas )", "'texas' is no argument for 'answer'"),
        ("answer ( count ( all ) )", "'all' is no argument for 'count'"),
        ("answer ( cityid ( austin ) )", r"'cityid' takes 2 argument\(s\), not 1"),
        ("answer ( stateid ( state ( all ) ) )", "'stateid' takes a name"),
        ("answer ( elevation_2 ( zero ) )", "takes a whole number, not 'zero'"),
        ("answer ( river ( stateid ( texas ) ) )", "'river' gives nothing for state"),
        ("answer ( len ( city ( all ) ) )", "'len' gives nothing for city"),
        ("answer ( capital_1 ( river ( all ) ) )", "'capital_1' gives nothing for river"),
        ("answer ( largest ( loc_2 ( stateid ( texas ) ) ) )", "does not compare city or river"),
        ("answer ( longest ( len ( river ( all ) ) ) )", "'longest' takes things, not numbers"),
        ("answer ( sum ( state ( all ) ) )", "'sum' takes numbers, not things"),
        ("answer ( largest_one ( state ( all ) ) )", "'largest_one' takes numbers"),
        ("answer ( largest_one ( count ( state ( all ) ) ) )", "numbers that belong to things"),
        ("answer ( exclude ( state ( all ) , count ( state ( all ) ) ) )", "takes two sets of things"),
        ("answer ( intersection ( state ( all ) , city ( all ) ) )", "nothing is in both"),
        ("answer ( most ( state ( all ) ) )", "'most' counts along a relation"),
    ],
)
def test_a_program_without_meaning_is_refused_with_its_reason(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        check(parse(text))


def test_the_type_of_a_program_is_what_its_answer_can_hold() -> None:
    def of(inner: str) -> Type:
        return check(parse(f"answer ( {inner} )"))

    assert of("loc_1 ( cityid ( austin, _ ) )") == Type("things", frozenset({"state", "country"}))
    assert of("next_to_1 ( stateid ( ohio ) )") == Type("things", frozenset({"state", "river"}))
    assert of("largest_one ( density_1 ( city ( all ) ) )") == Type("things", frozenset({"city"}))
    assert of("smallest ( population_1 ( city ( all ) ) )") == Type("numbers", frozenset({"city"}))
    assert of("count ( city ( all ) )") == Type("numbers", frozenset())


LEAVES = [
    *("stateid ( ohio )", "cityid ( austin, _ )", "riverid ( red )", "placeid ( peak )", "countryid ( usa )"),
    *("elevation_2 ( 0 )", "state ( all )", "city ( all )", "river ( all )", "lake ( all )"),
]
ABOVE = [functor for functor in FUNCTORS[1:] if not functor.endswith("id") and functor != "elevation_2"]


def drawn(rng: random.Random, depth: int) -> Call:
    """A random tree, mostly without meaning."""
    if depth == 0:
        return parse(rng.choice(LEAVES))
    functor = rng.choice(ABOVE)
    arity = 2 if functor in ("exclude", "intersection") else 1
    return Call(functor, tuple(drawn(rng, depth - 1) for _ in range(arity)))


def test_whatever_passes_the_check_has_an_answer_of_its_type() -> None:
    rng, used = random.Random(0), set[str]()
    for _ in range(4_000):
        tree = Call("answer", (drawn(rng, rng.randint(1, 4)),))
        assert parse(show(tree)) == tree
        try:
            sort, kinds = check(tree)
        except ValueError:
            continue
        used |= functors(tree)
        for found in evaluate(tree, SMALL):
            assert isinstance(found, Thing) == (sort == "things")
            assert not isinstance(found, Thing) or found.kind in kinds
    assert used == set(FUNCTORS)


def test_a_prediction_of_any_tokens_is_right_or_wrong_and_never_an_error() -> None:
    rng = random.Random(0)
    words = [*FUNCTORS, "all", "texas", "austin,", "_", *"((()))),,"]
    for _ in range(2_000):
        guess = " ".join(rng.choices(words, k=rng.randint(0, 12)))
        assert same_denotation(guess, "answer ( state ( all ) )") in (True, False)


SAME = [
    ("state ( next_to_1 ( stateid ( ohio ) ) )", "state ( next_to_2 ( stateid ( ohio ) ) )"),
    (
        "state ( intersection ( next_to_2 ( stateid ( ohio ) ) , next_to_2 ( stateid ( utah ) ) ) )",
        "intersection ( state ( next_to_2 ( stateid ( utah ) ) ) , next_to_2 ( stateid ( ohio ) ) )",
    ),
    ("state ( loc_1 ( riverid ( red ) ) )", "state ( traverse_1 ( river ( riverid ( red ) ) ) )"),
    ("river ( loc_2 ( stateid ( ohio ) ) )", "river ( traverse_2 ( stateid ( ohio ) ) )"),
    ("capital_1 ( stateid ( ohio ) )", "capital ( city ( loc_2 ( stateid ( ohio ) ) ) )"),
    ("state ( capital_2 ( cityid ( salem, _ ) ) )", "state ( loc_1 ( capital ( cityid ( salem, _ ) ) ) )"),
    ("high_point_1 ( stateid ( ohio ) )", "highest ( place ( loc_2 ( stateid ( ohio ) ) ) )"),
    ("largest ( state ( all ) )", "largest_one ( area_1 ( state ( loc_2 ( countryid ( usa ) ) ) ) )"),
    ("cityid ( salem, or )", "intersection ( cityid ( salem, _ ) , loc_2 ( stateid ( oregon ) ) )"),
    ("elevation_1 ( elevation_2 ( 0 ) )", "elevation_1 ( place ( elevation_2 ( 0 ) ) )"),
    ("sum ( area_1 ( stateid ( ohio ) ) )", "size ( stateid ( ohio ) )"),
]

DIFFERENT = [
    ("state ( all )", "city ( all )"),
    ("stateid ( ohio )", "stateid ( iowa )"),
    ("riverid ( ohio )", "stateid ( ohio )"),
    ("cityid ( salem, _ )", "cityid ( salem, or )"),
    ("cityid ( salem, zz )", "cityid ( salem, or )"),
    ("largest ( city ( all ) )", "largest ( capital ( all ) )"),
    ("largest ( city ( all ) )", "smallest ( city ( all ) )"),
    ("largest ( city ( all ) )", "major ( city ( all ) )"),
    ("population_1 ( stateid ( ohio ) )", "density_1 ( stateid ( ohio ) )"),
    ("count ( city ( loc_2 ( stateid ( ohio ) ) ) )", "count ( city ( all ) )"),
    ("count ( city ( all ) )", "city ( all )"),
    ("sum ( population_1 ( state ( all ) ) )", "population_1 ( countryid ( usa ) )"),
    ("next_to_2 ( stateid ( ohio ) )", "next_to_2 ( state ( next_to_2 ( stateid ( ohio ) ) ) )"),
    ("river ( loc_2 ( stateid ( ohio ) ) )", "longest ( river ( loc_2 ( stateid ( ohio ) ) ) )"),
    ("most ( state ( loc_1 ( river ( all ) ) ) )", "most ( river ( loc_2 ( state ( all ) ) ) )"),
    ("most ( state ( loc_1 ( city ( all ) ) ) )", "fewest ( state ( loc_1 ( city ( all ) ) ) )"),
    (
        "exclude ( state ( all ) , loc_1 ( river ( all ) ) )",
        "exclude ( state ( all ) , loc_1 ( lake ( all ) ) )",
    ),
    ("highest ( place ( all ) )", "highest ( mountain ( all ) )"),
    ("largest ( city ( all ) )", "largest ( city ( loc_2 ( state ( loc_1 ( river ( all ) ) ) ) ) )"),
    ("largest ( state ( all ) )", "largest ( next_to_2 ( state ( all ) ) )"),
    ("elevation_2 ( 0 )", "lowest ( place ( all ) )"),
    ("placeid ( death valley )", "lowest ( place ( all ) )"),
    ("higher_2 ( placeid ( top ) )", "lower_2 ( placeid ( top ) )"),
    ("high_point_1 ( stateid ( ohio ) )", "low_point_1 ( stateid ( ohio ) )"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_programs_of_one_meaning_agree_on_any_number_of_databases(one: str, other: str) -> None:
    one, other = f"answer ( {one} )", f"answer ( {other} )"
    assert same_denotation(one, other, 40)
    assert same_denotation(other, one, 40)
    assert any(found for found, _ in denotations(one, other)), "agreeing on nothing shows nothing"


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_programs_of_two_meanings_are_told_apart(one: str, other: str) -> None:
    one, other = f"answer ( {one} )", f"answer ( {other} )"
    assert not same_denotation(one, other)
    assert not same_denotation(other, one)


def test_a_prediction_without_meaning_is_wrong_and_a_reference_without_one_is_an_error() -> None:
    good = "answer ( state ( all ) )"
    for bad in ("", "answer (", "answer ( town ( all ) )", "answer ( river ( stateid ( texas ) ) )"):
        assert not same_denotation(bad, good)
        with pytest.raises(ValueError, match=r"."):
            same_denotation(good, bad)
    assert same_denotation(good, f"  {good} ")


def test_programs_with_as_many_names_as_can_be_read_are_compared() -> None:
    names = iter(range(LONGEST))

    def wide(depth: int) -> str:
        if depth == 0:
            return f"riverid ( r{next(names)} )"
        return f"exclude ( {wide(depth - 1)} , {wide(depth - 1)} )"

    one, other = f"answer ( {wide(6)} )", f"answer ( {wide(6)} )"
    assert 500 < len(one.split()) < LONGEST
    assert not same_denotation(one, other)


def test_spacing_of_a_city_does_not_matter() -> None:
    assert same_denotation("answer ( cityid ( austin , _ ) )", "answer ( cityid ( austin, _ ) )")


def test_answers_of_kinds_that_never_meet_differ_even_when_both_are_empty() -> None:
    nothing = "answer ( exclude ( river ( all ) , traverse_2 ( countryid ( usa ) ) ) )"
    no_state = "answer ( exclude ( state ( all ) , loc_2 ( countryid ( usa ) ) ) )"
    assert all(a == b == frozenset() for a, b in denotations(no_state, nothing))
    assert not same_denotation(no_state, nothing)
    assert same_denotation(nothing.replace("countryid ( usa )", "state ( all )"), nothing)


def test_the_names_in_programs_are_collected_once_and_sorted() -> None:
    trees = [
        parse("answer ( intersection ( stateid ( utah ) , stateid ( iowa ) ) )"),
        parse("answer ( exclude ( cityid ( salem, or ) , loc_2 ( stateid ( utah ) ) ) )"),
        parse("answer ( exclude ( elevation_2 ( 0 ) , placeid ( top ) ) )"),
        parse("answer ( riverid ( red ) )"),
    ]
    assert mentioned(trees) == Names(("iowa", "utah"), (("salem", "or"),), ("red",), ("top",), (0,))


NAMES = Names(("utah", "iowa"), (("salem", "or"), ("ames", "_")), ("red",), ("top", "place 1"), (0, 7))


@pytest.mark.parametrize("seed", range(30))
def test_a_generated_country_is_consistent(seed: int) -> None:
    found = generate(seed, NAMES)
    states = {s.name: s for s in found.states}
    cities = {(c.name, c.state) for c in found.cities}
    assert all(s.name in states[other].borders for s in found.states for other in s.borders)
    assert not any(s.name in s.borders for s in found.states)
    assert {"utah", "iowa", "oregon"} <= states.keys()
    assert ("salem", "oregon") in cities
    assert any(name == "ames" for name, _ in cities)
    assert all((s.capital, s.name) in cities for s in found.states)
    assert all(p.state in states and (not p.city or (p.city, p.state) in cities) for p in found.places)
    assert all(states.keys() >= set(r.states) and cities >= set(r.cities) for r in found.rivers)
    assert all(state in r.states for r in found.rivers for _, state in r.cities)
    assert "red" in {r.name for r in found.rivers}
    assert {"top", "place 1"} <= {p.name for p in found.places}
    assert {0, 7} <= {p.elevation for p in found.places}
    assert any(not s.borders for s in found.states)
    assert states.keys() - {s for r in found.rivers for s in r.states}
    for s in found.states:
        assert s.population > sum(c.population for c in found.cities if c.state == s.name)


@pytest.mark.parametrize("seed", range(30))
def test_no_two_things_of_a_kind_share_a_name_or_a_number(seed: int) -> None:
    found = generate(seed, NAMES)
    groups: list[list[object]] = [[(c.name, c.state) for c in found.cities]]
    for group in (found.states, found.rivers, found.places, found.lakes):
        groups.append([row[0] for row in group])
        groups.append([row[1] for row in group])
    groups += [[row.area for row in found.states], [row.area for row in found.cities]]
    groups.append([c.population for c in found.cities])
    assert all(len(set(group)) == len(group) for group in groups)


def test_one_seed_gives_one_country_and_another_a_different_one() -> None:
    assert generate(3, NAMES) == generate(3, NAMES)
    assert generate(3, NAMES) != generate(4, NAMES)


def test_databases_do_not_depend_on_the_order_of_sets() -> None:
    program = (
        "from tasks.compositional.geoquery.denotation import denotations as d\n"
        "a = 'answer ( loc_2 ( state ( next_to_2 ( stateid ( utah ) ) ) ) )'\n"
        "b = 'answer ( city ( cityid ( salem, _ ) ) )'\n"
        "print([sorted(map(repr, x)) for pair in d(a, b, 2) for x in pair])"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(printed) == 1


@cache
def programs(name: str) -> tuple[str, ...]:
    root = os.environ.get("SUITE_DATA_DIR")
    path = Path(root or "") / "geoquery" / f"{name}.gz"
    if not root or not path.exists():
        pytest.skip(f"SUITE_DATA_DIR has no geoquery/{name}.gz")
    rows = gzip.decompress(path.read_bytes()).decode().splitlines()
    if name.startswith("l2s2"):
        return tuple(rows)
    return tuple(json.loads(row)["program"].replace("'", "") for row in rows)


SPAN = [f"l2s2_{split}_tgt.{part}" for split in ("comp", "iid") for part in ("train", "val", "test")]
FULL = [
    f"funql_{part}{split}.jsonl" for part in ("train", "dev", "test") for split in ("", "_len", "_template")
]


@pytest.mark.parametrize("name", [*SPAN, *FULL])
def test_every_program_of_the_data_has_a_meaning_and_is_written_as_it_was_read(name: str) -> None:
    for program in programs(name):
        tree = parse(program)
        check(tree)
        # One program of the full files has no blank after a comma.
        assert show(tree) == program.replace(") ,traverse_1", ") , traverse_1")


@pytest.mark.parametrize("name", ["l2s2_comp_tgt.test", "l2s2_iid_tgt.test"])
def test_every_reference_has_an_answer_on_every_database(name: str) -> None:
    never = set()
    for program in sorted(set(programs(name))):
        if not any(found for found, _ in denotations(program, program)):
            never.add(program)
    # The second asks for a capital that is the highest point; no program finds anything for either.
    assert never <= {
        "answer ( exclude ( river ( all ) , traverse_2 ( countryid ( usa ) ) ) )",
        "answer ( state ( loc_1 ( capital ( highest ( place ( all ) ) ) ) ) )",
    }


@pytest.mark.parametrize("name", ["l2s2_comp_tgt.test", "l2s2_iid_tgt.test"])
def test_nearly_all_pairs_of_test_programs_are_told_apart(name: str) -> None:
    pairs = random.Random(0).sample(list(combinations(sorted(set(programs(name))), 2)), 1_000)
    apart = sum(not same_denotation(one, other) for one, other in pairs)
    assert apart / len(pairs) >= 0.99
