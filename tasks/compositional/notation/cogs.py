"""What a COGS sentence says, as a tree, and the two ways of writing it down.

A tree knows the place of each head word in the sentence, because logical forms name their variables by it.
`logical_form` writes the form of Kim & Linzen 2020, `variable_free` that of Qiu et al. 2022. A problem's
outputs have the logical form `joined`, each variable one token.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Noun:
    """A common noun with what modifies it: `prep` and `inner` of "cake in a closet"."""

    place: int
    word: str
    definite: bool
    prep: str = ""
    inner: Noun | Name | None = None


@dataclass(frozen=True)
class Name:
    """A proper name; it is a constant and has no variable."""

    place: int
    word: str


Phrase = Noun | Name


@dataclass(frozen=True)
class Clause:
    """A verb with its arguments in the order of the sentence, the subject first.

    Roles are agent, theme, recipient, ccomp and xcomp; the last two hold a clause. The lower clause of an
    xcomp has the subject of the upper one as its agent.
    """

    place: int
    verb: str
    arguments: tuple[tuple[str, Phrase | Clause], ...]


def logical_form(tree: Clause) -> str:
    """Definite nouns in order of their place, then all conjuncts by the places of their variables."""
    nouns = {n.place: n for n in _nouns(tree)}
    definite = [f"* {n.word} ( x _ {n.place} ) ; " for _, n in sorted(nouns.items()) if n.definite]
    found = {((n.place, -1), f"{n.word} ( x _ {n.place} )") for n in nouns.values() if not n.definite}
    for noun in nouns.values():
        if noun.inner is not None:
            relation = f"{noun.word} . nmod . {noun.prep}"
            found.add(_pair(relation, noun.place, noun.inner))
    for clause in _clauses(tree):
        found |= {_pair(f"{clause.verb} . {role}", clause.place, arg) for role, arg in clause.arguments}
    return "".join(definite) + " AND ".join(text for _, text in sorted(found))


def joined(form: str) -> str:
    """A logical form with each variable in one token, "x_3" for "x _ 3", as the released code has it."""
    return form.replace(" _ ", "_")


def _pair(relation: str, place: int, argument: Phrase | Clause) -> tuple[tuple[int, int], str]:
    """A conjunct of two places with what it is sorted by."""
    shown = argument.word if isinstance(argument, Name) else f"x _ {argument.place}"
    return (place, argument.place), f"{relation} ( x _ {place} , {shown} )"


def _clauses(tree: Clause) -> Iterator[Clause]:
    yield tree
    for _, argument in tree.arguments:
        if isinstance(argument, Clause):
            yield from _clauses(argument)


def _nouns(tree: Clause) -> Iterator[Noun]:
    for clause in _clauses(tree):
        for _, argument in clause.arguments:
            while isinstance(argument, Noun):
                yield argument
                argument = argument.inner


def variable_free(tree: Clause) -> str:
    """Verbs and nouns around their arguments; what a variable shares is said again."""
    arguments = " , ".join(f"{role} = {_shown(argument)}" for role, argument in tree.arguments)
    return f"{tree.verb} ( {arguments} )"


def _shown(argument: Phrase | Clause) -> str:
    if isinstance(argument, Clause):
        return variable_free(argument)
    if isinstance(argument, Name):
        return argument.word
    head = f"* {argument.word}" if argument.definite else argument.word
    if argument.inner is None:
        return head
    return f"{head} ( nmod . {argument.prep} = {_shown(argument.inner)} )"
