"""The fragment of English that COGS is made of: from a sentence to what it says.

    S  -> NP VP .                       NP -> Det N | Det N P NP | Name
    VP -> V | V NP | V NP to NP | V NP NP | V that S | V to V | was V [to NP] [by NP] | was V NP [by NP]

A prepositional phrase belongs to the noun right before it. The subject of a verb without an object is its
theme where the verb is unaccusative (the 21 lemmas follow from the training set), else its agent. Any form
of a verb is read wherever a verb can stand ("was threw" as "was thrown"), and any verb in any frame: what is
said is the same. The grammar is a reconstruction from the data; a test interprets every row of the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.compositional.notation.cogs import Clause, Name, Noun, Phrase

DETERMINERS = frozenset({"a", "an", "the", "A", "An", "The"})
PREPOSITIONS = frozenset({"in", "on", "beside"})
FUNCTION_WORDS = DETERMINERS | PREPOSITIONS | {"was", "that", "to", "by", "."}


@dataclass(frozen=True)
class Lexicon:
    """The words that the grammar cannot know by their place: forms of verbs with their lemmas, and which
    lemmas are unaccusative and which take an object."""

    lemmas: Mapping[str, str]
    unaccusative: frozenset[str]
    transitive: frozenset[str]


class Unreadable(ValueError):
    """A sentence outside of the fragment."""


def interpret(sentence: str, lexicon: Lexicon) -> Clause:
    """What a sentence says; Unreadable where it is none of the fragment. Tokens are joined by blanks."""
    words = sentence.split()
    if not words or words[-1] != ".":
        raise Unreadable(f"'{sentence}' does not end in a full stop")
    reader = _Reader(words[:-1], lexicon)
    clause = reader.clause()
    if reader.at < len(reader.words):
        raise Unreadable(f"'{sentence}': '{reader.words[reader.at]}' is left over")
    return clause


def interpret_word(word: str, lexicon: Lexicon) -> str:
    """The lambda form of a word that stands alone, as the training set's primitives have it.

    Unreadable for a word that is no noun, name or verb.
    """
    if word in FUNCTION_WORDS:
        raise Unreadable(f"'{word}' says nothing alone")
    if word[:1].isupper() and word != "TV":
        return word
    if word not in lexicon.lemmas:
        return f"LAMBDA a . {word.lower()} ( a )"
    verb = lexicon.lemmas[word]
    if verb in lexicon.unaccusative:
        return f"LAMBDA a . LAMBDA e . {verb} . theme ( e , a )"
    if verb in lexicon.transitive:
        return f"LAMBDA a . LAMBDA b . LAMBDA e . {verb} . agent ( e , b ) AND {verb} . theme ( e , a )"
    return f"LAMBDA a . LAMBDA e . {verb} . agent ( e , a )"


class _Reader:
    """Reads a sentence from left to right; every choice is settled by the next word or two."""

    def __init__(self, words: Sequence[str], lexicon: Lexicon) -> None:
        self.words, self.lexicon, self.at = words, lexicon, 0

    def peek(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def take(self, wanted: str = "") -> str:
        word = self.peek()
        if not word or (wanted and word != wanted):
            raise Unreadable(f"'{wanted or 'a word'}' is missing after '{' '.join(self.words[: self.at])}'")
        self.at += 1
        return word

    def follows(self, word: str) -> bool:
        """Take the word where it comes next."""
        if self.peek() != word:
            return False
        self.at += 1
        return True

    def starts_phrase(self) -> bool:
        word = self.peek()
        return word in DETERMINERS or word[:1].isupper()

    def phrase(self) -> Phrase:
        if not self.starts_phrase():
            raise Unreadable(f"a noun phrase is missing before '{self.peek()}'")
        first = self.take()
        if first not in DETERMINERS:
            return Name(self.at - 1, first)
        if self.peek() in FUNCTION_WORDS:
            raise Unreadable(f"a noun is missing before '{self.peek()}'")
        place, noun = self.at, self.take().lower()
        if self.peek() in PREPOSITIONS:
            return Noun(place, noun, first.lower() == "the", self.take(), self.phrase())
        return Noun(place, noun, first.lower() == "the")

    def verb(self) -> tuple[int, str]:
        form = self.take()
        if form not in self.lexicon.lemmas:
            raise Unreadable(f"'{form}' is no verb that the lexicon knows")
        return self.at - 1, self.lexicon.lemmas[form]

    def clause(self) -> Clause:
        subject = self.phrase()
        return self.passive(subject) if self.follows("was") else self.active(subject)

    def active(self, subject: Phrase) -> Clause:
        place, verb = self.verb()
        if self.follows("that"):
            return Clause(place, verb, (("agent", subject), ("ccomp", self.clause())))
        if self.follows("to"):
            lower, inner = self.verb()
            return Clause(
                place, verb, (("agent", subject), ("xcomp", Clause(lower, inner, (("agent", subject),))))
            )
        if not self.starts_phrase():
            role = "theme" if verb in self.lexicon.unaccusative else "agent"
            return Clause(place, verb, ((role, subject),))
        first = self.phrase()
        if self.follows("to"):
            return Clause(place, verb, (("agent", subject), ("theme", first), ("recipient", self.phrase())))
        if self.starts_phrase():
            return Clause(place, verb, (("agent", subject), ("recipient", first), ("theme", self.phrase())))
        return Clause(place, verb, (("agent", subject), ("theme", first)))

    def passive(self, subject: Phrase) -> Clause:
        place, verb = self.verb()
        if self.starts_phrase():
            arguments = [("recipient", subject), ("theme", self.phrase())]
        else:
            arguments = [("theme", subject)]
            if self.follows("to"):
                arguments.append(("recipient", self.phrase()))
        if self.follows("by"):
            arguments.append(("agent", self.phrase()))
        return Clause(place, verb, tuple(arguments))
