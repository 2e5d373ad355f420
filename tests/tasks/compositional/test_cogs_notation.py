"""The notations of COGS read back into trees: by hand, on generated rows and, where the files are, on all."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from tasks.compositional.cogs.generator import generate
from tasks.compositional.notation.cogs import Clause, Name, Noun, joined, logical_form, variable_free
from tasks.compositional.notation.cogs_reading import Word, read, read_free, read_word

TREES = [
    ("Mia slept .", Clause(1, "sleep", (("agent", Name(0, "Mia")),))),
    (
        "A cup was given to the TV by Mia .",
        Clause(
            3,
            "give",
            (("theme", Noun(1, "cup", False)), ("recipient", Noun(6, "tv", True)), ("agent", Name(8, "Mia"))),
        ),
    ),
    (
        "The cat on a bed beside Mia hoped that Mia wanted to sleep .",
        Clause(
            7,
            "hope",
            (
                (
                    "agent",
                    Noun(1, "cat", True, "on", Noun(4, "bed", False, "beside", Name(6, "Mia"))),
                ),
                (
                    "ccomp",
                    Clause(
                        10,
                        "want",
                        (
                            ("agent", Name(9, "Mia")),
                            ("xcomp", Clause(12, "sleep", (("agent", Name(9, "Mia")),))),
                        ),
                    ),
                ),
            ),
        ),
    ),
    (
        "A cook saw a cook .",
        Clause(2, "see", (("agent", Noun(1, "cook", False)), ("theme", Noun(4, "cook", False)))),
    ),
]


@pytest.mark.parametrize(("sentence", "tree"), TREES, ids=[s for s, _ in TREES])
def test_every_notation_is_read_as_the_same_tree(sentence: str, tree: Clause) -> None:
    assert read(sentence, logical_form(tree)) == tree
    assert read(sentence, joined(logical_form(tree))) == tree
    assert read_free(sentence, variable_free(tree)) == tree


def test_a_joined_form_has_a_variable_in_one_token() -> None:
    assert joined("* cup ( x _ 1 ) ; break . theme ( x _ 2 , x _ 1 )") == (
        "* cup ( x_1 ) ; break . theme ( x_2 , x_1 )"
    )


@pytest.mark.parametrize(
    "form",
    [
        "",
        "sleep",
        "sleep ( agent = Tom )",
        "sleep ( agent = * )",
        "sleep ( agent = Mia",
        "sleep ( agent = Mia ) )",
        "see ( agent = Mia , theme = cup )",
        "LAMBDA a . cup ( a )",
    ],
)
def test_a_free_form_that_does_not_fit_the_sentence_is_refused(form: str) -> None:
    with pytest.raises(ValueError):
        read_free("Mia slept .", form)


def test_a_sentence_that_says_more_than_its_free_form_is_refused() -> None:
    with pytest.raises(ValueError, match="end together"):
        read_free("Mia slept on a bed .", "sleep ( agent = Mia )")


def test_a_name_in_the_place_of_a_verb_is_refused() -> None:
    form = "want . agent ( x_1 , Tom ) AND want . xcomp ( x_1 , Mia )"
    with pytest.raises(ValueError, match="a name in the place of a verb"):
        read("Tom wanted Mia", form)


def test_a_form_of_a_noun_that_is_nowhere_introduced_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks"):
        read("Mia saw a cup .", "see . agent ( x_1 , Mia ) AND see . theme ( x_1 , x_3 )")


@pytest.mark.parametrize(
    ("word", "form", "known"),
    [
        ("Mia", "Mia", Word("name", "Mia")),
        ("TV", "LAMBDA a . tv ( a )", Word("noun", "tv")),
        ("sleep", "LAMBDA a . LAMBDA e . sleep . agent ( e , a )", Word("verb", "sleep", ("agent",))),
        (
            "see",
            "LAMBDA a . LAMBDA b . LAMBDA e . see . agent ( e , b ) AND see . theme ( e , a )",
            Word("verb", "see", ("agent", "theme")),
        ),
    ],
)
def test_a_word_that_stands_alone_is_what_its_form_says(word: str, form: str, known: Word) -> None:
    assert read_word(word, form) == known


@pytest.mark.parametrize(
    ("word", "form"),
    [("Mia slept .", "Mia slept ."), ("cup", "bed"), ("Mia slept .", "sleep ( agent = Mia )")],
)
def test_other_pairs_are_no_words(word: str, form: str) -> None:
    with pytest.raises(ValueError, match="not the form of a word"):
        read_word(word, form)


def test_generated_rows_are_read_alike_and_written_back() -> None:
    forms = generate(3, 200, 0, 0, 5)
    frees = generate(3, 200, 0, 0, 5, variable_free=True)
    rows = [*forms.train, *forms.gen]
    for row, free in zip(rows, [*frees.train, *frees.gen], strict=True):
        if row.category != "primitive":
            tree = read_free(free.sentence, free.form)
            assert tree == read(row.sentence, row.form)
            assert (joined(logical_form(tree)), variable_free(tree)) == (row.form, free.form)


@pytest.mark.parametrize("part", ["train", "dev", "test", "gen"])
def test_every_published_row_is_read_alike_and_written_back(part: str) -> None:
    forms, frees = published(f"{part}.tsv.gz"), published(f"variable_free__{part}.tsv.gz")
    for (sentence, form, kind), (same, free, _) in zip(forms, frees, strict=True):
        assert sentence == same
        if kind == "primitive":
            assert form == free and read_word(sentence, form).kind in ("noun", "name", "verb")
            continue
        tree = read_free(sentence, free)
        assert tree == read(sentence, joined(form))
        assert (logical_form(tree), variable_free(tree)) == (form, free)


def published(name: str) -> list[list[str]]:
    """The rows of a file of COGS; skips the test where it is not to be had."""
    path = Path(os.environ.get("SUITE_DATA_DIR", "")) / "cogs" / name
    if not os.environ.get("SUITE_DATA_DIR") or not path.is_file():
        pytest.skip(f"cogs/{name} is not in SUITE_DATA_DIR")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file]
