"""Components of COGS: by hand on sentences, by the published counts and the interpreter on the files."""

from __future__ import annotations

import gzip
import os
import random
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from methods.compositional.cogs_components import (
    Component,
    Cut,
    Sentence,
    Signature,
    component,
    cuts,
    role_safe,
    sentence,
    substitute,
)
from tasks.compositional.cogs.grammar import Lexicon, Unreadable, interpret
from tasks.compositional.cogs.lexicon import induce
from tasks.compositional.notation.cogs import logical_form
from tasks.compositional.notation.cogs_reading import read

VERBS = {
    "saw": "see",
    "broke": "break",
    "slept": "sleep",
    "hoped": "hope",
    "wanted": "want",
    "sleep": "sleep",
}
WORDS = Lexicon(VERBS | {"seen": "see"}, frozenset({"break"}), frozenset({"see", "break"}))
NOUN = Signature("word", "noun", "noun")
VERB = Signature("word", "verb", "verb")


def parsed(text: str) -> Sentence:
    return sentence(text.split(), interpret(text, WORDS))


def cut(host: Sentence, signature: Signature, words: str) -> Cut:
    (found,) = [
        c for c in cuts(host) if c.signature == signature and " ".join(host.words[c.start : c.end]) == words
    ]
    return found


def taken(text: str, signature: Signature, words: str) -> Component:
    host = parsed(text)
    return component(host, cut(host, signature, words))


def test_the_cuts_of_a_sentence_are_its_words_spans_and_trees() -> None:
    host = parsed("Mia saw a cup on the bed .")
    found = {(c.signature.grain, " ".join(host.words[c.start : c.end])) for c in cuts(host)}
    assert found == {
        *(("word", w) for w in ("Mia", "saw", "a cup", "on", "the bed")),
        *(("span", s) for s in ("a cup on", "a cup on the bed", "on the bed")),
        ("tree", "Mia saw a cup on the bed"),
    }


def test_a_clause_below_another_is_a_tree_and_its_verb_alone_is_a_word() -> None:
    host = parsed("Tom hoped that Mia slept .")
    found = {
        (c.signature.grain, c.signature.entry, " ".join(host.words[c.start : c.end])) for c in cuts(host)
    }
    assert ("tree", "verb", "Mia slept") in found
    assert ("word", "verb", "hoped") in found
    assert not any("that" in words.split()[:1] for _, _, words in found)


def test_a_verb_after_to_is_of_a_class_of_its_own() -> None:
    host = parsed("Mia wanted to sleep .")
    assert cut(host, Signature("word", "xcomp", "xcomp"), "sleep").first == 2


@pytest.mark.parametrize(
    ("text", "signature", "leaves", "donor", "enters", "made"),
    [
        ("A cup broke .", NOUN, "A cup", "Mia slept .", "Mia", "Mia broke ."),
        ("Mia slept .", NOUN, "Mia", "A cup broke .", "A cup", "A cup slept ."),
        ("Mia saw the cup .", NOUN, "the cup", "A box broke .", "A box", "Mia saw a box ."),
        (
            "Mia saw a cup .",
            Signature("span", "noun", "noun"),
            None,
            "",
            "",
            "",
        ),
        (
            "Mia saw a cup on the bed .",
            Signature("span", "noun", "noun"),
            "a cup on the bed",
            "Tom saw the box in a car beside Mia .",
            "the box in a car beside Mia",
            "Mia saw the box in a car beside Mia .",
        ),
        (
            "Mia saw a cup on the bed in a room .",
            Signature("span", "prep", "noun"),
            "on the bed",
            "Tom saw the box in a car .",
            "in a car",
            "Mia saw a cup in a car in a room .",
        ),
        (
            "Tom hoped that Mia slept .",
            Signature("tree", "verb", ""),
            "Mia slept",
            "The cup was seen by Tom .",
            "The cup was seen by Tom",
            "Tom hoped that the cup was seen by Tom .",
        ),
    ],
)
def test_a_substitution_means_what_the_interpreter_says(
    text: str, signature: Signature, leaves: str | None, donor: str, enters: str, made: str
) -> None:
    host = parsed(text)
    if leaves is None:
        assert all(c.signature != signature for c in cuts(host))
        return
    new = substitute(host, cut(host, signature, leaves), taken(donor, signature, enters))
    assert " ".join(new.words) == made
    assert new.form == logical_form(interpret(made, WORDS))


