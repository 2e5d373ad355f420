"""CompSub on COGS: random substitutions between training pairs, as the released SpanSub code draws them.

A draw takes a host at random and one of four exchanges: tree for tree 0.3, word for word 0.3, span for span
0.1, a word for a span with its class at both ends 0.3. As released, a host without a span exchanges a word
in the place of a tree, and a word that no span can replace is drawn again, up to three times. What leaves
and what enters are drawn uniformly over structures and then over the members of one, so that rare structures
weigh more than their number. A draw that finds nothing to exchange is lost. What enters comes from the
training lines in every round; the hosts of a round are the sentences of the one before.

Two things differ from the released code. Words that stand alone are no hosts (there they are drawn in vain:
they have no structure), and a noun enters with each article that it was seen with (there with the first).
Components are indexed once, by what may enter where.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from methods.compositional.cogs_components import (
    Component,
    Cut,
    Gap,
    Grain,
    Interface,
    Signature,
    cut_at,
    cuts,
    frame_at,
    gaps,
    interface,
    options,
    primitives,
    substitute,
    taken,
    words_at,
)
from methods.compositional.cogs_sentences import Sentence, Shape, sentences
from tasks.compositional.contract import Augmented, Example

T = TypeVar("T")
Types = Literal["all", "word", "span", "tree"]
TRIES = 4
"""Draws of a word for which a span must be found."""
CAP = 4
"""A round ends after so many draws for each new example wanted."""
STEP = re.compile(r"[a-z]+ (\d+):(\d+) [^>]* -> (.*) \(line (\d+)\)")


class Exchange(NamedTuple):
    """A kind of substitution with its weight."""

    leaves: Grain
    enters: Grain
    weight: float


WORDS = Exchange("word", "word", 0.3)
EXCHANGES: Mapping[Types, tuple[Exchange, ...]] = {
    "all": (
        Exchange("tree", "tree", 0.3),
        WORDS,
        Exchange("span", "span", 0.1),
        Exchange("word", "span", 0.3),
    ),
    "word": (WORDS,),
    "span": (WORDS, Exchange("span", "span", 0.1), Exchange("word", "span", 0.3)),
    "tree": (Exchange("subtree", "subtree", 1.0),),
}
"""Exchanges by type. "span": all components with one way in and one out (a word is its own). "tree": the
control SUBS, any component without a way out for another of the same class, uniformly."""


class Entry(NamedTuple):
    """A component of the pool and the number of the training line that it was first seen in."""

    signature: Signature
    component: Component
    donor: int


class Pool:
    """The distinct components of training lines, in order of appearance.

    A verb in two frames is two components. Primitives are words of the pool: see `primitives`.
    closed: the numbers of those on which, in some line, nothing hangs.
    """

    def __init__(self, train: Sequence[Example], hosts: Mapping[int, Sentence]) -> None:
        self.entries: list[Entry] = []
        self.index: dict[tuple[Signature, tuple[str, ...], tuple[str, ...]], int] = {}
        self.closed: set[int] = set()
        self._groups: dict[Interface, tuple[tuple[Entry, ...], ...]] = {}
        for line, example in enumerate(train):
            if line in hosts:
                self._add(line, hosts[line])
            else:
                for signature, new in primitives(example):
                    self.closed.add(self._put(signature, new, line))

    def _add(self, line: int, host: Sentence) -> None:
        # The key is looked up before a component is built: most of them are known.
        for gap in gaps(host.shape):
            number = self.index.get((gap.signature, words_at(host, gap), frame_at(host, gap)))
            if number is None:
                number = self._put(gap.signature, taken(host, gap), line)
            if gap.closed:
                self.closed.add(number)

    def _put(self, signature: Signature, new: Component, line: int) -> int:
        number = self.index.setdefault((signature, new.words, new.frame), len(self.entries))
        if number == len(self.entries):
            self.entries.append(Entry(signature, new, line))
        return number

    def groups(self, wanted: Interface) -> tuple[tuple[Entry, ...], ...]:
        """What an interface admits, by structure; worked out once for each interface.

        Where any frame will do, a verb is there once.
        """
        if wanted not in self._groups:
            found: dict[Shape, dict[tuple[str, ...], Entry]] = {}
            for number, entry in enumerate(self.entries):
                if self._of(number, wanted.signature) and wanted.admits(entry.component):
                    shape = () if wanted.signature.grain == "subtree" else entry.component.shape
                    found.setdefault(shape, {}).setdefault(entry.component.words, entry)
            self._groups[wanted] = tuple(tuple(members.values()) for members in found.values())
        return self._groups[wanted]

    def _of(self, number: int, signature: Signature) -> bool:
        found = self.entries[number].signature
        if signature.grain == "subtree":
            return number in self.closed and found.entry == signature.entry
        return found == signature

    def draw(self, rng: random.Random, wanted: Interface) -> Entry | None:
        """An admitted component: uniform over structures, then over members; None where there is none."""
        groups = self.groups(wanted)
        return _one(rng, _one(rng, groups)) if groups else None


class Host(NamedTuple):
    """A sentence that components are exchanged in, the training line it comes from, and how."""

    sentence: Sentence
    line: int
    how: str


class Made(NamedTuple):
    """A new sentence, the host, and what was exchanged."""

    sentence: Sentence
    host: Host
    cut: Cut
    entered: Entry


def augment(
    train: Sequence[Example],
    language: str,
    rng: np.random.Generator,
    *,
    n: int,
    rounds: int = 1,
    types: Types = "all",
    role_safe: bool = False,
) -> list[Augmented]:
    """Up to `n` distinct new examples, none with the input of a training line, in the order they were made.

    language: "cogs" or "cogs-ql", the notation of y. rounds: the examples are split evenly over so many
    rounds, each on the sentences of the one before, so that a later example has had as many substitutions.
    role_safe: exchange only what keeps the roles of a verb and hangs no modifier on a name; without it
    about 2 labels in 100 are wrong, as in the released code. Fewer than `n` come out where CAP * n draws
    do not suffice. The provenance of each can be replayed.
    """
    if rounds < 1 or n < 0:
        raise ValueError(f"rounds must be at least 1 and n at least 0, not {rounds} and {n}")
    stream = random.Random(int(rng.integers(2**63)))
    read = sentences(train, language)
    pool = Pool(train, read)
    hosts = [Host(sentence, line, "") for line, sentence in read.items()]
    known = {example.x for example in train}
    made: list[Host] = []
    for number in range(rounds):
        wanted = n // rounds + (number < n % rounds)
        hosts = _fresh(draws(stream, hosts, pool, CAP * wanted, types, role_safe), wanted, known)
        made += hosts
    return [Augmented(*host.sentence.example(language), host.line, host.how) for host in made]


def _fresh(new: Iterator[Made], wanted: int, known: set[str]) -> list[Host]:
    """The first `wanted` sentences that are not known; adds them to `known`."""
    fresh: list[Host] = []
    while len(fresh) < wanted and (made := next(new, None)) is not None:
        x = " ".join(made.sentence.words)
        if x not in known:
            known.add(x)
            fresh.append(Host(made.sentence, made.host.line, after(made)))
    return fresh


def draws(
    rng: random.Random,
    hosts: Sequence[Host],
    pool: Pool,
    count: int,
    types: Types = "all",
    role_safe: bool = False,
) -> Iterator[Made]:
    """What `count` draws make; fewer, for some find nothing. With `role_safe`, what enters is drawn among
    what keeps the label right."""
    exchanges = EXCHANGES[types]
    weights = [e.weight for e in exchanges]
    for exchange in rng.choices(exchanges, weights, k=count) if hosts else ():
        host = _one(rng, hosts)
        gap = _leaving(rng, options(host.sentence.shape), exchange, pool)
        if gap is None:
            continue
        cut = cut_at(host.sentence, gap[0])
        wanted = interface(host.sentence, cut) if role_safe else Interface(cut.signature)
        wanted = wanted._replace(signature=gap[1])
        entered = pool.draw(rng, wanted)
        if entered is not None:
            yield Made(substitute(host.sentence, cut, entered.component), host, cut, entered)


def _leaving(
    rng: random.Random, found: Mapping[Grain, tuple[tuple[Gap, ...], ...]], exchange: Exchange, pool: Pool
) -> tuple[Gap, Signature] | None:
    """What leaves, and the signature of what may enter; None where the draw is lost."""
    if exchange.leaves == "tree" and "span" not in found:
        exchange = WORDS
    if exchange.leaves not in found:
        return None
    for _ in range(TRIES):
        gap = _one(rng, _one(rng, found[exchange.leaves]))
        if exchange.leaves == exchange.enters:
            return gap, gap.signature
        wanted = gap.signature._replace(grain=exchange.enters)
        if pool.groups(Interface(wanted)):
            return gap, wanted
    return None


def after(made: Made) -> str:
    """The provenance of the host with one more substitution: 'word 0:2 the cat -> Mia (line 7)'."""
    words = made.host.sentence.words[made.cut.start : made.cut.end]
    place = f"{made.cut.signature.grain} {made.cut.start}:{made.cut.end} {' '.join(words)}"
    step = f"{place} -> {' '.join(made.entered.component.words)} (line {made.entered.donor})"
    return f"{made.host.how}; {step}" if made.host.how else step


def replay(new: Augmented, train: Sequence[Example], language: str) -> Example:
    """The example made again from its host and provenance; ValueError where that does not fit the host."""
    sentence = _read(train, new.host, language)
    for step in new.how.split("; "):
        parsed = STEP.fullmatch(step)
        if parsed is None:
            raise ValueError(f"'{step}' is no substitution")
        place, words, donor = (int(parsed[1]), int(parsed[2])), tuple(parsed[3].split()), int(parsed[4])
        cut = next((c for c in cuts(sentence) if (c.start, c.end) == place), None)
        entered = next((c for c in _components(train, donor, language) if c.words == words), None)
        if cut is None or entered is None:
            raise ValueError(f"'{step}' does not fit '{' '.join(sentence.words)}'")
        sentence = substitute(sentence, cut, entered)
    return sentence.example(language)


def _read(train: Sequence[Example], line: int, language: str) -> Sentence:
    found = sentences(train[line : line + 1], language)
    if not found:
        raise ValueError(f"line {line} is no sentence")
    return found[0]


def _components(train: Sequence[Example], line: int, language: str) -> list[Component]:
    found = sentences(train[line : line + 1], language)
    if not found:
        return [new for _, new in primitives(train[line])]
    return [taken(found[0], gap) for gap in gaps(found[0].shape)]


def _one(rng: random.Random, members: Sequence[T]) -> T:
    return members[rng.randrange(len(members))]
