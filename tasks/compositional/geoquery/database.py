"""Made-up geographies of the shape that GeoQuery asks about.

The facts of GeoQuery (geobase) are not part of this project. A `Database` has their shape: states with
cities, a capital and borders, rivers that run through states, high and low places, lakes, all in one
country. So that every question can find something, rivers also run through cities, places also lie in
cities, and cities have areas.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple

COUNTRY = "usa"

_MOST_PEOPLE = (140_000, 300_000, 500_000, 900_000)
_LONGEST = (700, 1_500, 2_500, 4_000)
_WIDEST = (4_500, 10_000, 15_000, 30_000)
"""Bounds of city populations, river lengths and lake areas, one a database: none, half or most are major."""

_STATES = (
    "al alabama, ak alaska, az arizona, ar arkansas, ca california, co colorado, ct connecticut, de "
    "delaware, dc district of columbia, fl florida, ga georgia, hi hawaii, id idaho, il illinois, in "
    "indiana, ia iowa, ks kansas, ky kentucky, la louisiana, me maine, md maryland, ma massachusetts, mi "
    "michigan, mn minnesota, ms mississippi, mo missouri, mt montana, ne nebraska, nv nevada, nh new "
    "hampshire, nj new jersey, nm new mexico, ny new york, nc north carolina, nd north dakota, oh ohio, "
    "ok oklahoma, or oregon, pa pennsylvania, ri rhode island, sc south carolina, sd south dakota, tn "
    "tennessee, tx texas, ut utah, vt vermont, va virginia, wa washington, wv west virginia, wi "
    "wisconsin, wy wyoming"
)
ABBREVIATIONS: Mapping[str, str] = {entry[:2]: entry[3:] for entry in _STATES.split(", ")}
"""Names of states by the abbreviations that `cityid` uses."""


class Thing(NamedTuple):
    """Something with a name; `state` is set for cities alone, whose names recur from state to state."""

    kind: str
    name: str
    state: str = ""


class State(NamedTuple):
    """Area in square kilometres; `borders` names the neighbours, each of which names this state too."""

    name: str
    population: int
    area: int
    capital: str
    borders: tuple[str, ...]


class City(NamedTuple):
    name: str
    state: str
    population: int
    area: int


class River(NamedTuple):
    """Length in kilometres; the states it runs through, and of their cities the pairs of name and state."""

    name: str
    length: int
    states: tuple[str, ...]
    cities: tuple[tuple[str, str], ...] = ()


class Place(NamedTuple):
    """Elevation in metres; `city`, if any, is one of the state's in which the place lies."""

    name: str
    elevation: int
    state: str
    city: str = ""
    mountain: bool = False


class Lake(NamedTuple):
    name: str
    area: int
    states: tuple[str, ...]


Pairs = frozenset[tuple[Thing, Thing]]
Numbers = Mapping[Thing, float]


