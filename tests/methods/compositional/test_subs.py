"""SUBS: exchanges worked out by hand, a brute-force count, and what the method makes of each language."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest

from methods.compositional.geo_alignment import Aligned, read
from methods.compositional.geo_components import component
from methods.compositional.subs import Subs, arguments, exchanges, fits, replay
from suite.api import Context
from suite.errors import Skip
from tasks.compositional.contract import Augmented, Example, Problem


def pair(x: str, y: str) -> Example:
    return Example(f"what is the {x} ?", f"answer ( {y} )")


STATES = ("texas", "utah", "ohio")
TRAIN = [
    *(pair(f"largest city in {s}", f"largest ( city ( loc_2 ( stateid ( {s} ) ) ) )") for s in STATES),
    *(pair(f"area of {s}", f"area_1 ( stateid ( {s} ) )") for s in STATES),
    pair("largest river in usa", "largest ( river ( loc_2 ( countryid ( usa ) ) ) )"),
    pair("longest river in utah", "longest ( river ( loc_2 ( stateid ( utah ) ) ) )"),
    pair("largest river in ohio", "largest ( river ( loc_2 ( stateid ( ohio ) ) ) )"),
]


def problem(language: str) -> Problem:
    def refuse(x: str) -> str:
        raise AssertionError("the interpreter was called")

    return Problem(language, TRAIN, [], frozenset(), refuse, 20)


def test_every_exchange_of_a_small_set_by_hand() -> None:
    """loc_2 has three states and usa; city and river have `in` one of these behind them; largest has cities
    and rivers, longest a river; area_1 has only states, all of them seen."""
    made = {(a.x, a.y) for a in exchanges(TRAIN)}
    states = {s: f"stateid ( {s} )" for s in STATES} | {"usa": "countryid ( usa )"}
    largest = {
        pair(f"largest {thing} in {s}", f"largest ( {thing} ( loc_2 ( {y} ) ) )")
        for thing in ("city", "river")
        for s, y in states.items()
    }
    longest = {
        pair(f"longest river in {s}", f"longest ( river ( loc_2 ( {y} ) ) )") for s, y in states.items()
    }
    assert made == (largest | longest) - set(TRAIN)


def test_an_exchange_names_its_host_and_can_be_made_again() -> None:
    for new in exchanges(TRAIN):
        assert replay(new, TRAIN) == new.example
        assert new.host in range(len(TRAIN))
    with pytest.raises(ValueError, match="no exchange"):
        replay(Augmented("", "", 0, "nothing"), TRAIN)
    with pytest.raises(ValueError, match="no argument"):
        replay(Augmented("", "", 0, "subs 99 a -> b (line 0, node 1)"), TRAIN)


def test_an_argument_brings_no_words_to_a_side_that_has_none() -> None:
    before = by_hand("what is the texas capital ?", "capital ( stateid ( texas ) )", (4, 5), (3, 4))
    behind = by_hand(
        "what is the capital of utah ?", "capital ( loc_2 ( stateid ( utah ) ) )", (3, 4), (4, 5), (5, 6)
    )
    gaps = {x: dict(arguments(x))[1] for x in (before, behind)}
    assert gaps[before].ranges == ((3, 4), (5, 5))
    assert gaps[behind].ranges == ((3, 3), (4, 6))
    for host in gaps:
        for donor in gaps:
            assert fits(gaps[host], component(donor, gaps[donor], 0)) == (host == donor)


def by_hand(x: str, y: str, *parts: tuple[int, int]) -> Aligned:
    """A pair whose `answer` has the first three words, and every other node one part."""
    nodes = zip(read(f"answer ( {y} )"), [(0, 3), *parts], strict=True)
    return Aligned(tuple(x.split()), tuple(n._replace(parts=(p,)) for n, p in nodes))


def test_the_method_makes_what_it_is_asked_for() -> None:
    everything = Subs().augment(problem("geoquery"), Context(seed=0))
    assert everything == exchanges(TRAIN)
    few = Subs(n=3).augment(problem("geoquery"), Context(seed=0))
    assert len(few) == 3
    assert [a for a in everything if a in few] == few
    assert Subs(n=3).augment(problem("geoquery"), Context(seed=0)) == few


def test_other_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Skip, match="not of scan"):
        Subs().augment(problem("scan"), Context(seed=0))
    calls = []

    def augment(
        train: list[Example], language: str, rng: np.random.Generator, **settings: object
    ) -> list[str]:
        calls.append((train, language, settings))
        return ["made"]

    draws = ModuleType("methods.compositional.cogs_draws")
    draws.augment = augment  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "methods.compositional.cogs_draws", draws)
    import methods.compositional

    monkeypatch.setattr(methods.compositional, "cogs_draws", draws, raising=False)
    assert Subs(n=7).augment(problem("cogs-ql"), Context(seed=0)) == ["made"]
    assert calls == [(TRAIN, "cogs-ql", {"n": 7, "rounds": 1, "types": "tree", "role_safe": False})]


def test_n_must_be_positive() -> None:
    with pytest.raises(ValueError, match="n must be at least 1"):
        Subs(n=0)
