"""The components of COGS sentences: words, spans and subtrees, cut out of one sentence and put into another.

A component is a run of neighbouring nodes (`cogs_sentences`) with one way in (the node whose parent lies
outside) and at most one way out (a node with children outside):

    word   a single node
    span   a chain in which every node but the last has just the next one as child; the last is the way out
    tree   any other run without a way out

Two components are exchangeable when their kinds and the classes of entry and exit agree (CompSub, section on
exchangeable components; the released SpanSub code for COGS). Putting one in keeps the role and the parent of
what leaves; the output is written anew from the nodes. Nothing here knows the grammar.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from methods.compositional.cogs_sentences import Kind, Node, Sentence, Shape
from tasks.compositional.contract import Example
from tasks.compositional.notation.cogs_reading import read_word

Grain = Literal["word", "span", "tree", "subtree"]
SMALL = {"A": "a", "An": "an", "The": "the"}
"""Articles as they are within a sentence, and at its start."""
CAPITALS = {small: capital for capital, small in SMALL.items()}


class Signature(NamedTuple):
    """What a component must share with the one that it replaces: its grain, and the classes of its ends.

    Of grain "subtree" is any run without a way out, be it a word, a span or a tree (the control SUBS).
    """

    grain: Grain
    entry: str
    exit: str


class Component(NamedTuple):
    """A run of nodes cut out of a sentence, numbered from 0, with the words that go with it.

    `entry` and `exit` are numbers of nodes. `shape` is how it hangs together, whatever its words: sampling is
    uniform over shapes, then over the members of one. `frame` is what a single verb takes.
    """

    words: tuple[str, ...]
    nodes: tuple[Node, ...]
    entry: int
    exit: int
    shape: Shape
    frame: tuple[str, ...]


class Gap(NamedTuple):
    """A component by the numbers of its nodes, the same in all sentences of one shape.

    closed: nothing outside hangs on it.
    """

    signature: Signature
    first: int
    last: int
    entry: int
    shape: Shape
    closed: bool


class Cut(NamedTuple):
    """A place in a sentence where a component can leave: nodes first..last, words start..end (exclusive)."""

    signature: Signature
    first: int
    last: int
    start: int
    end: int


class Interface(NamedTuple):
    """What may enter at a cut: components of the signature, and, where labels must stay right, a verb only
    of the same frame (any where it is empty) and a name only where no modifier would hang on it."""

    signature: Signature
    frame: tuple[str, ...] = ()
    names: bool = True

    @property
    def grain(self) -> Grain:
        """What leaves."""
        return self.signature.grain

    def admits(self, new: Component) -> bool:
        """Whether a component of the signature may enter."""
        return self.frame in ((), new.frame) and (self.names or new.nodes[new.exit].kind != "name")


@lru_cache(maxsize=1 << 16)
def gaps(shape: Shape) -> tuple[Gap, ...]:
    """Every component that can leave a sentence of this shape, words first at each node."""
    parents = [parent for _, parent in shape]
    children: list[list[int]] = [[] for _ in shape]
    for i, parent in enumerate(parents):
        if parent >= 0:
            children[parent].append(i)
    found = []
    for first in range(len(shape)):
        chain = True
        for last in range(first, len(shape)):
            chain = chain and (last == first or children[last - 1] == [last])
            entries = [i for i in range(first, last + 1) if not first <= parents[i] <= last]
            if len(entries) > 1:
                continue
            closed = all(
                first <= children[i][0] and children[i][-1] <= last
                for i in range(first, last + 1)
                if children[i]
            )
            if not (chain or closed):
                continue
            grain: Grain = "word" if last == first else "span" if chain else "tree"
            ends = shape[entries[0]][0], shape[last][0] if chain else ""
            inner = tuple([(c, p - first if first <= p <= last else -1) for c, p in shape[first : last + 1]])
            found.append(Gap(Signature(grain, *ends), first, last, entries[0], inner, closed))
    return tuple(found)


@lru_cache(maxsize=1 << 16)
def options(shape: Shape) -> Mapping[Grain, tuple[tuple[Gap, ...], ...]]:
    """What can leave a sentence of this shape: by grain, the members of each structure.

    Subtrees are all of one structure: the control SUBS draws them uniformly.
    """
    found: dict[Grain, dict[Shape, list[Gap]]] = {}
    for gap in gaps(shape):
        found.setdefault(gap.signature.grain, {}).setdefault(gap.shape, []).append(gap)
        if gap.closed:
            whole = gap._replace(signature=Signature("subtree", gap.signature.entry, ""))
            found.setdefault("subtree", {}).setdefault((), []).append(whole)
    return {grain: tuple(map(tuple, members.values())) for grain, members in found.items()}


def cut_at(host: Sentence, gap: Gap) -> Cut:
    """The gap with its words: a common noun brings its article."""
    first = host.nodes[gap.first]
    start = first.place - (first.kind == "noun")
    return Cut(gap.signature, gap.first, gap.last, start, host.nodes[gap.last].place + 1)


def cuts(host: Sentence) -> list[Cut]:
    """Every component that can leave a sentence, words first at each node."""
    return [cut_at(host, gap) for gap in gaps(host.shape)]


def component(host: Sentence, cut: Cut) -> Component:
    """What leaves at a cut, with its own numbering of nodes and places."""
    gap = next(g for g in gaps(host.shape) if (g.first, g.last) == (cut.first, cut.last))
    return taken(host, gap)


def taken(host: Sentence, gap: Gap) -> Component:
    """What leaves at a gap of the sentence's shape."""
    start, first, entry = cut_at(host, gap).start, gap.first, gap.entry - gap.first
    moved = [
        Node(n.place - start, n.kind, n.word, n.definite, n.parent - first if i != entry else -1, n.role)
        for i, n in enumerate(host.nodes[first : gap.last + 1])
    ]
    exit_ = entry if gap.signature.exit == "" else gap.last - first
    words = words_at(host, gap)
    return Component(words, tuple(moved), entry, exit_, gap.shape, frame_at(host, gap))