@dataclass(frozen=True)
class Database:
    """Facts about one country; what follows from them is worked out once, when first asked for."""

    states: tuple[State, ...]
    cities: tuple[City, ...]
    rivers: tuple[River, ...]
    places: tuple[Place, ...]
    lakes: tuple[Lake, ...]
    population: int
    area: int

    @cached_property
    def things(self) -> frozenset[Thing]:
        return frozenset((Thing("country", COUNTRY), *self._located))

    @cached_property
    def capitals(self) -> frozenset[Thing]:
        return frozenset(city for _, city in self.relations["capital"])

    @cached_property
    def mountains(self) -> frozenset[Thing]:
        return frozenset(Thing("place", p.name) for p in self.places if p.mountain)

    @cached_property
    def measures(self) -> Mapping[str, Numbers]:
        """The numbers of things by the functor that gives them; density is population over area."""
        country = Thing("country", COUNTRY)
        people: dict[Thing, float] = {country: self.population}
        areas: dict[Thing, float] = {country: self.area}
        for s in self.states:
            people[Thing("state", s.name)], areas[Thing("state", s.name)] = s.population, s.area
        for c in self.cities:
            city = Thing("city", c.name, c.state)
            people[city], areas[city] = c.population, c.area
        areas |= {Thing("lake", lake.name): lake.area for lake in self.lakes}
        lengths = {Thing("river", r.name): r.length for r in self.rivers}
        heights = {Thing("place", p.name): p.elevation for p in self.places}
        in_cities = {thing: n for thing, n in people.items() if thing.kind == "city"}
        return {
            "population_1": people,
            "area_1": areas,
            "density_1": {thing: n / areas[thing] for thing, n in people.items()},
            "len": lengths,
            "elevation_1": heights,
            "size": {**areas, **in_cities, **lengths, **heights},
        }

    @cached_property
    def relations(self) -> Mapping[str, Pairs]:
        """The pairs of a relation R, of which R_1 goes from first to second and R_2 back.

        A state is next to the rivers that run through it, and a river runs through the country.
        """
        country = Thing("country", COUNTRY)
        inside = self._located
        loc = {(thing, place) for thing, places in inside.items() for place in (country, *places)}
        runs = {(Thing("river", r.name), Thing("state", s)) for r in self.rivers for s in r.states}
        crossed = {(Thing("river", r.name), Thing("city", *c)) for r in self.rivers for c in r.cities}
        borders = {
            (Thing("state", s.name), Thing("state", other)) for s in self.states for other in s.borders
        }
        return {
            "loc": frozenset(loc),
            "traverse": frozenset(runs | crossed | {(river, country) for river, _ in runs}),
            "next_to": frozenset(borders | {(state, river) for river, state in runs}),
            "capital": frozenset(
                (Thing("state", s.name), Thing("city", s.capital, s.name)) for s in self.states
            ),
            "high_point": self._points(1),
            "low_point": self._points(-1),
        }

    @cached_property
    def _located(self) -> dict[Thing, list[Thing]]:
        """Where each thing lies within the country."""
        inside: dict[Thing, list[Thing]] = {Thing("state", s.name): [] for s in self.states}
        inside |= {Thing("city", c.name, c.state): [Thing("state", c.state)] for c in self.cities}
        inside |= {Thing("river", r.name): [Thing("state", s) for s in r.states] for r in self.rivers}
        inside |= {Thing("lake", lake.name): [Thing("state", s) for s in lake.states] for lake in self.lakes}
        for p in self.places:
            city = [Thing("city", p.city, p.state)] if p.city else []
            inside[Thing("place", p.name)] = [Thing("state", p.state), *city]
        return inside

    def _points(self, sign: int) -> Pairs:
        """Each state and the country with its highest place, or its lowest when `sign` is -1."""
        ends: dict[Thing, Place] = {}
        for p in sorted(self.places, key=lambda p: sign * p.elevation):
            ends[Thing("state", p.state)] = ends[Thing("country", COUNTRY)] = p
        return frozenset((land, Thing("place", p.name)) for land, p in ends.items())


class Names(NamedTuple):
    """Names that a generated database must know; cities with a state's abbreviation or "_"."""

    states: tuple[str, ...] = ()
    cities: tuple[tuple[str, str], ...] = ()
    rivers: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    elevations: tuple[int, ...] = ()


def generate(seed: int, names: Names) -> Database:
    """A random country that knows `names` and others besides.

    Borders are symmetric, some states border on none and some have no river, a capital is a city of its
    state, and no two things of a kind have the same population, area, length or elevation, so that one is
    the largest. A city of `names` without a state is in one to three states, a city with one in that state
    and mostly in others too; the names of other cities recur from state to state as well.
    """
    rng = random.Random(seed)
    known = [ABBREVIATIONS[short] for _, short in names.cities if short in ABBREVIATIONS]
    states = _filled(rng, [*names.states, *known], "state", 10)
    towns = _towns(rng, states, names.cities)
    n = sum(map(len, towns.values()))
    people = iter(_moved(rng, rng.sample(range(20_000, rng.choice(_MOST_PEOPLE)), n), 0))
    areas = iter(_moved(rng, rng.sample(range(10, 3_000), n), 0))
    cities = tuple(City(c, s, next(people), next(areas)) for s in states for c in towns[s])
    asked = {city for city, _ in names.cities}
    rivers, lakes = _rivers(rng, names.rivers, states, towns), _lakes(rng, states)
    lands = _states(rng, states, towns, cities, asked)
    return Database(
        states=lands,
        cities=cities,
        rivers=rivers,
        places=_places(rng, names, towns, asked),
        lakes=lakes,
        population=sum(s.population for s in lands) + rng.randint(1, 1_000_000),
        area=sum(s.area for s in lands) + rng.randint(1, 10_000),
    )


def _filled(rng: random.Random, names: Sequence[str], word: str, least: int) -> list[str]:
    """The distinct names with three or more invented ones, `least` in all or more, in a random order."""
    found = list(dict.fromkeys(names))
    found += [f"{word} {k}" for k in range(max(3, least - len(found))) if f"{word} {k}" not in found]
    rng.shuffle(found)
    return found


