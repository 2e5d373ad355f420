"""From a training pair back to the tree: what a learner may know of it, without any grammar.

`read` takes a logical form, with variables as "x _ 3" or joined as "x_3"; `read_free` a variable-free form,
whose words it matches with those of the sentence from left to right; `read_word` a word that stands alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from tasks.compositional.notation.cogs import Clause, Name, Noun, Phrase

DEFINITE = re.compile(r"\* (\S+) \( x ?_ ?(\d+) \) ; ")
UNARY = re.compile(r"(\S+) \( x ?_ ?(\d+) \)")
BINARY = re.compile(r"(\S+) \. (?:nmod \. )?(\S+) \( x ?_ ?(\d+) , (?:x ?_ ?(\d+)|(\S+)) \)")
BARE_NOUN = re.compile(r"LAMBDA a \. (\S+) \( a \)")
BARE_VERB = re.compile(r"(\S+) \. (\S+) \( e , [ab] \)")
BEFORE_VERB = ("was", "to")
"""Words that stand between a verb and its subject, or the verb above it."""


class Word(NamedTuple):
    """What a word that stands alone is: its kind, its name in forms, and the roles around a verb."""

    kind: Literal["noun", "name", "verb"]
    lemma: str
    roles: tuple[str, ...] = ()


class _Reader:
    """The conjuncts of one form, by the place of their first variable."""

    def __init__(self, words: Sequence[str], form: str) -> None:
        self.words = words
        definite = DEFINITE.findall(form)
        self.nouns = {int(place): (word, True) for word, place in definite}
        self.modifiers: dict[int, tuple[str, int | Name]] = {}
        self.roles: dict[int, list[tuple[str, int | Name]]] = defaultdict(list)
        self.verbs: dict[int, str] = {}
        self.names: set[int] = set()
        self.raised: set[int] = set()
        conjuncts = [c for c in DEFINITE.sub("", form).split(" AND ") if c]
        # Modifiers first: they say exactly where their name stands, and what is left over is the verbs'.
        for conjunct in sorted(conjuncts, key=lambda c: " . nmod . " not in c):
            self.add(conjunct)

    def add(self, conjunct: str) -> None:
        if (noun := UNARY.fullmatch(conjunct)) is not None:
            self.nouns[int(noun[2])] = (noun[1], False)
            return
        pair = BINARY.fullmatch(conjunct)
        if pair is None:
            raise ValueError(f"'{conjunct}' is no conjunct of a logical form")
        head, relation, place, other, name = pair[1], pair[2], int(pair[3]), pair[4], pair[5]
        if " . nmod . " in conjunct:
            argument = Name(place + 2, name) if name else int(other)
            self.modifiers[place] = (relation, argument)
            self.names |= {place + 2} if name else set()
            return
        self.verbs[place] = head
        if relation == "xcomp":
            if not other:
                raise ValueError(f"'{conjunct}' has a name in the place of a verb")
            self.raised.add(int(other))
        if place in self.raised:
            return  # its one argument is the subject of the verb above, said again
        self.roles[place].append((relation, self.name(place, name) if name else int(other)))

    def name(self, verb: int, name: str) -> Name:
        """The next use of a name, after the arguments of the verb that are read already."""
        before = [arg.place if isinstance(arg, Name) else arg for _, arg in self.roles[verb]]
        start = max(before, default=-1)
        for place in range(start + 1, len(self.words)):
            if self.words[place] == name and place not in self.names:
                self.names.add(place)
                return Name(place, name)
        raise ValueError(f"'{name}' is in the form and not in the sentence")

    def phrase(self, at: int | Name) -> Phrase:
        if isinstance(at, Name):
            return at
        word, definite = self.nouns[at]
        if at not in self.modifiers:
            return Noun(at, word, definite)
        prep, inner = self.modifiers[at]
        return Noun(at, word, definite, prep, self.phrase(inner))

    def clause(self, place: int) -> Clause:
        arguments: list[tuple[str, Phrase | Clause]] = []
        for role, at in self.roles[place]:
            if role == "xcomp" and isinstance(at, int):
                arguments.append((role, Clause(at, self.verbs[at], (("agent", arguments[0][1]),))))
            elif role == "ccomp" and isinstance(at, int):
                arguments.append((role, self.clause(at)))
            else:
                arguments.append((role, self.phrase(at)))
        return Clause(place, self.verbs[place], tuple(arguments))


def read(sentence: str, form: str) -> Clause:
    """The tree of a training pair; ValueError for a form that is none of a sentence (a bare word's)."""
    reader = _Reader(sentence.split(), form)
    lower = {at for roles in reader.roles.values() for role, at in roles if role == "ccomp"}
    tops = sorted(set(reader.roles) - lower)
    if len(tops) != 1:
        raise ValueError(f"'{form}' has {len(tops)} main verbs")
    try:
        return reader.clause(tops[0])
    except (LookupError, RecursionError) as error:
        raise ValueError(f"'{form}' lacks what it speaks of") from error


def read_word(word: str, form: str) -> Word:
    """The word of a training pair of one word; ValueError for any other pair."""
    if form == word and " " not in word:
        return Word("name", word)
    if (noun := BARE_NOUN.fullmatch(form)) is not None:
        return Word("noun", noun[1])
    found = BARE_VERB.findall(form)
    if " " in word or not found or "LAMBDA e" not in form:
        raise ValueError(f"'{form}' is not the form of a word")
    return Word("verb", found[0][0], tuple(role for _, role in found))


class _Term(NamedTuple):
    """A head of a variable-free form with its arguments."""

    head: str
    definite: bool
    arguments: list[tuple[str, _Term]]


def _term(tokens: Iterator[str], token: str) -> tuple[_Term, str]:
    """The term that starts with `token`, and the token after it ("" at the end)."""
    definite = token == "*"
    head = next(tokens, "") if definite else token
    arguments: list[tuple[str, _Term]] = []
    if head in ("", "(", ")", ",", "="):
        raise ValueError(f"a variable-free form has '{head}' in the place of a word")
    token = next(tokens, "")
    if token != "(":
        return _Term(head, definite, arguments), token
    while token in ("(", ","):
        role = [token for token in iter(lambda: next(tokens, "="), "=")]
        term, token = _term(tokens, next(tokens, ""))
        arguments.append((role[-1] if role else "", term))
    if token != ")":
        raise ValueError(f"the arguments of '{head}' are not closed")
    return _Term(head, definite, arguments), next(tokens, "")


class _FreeReader:
    """Gives the heads of a form their places, each the next word of the sentence that it can be."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words, self.at = words, 0

    def phrase(self, term: _Term) -> Phrase:
        name = term.head[:1].isupper()
        for place in range(self.at, len(self.words)):
            word = self.words[place]
            if (word if name else word.lower()) == term.head:
                break
        else:
            raise ValueError(f"'{term.head}' is in the form and not in the sentence")
        self.at = place + 1
        if name:
            return Name(place, term.head)
        if not term.arguments:
            return Noun(place, term.head, term.definite)
        ((prep, inner),) = term.arguments
        return Noun(place, term.head, term.definite, prep, self.phrase(inner))

    def verb(self) -> int:
        """The place of the next word that can be a verb: its form is not that of the sentence."""
        while self.at < len(self.words) and self.words[self.at] in BEFORE_VERB:
            self.at += 1
        self.at += 1
        return self.at - 1

    def clause(self, term: _Term) -> Clause:
        if not term.arguments:
            raise ValueError(f"'{term.head}' has no argument")
        (role, first), *others = term.arguments
        subject = self.phrase(first)
        arguments: list[tuple[str, Phrase | Clause]] = [(role, subject)]
        place = self.verb()
        for role, argument in others:
            if role == "ccomp":
                arguments.append((role, self.clause(argument)))
            elif role == "xcomp":
                arguments.append((role, Clause(self.verb(), argument.head, (("agent", subject),))))
            else:
                arguments.append((role, self.phrase(argument)))
        return Clause(place, term.head, tuple(arguments))


def read_free(sentence: str, form: str) -> Clause:
    """The tree of a training pair in the variable-free form; ValueError where they do not fit each other."""
    tokens = iter(form.split())
    term, left = _term(tokens, next(tokens, ""))
    reader = _FreeReader(sentence.split())
    tree = reader.clause(term)
    if left or reader.words[reader.at :] != ["."]:
        raise ValueError(f"'{sentence}' and '{form}' do not end together")
    return tree
