"""New GeoQuery pairs by substitution, drawn at random and described so that they can be made again.

On the span-annotated query split one substitution makes 103,901 distinct new inputs. The spans are induced,
so labels are not certain: of 50 new pairs that we read, 48 had a program that fits the words, and more than a
third of the questions were poor English. Counted there: of 35,831 inputs that single substitutions make in
two ways or more, 135 get different programs (the first is kept); of the 57 inputs of dev or test among 40,000
examples of depth 2, 3 have another program than the published one.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from methods.compositional.geo_alignment import Aligned, align
from methods.compositional.geo_classes import Classes, induce
from methods.compositional.geo_components import (
    GRAINS,
    Component,
    Cut,
    Signature,
    component,
    cuts,
    substitute,
)
from tasks.compositional.contract import Augmented, Example

Types = Literal["all", "word", "span", "tree"]
DRAWS_PER_EXAMPLE = 20
"""Substitutions that are drawn for each new example that is wanted, before giving up."""
STEP = re.compile(r"(word|span|tree) (\d+):(\d+) .* \(line \d+, piece (\d+)\)")


@dataclass(frozen=True)
class Pool:
    """The components of a training set.

    lines: its aligned pairs, None where a program cannot be read. pieces: the distinct components, in order
    of appearance. members: a signature to the numbers of its pieces, ascending.
    """

    lines: tuple[Aligned | None, ...]
    classes: Classes
    pieces: tuple[Component, ...]
    members: dict[Signature, tuple[int, ...]]

    @classmethod
    def of(cls, train: Sequence[Example]) -> Pool:
        lines = tuple(align(train))
        classes = induce(line.nodes for line in lines if line is not None)
        found: dict[Hashable, Component] = {}
        for donor, line in enumerate(lines):
            for cut in cuts(line, classes) if line is not None else ():
                piece = component(line, cut, donor)
                found.setdefault(key(piece), piece)
        members: dict[Signature, list[int]] = {}
        for number, piece in enumerate(found.values()):
            members.setdefault(piece.signature, []).append(number)
        return cls(lines, classes, tuple(found.values()), {s: tuple(m) for s, m in members.items()})


def key(piece: Component) -> Hashable:
    """What makes two components the same: words, program and signature."""
    return piece.signature, piece.texts, tuple(node._replace(parts=()) for node in piece.nodes)


def augment(
    train: Sequence[Example],
    rng: np.random.Generator,
    *,
    n: int,
    depth: int = 1,
    types: Types = "all",
    pool: Pool | None = None,
) -> list[Augmented]:
    """At most `n` distinct new pairs, each one to `depth` substitutions from a training line.

    The number of substitutions, the line, what leaves it and what enters are uniform, one after the other;
    the order of draws is ours. An input is made once, with the output it was first made with. Fewer than `n`
    come back when 20 n draws do not find them.
    """
    if n < 1 or depth < 1:
        raise ValueError(f"n and depth must be at least 1, not {n} and {depth}")
    pool = Pool.of(train) if pool is None else pool
    grains = GRAINS if types == "all" else (types,)
    known = {example.x for example in train}
    lines = {k: line for k, line in enumerate(pool.lines) if line is not None}
    leaving = {k: found for k, line in lines.items() if (found := options(line, pool, grains))}
    hosts = list(leaving)
    made: dict[str, Augmented] = {}
    for _ in range(DRAWS_PER_EXAMPLE * n if hosts else 0):
        host = hosts[rng.integers(len(hosts))]
        new, steps = lines[host], list[str]()
        for at in range(int(rng.integers(depth)) + 1):
            found = options(new, pool, grains) if at else leaving[host]
            if found:
                new, text = _draw(new, found, pool, rng)
                steps.append(text)
        x, y = new.example
        if x not in known:
            known.add(x)
            made[x] = Augmented(x, y, host, "; ".join(steps))
            if len(made) == n:
                break
    return list(made.values())


def options(line: Aligned, pool: Pool, grains: Sequence[str] = GRAINS) -> list[Cut]:
    """What may leave a pair with something else to enter."""
    return [
        cut
        for cut in cuts(line, pool.classes)
        if cut.signature.grain in grains and len(pool.members.get(cut.signature, ())) > 1
    ]


def _draw(line: Aligned, found: Sequence[Cut], pool: Pool, rng: np.random.Generator) -> tuple[Aligned, str]:
    """The pair after one random substitution, and that in words."""
    cut = found[rng.integers(len(found))]
    members = pool.members[cut.signature]
    number = members[rng.integers(len(members))]
    piece = pool.pieces[number]
    return substitute(line, cut, piece), step(line, cut, piece, number)


def step(line: Aligned, cut: Cut, piece: Component, number: int) -> str:
    """A substitution in words: 'tree 4:4 texas -> the largest state (line 7, piece 12)', by node numbers."""
    place = f"{cut.signature.grain} {cut.first}:{cut.last} {component(line, cut, -1).x}"
    return f"{place} -> {piece.x} (line {piece.donor}, piece {number})"


def replay(new: Augmented, train: Sequence[Example], pool: Pool | None = None) -> Example:
    """The pair made again from its host and provenance; ValueError where that does not fit the host."""
    pool = Pool.of(train) if pool is None else pool
    line = pool.lines[new.host]
    if line is None:
        raise ValueError(f"line {new.host} has no components")
    for text in new.how.split("; "):
        read = STEP.fullmatch(text)
        if read is None or int(read[4]) >= len(pool.pieces):
            raise ValueError(f"'{text}' is no substitution")
        piece = pool.pieces[int(read[4])]
        for cut in cuts(line, pool.classes):
            if (cut.signature, cut.first, cut.last) == (piece.signature, int(read[2]), int(read[3])):
                line = substitute(line, cut, piece)
                break
        else:
            raise ValueError(f"'{' '.join(line.words)}' has no {read[1]} at nodes {read[2]}:{read[3]}")
    return line.example
