"""What LCS can do to each training line, as tensors: which components may leave and what may enter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from methods.compositional import scan_components as scan
from methods.compositional.compsub import after
from suite.errors import Skip
from tasks.compositional.contract import Example


@dataclass(frozen=True)
class Actions:
    """The substitutions of a training set.

    components: the pool, of M. leaving: each line's candidates. candidates (lines, N): their pool indices,
    -1 where a line has fewer. exchangeable (M, M): which component may enter where another leaves (every
    component may enter for itself, which leaves the line as it is). hosts: lines that have a candidate.
    """

    train: Sequence[Example]
    components: tuple[scan.Component, ...]
    leaving: tuple[tuple[scan.Candidate, ...], ...]
    candidates: Tensor
    exchangeable: Tensor
    hosts: np.ndarray

    @classmethod
    def of(cls, train: Sequence[Example], language: str, limit: int) -> Actions:
        """The actions on `train`, at most `limit` candidates a line (the earliest of `candidates`' order)."""
        if language != "scan":
            raise Skip(f"lcs knows the components of scan, not of {language}")
        pool = scan.pool(train)
        found = {e: tuple(scan.candidates(e.x, e.y, pool.lexicon)[:limit]) for e in dict.fromkeys(train)}
        leaving = tuple(found[e] for e in train)
        table = torch.full((len(train), limit), -1, dtype=torch.long)
        for line, options in enumerate(leaving):
            for place, option in enumerate(options):
                table[line, place] = pool.index[option.signature, option.x]
        signatures = {s: k for k, s in enumerate(pool.by_signature)}
        kinds = torch.tensor([signatures[c.signature] for c in pool.components])
        hosts = np.flatnonzero([len(options) > 0 for options in leaving])
        if not len(hosts):
            raise Skip("lcs has nothing to substitute: no training line has a component")
        return cls(train, pool.components, leaving, table, kinds[:, None] == kinds, hosts)

    def make(self, line: int, out: int, into: int) -> Example:
        """The training line with its candidate number `out` replaced by pool component `into`."""
        return scan.substitute(*self.train[line], self.leaving[line][out], self.components[into])

    def describe(self, line: int, out: int, into: int) -> str:
        """The substitution as CompSub writes it, to be replayed."""
        return after("", self.leaving[line][out], self.components[into])

    def pairs(self, line: int) -> list[tuple[int, int]]:
        """Every (candidate, component) of a line that changes it."""
        options = self.candidates[line, : len(self.leaving[line])].tolist()
        return [
            (out, into)
            for out, component in enumerate(options)
            for into in self.exchangeable[component].nonzero()[:, 0].tolist()
            if into != component
        ]


class Taken(nn.Module):
    """Which actions have been taken: a module, so that a checkpoint keeps it."""

    flags: Tensor

    def __init__(self, actions: Actions) -> None:
        super().__init__()
        shape = (*actions.candidates.shape, len(actions.components))
        self.register_buffer("flags", torch.zeros(shape, dtype=torch.bool))

    def add(self, line: int, out: int, into: int) -> None:
        self.flags[line, out, into] = True

    def all(self) -> Iterator[tuple[int, int, int]]:
        """The actions taken, by line."""
        yield from (tuple(row) for row in self.flags.nonzero().tolist())
