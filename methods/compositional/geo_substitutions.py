"""GeoQuery's components as LCS and LCS-ICL see them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from methods.compositional.geo_components import Cut, component, substitute
from methods.compositional.geo_draws import Pool, key, options
from methods.compositional.substitutions import Piece, Slot, Substitutions
from tasks.compositional.contract import Example


class GeoSubstitutions(Substitutions):
    """The components of GeoQuery lines; a kind is a `geo_components.Signature`.

    limit: at most so many pieces; the first of every kind, then the second of every kind, and so on. A
    component whose piece is left out, or for which nothing else may enter, has no slot.
    """

    def __init__(self, train: Sequence[Example], limit: int | None = None) -> None:
        self.train = train
        self._pool = Pool.of(train)
        ranks = {n: rank for members in self._pool.members.values() for rank, n in enumerate(members)}
        kept = sorted(sorted(ranks, key=lambda n: (ranks[n], n))[:limit])
        self._components = [self._pool.pieces[n] for n in kept]
        self.pieces = [Piece(c.x, c.signature, c.donor) for c in self._components]
        self._numbers = {key(c): k for k, c in enumerate(self._components)}
        members: dict[Hashable, list[int]] = {}
        for k, piece in enumerate(self.pieces):
            members.setdefault(piece.kind, []).append(k)
        self._members = members
        self._found: dict[int, dict[Slot, Cut]] = {}

    def slots(self, line: int) -> Sequence[Slot]:
        return list(self._slots(line))

    def admitted(self, kind: Hashable) -> Sequence[int]:
        return self._members.get(kind, [])

    def make(self, line: int, slot: Slot, piece: int) -> Example:
        """The line with the piece in the slot's place; KeyError where the line has no such slot."""
        host = self._pool.lines[line]
        if host is None:
            raise KeyError(slot)
        return substitute(host, self._slots(line)[slot], self._components[piece]).example

    def _slots(self, line: int) -> dict[Slot, Cut]:
        if line not in self._found:
            host, found = self._pool.lines[line], dict[Slot, Cut]()
            for cut in options(host, self._pool) if host is not None else ():
                own = component(host, cut, line) if host is not None else None
                number = self._numbers.get(key(own)) if own is not None else None
                if own is not None and number is not None and len(self._members[cut.signature]) > 1:
                    found.setdefault(Slot(own.x, cut.signature, number, cut.start, cut.end), cut)
            self._found[line] = found
        return self._found[line]
