"""When two FunQL programs mean the same: by their answers on generated databases.

The usual measure is execution accuracy, the share of predictions with the same answer as the reference on
the facts of GeoQuery. Those facts are not at hand, so here a prediction is right when it has the answer of
the reference on each of several databases generated over the same schema (`database.generate`), after the
test suites of Zhong, Yu & Klein 2020 ("Semantic Evaluation for Text-to-SQL with Distilled Test Suites",
EMNLP). It is an approximation and its figures are not to be compared with accuracies on geobase: programs
that agree there by chance (no river is in either state) differ here, and programs of different meaning are
the same here when no generated database tells them apart, for instance two counts that are always 1.

Functors mean what public evaluators of GeoQuery make of them; where those differ or are silent:

* `most` and `fewest` keep what stands first in them (`most ( state ( ... ) )` is a state), of the things
  related to at least one; on a tie, all of them.
* `longer`, `higher_2` and `lower_2` of several things: than one of them.
* `largest` and `smallest` go by area (states, lakes, the country), population (cities), length (rivers)
  and elevation (places), and so does `size`; of numbers they keep the extreme one.
* A city is major from 150,000 people on, a river from 750 km, a lake from 5,000 square km, each exclusive.
* `sum` adds a number for each thing, also when two things have the same.
"""

from __future__ import annotations

import operator
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import fsum
from typing import TypeGuard

from tasks.compositional.geoquery.database import ABBREVIATIONS, Database, Names, Thing, generate
from tasks.compositional.geoquery.funql import (
    COUNTED,
    FILTERS,
    IDS,
    MEASURES,
    ONES,
    PAIRS,
    SIZED,
    SUPERLATIVES,
    Call,
    check,
    counted,
    parse,
    show,
)

SEED = 20201116
MAJOR = {"city": ("population_1", 150_000), "river": ("len", 750), "lake": ("area_1", 5_000)}
"""By kind, the number that makes a thing major and what it must exceed."""

COMPARED: Mapping[str, tuple[str, Callable[[float, float], bool]]] = {
    "longer": ("len", operator.gt),
    "higher_2": ("elevation_1", operator.gt),
    "lower_2": ("elevation_1", operator.lt),
}

Things = frozenset[Thing]
Owned = frozenset[tuple[Thing | None, float]]
"""Numbers with the things they belong to; counts and sums belong to none."""
Denotation = Things | frozenset[float]


def same_denotation(predicted: str, reference: str, databases: int = 10) -> bool:
    """Whether two programs have the same answer on each of the generated databases.

    Equal tokens are the same at once. A prediction that cannot be read or has no meaning (`funql.check`)
    is wrong, and so is one whose answers are of other kinds of things. Raises ValueError when the reference
    itself has no meaning.
    """
    if predicted.split() == reference.split():
        return True
    wanted = check(parse(reference))
    try:
        found = check(parse(predicted))
    except ValueError:
        return False
    if found.sort != wanted.sort or (wanted.sort == "things" and not found.kinds & wanted.kinds):
        return False
    return all(a == b for a, b in denotations(predicted, reference, databases))


def denotations(
    predicted: str, reference: str, databases: int = 10
) -> Iterator[tuple[Denotation, Denotation]]:
    """The answers of both programs on databases that know the names of both, one database at a time.

    The databases depend on the text of the reference and on the names in the two programs, nothing else.
    Raises ValueError when a program has no meaning.
    """
    trees = parse(predicted), parse(reference)
    for tree in trees:
        check(tree)
    names = mentioned(trees)
    for k in range(databases):
        database = generate(zlib.crc32(f"{SEED} {k} {show(trees[1])}".encode()), names)
        yield evaluate(trees[0], database), evaluate(trees[1], database)


def mentioned(trees: Iterable[Call]) -> Names:
    """The distinct names and elevations in programs, sorted."""
    found: dict[str, set[tuple[str, ...]]] = {functor: set() for functor in (*IDS, "elevation_2")}
    calls = list(trees)
    while calls:
        call = calls.pop()
        if call.functor in found:
            found[call.functor].add(tuple(str(name) for name in call.arguments))
        calls += [argument for argument in call.arguments if isinstance(argument, Call)]
    states, rivers, places, numbers = (
        tuple(name for (name,) in sorted(found[functor]))
        for functor in ("stateid", "riverid", "placeid", "elevation_2")
    )
    cities = tuple((name, state) for name, state in sorted(found["cityid"]))
    return Names(states, cities, rivers, places, tuple(map(int, numbers)))


def evaluate(tree: Call, database: Database) -> Denotation:
    """The answer of a whole program: a set of things, or a set of numbers (of one for counts and sums).

    The tree must be one that `funql.check` accepts; names that the database does not know denote nothing.
    """
    (asked,) = tree.arguments
    if _numeric(asked):
        return frozenset(number for _, number in _numbers(asked, database))
    return _things(asked, database)


