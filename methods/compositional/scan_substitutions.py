"""SCAN's components as `Substitutions`: what `scan_components` finds, with one kind for each signature."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cached_property

from methods.compositional import scan_components as scan
from methods.compositional.substitutions import Piece, Slot, Substitutions
from tasks.compositional.contract import Example


class ScanSubstitutions(Substitutions):
    """The components of SCAN lines. A slot's kind is its signature, which it shares with what may enter.

    The pool is never thinned: a published split has about a hundred components.
    """

    def __init__(self, train: Sequence[Example]) -> None:
        self.train = train
        self.pool = scan.pool(train)
        self.pieces = tuple(Piece(c.x, c.signature, c.donor) for c in self.pool.components)
        self._found: dict[Example, list[scan.Candidate]] = {}

    @cached_property
    def _members(self) -> dict[Hashable, tuple[int, ...]]:
        members: dict[Hashable, list[int]] = {}
        for number, piece in enumerate(self.pieces):
            members.setdefault(piece.kind, []).append(number)
        return {kind: tuple(numbers) for kind, numbers in members.items()}

    def slots(self, line: int) -> tuple[Slot, ...]:
        """Phrases, V parts, then words; a word stands for all its places (`start`, `end`: the first)."""
        return tuple(
            Slot(c.x, c.signature, self.pool.index[c.signature, c.x], c.start, c.end)
            for c in self._candidates(line)
        )

    def admitted(self, kind: Hashable) -> tuple[int, ...]:
        """The components of that signature; none of an unknown one."""
        return self._members.get(kind, ())

    def make(self, line: int, slot: Slot, piece: int) -> Example:
        """The line with the component in every place of the slot."""
        leaving = next(c for c in self._candidates(line) if (c.signature, c.start) == (slot.kind, slot.start))
        return scan.substitute(*self.train[line], leaving, self.pool.components[piece])

    def _candidates(self, line: int) -> list[scan.Candidate]:
        example = self.train[line]
        if example not in self._found:
            self._found[example] = scan.candidates(*example, self.pool.lexicon)
        return self._found[example]
