"""The COGS interpreter against sentences worked out by hand and, where the files are, against every row."""

from __future__ import annotations

import gzip
import os
from functools import cache
from pathlib import Path

import pytest

from tasks.compositional.cogs.grammar import Lexicon, Unreadable, interpret, interpret_word
from tasks.compositional.cogs.lexicon import induce
from tasks.compositional.notation.cogs import Clause, Name, Noun, logical_form, variable_free
from tasks.compositional.notation.cogs_reading import read

WORDS = Lexicon(
    lemmas={
        form: lemma
        for lemma, *forms in (
            ("see", "saw", "seen"),
            ("give", "gave", "given"),
            ("break", "broke", "broken"),
            ("hope", "hoped"),
            ("want", "wanted"),
            ("sleep", "slept", "sleep"),
        )
        for form in forms
    },
    unaccusative=frozenset({"break"}),
    transitive=frozenset({"see", "give", "break"}),
)


@pytest.mark.parametrize(
    ("sentence", "form", "free"),
    [
        ("Mia slept .", "sleep . agent ( x _ 1 , Mia )", "sleep ( agent = Mia )"),
        ("A cup broke .", "cup ( x _ 1 ) AND break . theme ( x _ 2 , x _ 1 )", "break ( theme = cup )"),
        (
            "Mia broke the cup .",
            "* cup ( x _ 3 ) ; break . agent ( x _ 1 , Mia ) AND break . theme ( x _ 1 , x _ 3 )",
            "break ( agent = Mia , theme = * cup )",
        ),
        (
            "Mia gave a cup on the TV to Tom .",
            "* tv ( x _ 6 ) ; give . agent ( x _ 1 , Mia ) AND give . theme ( x _ 1 , x _ 3 ) AND "
            "give . recipient ( x _ 1 , Tom ) AND cup ( x _ 3 ) AND cup . nmod . on ( x _ 3 , x _ 6 )",
            "give ( agent = Mia , theme = cup ( nmod . on = * tv ) , recipient = Tom )",
        ),
        (
            "Mia gave Tom a cup .",
            "give . agent ( x _ 1 , Mia ) AND give . recipient ( x _ 1 , Tom ) AND "
            "give . theme ( x _ 1 , x _ 4 ) AND cup ( x _ 4 )",
            "give ( agent = Mia , recipient = Tom , theme = cup )",
        ),
        (
            "Tom was given a cup by Mia .",
            "give . recipient ( x _ 2 , Tom ) AND give . theme ( x _ 2 , x _ 4 ) AND "
            "give . agent ( x _ 2 , Mia ) AND cup ( x _ 4 )",
            "give ( recipient = Tom , theme = cup , agent = Mia )",
        ),
        (
            "A cat hoped that the cup was given to Tom .",
            "* cup ( x _ 5 ) ; cat ( x _ 1 ) AND hope . agent ( x _ 2 , x _ 1 ) AND "
            "hope . ccomp ( x _ 2 , x _ 7 ) AND give . theme ( x _ 7 , x _ 5 ) AND "
            "give . recipient ( x _ 7 , Tom )",
            "hope ( agent = cat , ccomp = give ( theme = * cup , recipient = Tom ) )",
        ),
        (
            "The cat wanted to sleep .",
            "* cat ( x _ 1 ) ; want . agent ( x _ 2 , x _ 1 ) AND want . xcomp ( x _ 2 , x _ 4 ) AND "
            "sleep . agent ( x _ 4 , x _ 1 )",
            "want ( agent = * cat , xcomp = sleep ( agent = * cat ) )",
        ),
    ],
)
def test_a_sentence_means_what_it_says(sentence: str, form: str, free: str) -> None:
    tree = interpret(sentence, WORDS)
    # Conjuncts are in order of the places of their variables, names counting where they stand.
    assert sorted(logical_form(tree).split("; ")[-1].split(" AND ")) == sorted(
        form.split("; ")[-1].split(" AND ")
    )
    assert logical_form(tree).split("; ")[:-1] == form.split("; ")[:-1]
    assert variable_free(tree) == free
    assert read(sentence, logical_form(tree)) == tree


def test_a_name_that_stands_twice_is_read_where_it_stands() -> None:
    sentence = "Mia gave a cup beside Mia to Mia ."
    tree = read(sentence, logical_form(interpret(sentence, WORDS)))
    cup = Noun(3, "cup", False, "beside", Name(5, "Mia"))
    assert tree.arguments == (("agent", Name(0, "Mia")), ("theme", cup), ("recipient", Name(7, "Mia")))


