"""What every language's components share: which piece of a training line may leave, and what may enter.

A component is a piece of an input together with its share of the output. Its interface, the `kind`, says
what it can be exchanged for. CompSub draws substitutions at random, LCS learns which to make, and LCS-ICL
makes demonstrations with them; all three see a language only through `Substitutions`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from suite.errors import Skip
from tasks.compositional.contract import Example


class Piece(NamedTuple):
    """A component that may enter: its words, its kind, and the training line it was first seen in."""

    x: str
    kind: Hashable
    donor: int


class Slot(NamedTuple):
    """A component of one line that may leave.

    x: its words. kind: what may enter (see `Substitutions.admitted`). piece: the number of the same
    component in the pool, -1 where the pool was thinned and lacks it. start, end: its words in the line's
    input, [start, end), the first place of several.
    """

    x: str
    kind: Hashable
    piece: int
    start: int
    end: int


class Substitutions(ABC):
    """The components of a set of training lines.

    train: the lines. pieces: the pool, distinct, in order of appearance. A slot admits its own piece where
    the pool has it; its entering leaves the line as it is.
    """

    train: Sequence[Example]
    pieces: Sequence[Piece]

    @abstractmethod
    def slots(self, line: int) -> Sequence[Slot]:
        """What may leave a training line, always in the same order; none where x and y do not align."""

    @abstractmethod
    def admitted(self, kind: Hashable) -> Sequence[int]:
        """The numbers of the pieces that may enter a slot of this kind, ascending."""

    @abstractmethod
    def make(self, line: int, slot: Slot, piece: int) -> Example:
        """The line with the piece in the slot's place, its output made of training outputs only."""


def describe(slot: Slot, piece: Piece) -> str:
    """A substitution in words: '2:4 walk left -> jump (line 7)'."""
    return f"{slot.start}:{slot.end} {slot.x} -> {piece.x} (line {piece.donor})"


def substitutions(train: Sequence[Example], language: str, limit: int | None = None) -> Substitutions:
    """The components of a language's training lines; Skip for a language without a component grammar.

    limit: at most so many pieces, thinned evenly over the kinds; all where None.
    """
    if language == "scan":
        from methods.compositional.scan_substitutions import ScanSubstitutions

        return ScanSubstitutions(train)
    if language in ("cogs", "cogs-ql"):
        from methods.compositional.cogs_substitutions import CogsSubstitutions

        return CogsSubstitutions(train, language, limit)
    if language == "geoquery":
        from methods.compositional.geo_substitutions import GeoSubstitutions

        return GeoSubstitutions(train, limit)
    raise Skip(f"no components are known of the language {language}")