def test_putting_back_what_left_gives_the_sentence_again() -> None:
    for text in (
        "Mia saw a cup on the bed .",
        "Tom hoped that a cup was seen by Mia .",
        "The cat wanted to sleep .",
    ):
        host = parsed(text)
        for c in cuts(host):
            assert substitute(host, c, component(host, c)) == host


def test_a_verb_of_another_frame_and_a_name_with_a_modifier_are_not_safe() -> None:
    host = parsed("A cup broke .")
    at = cut(host, VERB, "broke")
    assert not role_safe(host, at, taken("Mia slept .", VERB, "slept"))
    assert role_safe(host, at, taken("A box broke .", VERB, "broke"))
    host = parsed("Mia saw a cup on the bed .")
    assert not role_safe(host, cut(host, NOUN, "a cup"), taken("Mia slept .", NOUN, "Mia"))
    assert role_safe(host, cut(host, NOUN, "the bed"), taken("Mia slept .", NOUN, "Mia"))


@cache
def published() -> tuple[list[tuple[str, str]], list[Sentence]]:
    """The training pairs of COGS and the sentences among them; skips the test where there are none."""
    path = Path(os.environ.get("SUITE_DATA_DIR", "")) / "cogs" / "train.tsv.gz"
    if not os.environ.get("SUITE_DATA_DIR") or not path.is_file():
        pytest.skip("cogs/train.tsv.gz is not in SUITE_DATA_DIR")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    found = [sentence(x.split(), read(x, y)) for x, y, kind in rows if kind != "primitive"]
    return [(x, y) for x, y, _ in rows], found


@cache
def pool() -> dict[Signature, dict[tuple[str, ...], Component]]:
    """Every distinct component of the training sentences by its signature."""
    made: dict[Signature, dict[tuple[str, ...], Component]] = defaultdict(dict)
    for host in published()[1]:
        for c in cuts(host):
            new = component(host, c)
            made[c.signature].setdefault(new.words, new)
    return made


def test_every_training_sentence_is_written_back_as_it_was() -> None:
    forms = [y for _, y in published()[0] if "LAMBDA" not in y and " " in y]
    assert [s.form for s in published()[1]] == forms


def test_the_pool_has_the_sizes_of_the_released_code() -> None:
    """Counted with the released SpanSub code: spans by the classes of their ends, verbs, prepositions, and
    the number of structures among the trees."""
    sizes = {(s.grain, s.entry, s.exit): len(members) for s, members in pool().items()}
    assert [
        sizes["span", *ends]
        for ends in (("noun", "noun"), ("noun", "prep"), ("prep", "noun"), ("prep", "prep"))
    ] == [
        *(3971, 1371, 964, 256),
    ]
    assert (sizes["word", "verb", "verb"], sizes["word", "prep", "prep"]) == (141, 3)
    assert len({c.shape for c in pool()[Signature("tree", "verb", "")].values()}) == 29


@pytest.mark.parametrize("safe", [False, True])
def test_labels_are_as_right_as_the_mode_promises(safe: bool) -> None:
    lexicon = induce(published()[0])
    rng = random.Random(0)
    members = {signature: list(found.values()) for signature, found in pool().items()}
    right, made = 0, {}
    for _ in range(10_000):
        host = rng.choice(published()[1])
        c = rng.choice(list(cuts(host)))
        new = rng.choice(members[c.signature])
        if not safe or role_safe(host, c, new):
            result = substitute(host, c, new)
            made[" ".join(result.words)] = result.form
    for text, form in made.items():
        try:
            right += logical_form(interpret(text, lexicon)) == form
        except Unreadable:
            continue
    assert right == len(made) if safe else 0.97 <= right / len(made) <= 0.995