@pytest.mark.parametrize("form", ["Mia", "LAMBDA a . cup ( a )", "see . agent ( x _ 1 , Tom )", ""])
def test_a_form_that_does_not_fit_the_sentence_is_refused(form: str) -> None:
    with pytest.raises(ValueError):
        read("Mia saw a cup .", form)


def test_conjuncts_stand_in_order_of_the_places_of_their_variables() -> None:
    tree = interpret("Mia gave Tom a cup .", WORDS)
    assert logical_form(tree) == (
        "give . agent ( x _ 1 , Mia ) AND give . recipient ( x _ 1 , Tom ) AND "
        "give . theme ( x _ 1 , x _ 4 ) AND cup ( x _ 4 )"
    )
    assert tree == Clause(
        1,
        "give",
        (("agent", Name(0, "Mia")), ("recipient", Name(2, "Tom")), ("theme", Noun(4, "cup", False))),
    )


@pytest.mark.parametrize(
    ("word", "form"),
    [
        ("Mia", "Mia"),
        ("cup", "LAMBDA a . cup ( a )"),
        ("sleep", "LAMBDA a . LAMBDA e . sleep . agent ( e , a )"),
        ("broke", "LAMBDA a . LAMBDA e . break . theme ( e , a )"),
        ("saw", "LAMBDA a . LAMBDA b . LAMBDA e . see . agent ( e , b ) AND see . theme ( e , a )"),
    ],
)
def test_a_word_alone_has_its_lambda_form(word: str, form: str) -> None:
    assert interpret_word(word, WORDS) == form


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "Mia slept",
        "Mia .",
        "Mia blorped .",
        "slept Mia .",
        "Mia saw the .",
        "Mia slept slept .",
        "A cup on .",
        "Mia gave Tom a cup to Jo .",
        "was given a cup .",
    ],
)
def test_what_is_no_sentence_of_the_fragment_is_refused(sentence: str) -> None:
    with pytest.raises(Unreadable):
        interpret(sentence, WORDS)


def test_the_lexicon_is_read_off_the_forms() -> None:
    pairs = [
        ("A cup broke .", "cup ( x _ 1 ) AND break . theme ( x _ 2 , x _ 1 )"),
        (
            "Mia saw a cup .",
            "see . agent ( x _ 1 , Mia ) AND see . theme ( x _ 1 , x _ 3 ) AND cup ( x _ 3 )",
        ),
        ("A cup was lost .", "cup ( x _ 1 ) AND lose . theme ( x _ 3 , x _ 1 )"),
        ("crawl", "LAMBDA a . LAMBDA e . crawl . agent ( e , a )"),
        ("Mia", "Mia"),
    ]
    assert induce(pairs) == Lexicon(
        {"broke": "break", "saw": "see", "lost": "lose", "crawl": "crawl"},
        frozenset({"break"}),
        frozenset({"see", "lose"}),
    )


@cache
def rows(name: str) -> list[list[str]]:
    """The rows of a COGS file in SUITE_DATA_DIR; skips the test where there is none."""
    path = Path(os.environ.get("SUITE_DATA_DIR", "")) / "cogs" / f"{name}.tsv.gz"
    if not os.environ.get("SUITE_DATA_DIR") or not path.is_file():
        pytest.skip(f"cogs/{name}.tsv.gz is not in SUITE_DATA_DIR")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file]


@pytest.mark.parametrize(
    ("part", "count"), [("train", 24_155), ("dev", 3_000), ("test", 3_000), ("gen", 21_000)]
)
def test_every_published_row_is_interpreted_as_published(part: str, count: int) -> None:
    lexicon = induce((x, y) for x, y, _ in rows("train"))
    assert len(lexicon.unaccusative) == 21
    free = {x: y for x, y, _ in rows(f"variable_free__{part}")}
    assert len(rows(part)) == count
    for sentence, form, kind in rows(part):
        if kind == "primitive":
            assert interpret_word(sentence, lexicon) == form
            continue
        tree = interpret(sentence, lexicon)
        assert logical_form(tree) == form
        assert variable_free(tree) == free[sentence]
        assert read(sentence, form) == tree
