"""Which words of a GeoQuery question stand for which predicate of its FunQL program, by pairs alone.

The original works on span trees that people annotated; those are not part of the data here, so the spans are
induced. A program is a row of nodes in the order of its text, one a predicate or an entity; `answer` is one,
`all` is none. Every word but the closing mark belongs to one node, whose words are neighbours:

    what is the | capital | of    | texas             ?
    answer        capital   loc_2   stateid ( texas )

but that a predicate may have words on both sides of a named argument ("does texas border"). The
segmentation is a binary inversion-transduction parse (Wu 1997) of the two rows: a stretch of nodes has a
stretch of words, cut in two at a time, in the same or the opposite order. Words of a node are scored by how
often the node has had the same words (hard EM), backed off to single words (IBM model 1, Brown et al. 1993).
An entity whose name is in the question must hold it. The method and its constants are ours, not the paper's.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tasks.compositional.contract import Example

ROUNDS = 4
"""Rounds of hard EM."""
ALPHA = 3.0
"""Weight of single words against whole segments, in segments."""
STRAY = 0.3
"""Share of a node's words that are any words."""
LONGER, NO_WORDS, NO_FRAME, BESIDE_NAME = 0.5, 0.1, 0.3, 0.2
"""Factors: for each word of a segment, for a node without words (the first: NO_FRAME), for each word beside
an entity's name."""
NEAR = 3
"""A predicate may have words behind its argument if both have at most so many nodes."""
SWAPPED = math.log(0.3)
"""Cost of an inversion."""
IBM_ROUNDS = 8
"""Rounds of IBM model 1 before that."""
IMPOSSIBLE = -1e9
NAME, BEHIND = "<name>", " >"
Range = tuple[int, int]
Segment = tuple[str, ...]
Chart = Mapping[Range, np.ndarray]
Chances = Mapping[str, Mapping[str, float]]
"""p(word | label); under "" the share of the word among all."""


class Node(NamedTuple):
    """A predicate or an entity of a program.

    head: "loc_2", "stateid". entity: its name ("texas"; "boston, ma"), "" for a predicate. arity: how many
    arguments follow; 0 for an entity and for a predicate over `all`. parts: its words as ranges [start, end),
    ascending: none, one, or two with its argument between them.
    """

    head: str
    entity: str
    arity: int
    parts: tuple[Range, ...] = ()


class Aligned(NamedTuple):
    """A question and the nodes of its program, with their words, in the order of the program."""

    words: tuple[str, ...]
    nodes: tuple[Node, ...]

    @property
    def example(self) -> Example:
        return Example(" ".join(self.words), write(self.nodes))


def read(program: str) -> tuple[Node, ...]:
    """The nodes of a program, without words; ValueError where the brackets do not fit."""
    tokens = program.split()
    nodes: list[Node] = []

    def argument(at: int) -> int:
        """Reads one term from `at`; returns where it ends."""
        if tokens[at] in ("(", ")", ",") or tokens[at + 1] != "(":
            raise ValueError(f"'{program}' is no FunQL program")
        close = next(i for i in range(at + 2, len(tokens)) if tokens[i] in ("(", ")"))
        if tokens[close] == ")":
            inside = " ".join(tokens[at + 2 : close])
            nodes.append(Node(tokens[at], "" if inside == "all" else inside, 0))
            return close + 1
        place, arity, end = len(nodes), 1, at + 2
        nodes.append(Node(tokens[at], "", 0))
        end = argument(end)
        while tokens[end] == ",":
            arity, end = arity + 1, argument(end + 1)
        if tokens[end] != ")":
            raise ValueError(f"'{program}' is no FunQL program")
        nodes[place] = nodes[place]._replace(arity=arity)
        return end + 1

    try:
        end = argument(0)
    except (IndexError, StopIteration):
        raise ValueError(f"'{program}' is no FunQL program") from None
    if end != len(tokens):
        raise ValueError(f"'{program}' goes on after its last bracket")
    return tuple(nodes)


def write(nodes: Sequence[Node]) -> str:
    """The program of the nodes: the inverse of `read`."""

    def term(at: int) -> tuple[str, int]:
        node, parts, at = nodes[at], [], at + 1
        for _ in range(node.arity):
            part, at = term(at)
            parts.append(part)
        return f"{node.head} ( {' , '.join(parts) or node.entity or 'all'} )", at

    return term(0)[0]


def last(nodes: Sequence[Node], at: int) -> int:
    """One past the last node of the term that node `at` opens."""
    end, open_ = at, 1
    while open_:
        open_ += nodes[end].arity - 1
        end += 1
    return end


