"""The components of GeoQuery pairs: chains of predicates and their words, cut out of one and put into others.

CompSub on FunQL (section on GeoQuery): a component is a chain p1 ( p2 ( .. pk ( . ) ) ) with its share of the
question. Putting q1 .. qm in its place keeps the argument. Three grains:

    span   a chain with its words before and behind its argument's: largest city in [texas]
    tree   a whole argument, down to an entity or `all`: no hole
    word   one predicate or entity, which keeps its place relative to its argument

Spans are exchangeable when the classes of p1 and pk agree, words when their classes do, trees when their
sorts do (see `geo_classes`). A question whose `answer` has no words of its own ("how many ..") begins inside
the component, so such components only replace each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from methods.compositional.geo_alignment import Aligned, Node, Range, last
from methods.compositional.geo_classes import Classes

Grain = Literal["word", "span", "tree"]
GRAINS: tuple[Grain, ...] = ("word", "span", "tree")


class Signature(NamedTuple):
    """What a component must share with the one that it replaces.

    entry, exit: classes of p1 and pk; a tree has its sort and no exit. place: "bare" for one that opens a
    question without words of `answer`; for words also where they stand: "before" or "behind" their argument,
    "around" it, or "apart" from it.
    """

    grain: Grain
    entry: str
    exit: str
    place: str


class Component(NamedTuple):
    """A component cut out: its texts (two for what stands around an argument), its nodes, whose parts count
    from its own first word, and the training line it was first seen in."""

    signature: Signature
    texts: tuple[tuple[str, ...], ...]
    nodes: tuple[Node, ...]
    donor: int

    @property
    def x(self) -> str:
        """Its words, with "_" for the argument that they surround."""
        return " ".join(" _ ".join(" ".join(text) for text in self.texts).split())


class Cut(NamedTuple):
    """A place where a component can leave: nodes first..last and the ranges of its texts."""

    signature: Signature
    first: int
    last: int
    ranges: tuple[Range, ...]

    @property
    def start(self) -> int:
        return self._place[0]

    @property
    def end(self) -> int:
        return self._place[1]

    @property
    def _place(self) -> Range:
        return next(((start, end) for start, end in self.ranges if start < end), self.ranges[0])


def cuts(host: Aligned, classes: Classes) -> list[Cut]:
    """Every component that can leave a pair: at each node its word, its spans, and its tree."""
    nodes, found = host.nodes, list[Cut]()
    for first in range(1, len(nodes)):
        bare = "bare" if first == 1 and not nodes[0].parts else ""
        found += _word(host, first, classes, bare)
        whole = extent(nodes, first, last(nodes, first))
        if whole is None:
            continue
        found += _spans(nodes, first, whole, classes, bare)
        if whole[0] < whole[1]:
            signature = Signature("tree", classes.sort(nodes, first), "", bare)
            found.append(Cut(signature, first, last(nodes, first) - 1, (whole,)))
    return found


def _spans(nodes: Sequence[Node], first: int, whole: Range, classes: Classes, bare: str) -> Iterator[Cut]:
    """The chains from node `first` whose words surround those of their argument, and are not none."""
    for at in range(first, len(nodes)):
        if nodes[at].arity != 1:
            return
        hole = extent(nodes, at + 1, last(nodes, at + 1))
        if hole is not None and hole[0] < hole[1] and hole != whole:
            signature = Signature("span", classes.of[nodes[first].head], classes.of[nodes[at].head], bare)
            yield Cut(signature, first, at, ((whole[0], hole[0]), (hole[1], whole[1])))


def _word(host: Aligned, at: int, classes: Classes, bare: str) -> list[Cut]:
    """The node alone, where it has words."""
    node = host.nodes[at]
    if not node.parts:
        return []
    below = [part for n in host.nodes[at + 1 : last(host.nodes, at)] for part in n.parts]
    if len(node.parts) == 2:
        place = "around"
    elif all(node.parts[0][1] <= start for start, _ in below):
        place = "before"
    elif all(end <= node.parts[0][0] for _, end in below):
        place = "behind"
    else:
        place = "apart"
    name = classes.of[node.head]
    return [Cut(Signature("word", name, name, f"{bare} {place}".strip()), at, at, node.parts)]


def extent(nodes: Sequence[Node], first: int, end: int) -> Range | None:
    """The range of words of nodes [first, end), if no other node has words in it; (0, 0) where none."""
    parts = [part for node in nodes[first:end] for part in node.parts]
    if not parts:
        return 0, 0
    low, high = min(start for start, _ in parts), max(stop for _, stop in parts)
    return (low, high) if sum(stop - start for start, stop in parts) == high - low else None


def component(host: Aligned, cut: Cut, donor: int) -> Component:
    """What leaves at a cut."""
    shifts, size = [], 0
    for start, end in cut.ranges:
        shifts.append((start, end, size - start))
        size += end - start

    def moved(part: Range) -> Range:
        by = next(shift for start, end, shift in shifts if start <= part[0] and part[1] <= end)
        return part[0] + by, part[1] + by

    nodes = tuple(
        node._replace(parts=tuple(moved(part) for part in node.parts))
        for node in host.nodes[cut.first : cut.last + 1]
    )
    return Component(cut.signature, tuple(host.words[start:end] for start, end in cut.ranges), nodes, donor)


def exchangeable(cut: Cut, new: Component) -> bool:
    """Whether a component may enter where another leaves: equal signatures, so an equivalence relation."""
    return cut.signature == new.signature


def substitute(host: Aligned, cut: Cut, new: Component) -> Aligned:
    """The pair with `new` in the place of what leaves at `cut`, and its words at their new places."""
    grown = [len(text) - (end - start) for text, (start, end) in zip(new.texts, cut.ranges, strict=True)]

    def stays(part: Range) -> Range:
        by = sum(more for more, (_, end) in zip(grown, cut.ranges, strict=True) if part[0] >= end)
        return part[0] + by, part[1] + by

    def enters(part: Range) -> Range:
        if part[1] <= len(new.texts[0]):
            by = cut.ranges[0][0]
        else:
            by = cut.ranges[1][0] + grown[0] - len(new.texts[0])
        return part[0] + by, part[1] + by

    words: list[str] = []
    at = 0
    for text, (start, end) in zip(new.texts, cut.ranges, strict=True):
        words += [*host.words[at:start], *text]
        at = end
    words += host.words[at:]
    nodes = [n._replace(parts=tuple(map(stays, n.parts))) for n in host.nodes]
    entering = [n._replace(parts=tuple(map(enters, n.parts))) for n in new.nodes]
    if cut.signature.grain == "word":  # over `all` or over an argument, as before
        entering[0] = entering[0]._replace(arity=host.nodes[cut.first].arity)
    nodes[cut.first : cut.last + 1] = entering
    return Aligned(tuple(words), tuple(nodes))
