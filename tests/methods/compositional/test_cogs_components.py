"""Components of COGS: by hand on sentences, by brute force on generated ones, by counts on the files."""

from __future__ import annotations

import gzip
import os
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from methods.compositional.cogs_components import (
    Component,
    Cut,
    Signature,
    component,
    cuts,
    gaps,
    primitives,
    role_safe,
    substitute,
    taken,
    words_at,
)
from methods.compositional.cogs_sentences import Sentence, sentence, sentences
from tasks.compositional.cogs.generator import generate
from tasks.compositional.cogs.grammar import Lexicon, interpret
from tasks.compositional.contract import Example
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


def cut_out(text: str, signature: Signature, words: str) -> Component:
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
    new = substitute(host, cut(host, signature, leaves), cut_out(donor, signature, enters))
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
    assert not role_safe(host, at, cut_out("Mia slept .", VERB, "slept"))
    assert role_safe(host, at, cut_out("A box broke .", VERB, "broke"))
    host = parsed("Mia saw a cup on the bed .")
    assert not role_safe(host, cut(host, NOUN, "a cup"), cut_out("Mia slept .", NOUN, "Mia"))
    assert role_safe(host, cut(host, NOUN, "the bed"), cut_out("Mia slept .", NOUN, "Mia"))


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
        for gap in gaps(host.shape):
            words = words_at(host, gap)
            if words not in made[gap.signature]:
                made[gap.signature][words] = taken(host, gap)
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


def test_trees_and_nouns_are_as_many_as_in_the_released_pool() -> None:
    """The released code counts a tree at the start of a sentence apart from the same one within; of nouns it
    counts each once, whatever its article, and those that stand alone twice."""
    rows, found = published()
    trees = {
        s.words[c.start : c.end]
        for s in found
        for c in cuts(s)
        if c.signature == Signature("tree", "verb", "")
    }
    assert len(trees) == 26_154
    nouns = {s.words[n.place] for s in found for n in s.nodes if n.kind in ("noun", "name")}
    alone = [new for x, y in rows for signature, new in primitives(Example(x, y)) if signature == NOUN]
    names = {c.words[0] for c in alone if len(c.words) == 1}
    assert len(nouns | names) + sum(len(c.words) == 2 for c in alone) == 590
    assert sum(len(primitives(Example(x, y))) > 0 for x, y in rows) == 143


def test_a_word_that_stands_alone_is_a_noun_with_both_articles_a_name_or_a_lower_verb() -> None:
    made = primitives(Example("cup", "LAMBDA a . cup ( a )"))
    assert [(signature, new.words, new.nodes[0].definite) for signature, new in made] == [
        (NOUN, ("a", "cup"), False),
        (NOUN, ("the", "cup"), True),
    ]
    ((signature, name),) = primitives(Example("Mia", "Mia"))
    assert (signature, name.words, name.nodes[0].kind) == (NOUN, ("Mia",), "name")
    ((signature, verb),) = primitives(Example("sleep", "LAMBDA a . LAMBDA e . sleep . agent ( e , a )"))
    assert (signature, verb.frame) == (Signature("word", "xcomp", "xcomp"), ("active", "agent"))
    assert primitives(Example("Mia slept .", "sleep . agent ( x_1 , Mia )")) == []


def test_a_word_that_stands_alone_enters_like_any_other() -> None:
    host = parsed("Tom wanted to sleep .")
    ((_, crawl),) = primitives(Example("crawl", "LAMBDA a . LAMBDA e . crawl . agent ( e , a )"))
    at = cut(host, Signature("word", "xcomp", "xcomp"), "sleep")
    assert role_safe(host, at, crawl)
    assert substitute(host, at, crawl).example("cogs-ql") == (
        "Tom wanted to crawl .",
        "want ( agent = Tom , xcomp = crawl ( agent = Tom ) )",
    )
    _, (_, shark) = primitives(Example("shark", "LAMBDA a . shark ( a )"))
    assert substitute(host, cut(host, NOUN, "Tom"), shark).example("cogs") == (
        "The shark wanted to sleep .",
        "* shark ( x_1 ) ; want . agent ( x_2 , x_1 ) AND want . xcomp ( x_2 , x_4 ) AND "
        "sleep . agent ( x_4 , x_1 )",
    )


def test_a_lower_verb_with_another_role_is_not_safe() -> None:
    host = parsed("Tom wanted to sleep .")
    at = cut(host, Signature("word", "xcomp", "xcomp"), "sleep")
    for form in (
        "LAMBDA a . LAMBDA e . v . theme ( e , a )",
        "LAMBDA a . LAMBDA b . LAMBDA e . v . agent ( e , b ) AND v . theme ( e , a )",
    ):
        ((_, verb),) = primitives(Example("v", form))
        assert not role_safe(host, at, verb)


def test_a_sentence_that_does_not_fit_its_form_is_left_out() -> None:
    train = [
        Example("Mia slept .", "sleep . agent ( x_1 , Mia )"),
        Example("Tom slept .", "sleep . agent ( x_1 , Mia )"),
        Example("cup broke .", "cup ( x_0 ) AND break . theme ( x_1 , x_0 )"),
        Example("Mia", "Mia"),
    ]
    assert list(sentences(train, "cogs")) == [0]


def generated() -> list[Sentence]:
    """Generated sentences, some of them with many clauses or modifiers."""
    made = generate(5, 120, 0, 0, 2)
    rows = [Example(row.sentence, row.form) for row in (*made.train, *made.gen)]
    return list(sentences(rows, "cogs").values())


def test_what_can_leave_is_what_its_definition_says() -> None:
    """By brute force over all runs: one node hangs outside, and at most one node has children outside."""
    for host in generated():
        found = {(c.first, c.last): c.signature.grain for c in cuts(host)}
        for first in range(len(host.nodes)):
            for last in range(first, len(host.nodes)):
                run = range(first, last + 1)
                entries = [i for i in run if host.nodes[i].parent not in run]
                exits = {n.parent for i, n in enumerate(host.nodes) if i not in run and n.parent in run}
                inner = [[c for c, n in enumerate(host.nodes) if n.parent == i] for i in run][:-1]
                chain = all(members == [i + 1] for i, members in zip(run, inner, strict=False))
                if first == last:
                    assert found.pop((first, last)) == "word"
                elif len(entries) == 1 and chain:
                    assert found.pop((first, last)) == "span"
                elif len(entries) == 1 and not exits:
                    assert found.pop((first, last)) == "tree"
        assert not found


def test_exchange_keeps_the_signature_and_can_be_undone() -> None:
    """For sentences two by two: what entered can leave again by the same signature, and gives the host back
    when what had left returns (equal signatures are an equivalence relation by their making)."""
    hosts = generated()
    for host, donor in zip(hosts, hosts[1:], strict=False):
        for c in cuts(host):
            for d in cuts(donor):
                if d.signature == c.signature:
                    new = substitute(host, c, component(donor, d))
                    last = c.first + d.last - d.first
                    back = next(b for b in cuts(new) if (b.first, b.last) == (c.first, last))
                    assert back.signature == c.signature
                    assert component(new, back).words == component(donor, d).words
                    assert substitute(new, back, component(host, c)) == host