def align(train: Sequence[Example]) -> list[Aligned | None]:
    """Every training line with its nodes' words; None for a program that cannot be read."""
    rows: dict[Example, _Row] = {}
    for x, y in dict.fromkeys(train):
        try:
            rows[Example(x, y)] = _Row(x, read(y))
        except ValueError:
            continue
    counts: Mapping[str, Counter[Segment]] = {}
    chances = _word_chances(list(rows.values()))
    found: list[list[Range]] = []
    for _ in range(ROUNDS):
        found = [row.best(chances, counts) for row in rows.values()]
        counts, words = defaultdict(Counter), defaultdict(Counter)
        for row, spans in zip(rows.values(), found, strict=True):
            for label, span in zip(row.labels, spans, strict=True):
                counts[label][row.segments[span]] += 1
                words[label].update(word for word in row.segments[span] if word != NAME)
        chances = {label: _shares(n) for label, n in words.items()} | {"": chances[""]}
    made = {e: row.aligned(spans) for (e, row), spans in zip(rows.items(), found, strict=True)}
    return [made.get(Example(*example)) for example in train]


class _Row:
    """One pair while it is aligned.

    labels: what a node is known by, its head, or "head name" for an entity that the question does not name.
    owners: where a name stands, to the number of its node. segments: the words [start, end), a name in them
    written NAME; none for a span that cuts a name. n: words without the closing mark.
    """

    def __init__(self, x: str, nodes: tuple[Node, ...]) -> None:
        self.words, self.nodes = tuple(x.split()), nodes
        self.n = len(self.words) - (len(self.words) > 0 and not any(map(str.isalnum, self.words[-1])))
        self.owners: dict[Range, int] = {}
        self.labels: list[str] = []
        for k, node in enumerate(nodes):
            place = _find(node.entity.split(","), self.words[: self.n], list(self.owners))
            if place is not None:
                self.owners[place] = k
            self.labels.append(f"{node.head} {node.entity}" if node.entity and place is None else node.head)
        self.pieces = self._pieces()
        self.tokens = list(self.words[: self.n])
        for low, high in self.owners:
            self.tokens[low:high] = [NAME, *[""] * (high - low - 1)]
        self.segments = {
            (s, e): tuple(filter(None, self.tokens[s:e]))
            for s in range(self.n + 1)
            for e in range(s, self.n + 1)
        }
        for low, high in self.owners:
            for s, e in list(self.segments):
                if s < high and low < e and not (s <= low and high <= e):
                    del self.segments[s, e]
        self.fitting = [self._fitting(k) for k in range(len(self.pieces))]

    def _pieces(self) -> list[int]:
        """The row that is parsed: the number of each node, and once more behind its argument where words
        follow the last name, so that the node may have some of them (not behind "boston, ma", which may be
        spelled "boston massachusetts"); `labels` grows by the latter's."""
        row: list[tuple[int, int, int]] = [(k, -1, k) for k in range(len(self.nodes))]
        if self.owners and max(high for _, high in self.owners) < self.n:
            ends = {k: last(self.nodes, k) for k, node in enumerate(self.nodes) if k and node.arity == 1}
            row += [
                (end - 1, len(self.nodes) - k, k)
                for k, end in ends.items()
                if end - k <= NEAR and _named(self.nodes[end - 1].entity)
            ]
        row.sort()
        self.labels = [self.labels[k] + (BEHIND if rank >= 0 else "") for _, rank, k in row]
        self.owners = {
            place: next(i for i, (_, r, j) in enumerate(row) if j == k and r < 0)
            for place, k in self.owners.items()
        }
        return [k for _, _, k in row]

    def _fitting(self, k: int) -> np.ndarray:
        """Which spans (n + 1, n + 1) hold node k's own name, if it has one, and no other's."""
        fits = np.zeros((self.n + 1, self.n + 1), bool)
        for s, e in self.segments:
            fits[s, e] = all(
                (s <= low and high <= e) == (owner == k) for (low, high), owner in self.owners.items()
            )
        return fits

    def scores(self, k: int, chances: Chances, counts: Mapping[str, Counter[Segment]]) -> np.ndarray:
        """Log probability of node k having the words [s, e), for all s and e."""
        own, any_, seen = chances.get(self.labels[k], {}), chances[""], counts.get(self.labels[k], Counter())
        more = LONGER * (BESIDE_NAME if k in self.owners.values() else 1)
        words = [
            more * ((1 - STRAY) * own.get(t, 0) + STRAY * any_[t]) if t not in ("", NAME) else 1.0
            for t in self.tokens
        ]
        sums = np.concatenate([[0.0], np.cumsum(np.log(words))])
        weight = ALPHA * np.exp(np.minimum(sums[None] - sums[:, None], 0))
        for span, segment in self.segments.items():
            if segment in seen:
                weight[span] += seen[segment]
        if not self.labels[k].endswith(BEHIND):
            weight[np.diag_indices(self.n + 1)] *= NO_WORDS if k else NO_FRAME
        return np.where(self.fitting[k], np.log(weight / (seen.total() + ALPHA)), IMPOSSIBLE)

    def best(self, chances: Chances, counts: Mapping[str, Counter[Segment]]) -> list[Range]:
        """The words of each piece in the best inversion-transduction parse."""
        chart = self.chart([self.scores(k, chances, counts) for k in range(len(self.pieces))])
        spans = [(0, 0)] * len(self.pieces)
        self._trace(chart, (0, len(spans)), (0, self.n), spans)
        return spans

    def chart(self, scores: Sequence[np.ndarray]) -> Chart:
        """For pieces [i, j) the best log probability of their having the words [s, e)."""
        found = {(i, i + 1): table for i, table in enumerate(scores)}
        for width in range(2, len(scores) + 1):
            for i in range(len(scores) - width + 1):
                j, cell = i + width, np.full((self.n + 1, self.n + 1), IMPOSSIBLE)
                for m in range(i + 1, j):
                    left, right = found[i, m], found[m, j]
                    np.maximum(cell, _product(left, right), out=cell)
                    if i:  # `answer` stays in front
                        np.maximum(cell, _product(right, left) + SWAPPED, out=cell)
                found[i, j] = cell
        return found

    def _trace(
        self,
        chart: Chart,
        nodes: tuple[int, int],
        words: tuple[int, int],
        spans: list[tuple[int, int]],
    ) -> None:
        (i, j), (s, e) = nodes, words
        if j - i == 1:
            spans[i] = words
            return
        options = []
        for m in range(i + 1, j):
            for swapped, (a, b) in enumerate(((chart[i, m], chart[m, j]), (chart[m, j], chart[i, m]))):
                if swapped and i == 0:
                    continue
                inner = a[s, s : e + 1] + b[s : e + 1, e] + swapped * SWAPPED
                cut = int(inner.argmax())
                options.append((-inner[cut], swapped, m, s + cut))
        _, swapped, m, cut = min(options)
        left, right = ((s, cut), (cut, e)) if not swapped else ((cut, e), (s, cut))
        self._trace(chart, (i, m), left, spans)
        self._trace(chart, (m, j), right, spans)

    def aligned(self, spans: Sequence[Range]) -> Aligned:
        parts: list[list[Range]] = [[] for _ in self.nodes]
        for k, (start, end) in zip(self.pieces, spans, strict=True):
            if start < end:
                parts[k].append((start, end))
        return Aligned(
            self.words,
            tuple(n._replace(parts=tuple(sorted(p))) for n, p in zip(self.nodes, parts, strict=True)),
        )


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """max_c a[s, c] + b[c, e]."""
    return (a[:, :, None] + b[None]).max(1)


