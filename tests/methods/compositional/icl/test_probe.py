"""The probe on prompts whose answer can be told by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from methods.compositional.icl.probe import align, changes, learn, probe, repair
from methods.compositional.icl.prompt import prompt
from methods.compositional.icl.retrieval import edit_distances
from tasks.compositional.contract import Example

WORDS = st.lists(st.sampled_from("abc"), max_size=6)


def ask(query: str, *pairs: tuple[str, str]) -> str:
    return probe(prompt([Example(*pair) for pair in pairs], query))


def test_a_demonstration_of_the_query_is_its_answer() -> None:
    assert ask("run twice", ("run twice", "R R"), ("run", "R"), ("look", "L")) == "R R"


def test_without_demonstrations_there_is_no_answer() -> None:
    assert ask("run") == ""


def test_of_equally_near_ones_the_one_next_to_the_query_counts() -> None:
    # Nothing tells what "c" is, so neither can be repaired.
    assert ask("c", ("a", "A"), ("b", "B")) == "B"


def test_a_word_is_exchanged_for_another_whose_token_the_demonstrations_show() -> None:
    shown = [("jump", "J"), ("look twice", "L L"), ("walk", "W"), ("walk twice", "W W")]
    assert ask("jump twice", *shown) == "J J"


def test_changes_are_those_of_a_shortest_edit() -> None:
    assert changes(["run", "then", "walk"], ["walk", "then", "run"]) == [(0, 1, 0, 1), (2, 3, 2, 3)]
    assert changes(["a", "b", "c", "d"], ["a", "x", "y", "d"]) == [(1, 3, 1, 3)]
    assert changes(["a", "b"], ["a", "x", "b", "y"]) == [(1, 1, 1, 2), (2, 2, 3, 4)]
    assert changes(["a", "b", "c"], ["c"]) == [(0, 2, 0, 0)]


@given(WORDS, WORDS)
def test_changes_make_the_query_and_cost_the_edit_distance(words: list[str], query: list[str]) -> None:
    made, at, cost = [], 0, 0
    for a, b, c, d in changes(words, query):
        made += [*words[at:a], *query[c:d]]
        at, cost = b, cost + max(b - a, d - c)
    assert [*made, *words[at:]] == query
    assert cost == edit_distances(" ".join(query), [" ".join(words)])[0]


def test_a_word_that_no_demonstration_shows_cannot_be_exchanged() -> None:
    assert ask("jump twice", ("look twice", "L L"), ("walk", "W")) == "L L"


def test_a_farther_demonstration_that_can_be_repaired_comes_before_a_nearer_that_cannot() -> None:
    # "walk thrice" differs from the query in "thrice", of which no pair of demonstrations says anything.
    shown = [("run left twice", "T R T R"), ("run", "R"), ("walk", "W"), ("walk thrice", "W W W")]
    assert ask("walk left twice", *shown) == "T W T W"


def test_alignment_is_by_the_demonstrations_that_hold_both() -> None:
    shown = [Example("walk and jump", "W J"), Example("walk", "W"), Example("jump left", "T J")]
    # "and" is in one demonstration alone, and no token is.
    assert align(shown) == {"walk": "W", "jump": "J", "left": "T"}


def test_a_word_that_is_always_in_the_output_stands_for_itself() -> None:
    shown = [Example("in texas", "loc ( texas )"), Example("in ohio", "loc ( ohio )")]
    assert align(shown) == {"texas": "texas", "ohio": "ohio"}


def test_a_name_that_no_demonstration_shows_is_copied_in_place_of_a_name() -> None:
    shown = [("cities in texas", "city ( texas )"), ("rivers in ohio", "river ( ohio )")]
    assert ask("cities in utah", *shown) == "city ( utah )"


def test_words_that_cannot_be_told_apart_are_paired_by_their_beginnings() -> None:
    shown = [Example("hoped slept so", "sleep hope x"), Example("so", "y")]
    assert align(shown) == {"hoped": "hope", "slept": "sleep"}


def test_a_phrase_is_exchanged_where_two_demonstrations_differ_by_it() -> None:
    shown = [("highest city in a", "high ( a )"), ("largest area city in a", "large ( a )")]
    known = learn([Example(*pair) for pair in shown])
    assert known.phrases[("highest",), ("largest", "area")] == (("high",), ("large",))
    assert ask("largest area city in b", *shown, ("highest city in b", "high ( b )")) == "large ( b )"


def test_a_phrase_whose_output_stands_there_twice_is_left_alone() -> None:
    known = learn([Example("a x", "A X"), Example("b c x", "B X")])
    assert repair(Example("a y a", "A Y A"), ["b", "c", "y", "a"], known) == ("A Y A", False)


def test_only_the_occurrence_that_differs_changes() -> None:
    shown = [("run and run left", "R T R"), ("walk", "W"), ("run", "R")]
    assert ask("walk and run left", *shown) == "W T R"


def test_words_change_places_at_once() -> None:
    shown = [("run then walk", "R W"), ("walk", "W"), ("run", "R")]
    assert ask("walk then run", *shown) == "W R"


def test_where_a_token_stands_more_often_than_its_word_it_is_not_clear_which_changes() -> None:
    known = learn([Example("run", "R"), Example("walk", "W")])
    demonstration = Example("run twice and run", "R R R")
    assert repair(demonstration, ["walk", "twice", "and", "run"], known)[1] is False
    assert repair(demonstration, ["walk", "twice", "and", "walk"], known) == ("W W W", True)
