"""Three small English-like languages over invented words, each sentence with the functional form it means.

Statements, commands and questions share nouns and names. No word but the function words is English, so
no sentence of another data set is among them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

Split = Literal["train", "same kind", "new combinations", "longer"]
Use = tuple[str, str]
"""A role and the word in it, such as ("subject", "babik")."""

FIRST = "ba du fe gi ko lu me ni po ra su te vi wo za"
SECOND = "bik dal fen gop kum lit mor nad pex ruz sil tav vog wun yed zor jaf"
SIZES = {
    "noun": 60,
    "name": 40,
    "intransitive": 18,
    "transitive": 30,
    "giving": 12,
    "saying": 10,
    "wanting": 8,
    "action": 20,
    "adjective": 16,
    "attribute": 12,
    "relation": 12,
}
VERBS = ("intransitive", "transitive", "giving", "saying", "wanting")


def _lexicon() -> dict[str, tuple[str, ...]]:
    first, second = FIRST.split(), SECOND.split()
    # 15 and 17 have no common factor: the first 255 pairs all differ.
    words = [first[n % len(first)] + second[n % len(second)] for n in range(sum(SIZES.values()))]
    out, start = {}, 0
    for kind, size in SIZES.items():
        out[kind] = tuple(words[start : start + size])
        start += size
    return out


LEXICON = _lexicon()
DETERMINERS = {"the": "one", "a": "some", "every": "all"}
DIRECTIONS = ("forward", "back", "sideways")
NUMBERS = ("two", "three", "four")
FUNCTION_WORDS = (
    "on that was by to and then but first times what is of how many are there which most in . ! ?"
)
FUNCTORS = "agent theme recipient content action who do repeat answer count both ( ) , ="
HELD_OUT: dict[str, tuple[str, ...]] = {
    "subject": LEXICON["noun"][:10],
    "place": LEXICON["noun"][10:20],
    "counted": LEXICON["noun"][20:30],
    "recipient": LEXICON["name"][:8],
    "passive": LEXICON["transitive"][:5],
    "repeated": LEXICON["action"][:4],
    "related to a name": LEXICON["relation"][:3],
}
"""Words that training never shows in this role, though it shows both the word and the role."""

DEEPEST = 2
"""Nested phrases of a training sentence; the longer ones have more."""

LONGER = range(DEEPEST + 1, DEEPEST + 4)
TEST_SHARE = 20
"""One sentence in so many of the training's kind belongs to the test split."""


@dataclass(frozen=True)
class Phrase:
    """Words, their form, how many phrases are nested in it, and which words have which role."""

    words: str
    form: str
    depth: int = 0
    uses: frozenset[Use] = frozenset()

    @property
    def new(self) -> frozenset[str]:
        """The held-out roles that it shows."""
        return frozenset(role for role, word in self.uses if word in HELD_OUT.get(role, ()))


def put(words: str, form: str, *parts: Phrase, deeper: int = 0, uses: tuple[Use, ...] = ()) -> Phrase:
    """Parts filled into two templates, {0} the first of them."""
    return Phrase(
        words.format(*(part.words for part in parts)),
        form.format(*(part.form for part in parts)),
        deeper + sum(part.depth for part in parts),
        frozenset(uses).union(*(part.uses for part in parts)),
    )


