"""FunQL, the variable-free programs of GeoQuery: reading, writing, and which of them have a meaning.

    answer ( largest ( city ( loc_2 ( stateid ( texas ) ) ) ) )

FunQL is the functional form of the GeoQuery language of Zelle & Mooney 1996 (AAAI) that Kate, Wong & Mooney
2005 (AAAI) introduced. A functor is applied to its arguments in brackets; entity names may have blanks
(`stateid ( new york )`), and a city names its state by an abbreviation or leaves it open
(`cityid ( portland, me )`, `cityid ( austin, _ )`). The functors here are all those of the 880 questions;
what each takes and gives was read off their programs, widened only where the meaning is the same for
another kind of thing (the length of a river is also its size).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

KINDS = ("state", "city", "river", "place", "lake", "country")
"""What there is. A mountain is a place, and a capital is a city."""

DEEPEST = 100
"""Calls inside one another that `parse` follows; the programs of GeoQuery have at most 16."""

LONGEST = 1_000
"""Tokens that `parse` reads; the longest program of GeoQuery has about 50."""

Kinds = frozenset[str]
Result = Mapping[str, Kinds]
"""For each kind of argument that a functor accepts, the kinds of what it gives."""


def _same(*kinds: str) -> Result:
    return {kind: frozenset((kind,)) for kind in kinds}


def _turned(relation: Result) -> Result:
    """The relation from its second argument to its first."""
    seconds = [kind for kind in KINDS if any(kind in found for found in relation.values())]
    return {kind: frozenset(first for first in relation if kind in relation[first]) for kind in seconds}


_STATE, _CITY, _PLACE = frozenset(("state",)), frozenset(("city",)), frozenset(("place",))
_LAND = frozenset(("state", "country"))
_LOC: Result = {
    "state": frozenset(("country",)),
    "place": _LAND | _CITY,
    **dict.fromkeys(("city", "river", "lake"), _LAND),
}
_TRAVERSE: Result = {"river": _LAND | _CITY}
_POINT: Result = {"state": _PLACE, "country": _PLACE}

IDS: Mapping[str, str] = {f"{kind}id": kind for kind in ("state", "city", "river", "place", "country")}
"""Functors that name a thing, with its kind; `cityid` takes a second name, all others one."""

FILTERS: Mapping[str, Result] = {
    **{kind: _same(kind) for kind in ("state", "city", "river", "place", "lake")},
    "mountain": _same("place"),
    "capital": {"city": _CITY, "place": _CITY},
    "major": _same("city", "river", "lake"),
}
"""Functors that keep some of a set. One question asks for the places that are capitals: there are none."""

RELATIONS: Mapping[str, Result] = {
    "loc_1": _LOC,
    "loc_2": _turned(_LOC),
    "next_to_1": {"state": frozenset(("state", "river"))},
    "next_to_2": {"state": _STATE, "river": _STATE},
    "traverse_1": _TRAVERSE,
    "traverse_2": _turned(_TRAVERSE),
    "capital_1": {"state": _CITY},
    "capital_2": {"city": _STATE},
    "high_point_1": _POINT,
    "high_point_2": _turned(_POINT),
    "low_point_1": _POINT,
    "low_point_2": _turned(_POINT),
    "longer": _same("river"),
    "higher_2": _same("place"),
    "lower_2": _same("place"),
}
"""Functors that go from things to things related to one of them. R_1 gives what an argument is R to, R_2
what is R to an argument: loc_1 where it lies, loc_2 what lies in it."""

MEASURES: Mapping[str, Result] = {
    "population_1": _same("state", "city", "country"),
    "area_1": _same("state", "city", "lake", "country"),
    "density_1": _same("state", "city", "country"),
    "len": _same("river"),
    "elevation_1": _same("place"),
    "size": _same(*KINDS),
}
"""Functors from things to a number of each."""

SUPERLATIVES: Mapping[str, tuple[str, Callable[..., float]]] = {
    "largest": ("size", max),
    "smallest": ("size", min),
    "longest": ("len", max),
    "shortest": ("len", min),
    "highest": ("elevation_1", max),
    "lowest": ("elevation_1", min),
}
"""Functors that keep the things with the extreme of a measure; those of size also take numbers."""

SIZED = ("largest", "smallest")

ONES: Mapping[str, Callable[..., float]] = {"largest_one": max, "smallest_one": min}
"""Functors from numbers of things to the thing with the extreme number."""

COUNTED: Mapping[str, Callable[..., float]] = {"most": max, "fewest": min}
"""Functors that keep what is related to the most or fewest things: the state with the most cities is
`most ( state ( loc_1 ( city ( all ) ) ) )`."""

PAIRS = ("exclude", "intersection")
"""Functors of two sets."""

FUNCTORS = (
    "answer", *IDS, *FILTERS, *RELATIONS, *MEASURES, *SUPERLATIVES, *ONES, *COUNTED, *PAIRS,
    "count", "sum", "elevation_2",
)  # fmt: skip


@dataclass(frozen=True)
class Call:
    """A functor with its arguments; a string among them is a name, a number or `all`."""

    functor: str
    arguments: tuple[Call | str, ...]


class Type(NamedTuple):
    """What a program gives: things, or numbers, which belong to things of these kinds (to none: counts)."""

    sort: Literal["things", "numbers"]
    kinds: Kinds


def parse(program: str) -> Call:
    """The tree of a program; ValueError, saying what is wrong, when the text is no single call.

    Blanks around brackets and commas do not matter, those inside a name do.
    """
    tokens = re.findall(r"[(),]|[^\s(),]+", program)
    if len(tokens) > LONGEST:
        raise ValueError(f"more than {LONGEST} tokens")
    tree, end = _term(tokens, 0, 0)
    if end < len(tokens):
        raise ValueError(f"'{tokens[end]}' follows the end of the program")
    if isinstance(tree, str):
        raise ValueError(f"'{tree}' is a name and no program" if tree else "the program is empty")
    return tree


def _term(tokens: list[str], start: int, depth: int) -> tuple[Call | str, int]:
    """The call or name at `start` and the place after it; a name may be empty."""
    end = start
    while end < len(tokens) and tokens[end] not in "(),":
        end += 1
    words = tokens[start:end]
    if end == len(tokens) or tokens[end] != "(":
        return " ".join(words), end
    if len(words) != 1:
        raise ValueError(f"'{' '.join(words)}' before a bracket is not one functor")
    if depth == DEEPEST:
        raise ValueError(f"more than {DEEPEST} calls inside one another")
    arguments: list[Call | str] = []
    while not arguments or (end < len(tokens) and tokens[end] == ","):
        argument, end = _term(tokens, end + 1, depth + 1)
        if argument == "":
            raise ValueError(f"'{words[0]}' has an empty argument")
        arguments.append(argument)
    if end == len(tokens) or tokens[end] != ")":
        raise ValueError(f"the bracket after '{words[0]}' is not closed")
    return Call(words[0], tuple(arguments)), end + 1


def show(tree: Call) -> str:
    """The text of a tree as the data writes it: `city, _` for names, `a ( ... ) , b ( ... )` for calls."""
    text = ""
    for before, argument in zip(("", *tree.arguments), tree.arguments, strict=False):
        comma = "" if before == "" else (", " if isinstance(before, str) else " , ")
        text += comma + (argument if isinstance(argument, str) else show(argument))
    return f"{tree.functor} ( {text} )"


def check(tree: Call) -> Type:
    """What a whole program gives; ValueError, saying where, when some part of it can have no meaning.

    A part has none when its functor is unknown or has another number of arguments, or when nothing of the
    kinds of its argument could be in its result (`river ( stateid ( texas ) )`).
    """
    if tree.functor != "answer" or len(tree.arguments) != 1:
        raise ValueError("a program is 'answer' of one argument")
    return _type(tree.arguments[0], "answer")


def _type(node: Call | str, above: str) -> Type:
    """What `node`, an argument of `above`, gives."""
    if isinstance(node, str):
        if node == "all" and above in FILTERS:
            return Type("things", frozenset(KINDS))
        raise ValueError(f"'{node}' is no argument for '{above}'")
    functor, arguments = node.functor, node.arguments
    if functor == "answer" or functor not in FUNCTORS:
        raise ValueError(f"'{functor}' is no functor within a program")
    wanted = 2 if functor == "cityid" or functor in PAIRS else 1
    if len(arguments) != wanted:
        raise ValueError(f"'{functor}' takes {wanted} argument(s), not {len(arguments)}")
    if functor in IDS or functor == "elevation_2":
        return _leaf(functor, arguments)
    first = _type(arguments[0], functor)
    if functor in PAIRS:
        return _pair(functor, first, _type(arguments[1], functor))
    if functor in COUNTED:
        counted(node)
    return _applied(functor, first)


def _leaf(functor: str, arguments: tuple[Call | str, ...]) -> Type:
    if not all(isinstance(argument, str) for argument in arguments):
        raise ValueError(f"'{functor}' takes a name or a number, not a call")
    if functor in IDS:
        return Type("things", frozenset((IDS[functor],)))
    if not re.fullmatch("-?[0-9]{1,6}", str(arguments[0])):
        raise ValueError(f"'{functor}' takes a whole number, not '{arguments[0]}'")
    return Type("things", _PLACE)


def _pair(functor: str, first: Type, second: Type) -> Type:
    if first.sort != "things" or second.sort != "things":
        raise ValueError(f"'{functor}' takes two sets of things, not numbers")
    kinds = first.kinds if functor == "exclude" else first.kinds & second.kinds
    if not kinds:
        raise ValueError(f"nothing is in both sets of '{functor}'")
    return Type("things", kinds)


def _applied(functor: str, given: Type) -> Type:
    """What a functor of one set gives."""
    if functor == "sum" or functor in ONES or (functor in SIZED and given.sort == "numbers"):
        return _of_numbers(functor, given)
    if given.sort != "things":
        raise ValueError(f"'{functor}' takes things, not numbers")
    if functor == "count":
        return Type("numbers", frozenset())
    if functor in COUNTED:
        return given
    result = _result(functor)
    kinds = frozenset(kind for known in given.kinds for kind in result.get(known, ()))
    if not kinds:
        raise ValueError(f"'{functor}' gives nothing for {_either(given.kinds)}")
    if functor in SIZED and len(kinds) > 1:
        raise ValueError(f"'{functor}' does not compare {_either(kinds)}")
    return Type("numbers" if functor in MEASURES else "things", kinds)


def _of_numbers(functor: str, given: Type) -> Type:
    if given.sort != "numbers":
        raise ValueError(f"'{functor}' takes numbers, not things")
    if functor not in ONES:
        return Type("numbers", frozenset()) if functor == "sum" else given
    if not given.kinds:
        raise ValueError(f"'{functor}' takes numbers that belong to things")
    return Type("things", given.kinds)


def _result(functor: str) -> Result:
    if functor in SUPERLATIVES:
        return MEASURES[SUPERLATIVES[functor][0]]
    return {**FILTERS, **RELATIONS, **MEASURES}[functor]


def _either(kinds: Kinds) -> str:
    return " or ".join(kind for kind in KINDS if kind in kinds)


def counted(call: Call) -> tuple[tuple[str, ...], Call]:
    """Of a call of `most` or `fewest`: the filters inside it, the outermost first, and the relation below.

    ValueError when there is no relation: what is related to the most things needs one.
    """
    filters: list[str] = []
    inner = call.arguments[0]
    while isinstance(inner, Call) and inner.functor in FILTERS:
        filters.append(inner.functor)
        inner = inner.arguments[0]
    if isinstance(inner, str) or inner.functor not in RELATIONS:
        raise ValueError(f"'{call.functor}' counts along a relation, and there is none")
    return tuple(filters), inner
