"""The atoms and compounds of one example, for `divergence`: what it is made of and how that is put together.

An example is read as a tree. Its atoms are the labels of the nodes, its compounds labelled pieces of the
tree, which may overlap. They are fewer and simpler than those of Keysers et al. 2020 (arXiv 1912.09713,
section 2.1 and appendix L), who take subgraphs of any shape from the graph of all rules, of grammar and of
meaning, that made an example.

    language        atoms                            compounds
    scan            words of the command             pieces of the parse up to two steps deep
    cogs, cogs-ql   lemmas of nouns, names, verbs;   (head, role, argument); (noun, preposition, noun);
                    prepositions                     (verb, its roles as they are said, voice)
    geoquery        functors and `all`, no names     chains of two or three functors, with the number of
                                                     the argument where there are more
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tasks.compositional.contract import Example
from tasks.compositional.geoquery.funql import IDS, Call, parse
from tasks.compositional.notation.cogs import Clause, Noun, Phrase
from tasks.compositional.notation.cogs_reading import read, read_free, read_word
from tasks.compositional.scan.grammar import CONJUNCTIONS, REPEATS

DEPTH = 2
"""Steps from the top of a SCAN compound to its lowest word: "twice" over "around" over its verb."""
ABSENT = "_"
"""In the name of a SCAN compound: an argument that is no part of it."""


class Occurrence(NamedTuple):
    """A compound where it occurs.

    places: its nodes in the example's tree, as bits; no other occurrence in the example has the same.
    """

    compound: str
    places: int


class Anatomy(NamedTuple):
    """Atoms of an example, as often as they occur, and the occurrences of its compounds."""

    atoms: tuple[str, ...]
    compounds: tuple[Occurrence, ...] = ()


def anatomy(language: str, example: Example) -> Anatomy:
    """Atoms and compounds of `example`; ValueError for an unknown language or an unreadable example."""
    if language not in LANGUAGES:
        raise ValueError(f"no compounds are defined for '{language}'; there are {', '.join(LANGUAGES)}")
    return LANGUAGES[language](example)


def _scan(example: Example) -> Anatomy:
    """The words, and every connected piece of the parse of two or more words, at most `DEPTH` deep.

    Of a word's arguments a piece holds any number: "around(walk,_)" is without the direction.
    """
    words: list[str] = []
    below: list[list[int]] = []
    _parse(example.x.split(), words, below)
    found = [
        Occurrence(name, places)
        for top in range(len(words))
        for places, name in _pieces(top, DEPTH, words, below)
        if places != 1 << top
    ]
    return Anatomy(tuple(words), tuple(found))


def _parse(command: Sequence[str], words: list[str], below: list[list[int]]) -> int:
    """Add the nodes of a command, top down, and give the index of its top; ValueError where it is none.

    The word that modifies or joins is above what it modifies or joins; in "walk left" the verb is on top.
    """
    word = next((w for w in CONJUNCTIONS if w in command), None)
    if word is not None:
        k = command.index(word)
        under = [command[:k], command[k + 1 :]]
    elif len(command) > 1 and command[-1] in REPEATS:
        word, under = command[-1], [command[:-1]]
    elif len(command) == 3:
        word, under = command[1], [command[:1], command[2:]]
    elif len(command) in (1, 2):
        word, under = command[0], [command[1:]] if command[1:] else []
    else:
        raise ValueError(f"'{' '.join(command)}' is no command of SCAN")
    at = len(words)
    words.append(word)
    below.append([])
    below[at] = [_parse(part, words, below) for part in under]
    return at


def _pieces(top: int, depth: int, words: Sequence[str], below: Sequence[list[int]]) -> list[tuple[int, str]]:
    """Places and name of every piece with this top, the top alone among them."""
    found: list[tuple[int, tuple[str, ...]]] = [(1 << top, ())]
    for child in below[top]:
        choices = [(0, ABSENT), *(_pieces(child, depth - 1, words, below) if depth else [])]
        found = [(places | more, (*names, name)) for places, names in found for more, name in choices]
    return [(places, f"{words[top]}({','.join(names)})" if names else words[top]) for places, names in found]


def _cogs(example: Example) -> Anatomy:
    """Of a logical form; a word that stands alone is one atom and has no compound."""
    if " " not in example.x.strip():
        return Anatomy((read_word(*example).lemma,))
    return _of_clause(read(*example), example.x.split())


def _cogs_ql(example: Example) -> Anatomy:
    """Of a variable-free form: the same as of the logical form."""
    if " " not in example.x.strip():
        return Anatomy((read_word(*example).lemma,))
    return _of_clause(read_free(*example), example.x.split())


def _of_clause(tree: Clause, words: Sequence[str]) -> Anatomy:
    """The nodes of the tree are the words of the sentence by their place.

    So the subject that a clause below "want to" says a second time is there once, under both verbs.
    """
    lemmas: dict[int, str] = {}
    prepositions: dict[int, str] = {}
    compounds: dict[int, str] = {}

    def phrase(node: Phrase) -> None:
        lemmas[node.place] = node.word
        if isinstance(node, Noun) and node.inner is not None:
            prepositions[node.place] = node.prep
            compounds[1 << node.place | 1 << node.inner.place] = f"{node.word} {node.prep} {node.inner.word}"
            phrase(node.inner)

    def clause(node: Clause) -> None:
        lemmas[node.place] = node.verb
        voice = "passive" if words[node.place - 1] == "was" else "active"
        # A frame has a place of its own beside its verb: it is no part of a pair, nor a pair of it.
        frame = 1 << node.place | 1 << len(words) + node.place
        compounds[frame] = f"{node.verb} [{' '.join(role for role, _ in node.arguments)}] {voice}"
        for role, argument in node.arguments:
            word = argument.verb if isinstance(argument, Clause) else argument.word
            compounds[1 << node.place | 1 << argument.place] = f"{node.verb} {role} {word}"
            if isinstance(argument, Clause):
                clause(argument)
            else:
                phrase(argument)

    clause(tree)
    atoms = (*lemmas.values(), *prepositions.values())
    return Anatomy(atoms, tuple(Occurrence(name, places) for places, name in compounds.items()))


def _geoquery(example: Example) -> Anatomy:
    """Of a FunQL program: chains downwards. Names are left out, so that `stateid` ends a chain."""
    labels: list[str] = []
    found: list[Occurrence] = []

    def visit(node: Call | str, step: str, above: Sequence[tuple[int, str, str]]) -> None:
        label = node if isinstance(node, str) else node.functor
        chain = (*above[-2:], (len(labels), step, label))
        labels.append(label)
        for start in range(len(chain) - 1):
            first, *others = chain[start:]
            name = "".join([first[2], *(f" {way}> {functor}" for _, way, functor in others)])
            found.append(Occurrence(name, sum(1 << place for place, _, _ in chain[start:])))
        if isinstance(node, str) or label in IDS:
            return
        for k, argument in enumerate(node.arguments, start=1):
            visit(argument, str(k) if len(node.arguments) > 1 else "", chain)

    visit(parse(example.y), "", ())
    return Anatomy(tuple(labels), tuple(found))


LANGUAGES: Mapping[str, Callable[[Example], Anatomy]] = {
    "scan": _scan,
    "cogs": _cogs,
    "cogs-ql": _cogs_ql,
    "geoquery": _geoquery,
}
