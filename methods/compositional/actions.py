"""What LCS can do to each training line, as tensors: which components may leave and what may enter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from methods.compositional.substitutions import Piece, Slot, Substitutions, describe, substitutions
from suite.errors import Skip
from tasks.compositional.contract import Example


@dataclass(frozen=True)
class Actions:
    """The substitutions of a training set, over a pool of M pieces and slots of K kinds.

    source: where they come from. leaving: each line's candidates, at most N. candidates (lines, N): the
    number of each in the table of `n_leaving` components, -1 where a line has fewer; a piece of the pool has
    its own number there, and a slot whose piece was thinned away is known by its kind. kinds (lines, N): the
    row of each in `allowed` (K, M), which says what may enter (a slot's own piece too, which leaves the
    line as it is). entering: the same as K ascending arrays of piece numbers. hosts: lines with a candidate.
    """

    source: Substitutions
    leaving: tuple[tuple[Slot, ...], ...]
    candidates: Tensor
    kinds: Tensor
    allowed: Tensor
    entering: tuple[np.ndarray, ...]
    n_leaving: int
    hosts: np.ndarray

    @classmethod
    def of(cls, train: Sequence[Example], language: str, limit: int, pool: int | None = None) -> Actions:
        """The actions on `train`, at most `limit` candidates a line, with about `pool` pieces (None: all).

        Skip for a language without components, and where no line has one.
        """
        return cls.on(substitutions(train, language, limit=pool), limit)

    @classmethod
    def on(cls, source: Substitutions, limit: int) -> Actions:
        """The actions of `source`. A slot that nothing but its own piece may enter is no candidate; of more
        than `limit` every second, third, ... one stays out, so that each end of a line takes part."""
        entering: dict[object, np.ndarray] = {}
        found: dict[Example, tuple[Slot, ...]] = {}
        for line, example in enumerate(source.train):
            if example not in found:
                slots = source.slots(line)
                for slot in slots:
                    if slot.kind not in entering:
                        entering[slot.kind] = np.array(source.admitted(slot.kind), dtype=np.int64)
                found[example] = _spread([s for s in slots if _others(s, entering[s.kind])], limit)
        leaving = tuple(found[example] for example in source.train)
        hosts = np.flatnonzero([len(options) > 0 for options in leaving])
        if not len(hosts):
            raise Skip("lcs has nothing to substitute: no training line has a component")
        kept = dict.fromkeys(slot.kind for options in leaving for slot in options)
        rows = {kind: row for row, kind in enumerate(kept)}
        n = len(source.pieces)
        numbers = np.full((len(leaving), limit), -1)
        kinds = np.zeros((len(leaving), limit), dtype=np.int64)
        for line, options in enumerate(leaving):
            for place, slot in enumerate(options):
                kinds[line, place] = row = rows[slot.kind]
                numbers[line, place] = slot.piece if slot.piece >= 0 else n + row
        allowed = torch.zeros(len(rows), n, dtype=torch.bool)
        for kind, row in rows.items():
            allowed[row, torch.from_numpy(entering[kind])] = True
        n_leaving = n if numbers.max() < n else n + len(rows)
        tables = (torch.from_numpy(numbers), torch.from_numpy(kinds), allowed)
        lists = tuple(entering[kind] for kind in kept)
        return cls(source, leaving, *tables, lists, n_leaving, hosts)

    @property
    def pieces(self) -> Sequence[Piece]:
        return self.source.pieces

    @property
    def train(self) -> Sequence[Example]:
        return self.source.train

    def make(self, line: int, out: int, into: int) -> Example:
        """The training line with its candidate number `out` replaced by piece `into`."""
        return self.source.make(line, self.leaving[line][out], into)

    def describe(self, line: int, out: int, into: int) -> str:
        """The substitution in words, led by its grain ("span", "word") where kinds have one."""
        slot = self.leaving[line][out]
        grain = getattr(slot.kind, "grain", "")
        return f"{grain} {describe(slot, self.pieces[into])}".lstrip()


def _others(slot: Slot, pieces: np.ndarray) -> int:
    """How many of the pieces (ascending) are not the slot's own."""
    own = np.searchsorted(pieces, slot.piece)
    return len(pieces) - int(own < len(pieces) and pieces[own] == slot.piece)


def _spread(slots: Sequence[Slot], limit: int) -> tuple[Slot, ...]:
    """At most `limit` of the slots, at even distances, in their order."""
    if len(slots) <= limit:
        return tuple(slots)
    return tuple(slots[k * len(slots) // limit] for k in range(limit))


class Taken(nn.Module):
    """The actions taken at each step, as a module so that a checkpoint keeps them.

    log (steps, batch, 3): training line, candidate, piece; -1 where none was taken. Its size does not depend
    on how many actions there are.
    """

    log: Tensor

    def __init__(self, steps: int, batch: int) -> None:
        super().__init__()
        self.register_buffer("log", torch.full((steps, batch, 3), -1, dtype=torch.int32))

    def put(self, step: int, actions: Sequence[tuple[int, int, int]]) -> None:
        """Note a step's actions, one for each place of its batch."""
        self.log[step] = torch.tensor(actions, dtype=torch.int32)

    def all(self) -> Iterator[tuple[int, int, int]]:
        """The distinct actions taken, by line, candidate and piece."""
        rows = self.log.flatten(0, 1)
        yield from (tuple(row) for row in torch.unique(rows[rows[:, 0] >= 0], dim=0).tolist())