def _numeric(node: Call | str) -> TypeGuard[Call]:
    if isinstance(node, str):
        return False
    if node.functor in SIZED:
        return _numeric(node.arguments[0])
    return node.functor in MEASURES or node.functor in ("count", "sum")


def _numbers(call: Call, database: Database) -> Owned:
    (inner,) = call.arguments
    if call.functor == "count":
        return frozenset({(None, len(_things(inner, database)))})
    if call.functor in MEASURES:
        return _measured(_things(inner, database), call.functor, database)
    if not _numeric(inner):
        raise ValueError(f"'{call.functor}' takes numbers")
    found = _numbers(inner, database)
    if call.functor == "sum":
        return frozenset({(None, fsum(number for _, number in found))})
    return _extreme(found, SUPERLATIVES[call.functor][1])


def _measured(things: Things, measure: str, database: Database) -> Owned:
    known = database.measures[measure]
    return frozenset((thing, known[thing]) for thing in things if thing in known)


def _extreme(found: Owned, pick: Callable[[Iterable[float]], float]) -> Owned:
    """Those with the number that `pick` takes, all of them on a tie."""
    if not found:
        return found
    best = pick(number for _, number in found)
    return frozenset(pair for pair in found if pair[1] == best)


def _owners(found: Owned) -> Things:
    return frozenset(thing for thing, _ in found if thing is not None)


def _things(node: Call | str, database: Database) -> Things:
    if isinstance(node, str):
        return database.things  # `all`, the only name that check lets stand where a set is expected
    functor, arguments = node.functor, node.arguments
    if functor in IDS:
        return _named(IDS[functor], [str(name) for name in arguments], database)
    if functor == "elevation_2":
        heights = database.measures["elevation_1"]
        return frozenset(place for place, height in heights.items() if height == int(str(arguments[0])))
    if functor in COUNTED:
        return _counted(node, database)
    if functor in ONES and _numeric(arguments[0]):
        return _owners(_extreme(_numbers(arguments[0], database), ONES[functor]))
    sets = [_things(argument, database) for argument in arguments]
    if functor in PAIRS:
        return sets[0] - sets[1] if functor == "exclude" else sets[0] & sets[1]
    if functor in FILTERS:
        return _kept(functor, sets[0], database)
    if functor in SUPERLATIVES:
        measure, pick = SUPERLATIVES[functor]
        return _owners(_extreme(_measured(sets[0], measure, database), pick))
    return frozenset(found for found, _ in _links(functor, sets[0], database))


def _named(kind: str, names: Sequence[str], database: Database) -> Things:
    """The things of a kind with a name; cities also of a state, or with "_" of any."""
    if kind != "city":
        return frozenset((Thing(kind, names[0]),)) & database.things
    state = ABBREVIATIONS.get(names[1])
    return frozenset(
        thing
        for thing in database.things
        if thing[:2] == ("city", names[0]) and (names[1] == "_" or thing.state == state)
    )


def _kept(functor: str, things: Things, database: Database) -> Things:
    if functor == "capital":
        return things & database.capitals
    if functor == "mountain":
        return things & database.mountains
    if functor != "major":
        return frozenset(thing for thing in things if thing.kind == functor)
    return frozenset(
        thing
        for thing in things
        if thing.kind in MAJOR and database.measures[MAJOR[thing.kind][0]][thing] > MAJOR[thing.kind][1]
    )


def _counted(call: Call, database: Database) -> Things:
    """What is related to the most or fewest of some things."""
    filters, relation = counted(call)
    links = _links(relation.functor, _things(relation.arguments[0], database), database)
    numbers = Counter(found for found, _ in links)
    kept = frozenset(numbers)
    for functor in reversed(filters):
        kept = _kept(functor, kept, database)
    return _owners(_extreme(frozenset((thing, numbers[thing]) for thing in kept), COUNTED[call.functor]))


def _links(functor: str, given: Things, database: Database) -> Iterator[tuple[Thing, Thing]]:
    """The distinct pairs of what a relation gives and what of `given` it gives it for."""
    if functor in COMPARED:
        measure, beyond = COMPARED[functor]
        numbers = database.measures[measure]
        bounds = [thing for thing in given if thing in numbers]
        return ((x, y) for y in bounds for x in numbers if beyond(numbers[x], numbers[y]))
    relation, way = functor[:-2], functor[-1]
    pairs = database.relations[relation]
    if way == "1":
        return ((second, first) for first, second in pairs if first in given)
    return ((first, second) for first, second in pairs if second in given)
