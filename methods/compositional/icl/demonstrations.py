"""Stage 2, CompSub-ICL: components that occur in the query enter training lines like it.

The words of a component are matched against the query's input; its output comes from training lines
(`Substitutions.make`). So a demonstration can hold what no training line joins, and never what only the
query's output would tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from methods.compositional.icl.retrieval import Feature, cover, edit_distances, features, weights
from methods.compositional.substitutions import Slot, Substitutions, describe
from tasks.compositional.contract import Example

SHORTLIST = 4
"""So many times the candidates asked for are made and looked at."""


class Demonstration(NamedTuple):
    """An example to show.

    line: the training line it is, or was made from. how: the substitution, empty for a training line.
    """

    x: str
    y: str
    line: int
    how: str = ""

    @property
    def example(self) -> Example:
        return Example(self.x, self.y)


class Proposal(NamedTuple):
    """A substitution that has not been made. x: its input as far as the slot tells; a slot with several
    places in the line may change more than the first of them.
    """

    x: str
    line: int
    slot: Slot
    piece: int


class Kitchen:
    """A language's components, by their words: what demonstrations are made of.

    Keeps what it was asked about kinds and lines, since queries ask for the same ones again.
    """

    def __init__(self, substitutions: Substitutions) -> None:
        self.substitutions = substitutions
        self._admitted: dict[Hashable, frozenset[int]] = {}
        self._slots: dict[int, Sequence[Slot]] = {}

    @cached_property
    def by_words(self) -> dict[str, list[int]]:
        """The pieces of the same words in small letters."""
        found: dict[str, list[int]] = defaultdict(list)
        for number, piece in enumerate(self.substitutions.pieces):
            found[piece.x.lower()].append(number)
        return dict(found)

    def in_query(self, query: str) -> list[int]:
        """The pieces whose words stand in the query in a row, ascending."""
        words = query.lower().split()
        spans = {" ".join(words[a:b]) for a in range(len(words)) for b in range(a + 1, len(words) + 1)}
        return sorted(piece for span in spans for piece in self.by_words.get(span, ()))

    def proposals(self, query: str, lines: Iterable[int]) -> list[Proposal]:
        """What putting a component of the query into a training line makes, in the order of the lines."""
        present = self.in_query(query)
        entering: dict[Hashable, list[int]] = {}
        found = []
        for line in lines:
            words = self.substitutions.train[line].x.split()
            for slot in self._slots_of(line):
                if slot.kind not in entering:
                    admitted = self._admits(slot.kind)
                    entering[slot.kind] = [piece for piece in present if piece in admitted]
                for piece in entering[slot.kind]:
                    if piece != slot.piece:
                        entered = self.substitutions.pieces[piece].x
                        x = " ".join([*words[: slot.start], entered, *words[slot.end :]])
                        found.append(Proposal(x, line, slot, piece))
        return found

    def make(self, proposal: Proposal) -> Demonstration:
        """The demonstration itself, with its provenance in words."""
        made = self.substitutions.make(proposal.line, proposal.slot, proposal.piece)
        piece = self.substitutions.pieces[proposal.piece]
        return Demonstration(made.x, made.y, proposal.line, describe(proposal.slot, piece))

    def _slots_of(self, line: int) -> Sequence[Slot]:
        if line not in self._slots:
            self._slots[line] = self.substitutions.slots(line)
        return self._slots[line]

    def _admits(self, kind: Hashable) -> frozenset[int]:
        if kind not in self._admitted:
            self._admitted[kind] = frozenset(self.substitutions.admitted(kind))
        return self._admitted[kind]


def compose(
    kitchen: Kitchen, query: str, lines: Sequence[int], k: int, known: Collection[str], *, strict: bool
) -> list[Demonstration]:
    """k demonstrations: training lines and what is made of them, that together cover the query.

    lines: the seeds, best first. known: training inputs, none of which is made again. strict: the query
    itself is not made either.
    Each covers the most of what those before it left open, words before bigrams; of equals the nearest to the
    query in edit distance comes first, then a training line.
    """
    seeds = [Demonstration(*kitchen.substitutions.train[line], line) for line in lines]
    proposals: dict[str, Proposal] = {}
    for proposal in kitchen.proposals(query, lines):
        if proposal.x not in known:
            proposals.setdefault(proposal.x, proposal)
    candidates = [*seeds, *proposals.values()]
    short = [candidates[i] for i in covering(query, [c.x for c in candidates], SHORTLIST * k)]
    shown: dict[str, Demonstration] = {c.x: c for c in short if isinstance(c, Demonstration)}
    for made in (kitchen.make(c) for c in short if isinstance(c, Proposal)):
        if made.x not in known:
            shown.setdefault(made.x, made)
    # in small letters, as components are matched
    left = [d for d in shown.values() if not (strict and d.how and d.x.lower() == query.lower())]
    return [left[i] for i in covering(query, [d.x for d in left], k)]


def covering(query: str, texts: Sequence[str], k: int) -> list[int]:
    """The k texts that greedily cover the query's words and bigrams, of equals the nearest to it."""
    if not texts:
        return []
    wanted = features(query)
    return cover(holdings(wanted, texts), weights(wanted), -edit_distances(query, texts), k)


def holdings(wanted: Sequence[Feature], texts: Sequence[str]) -> np.ndarray:
    """Which text holds which feature (features, texts)."""
    rows = {feature: row for row, feature in enumerate(wanted)}
    holds = np.zeros((len(wanted), len(texts)), dtype=bool)
    for column, text in enumerate(texts):
        holds[[rows[f] for f in features(text) if f in rows], column] = True
    return holds


def coverage(query: str, texts: Iterable[str]) -> float:
    """The share of the query's distinct words that some text holds, in small letters; 1 for no words."""
    wanted = set(query.lower().split())
    held = {word for text in texts for word in text.lower().split()}
    return len(wanted & held) / len(wanted) if wanted else 1.0