@dataclass(frozen=True)
class Speaker:
    """Draws sentences; a phrase that can nest another one does so with probability `nesting`."""

    rng: Random
    nesting: float

    def sentence(self) -> Phrase:
        """A statement, a command or a question."""
        kind = self.rng.randrange(3)
        if kind == 0:
            return put("{0} .", "{0}", self.clause())
        return put("{0} !", "{0}", self.command()) if kind == 1 else self.question()

    def clause(self) -> Phrase:
        """What a statement says."""
        if self._nests():
            v = self._word("saying")
            form = f"{v} ( agent = {{0}} , content = {{1}} )"
            return put(f"{{0}} {v}ed that {{1}}", form, self.thing("subject"), self.clause(), deeper=1)
        if self.rng.random() < 0.3:
            return self._passive()
        if self.rng.random() < 0.2:
            v, w = self._word("wanting"), self._word("intransitive")
            form = f"{v} ( agent = {{0}} , action = {w} )"
            return put(f"{{0}} {v}ed to {w}", form, self.thing("subject"))
        subject, (v, done) = self.thing("subject"), self._action()
        objects = " , {1}" if done.form else ""
        return put("{0} {1}", f"{v} ( agent = {{0}}{objects} )", subject, done)

    def _passive(self) -> Phrase:
        v, theme = self._word("transitive"), self.thing("theme")
        uses = (("passive", v),)
        if self.rng.random() < 0.3:
            return put(f"{{0}} was {v}ed", f"{v} ( theme = {{0}} )", theme, uses=uses)
        form = f"{v} ( agent = {{1}} , theme = {{0}} )"
        return put(f"{{0}} was {v}ed by {{1}}", form, theme, self.thing("by"), uses=uses)

    def _action(self) -> tuple[str, Phrase]:
        """A verb, and its words with the form of its objects ("" where it has none)."""
        kind = self.rng.choice(("intransitive", "transitive", "giving"))
        v = self._word(kind)
        if kind == "intransitive":
            return v, Phrase(f"{v}ed", "")
        if kind == "transitive":
            return v, put(f"{v}ed {{0}}", "theme = {0}", self.thing("theme"))
        given, to = self.thing("theme"), self.thing("recipient")
        return v, put(f"{v}ed {{0}} to {{1}}", "theme = {0} , recipient = {1}", given, to)

    def thing(self, role: str) -> Phrase:
        """A name, or a noun that a place or a relative clause may modify."""
        if self.rng.random() < 0.35:
            name = self._word("name")
            return Phrase(name, name, 0, frozenset({(role, name)}))
        determiner, noun = self.rng.choice(list(DETERMINERS)), self._word("noun")
        uses, which = ((role, noun),), DETERMINERS[determiner]
        if not self._nests():
            return put(f"{determiner} {noun}", f"{which} ( {noun} )", uses=uses)
        if self.rng.random() < 0.5:
            form = f"{which} ( {noun} , on = {{0}} )"
            return put(f"{determiner} {noun} on {{0}}", form, self.thing("place"), deeper=1, uses=uses)
        v, done = self._action()
        who = f"{v} ( {{0}} )" if done.form else v
        form = f"{which} ( {noun} , who = {who} )"
        return put(f"{determiner} {noun} that {{0}}", form, done, deeper=1, uses=uses)

    def command(self) -> Phrase:
        """Steps, of which "but first" turns the order round."""
        step = self._step()
        if not self._nests():
            return step
        if self.rng.random() < 0.5:
            return put("{0} and then {1}", "do ( {0} , {1} )", step, self.command(), deeper=1)
        return put("{0} but first {1}", "do ( {1} , {0} )", step, self.command(), deeper=1)

    def _step(self) -> Phrase:
        v = self._word("action")
        made = Phrase(v, v)
        if self.rng.random() < 0.5:
            direction = self.rng.choice(DIRECTIONS)
            made = Phrase(f"{v} {direction}", f"{v} ( {direction} )")
        if self.rng.random() < 0.5:
            return made
        number = self.rng.choice(NUMBERS)
        return put(f"{{0}} {number} times", f"repeat ( {number} , {{0}} )", made, uses=(("repeated", v),))

    def question(self) -> Phrase:
        """About an attribute, a number or an extreme."""
        kind = self.rng.randrange(3)
        if kind == 0:
            a = self._word("attribute")
            return put(f"what is the {a} of {{0}} ?", f"answer ( {a} ( {{0}} ) )", self.place())
        if kind == 1:
            return put("how many {0} are there ?", "answer ( count ( {0} ) )", self.kind("counted"))
        a = self._word("adjective")
        return put(f"which {{0}} is the most {a} ?", f"answer ( most ( {a} , {{0}} ) )", self.kind("asked"))

    def kind(self, role: str) -> Phrase:
        """A noun that a place or a relation may narrow down."""
        noun = self._word("noun")
        uses: tuple[Use, ...] = ((role, noun),)
        if not self._nests():
            return put(noun, noun, uses=uses)
        if self.rng.random() < 0.5:
            return put(
                f"{noun} in {{0}}", f"both ( {noun} , in ( {{0}} ) )", self.place(), deeper=1, uses=uses
            )
        r, other = self._word("relation"), self.place()
        if other.words in LEXICON["name"]:
            uses = (*uses, ("related to a name", r))
        return put(f"{noun} that {r}s {{0}}", f"both ( {noun} , {r} ( {{0}} ) )", other, deeper=1, uses=uses)

    def place(self) -> Phrase:
        """A name, or the one thing, or the most extreme thing, of a kind."""
        if self.rng.random() < 0.5:
            name = self._word("name")
            return Phrase(name, name)
        if self.rng.random() < 0.5:
            return put("the {0}", "one ( {0} )", self.kind("told"))
        a = self._word("adjective")
        return put(f"the most {a} {{0}}", f"most ( {a} , {{0}} )", self.kind("told"))

    def _nests(self) -> bool:
        return self.rng.random() < self.nesting

    def _word(self, kind: str) -> str:
        return self.rng.choice(LEXICON[kind])


def split_of(phrase: Phrase) -> Split | None:
    """Where a sentence belongs; None where it is both new and longer, or far too long."""
    if phrase.depth > DEEPEST:
        return "longer" if phrase.depth in LONGER and not phrase.new else None
    if phrase.new:
        return "new combinations"
    return "same kind" if zlib.crc32(phrase.words.encode()) % TEST_SHARE == 0 else "train"


def sentences(rng: Random, split: Split) -> Iterator[Phrase]:
    """Sentences of a split without end, repetitions among them."""
    speaker = Speaker(rng, 0.5 if split == "longer" else 0.4)
    while True:
        phrase = speaker.sentence()
        if split_of(phrase) == split:
            yield phrase


def vocabulary() -> list[str]:
    """Every word of the sentences and of the forms, once."""
    little = [*FUNCTION_WORDS.split(), *FUNCTORS.split(), *DIRECTIONS, *NUMBERS]
    stems = [word for words in LEXICON.values() for word in words]
    inflected = [f"{v}ed" for kind in VERBS for v in LEXICON[kind]] + [f"{r}s" for r in LEXICON["relation"]]
    return list(dict.fromkeys([*little, *DETERMINERS, *DETERMINERS.values(), *stems, *inflected]))
