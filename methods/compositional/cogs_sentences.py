"""COGS sentences as rows of nodes, read from training pairs and written back in either notation.

A node is a content word with its parent and role, as the output tells them. Articles, "was", "to", "by" and
"that" are no nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from tasks.compositional.contract import Example
from tasks.compositional.notation.cogs import (
    Clause,
    Name,
    Noun,
    Phrase,
    joined,
    logical_form,
    variable_free,
)
from tasks.compositional.notation.cogs_reading import read, read_free

Kind = Literal["noun", "name", "verb", "prep"]
ARTICLES = frozenset({"A", "An", "The", "a", "an", "the"})
Shape = tuple[tuple[str, int], ...]
"""The classes of a run of nodes and the numbers of their parents in it, -1 for one outside."""


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
    def tree(self) -> Clause:
        """What the nodes say."""
        return _clause(self.nodes, next(i for i, n in enumerate(self.nodes) if n.parent < 0))

    @property
    def form(self) -> str:
        """The logical form of the nodes, as the files have it."""
        return logical_form(self.tree)

    @property
    def shape(self) -> Shape:
        """How the nodes hang together, whatever the words."""
        return tuple([(class_of(n), n.parent) for n in self.nodes])

    def example(self, language: str) -> Example:
        """The training pair in the output notation of "cogs" or "cogs-ql"."""
        y = variable_free(self.tree) if language == "cogs-ql" else joined(self.form)
        return Example(" ".join(self.words), y)


def class_of(node: Node) -> str:
    """What a node can be exchanged with: a verb below another is of a class of its own."""
    if node.kind == "verb":
        return "xcomp" if node.role == "xcomp" else "verb"
    return "prep" if node.kind == "prep" else "noun"


def sentences(train: Sequence[Example], language: str) -> dict[int, Sentence]:
    """The training lines that are sentences, by number; words that stand alone and what cannot be read (a
    form that does not fit its sentence) are left out."""
    reader = read_free if language == "cogs-ql" else read
    found: dict[int, Sentence] = {}
    for line, (x, y) in enumerate(train):
        try:
            found[line] = sentence(x.split(), reader(x, y))
        except ValueError:
            continue
    return found


def sentence(words: Sequence[str], tree: Clause) -> Sentence:
    """The nodes of a tree that `tasks.compositional.notation.cogs_reading` made of a training pair.

    ValueError for a common noun without an article: it could not be cut out.
    """
    found: list[tuple[int, Kind, str, bool, int, str]] = []

    def phrase(argument: Phrase, parent: int, role: str) -> None:
        if isinstance(argument, Name):
            found.append((argument.place, "name", argument.word, False, parent, role))
            return
        if not argument.place or words[argument.place - 1] not in ARTICLES:
            raise ValueError(f"'{argument.word}' has no article in '{' '.join(words)}'")
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