def _towns(
    rng: random.Random, states: Sequence[str], asked: Sequence[tuple[str, str]]
) -> dict[str, list[str]]:
    """The names of each state's cities."""
    pool = [f"city {k}" for k in range(2 * len(states))]
    towns = {state: rng.sample(pool, rng.randint(2, 4)) for state in states}
    for city, short in asked:
        own = [ABBREVIATIONS[short]] if short in ABBREVIATIONS else []
        more = rng.sample(states, rng.randint(1, 2) if own else rng.randint(1, 3))
        for state in dict.fromkeys((*own, *more)):
            if city not in towns[state]:
                towns[state].append(city)
    return towns


def _states(
    rng: random.Random,
    names: Sequence[str],
    towns: Mapping[str, Sequence[str]],
    cities: Sequence[City],
    asked: Collection[str],
) -> tuple[State, ...]:
    """States along a path with some more borders, the last apart; cities asked about are often capitals."""
    path = names[: -rng.choice((1, 1, len(names) // 3))]
    shortcuts = [rng.sample(path, 2) for _ in range(rng.randint(1, len(path) // 2))]
    borders = {frozenset(pair) for pair in chain(zip(path, path[1:], strict=False), shortcuts)}
    in_cities = {state: sum(c.population for c in cities if c.state == state) for state in names}
    step = 1 + max(in_cities.values())  # more than all its cities: no two states have the same population
    steps = _moved(rng, rng.sample(range(1, 3 * len(names)), len(names)), -1)
    areas = _moved(rng, rng.sample(range(3_000, 300_000), len(names)), -1)
    found = []
    for name, k, area in zip(names, steps, areas, strict=True):
        likely = [city for city in towns[name] if city in asked]
        capital = rng.choice(likely if likely and rng.random() < 0.6 else towns[name])
        neighbours = tuple(other for other in names if frozenset((name, other)) in borders)
        found.append(State(name, k * step + in_cities[name], area, capital, neighbours))
    return tuple(found)


def _moved(rng: random.Random, numbers: list[int], place: int) -> list[int]:
    """The numbers, mostly with the largest or the smallest swapped to `place`.

    That is where a state without neighbours or rivers is; otherwise "the largest" and "the largest with a
    neighbour" would mostly be one.
    """
    if rng.random() < 0.8:
        k = numbers.index(rng.choice((max, min))(numbers))
        numbers[k], numbers[place] = numbers[place], numbers[k]
    return numbers


def _rivers(
    rng: random.Random, asked: Sequence[str], states: Sequence[str], towns: Mapping[str, Sequence[str]]
) -> tuple[River, ...]:
    """Rivers through one to five states and some of their cities; the first states have none."""
    names = _filled(rng, asked, "river", 10)
    wet = states[rng.choice((1, 1, len(states) // 2)) :]
    found = []
    for name, length in zip(names, rng.sample(range(100, rng.choice(_LONGEST)), len(names)), strict=True):
        through = tuple(rng.sample(wet, rng.randint(1, 5)))
        cities = tuple((c, s) for s in through for c in towns[s] if rng.random() < 0.3)
        found.append(River(name, length, through, cities))
    return tuple(found)


def _lakes(rng: random.Random, states: Sequence[str]) -> tuple[Lake, ...]:
    areas = rng.sample(range(500, rng.choice(_WIDEST)), 8)
    return tuple(
        Lake(f"lake {k}", area, tuple(rng.sample(states, rng.randint(1, 3)))) for k, area in enumerate(areas)
    )


def _places(
    rng: random.Random, names: Names, towns: Mapping[str, Sequence[str]], asked: Collection[str]
) -> tuple[Place, ...]:
    """Two to four places a state and one in most cities asked about, the names and elevations among them."""
    sites = [
        (state, city) for state in towns for city in towns[state] if city in asked and rng.random() < 0.7
    ]
    for state in towns:
        for _ in range(rng.randint(2, 4)):
            sites.append((state, rng.choice(towns[state]) if rng.random() < 0.4 else ""))
    places, elevations = dict.fromkeys(names.places), dict.fromkeys(names.elevations)
    while len(sites) < len(places) + len(elevations):
        sites.append((rng.choice(list(towns)), ""))
    rng.shuffle(sites)
    free = [e for e in rng.sample(range(-900, 15_000), len(sites) + len(elevations)) if e not in elevations]
    titles = dict.fromkeys((*places, *(f"place {k}" for k in range(len(sites)))))
    heights = [*free[: len(sites) - len(elevations)], *elevations]  # so no named place has an asked elevation
    return tuple(
        Place(name, height, state, city, rng.random() < 0.5)
        for name, height, (state, city) in zip(titles, heights, sites, strict=False)
    )
