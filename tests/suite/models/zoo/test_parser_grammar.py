"""The parser's languages: every form worked out again from the words alone, and splits that do not leak."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from suite.models.zoo import parser_grammar
from suite.models.zoo.parser_grammar import HELD_OUT, LEXICON, Phrase, Split, sentences, vocabulary

SPLITS: tuple[Split, ...] = ("train", "same kind", "new combinations", "longer")
KIND = {word: kind for kind, words in LEXICON.items() for word in words}
WHICH = {"the": "one", "a": "some", "every": "all"}


class Reader:
    """A recursive-descent parser, written from the languages' description; counts what it meets."""

    def __init__(self, sentence: str) -> None:
        self.words = sentence.split()
        self.place_of = 0
        self.depth = 0
        self.roles: set[tuple[str, str]] = set()

    def peek(self) -> str:
        return self.words[self.place_of]

    def take(self, *wanted: str) -> str:
        word = self.peek()
        assert not wanted or word in wanted, (word, wanted, self.words)
        self.place_of += 1
        return word

    def met(self, ahead: str) -> bool:
        if self.peek() != ahead:
            return False
        self.take()
        return True

    def of_kind(self, kind: str, ending: str = "") -> str:
        word = self.take()
        assert word.endswith(ending)
        stem = word[: len(word) - len(ending)]
        assert KIND[stem] == kind, (word, kind)
        return stem

    def sentence(self) -> str:
        read = {".": self.clause, "!": self.command, "?": self.question}[self.words[-1]]
        form = read()
        assert self.words[self.place_of :] == [self.words[-1]]
        return form

    def clause(self) -> str:
        at = self.place_of
        subject = self.thing("theme" if self.is_passive(at) else "subject")
        if self.met("was"):
            v = self.of_kind("transitive", "ed")
            self.roles.add(("passive", v))
            if self.met("by"):
                return f"{v} ( agent = {self.thing('by')} , theme = {subject} )"
            return f"{v} ( theme = {subject} )"
        kind = KIND[self.peek()[:-2]]
        if kind == "saying":
            v = self.of_kind("saying", "ed")
            self.take("that")
            self.depth += 1
            return f"{v} ( agent = {subject} , content = {self.clause()} )"
        if kind == "wanting":
            v = self.of_kind("wanting", "ed")
            self.take("to")
            return f"{v} ( agent = {subject} , action = {self.of_kind('intransitive')} )"
        v, objects = self.action()
        return f"{v} ( {' , '.join([f'agent = {subject}', *objects])} )"

    def is_passive(self, at: int) -> bool:
        """Look ahead: read the subject and come back."""
        depth, roles = self.depth, set(self.roles)
        self.thing("theme")
        found = self.peek() == "was"
        self.place_of, self.depth, self.roles = at, depth, roles
        return found

    def action(self) -> tuple[str, list[str]]:
        kind = KIND[self.peek()[:-2]]
        v = self.of_kind(kind, "ed")
        if kind == "intransitive":
            return v, []
        theme = f"theme = {self.thing('theme')}"
        if kind == "transitive":
            return v, [theme]
        assert kind == "giving"
        self.take("to")
        return v, [theme, f"recipient = {self.thing('recipient')}"]

    def thing(self, role: str) -> str:
        if self.peek() not in WHICH:
            name = self.of_kind("name")
            self.roles.add((role, name))
            return name
        which = WHICH[self.take()]
        noun = self.of_kind("noun")
        self.roles.add((role, noun))
        if self.met("on"):
            self.depth += 1
            return f"{which} ( {noun} , on = {self.thing('place')} )"
        if self.met("that"):
            self.depth += 1
            v, objects = self.action()
            return f"{which} ( {noun} , who = {v}{' ( ' + ' , '.join(objects) + ' )' if objects else ''} )"
        return f"{which} ( {noun} )"

    def command(self) -> str:
        first = self.step()
        if self.met("and"):
            self.take("then")
            self.depth += 1
            return f"do ( {first} , {self.command()} )"
        if self.met("but"):
            self.take("first")
            self.depth += 1
            return f"do ( {self.command()} , {first} )"
        return first

    def step(self) -> str:
        v = self.of_kind("action")
        form = v
        if self.peek() in ("forward", "back", "sideways"):
            form = f"{v} ( {self.take()} )"
        if self.peek() in ("two", "three", "four"):
            form = f"repeat ( {self.take()} , {form} )"
            self.take("times")
            self.roles.add(("repeated", v))
        return form

    def question(self) -> str:
        start = self.take("what", "how", "which")
        if start == "what":
            self.take("is")
            self.take("the")
            attribute = self.of_kind("attribute")
            self.take("of")
            return f"answer ( {attribute} ( {self.place()} ) )"
        if start == "how":
            self.take("many")
            counted = self.kind("counted")
            self.take("are")
            self.take("there")
            return f"answer ( count ( {counted} ) )"
        kind = self.kind("asked")
        for word in ("is", "the", "most"):
            self.take(word)
        return f"answer ( most ( {self.of_kind('adjective')} , {kind} ) )"

    def kind(self, role: str) -> str:
        noun = self.of_kind("noun")
        self.roles.add((role, noun))
        if self.met("in"):
            self.depth += 1
            return f"both ( {noun} , in ( {self.place()} ) )"
        if self.met("that"):
            self.depth += 1
            relation = self.of_kind("relation", "s")
            if KIND.get(self.peek()) == "name":
                self.roles.add(("related to a name", relation))
            return f"both ( {noun} , {relation} ( {self.place()} ) )"
        return noun

    def place(self) -> str:
        if not self.met("the"):
            return self.of_kind("name")
        if self.met("most"):
            adjective = self.of_kind("adjective")
            return f"most ( {adjective} , {self.kind('told')} )"
        return f"one ( {self.kind('told')} )"


