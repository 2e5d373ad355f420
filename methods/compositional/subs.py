"""SUBS: data augmentation by subtree substitution (Yang et al. 2022, NAACL, arXiv 2205.01538)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.compositional.neural import Neural
from suite.api import Context
from suite.errors import Skip
from tasks.compositional.contract import Augmented, Example, Problem

if TYPE_CHECKING:
    from methods.compositional.geo_alignment import Aligned
    from methods.compositional.geo_components import Component, Cut

STEP = re.compile(r"subs (\d+) .* \(line (\d+), node (\d+)\)")


@dataclass(frozen=True)
class Subs(Neural):
    """A parser trained on a mix of the training lines and lines in which a functor has another argument.

    GeoQuery: for every functor of a program its arguments are collected, each with its words before and
    behind those of the functor. Any argument of the same functor, from any line, may take the place of
    another one, unless it brings words to a side where the other has none.

    Different from the release: it takes the spans from people's annotation, or from a span parser; here they
    come from `geo_alignment`. It takes a functor's first span in a line for all its places; here each place
    has its own. Arguments of `exclude` and over `all` are left alone in both.

    COGS: the subtrees of CompSub, one substitution a line; the release has no COGS (the control is ours).

    n: at most so many new examples, drawn at random; our choice, about what the paper's augmentation of
    GeoQuery is said to hold.
    """

    n: int = 20_000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n < 1:
            raise ValueError(f"n must be at least 1, not {self.n}")

    def augment(self, problem: Problem, ctx: Context) -> list[Augmented]:
        """At most `n` distinct lines with an unseen input."""
        rng = ctx.rng("subs")
        if problem.language in ("cogs", "cogs-ql"):
            from methods.compositional import cogs_draws

            settings = {"n": self.n, "rounds": 1, "types": "tree", "role_safe": False}
            return cogs_draws.augment(problem.train, problem.language, rng, **settings)
        if problem.language != "geoquery":
            raise Skip(f"subs knows the subtrees of geoquery and cogs, not of {problem.language}")
        made = exchanges(problem.train)
        if self.n < len(made):
            made = [made[k] for k in sorted(rng.choice(len(made), self.n, replace=False))]
        return made


def exchanges(train: Sequence[Example]) -> list[Augmented]:
    """Every exchange of two arguments of the same functor with an unseen input, by line; each input once."""
    from methods.compositional.geo_alignment import align
    from methods.compositional.geo_components import component, substitute
    from methods.compositional.geo_draws import key

    lines = align(train)
    pools: dict[str, dict[object, tuple[Component, int]]] = {}
    found = [list(arguments(line)) if line is not None else [] for line in lines]
    for number, line in enumerate(lines):
        for functor, cut in found[number]:
            if line is not None:
                new = component(line, cut, number)
                pools.setdefault(line.nodes[functor].head, {}).setdefault(key(new), (new, functor))
    known = {example.x for example in train}
    made: list[Augmented] = []
    for number, line in enumerate(lines):
        for functor, cut in found[number]:
            if line is None:
                continue
            old = component(line, cut, number)
            for new, there in pools[line.nodes[functor].head].values():
                if fits(cut, new):
                    x, y = substitute(line, cut, new).example
                    if x not in known:
                        known.add(x)
                        how = f"subs {functor} {old.x} -> {new.x} (line {new.donor}, node {there})"
                        made.append(Augmented(x, y, number, how))
    return made


def arguments(line: Aligned) -> Iterator[tuple[int, Cut]]:
    """The number of each functor with neighbouring words of its own and one argument, and where that can
    leave: the words before and behind the functor's."""
    from methods.compositional.geo_alignment import last
    from methods.compositional.geo_components import Cut, Signature, extent

    for at in range(1, len(line.nodes)):
        node, end = line.nodes[at], last(line.nodes, at)
        whole = extent(line.nodes, at, end)
        if node.arity == 1 and len(node.parts) == 1 and whole is not None:
            low, high = node.parts[0]
            if whole != node.parts[0]:
                signature = Signature("tree", node.head, "", "argument")
                yield at, Cut(signature, at + 1, end - 1, ((whole[0], low), (high, whole[1])))


def fits(cut: Cut, new: Component) -> bool:
    """Whether an argument brings words only to the sides where the one that leaves has some."""
    return all(start < end or not text for (start, end), text in zip(cut.ranges, new.texts, strict=True))


def replay(new: Augmented, train: Sequence[Example]) -> Example:
    """The pair made again from its host and provenance; ValueError where that does not fit the host."""
    from methods.compositional.geo_alignment import align
    from methods.compositional.geo_components import component, substitute

    lines = align(train)
    read = STEP.fullmatch(new.how)
    if read is None:
        raise ValueError(f"'{new.how}' is no exchange of arguments")
    at, donor, there = map(int, read.groups())
    host, other = lines[new.host], lines[donor]
    out = dict(arguments(host)) if host is not None else {}
    into = dict(arguments(other)) if other is not None else {}
    if host is None or other is None or at not in out or there not in into:
        raise ValueError(f"line {new.host} has no argument at node {at}, or line {donor} none at {there}")
    return substitute(host, out[at], component(other, into[there], donor)).example
