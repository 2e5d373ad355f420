"""Which FunQL predicates may stand for each other, induced from the contexts that they share in training.

The paper's classes hold predicates of the same argument and result types ("largest, smallest, highest";
"city, state, river"). Here types show in use: the predicates above tell the result, those below the argument.
Similarity is the cosine of two contexts; groups are merged while their least similar members reach a
threshold (complete linkage). Measures and thresholds are ours, not the paper's.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from methods.compositional.geo_alignment import Node

CLASS_THRESHOLD = SORT_THRESHOLD = 0.5
TRANSPARENT = 0.5
"""Share of a predicate's contexts that must also occur without it for it to keep its argument's sort."""

Context = Counter[str]


class Classes(NamedTuple):
    """What is interchangeable.

    of: a head to the name of its class, which is that of its first member. sorts: a head to the sort of the
    arguments that it opens, likewise. transparent: heads whose result is of the sort of their argument.
    """

    of: Mapping[str, str]
    sorts: Mapping[str, str]
    transparent: frozenset[str]

    def sort(self, nodes: Sequence[Node], at: int) -> str:
        """The sort of the argument that node `at` opens: `largest ( city ( .. ) )` is a city."""
        while nodes[at].head in self.transparent and nodes[at].arity:
            at += 1
        return self.sorts[nodes[at].head]


def induce(programs: Iterable[Sequence[Node]]) -> Classes:
    """Classes and sorts of all heads in the programs, each distinct program counted once."""
    rows = list(dict.fromkeys(tuple(n._replace(parts=()) for n in nodes) for nodes in programs))
    above, below, odd = _contexts(rows)
    transparent = _transparent(rows, above)
    top = rows[0][0].head if rows else ""
    vague = {top} | {n.head for nodes in rows for n in nodes if n.arity > 1}
    reaching = _reaching(rows, above, transparent)
    outer = {h: Counter({g: n for g, n in c.items() if g not in vague}) or c for h, c in reaching.items()}
    sets = {
        h: (Counter(set(above[h]) - vague or set(above[h])), Counter(set(below[h])))
        for h in above
        if h not in odd
    }

    def alike(a: str, b: str) -> float:
        return min(_cosine(sets[a][0], sets[b][0]), _cosine(sets[a][1], sets[b][1]))

    of = {h: h for h in above} | _groups(sorted(sets), alike, CLASS_THRESHOLD)

    def reached_alike(a: str, b: str) -> float:
        plain = _cosine(Counter(set(outer[a])), Counter(set(outer[b])))
        return min(plain, _cosine(outer[a], outer[b]))

    sorts = _groups(sorted(outer), reached_alike, SORT_THRESHOLD)
    return Classes(of, {h: h for h in above} | sorts, transparent)


def parents(nodes: Sequence[Node]) -> list[int]:
    """The number of each node's parent, -1 for the first."""
    found: list[int] = []
    open_: list[int] = []
    for k, node in enumerate(nodes):
        found.append(open_.pop() if open_ else -1)
        open_ += [k] * node.arity
    return found


def _contexts(rows: Sequence[Sequence[Node]]) -> tuple[dict[str, Context], dict[str, Context], set[str]]:
    """What stands above and below each head, and the heads that are in a class of their own: entities and
    predicates with several arguments."""
    above: dict[str, Context] = defaultdict(Counter)
    below: dict[str, Context] = defaultdict(Counter)
    odd: set[str] = set()
    for nodes in rows:
        up = parents(nodes)
        for k, node in enumerate(nodes):
            if k:
                above[node.head][nodes[up[k]].head] += 1
                below[nodes[up[k]].head][node.head] += 1
            if node.arity == 0:
                below[node.head]["all"] += 1
            if node.entity or node.arity > 1:
                odd.add(node.head)
    return above, below, odd


def _transparent(rows: Sequence[Sequence[Node]], above: Mapping[str, Context]) -> frozenset[str]:
    """Heads of which most pairs (parent, child), at least two, are also parent and child without it."""
    pairs: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for nodes in rows:
        up = parents(nodes)
        for k in range(len(nodes)):
            if up[k] > 0 and up[up[k]] > 0 and nodes[up[k]].arity == 1:
                pairs[nodes[up[k]].head].add((nodes[up[up[k]]].head, nodes[k].head))
    return frozenset(
        head
        for head, seen in pairs.items()
        if len(seen) > 1 and sum(g in above[c] for g, c in seen) >= TRANSPARENT * len(seen)
    )


def _reaching(
    rows: Sequence[Sequence[Node]], above: Mapping[str, Context], transparent: frozenset[str]
) -> dict[str, Context]:
    """What stands above each head when heads that say nothing between the two are skipped: transparent ones,
    and one without which the pair occurs too, as in traverse_1 ( river ( riverid ( .. ) ) )."""
    found: dict[str, Context] = defaultdict(Counter)
    for nodes in rows:
        up = parents(nodes)
        for k in range(1, len(nodes)):
            at, head = up[k], nodes[k].head
            if head in transparent and nodes[k].arity:
                continue  # has the sort of its argument
            while (
                at > 0 and up[at] > 0 and (nodes[at].head in transparent or nodes[up[at]].head in above[head])
            ):
                at = up[at]
            found[head][nodes[at].head] += 1
    return found


def _cosine(a: Context, b: Context) -> float:
    dot = sum(n * b[key] for key, n in a.items())
    return dot / math.sqrt(sum(n * n for n in a.values()) * sum(n * n for n in b.values())) if dot else 0.0


def _groups(items: Sequence[str], alike: Callable[[str, str], float], threshold: float) -> dict[str, str]:
    """Complete-linkage groups, as item to first item of its group; ties go to the earliest pair."""
    groups = [[item] for item in items]

    def pairs() -> Iterator[tuple[float, int, int]]:
        for j, right in enumerate(groups):
            for i, left in enumerate(groups[:j]):
                yield -min(alike(a, b) for a in left for b in right), i, j

    while len(groups) > 1:
        distance, i, j = min(pairs())
        if -distance < threshold:
            break
        groups[i] += groups.pop(j)
    return {item: min(group) for group in groups for item in group}
