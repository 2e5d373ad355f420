"""The components of COGS sentences: words, spans and subtrees, cut out of one sentence and put into another.

A training pair becomes a row of nodes, one a content word, each with its parent and role as the logical form
tells them. A component is a run of neighbouring nodes with one way in (the node whose parent lies outside)
and at most one way out (a node with children outside):

    word   a single node
    span   a chain in which every node but the last has just the next one as child; the last is the way out
    tree   any other run without a way out

Two components are exchangeable when their kinds and the classes of entry and exit agree (CompSub, section on
exchangeable components; the released SpanSub code for COGS). Putting one in keeps the role and the parent of
what leaves; the logical form is written anew from the nodes. Nothing here knows the grammar.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from tasks.compositional.notation.cogs import Clause, Name, Noun, Phrase, logical_form

Kind = Literal["noun", "name", "verb", "prep"]
Grain = Literal["word", "span", "tree"]
ARTICLES = {"A": "a", "An": "an", "The": "the"}
CAPITALS = {small: capital for capital, small in ARTICLES.items()}


class Node(NamedTuple):
    """A content word: where it stands, what it is, and the number of its parent (-1 for the main verb)."""

    place: int
    kind: Kind
    word: str
    definite: bool
    parent: int
    role: str


class Sentence(NamedTuple):
    """The words of a sentence and its nodes in order of their places."""

    words: tuple[str, ...]
    nodes: tuple[Node, ...]

    @property
    def form(self) -> str:
        """The logical form of the nodes."""
        return logical_form(_clause(self.nodes, next(i for i, n in enumerate(self.nodes) if n.parent < 0)))


class Signature(NamedTuple):
    """What a component must share with the one that it replaces: its grain, and the classes of its ends."""

    grain: Grain
    entry: str
    exit: str


class Component(NamedTuple):
    """A run of nodes cut out of a sentence, numbered from 0, with the words that go with it.

    `entry` and `exit` are numbers of nodes. `shape` is how it hangs together, whatever its words: sampling is
    uniform over shapes, then over the members of one. `frame` is what a verb at the entry takes.
    """

    words: tuple[str, ...]
    nodes: tuple[Node, ...]
    entry: int
    exit: int
    shape: tuple[tuple[str, int], ...]
    frame: tuple[str, ...]


class Cut(NamedTuple):
    """A place in a sentence where a component can leave: nodes first..last, words start..end (exclusive)."""

    signature: Signature
    first: int
    last: int
    start: int
    end: int


def sentence(words: Sequence[str], tree: Clause) -> Sentence:
    """The nodes of a tree that `tasks.compositional.notation.cogs_reading` made of a training pair."""
    found: list[tuple[int, Kind, str, bool, int, str]] = []

    def phrase(argument: Phrase, parent: int, role: str) -> None:
        if isinstance(argument, Name):
            found.append((argument.place, "name", argument.word, False, parent, role))
            return
        found.append((argument.place, "noun", argument.word, argument.definite, parent, role))
        if argument.inner is not None:
            found.append((argument.place + 1, "prep", argument.prep, False, argument.place, "prep"))
            phrase(argument.inner, argument.place + 1, "inner")

    def clause(part: Clause, parent: int, role: str) -> None:
        found.append((part.place, "verb", part.verb, False, parent, role))
        if role == "xcomp":
            return  # its agent is the subject of the verb above, said again
        for name, argument in part.arguments:
            if isinstance(argument, Clause):
                clause(argument, part.place, name)
            else:
                phrase(argument, part.place, name)

    clause(tree, -1, "")
    found.sort()
    number = {place: i for i, (place, *_) in enumerate(found)}
    nodes = (
        Node(p, kind, word, definite, number.get(parent, -1), role)
        for p, kind, word, definite, parent, role in found
    )
    return Sentence(tuple(words), tuple(nodes))


def _clause(nodes: Sequence[Node], at: int) -> Clause:
    verb = nodes[at]
    arguments: list[tuple[str, Phrase | Clause]] = []
    for i, node in enumerate(nodes):
        if node.parent != at:
            continue
        if node.role == "xcomp":
            subject = arguments[0][1] if arguments else Name(node.place, "")
            arguments.append(("xcomp", Clause(node.place, node.word, (("agent", subject),))))
        elif node.kind == "verb":
            arguments.append((node.role, _clause(nodes, i)))
        else:
            arguments.append((node.role, _phrase(nodes, i)))
    return Clause(verb.place, verb.word, tuple(arguments))


def _phrase(nodes: Sequence[Node], at: int) -> Phrase:
    noun = nodes[at]
    if noun.kind == "name":
        return Name(noun.place, noun.word)
    prep = next((i for i, n in enumerate(nodes) if n.parent == at and n.kind == "prep"), None)
    inner = None if prep is None else next((i for i, n in enumerate(nodes) if n.parent == prep), None)
    if prep is None or inner is None:
        return Noun(noun.place, noun.word, noun.definite)
    return Noun(noun.place, noun.word, noun.definite, nodes[prep].word, _phrase(nodes, inner))


def cuts(host: Sentence) -> Iterator[Cut]:
    """Every component that can leave a sentence, words first at each node."""
    nodes = host.nodes
    children: list[list[int]] = [[] for _ in nodes]
    for i, node in enumerate(nodes):
        if node.parent >= 0:
            children[node.parent].append(i)
    for first in range(len(nodes)):
        chain, outside = True, set[int]()
        for last in range(first, len(nodes)):
            entries = sum(not first <= n.parent <= last for n in nodes[first : last + 1])
            outside = {i for i in range(first, last + 1) if any(not first <= c <= last for c in children[i])}
            if last > first:
                chain = chain and children[last - 1] == [last]
            signature = _signature(nodes, first, last, entries, outside, chain)
            if signature is not None:
                start = nodes[first].place - (nodes[first].kind == "noun")
                yield Cut(signature, first, last, start, nodes[last].place + 1)


def _signature(
    nodes: Sequence[Node], first: int, last: int, entries: int, outside: set[int], chain: bool
) -> Signature | None:
    if first == last:
        return Signature("word", _class(nodes[first]), _class(nodes[first]))
    if chain:
        return Signature("span", _class(nodes[first]), _class(nodes[last]))
    if entries != 1 or outside:
        return None
    entry = next(n for n in nodes[first : last + 1] if not first <= n.parent <= last)
    return Signature("tree", _class(entry), "")


def _class(node: Node) -> str:
    if node.kind == "verb":
        return "xcomp" if node.role == "xcomp" else "verb"
    return "prep" if node.kind == "prep" else "noun"


def component(host: Sentence, cut: Cut) -> Component:
    """What leaves at a cut, with its own numbering of nodes and places."""
    run = host.nodes[cut.first : cut.last + 1]
    entry = next(i for i, n in enumerate(run) if not cut.first <= n.parent <= cut.last)
    moved = tuple(
        n._replace(place=n.place - cut.start, parent=n.parent - cut.first if i != entry else -1)
        for i, n in enumerate(run)
    )
    words = host.words[cut.start : cut.end]
    shape = tuple((n.kind if n.kind != "name" else "noun", n.parent) for n in moved)
    exit_ = entry if cut.signature.grain == "word" else len(run) - 1
    return Component(
        (ARTICLES.get(words[0], words[0]), *words[1:]),
        moved,
        entry,
        exit_,
        shape,
        frame(host, cut.first + entry),
    )


def frame(host: Sentence, at: int) -> tuple[str, ...]:
    """What a verb takes: its voice, then the roles around it in order; empty for other words."""
    verb = host.nodes[at]
    if verb.kind != "verb":
        return ()
    voice = "passive" if verb.place and host.words[verb.place - 1] == "was" else "active"
    kinds = [n.role for n in host.nodes if n.parent == at]
    return (voice, *kinds)


def substitute(host: Sentence, cut: Cut, new: Component) -> Sentence:
    """The sentence with `new` in the place of what leaves at `cut`."""
    old = host.nodes[cut.first : cut.last + 1]
    leaving = next(n for n in old if not cut.first <= n.parent <= cut.last)
    grown, longer = len(new.nodes) - len(old), len(new.words) - (cut.end - cut.start)

    def number(parent: int) -> int:
        if parent < cut.first:
            return parent
        return parent + grown if parent > cut.last else cut.first + new.exit

    before = [n._replace(parent=number(n.parent)) for n in host.nodes[: cut.first]]
    entered = [
        n._replace(
            place=n.place + cut.start,
            parent=number(leaving.parent) if i == new.entry else n.parent + cut.first,
            role=leaving.role if i == new.entry else n.role,
        )
        for i, n in enumerate(new.nodes)
    ]
    after = [n._replace(place=n.place + longer, parent=number(n.parent)) for n in host.nodes[cut.last + 1 :]]
    words = list(host.words[: cut.start] + new.words + host.words[cut.end :])
    words[0] = CAPITALS.get(words[0], words[0])
    return Sentence(tuple(words), (*before, *entered, *after))


def role_safe(host: Sentence, cut: Cut, new: Component) -> bool:
    """Whether a substitution keeps the label right by what training pairs alone tell: a verb takes the place
    of one with the same voice and roles, and a name takes that of no noun with a modifier."""
    if cut.signature == Signature("word", "verb", "verb"):
        return frame(host, cut.first) == new.frame
    if new.nodes[new.exit].kind == "name":
        return not any(n.parent == cut.last and n.kind == "prep" for n in host.nodes[cut.last + 1 :])
    return True
