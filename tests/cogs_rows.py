"""What tests ask of rows of COGS: their sentences, clauses, frames and depths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tasks.compositional.cogs.generator import Row
from tasks.compositional.notation.cogs import Clause, Noun, Phrase


def sentences(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row.category != "primitive"]


def of(rows: Iterable[Row], category: str) -> list[Row]:
    return [row for row in rows if row.category == category]


def clauses(tree: Clause) -> Iterator[Clause]:
    yield tree
    for role, argument in tree.arguments:
        if role == "ccomp" and isinstance(argument, Clause):
            yield from clauses(argument)


def frame(sentence: str, clause: Clause) -> str:
    """The roles of a verb in their order, "was" before those of a passive."""
    passive = sentence.split()[clause.place - 1] == "was"
    return " ".join((*(("was",) if passive else ()), *(role for role, _ in clause.arguments)))


def depth(phrase: Phrase) -> int:
    return 1 + depth(phrase.inner) if isinstance(phrase, Noun) and phrase.inner is not None else 0