def drawn(split: Split, n: int = 250, seed: int = 0) -> list[Phrase]:
    return list(islice(sentences(Random(seed), split), n))


def held_out_roles(roles: set[tuple[str, str]]) -> set[str]:
    return {role for role, word in roles if role in HELD_OUT and word in HELD_OUT[role]}


@pytest.mark.parametrize("split", SPLITS)
def test_every_form_is_what_its_words_say(split: Split) -> None:
    for phrase in drawn(split):
        reader = Reader(phrase.words)
        assert reader.sentence() == phrase.form, phrase.words
        assert reader.depth == phrase.depth, phrase.words
        assert held_out_roles(reader.roles) == phrase.new, phrase.words


def test_known_sentences() -> None:
    noun, name, act = LEXICON["noun"], LEXICON["name"], LEXICON["action"]
    v, says = LEXICON["transitive"][9], LEXICON["saying"][0]
    known = {
        f"{name[0]} {says}ed that the {noun[40]} was {v}ed .": (
            f"{says} ( agent = {name[0]} , content = {v} ( theme = one ( {noun[40]} ) ) )"
        ),
        f"{act[8]} back two times but first {act[9]} !": (
            f"do ( {act[9]} , repeat ( two , {act[8]} ( back ) ) )"
        ),
        f"how many {noun[40]} in the {noun[41]} are there ?": (
            f"answer ( count ( both ( {noun[40]} , in ( one ( {noun[41]} ) ) ) ) )"
        ),
    }
    for words, form in known.items():
        assert Reader(words).sentence() == form


def test_splits_are_what_they_are_called() -> None:
    def reading(split: Split) -> Iterator[tuple[int, set[str], bool]]:
        for phrase in drawn(split):
            reader = Reader(phrase.words)
            reader.sentence()
            kept = zlib.crc32(phrase.words.encode()) % 20 == 0
            yield reader.depth, held_out_roles(reader.roles), kept

    assert all(depth <= 2 and not new and not kept for depth, new, kept in reading("train"))
    assert all(depth <= 2 and not new and kept for depth, new, kept in reading("same kind"))
    assert all(depth <= 2 and new for depth, new, _ in reading("new combinations"))
    assert all(3 <= depth <= 5 and not new for depth, new, _ in reading("longer"))


def test_no_sentence_is_in_two_splits() -> None:
    found = [{phrase.words for phrase in drawn(split, 400)} for split in SPLITS]
    assert sum(map(len, found)) == len(set().union(*found))


def test_training_shows_every_held_out_word_and_every_held_out_role() -> None:
    shown = drawn("train", 6000)
    words = {word for phrase in shown for word in phrase.form.split()}
    assert {word for held in HELD_OUT.values() for word in held} <= words
    roles = {role for phrase in shown for role, _ in phrase.uses}
    assert set(HELD_OUT) <= roles
    said = {word for phrase in shown for word in f"{phrase.words} {phrase.form}".split()}
    assert set(vocabulary()) - said == set()


def test_the_same_seed_says_the_same() -> None:
    assert drawn("train", 50, 3) == drawn("train", 50, 3)
    assert drawn("train", 50, 3) != drawn("train", 50, 4)


def test_words_are_of_one_kind() -> None:
    assert len(KIND) == sum(len(words) for words in LEXICON.values()) == sum(parser_grammar.SIZES.values())
    inflected = [f"{v}ed" for kind in parser_grammar.VERBS for v in LEXICON[kind]]
    assert not set(inflected) & set(KIND)
    assert len(vocabulary()) == len(set(vocabulary()))


def lines_of(folder: str) -> Iterator[str]:
    for path in sorted((Path(os.environ["SUITE_DATA_DIR"]) / folder).glob("*.gz")):
        with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
            for line in file:
                yield json.loads(line).get("question", "") if path.name.startswith("funql") else line


@pytest.mark.parametrize("folder", ["scan", "cogs", "geoquery"])
def test_no_content_word_is_in_the_data_of_the_compositional_family(folder: str) -> None:
    if not (Path(os.environ.get("SUITE_DATA_DIR", "nowhere")) / folder).is_dir():
        pytest.skip(f"needs SUITE_DATA_DIR with {folder}")
    invented = set(KIND) | {word for word in vocabulary() if word[:-2] in KIND or word[:-1] in KIND}
    known: set[str] = set()
    for line in lines_of(folder):
        known.update(line.split())
    assert len(known) > 10
    assert not invented & known
