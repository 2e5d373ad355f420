"""From a logical form back to the tree: what a learner may know of a training pair, without any grammar."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from tasks.compositional.notation.cogs import Clause, Name, Noun, Phrase

DEFINITE = re.compile(r"\* (\S+) \( x _ (\d+) \) ; ")
UNARY = re.compile(r"(\S+) \( x _ (\d+) \)")
BINARY = re.compile(r"(\S+) \. (?:nmod \. )?(\S+) \( x _ (\d+) , (?:x _ (\d+)|(\S+)) \)")


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
    words = sentence.split()
    reader = _Reader(words, form)
    lower = {at for roles in reader.roles.values() for role, at in roles if role == "ccomp"}
    tops = sorted(set(reader.roles) - lower)
    if len(tops) != 1:
        raise ValueError(f"'{form}' has {len(tops)} main verbs")
    return reader.clause(tops[0])