def words_at(host: Sentence, gap: Gap) -> tuple[str, ...]:
    """The words of a component, as they are within a sentence."""
    first = host.nodes[gap.first]
    end = host.nodes[gap.last].place + 1
    if first.kind != "noun":
        return host.words[first.place : end]
    article = host.words[first.place - 1]
    return (SMALL.get(article, article), *host.words[first.place : end])


def frame_at(host: Sentence, gap: Gap) -> tuple[str, ...]:
    """The frame of a component that is a single verb; empty for others."""
    return frame(host, gap.first) if gap.first == gap.last else ()


def primitives(example: Example) -> list[tuple[Signature, Component]]:
    """The components that a word standing alone is: a noun with either article, a name, and a verb as the
    lower verb of an xcomp, for that is the form in which it stands; none for other lines."""
    word, y = example
    try:
        kind, lemma, roles = read_word(word, y)
    except ValueError:
        return []
    if kind == "noun":
        return [
            (Signature("word", "noun", "noun"), _alone((article, word), "noun", lemma, article == "the"))
            for article in ("a", "the")
        ]
    if kind == "name":
        return [(Signature("word", "noun", "noun"), _alone((word,), "name", lemma))]
    new = _alone((word,), "verb", lemma, frame=("active", *roles))
    return [(Signature("word", "xcomp", "xcomp"), new)]


def _alone(
    words: tuple[str, ...], kind: Kind, lemma: str, definite: bool = False, frame: tuple[str, ...] = ()
) -> Component:
    node = Node(len(words) - 1, kind, lemma, definite, -1, "")
    return Component(words, (node,), 0, 0, (("xcomp" if kind == "verb" else "noun", -1),), frame)


def frame(host: Sentence, at: int) -> tuple[str, ...]:
    """What a verb takes: its voice, then the roles around it in order; empty for other words."""
    verb = host.nodes[at]
    if verb.kind != "verb":
        return ()
    if verb.role == "xcomp":
        return ("active", "agent")  # the subject of the verb above
    voice = "passive" if verb.place and host.words[verb.place - 1] == "was" else "active"
    return (voice, *[n.role for n in host.nodes if n.parent == at])


def substitute(host: Sentence, cut: Cut, new: Component) -> Sentence:
    """The sentence with `new` in the place of what leaves at `cut`."""
    first, last = cut.first, cut.last
    leaving = next(n for n in host.nodes[first : last + 1] if not first <= n.parent <= last)
    grown, longer = len(new.nodes) - (last - first + 1), len(new.words) - (cut.end - cut.start)

    def number(parent: int) -> int:
        if parent < first:
            return parent
        return parent + grown if parent > last else first + new.exit

    nodes = [Node(n[0], n[1], n[2], n[3], number(n[4]), n[5]) for n in host.nodes[:first]]
    for i, n in enumerate(new.nodes):
        parent, role = (
            (number(leaving.parent), leaving.role) if i == new.entry else (n.parent + first, n.role)
        )
        nodes.append(Node(n.place + cut.start, n.kind, n.word, n.definite, parent, role))
    nodes += [Node(n[0] + longer, n[1], n[2], n[3], number(n[4]), n[5]) for n in host.nodes[last + 1 :]]
    words = [*host.words[: cut.start], *new.words, *host.words[cut.end :]]
    words[0] = CAPITALS.get(words[0], words[0])
    return Sentence(tuple(words), tuple(nodes))


def interface(host: Sentence, cut: Cut) -> Interface:
    """What may enter at a cut so that the label stays right, by what training pairs alone tell: for a single
    verb one with the same voice and roles, and no name for a noun that keeps a modifier."""
    single = cut.first == cut.last
    names = not any(n.parent == cut.last and n.kind == "prep" for n in host.nodes[cut.last + 1 :])
    return Interface(cut.signature, frame(host, cut.first) if single else (), names)


def role_safe(host: Sentence, cut: Cut, new: Component) -> bool:
    """Whether a substitution of equal signatures keeps the label right."""
    return interface(host, cut).admits(new)