def _find(name: Sequence[str], words: Sequence[str], taken: Sequence[Range]) -> Range | None:
    """Where the first part of an entity's name stands in the question, with the second if that follows."""
    first = name[0].split()
    for start in range(len(words) - len(first) + 1 if first else 0):
        end = start + len(first)
        if list(words[start:end]) == first and all(end <= low or high <= start for low, high in taken):
            more = len(name) > 1 and words[end : end + 1] == (name[1].strip(),)
            return start, end + more
    return None


def _named(entity: str) -> bool:
    """Whether an entity has just one name: "texas" and "dallas, _", but not "boston, ma"."""
    return bool(entity) and entity.partition(",")[2].strip() in ("", "_")


def _shares(counts: Mapping[str, float]) -> dict[str, float]:
    total = sum(counts.values())
    return {word: n / total for word, n in counts.items()}


def _word_chances(rows: Sequence[_Row], rounds: int = IBM_ROUNDS) -> dict[str, dict[str, float]]:
    """IBM model 1 between labels and the words that are no names, with a null label."""
    names = [[label.removesuffix(BEHIND) for label in row.labels] for row in rows]
    bags = [
        ([t for t in row.tokens if t not in ("", NAME)], [*dict.fromkeys(labels), ""])
        for row, labels in zip(rows, names, strict=True)
    ]
    everything = _shares(Counter(t for words, _ in bags for t in words))
    chances: dict[str, dict[str, float]] = defaultdict(lambda: everything)
    for _ in range(rounds):
        counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for words, labels in bags:
            for word in words:
                weights = [chances[label].get(word, 0.0) for label in labels]
                total = sum(weights)
                for label, weight in zip(labels, weights, strict=True):
                    counts[label][word] += weight / total
        chances = {label: _shares(n) for label, n in counts.items()}
    behind = {label + BEHIND: own for label, own in chances.items()}
    return {**behind, **chances, "": everything}
