"""From a planned sentence to its words and its tree: the places of the words settle the variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tasks.compositional.cogs.categories import Frame
from tasks.compositional.cogs.words import Verb
from tasks.compositional.notation.cogs import Clause, Name, Noun, Phrase


class Said(NamedTuple):
    """A phrase before it has a place; a name has no article."""

    word: str
    article: str = ""
    prep: str = ""
    inner: Said | None = None


class Plan(NamedTuple):
    """A clause before its words have places."""

    frame: Frame
    verb: Verb
    phrases: Mapping[str, Said]
    raised: Verb | None = None
    below: Plan | None = None


def spell(plan: Plan) -> tuple[str, Clause]:
    """The sentence of a plan, tokens joined by blanks, and its tree."""
    said: list[str] = []
    tree = _clause(plan, said)
    said[0] = said[0][0].upper() + said[0][1:]
    return " ".join((*said, ".")), tree


def _clause(plan: Plan, said: list[str]) -> Clause:
    arguments: list[tuple[str, Phrase | Clause]] = []
    place = -1
    for part in plan.frame.pattern.split():
        if part in plan.phrases:
            arguments.append((part, _phrase(plan.phrases[part], said)))
        elif part == "ccomp" and plan.below is not None:
            arguments.append((part, _clause(plan.below, said)))
        elif part == "xcomp" and plan.raised is not None:
            arguments.append((part, Clause(len(said), plan.raised.lemma, (("agent", arguments[0][1]),))))
            said.append(plan.raised.lemma)
        elif part == "VERB":
            place = len(said)
            said.append(plan.verb.participle if said[-1] == "was" else plan.verb.past)
        else:
            said.append(part)
    return Clause(place, plan.verb.lemma, tuple(arguments))


def _phrase(phrase: Said, said: list[str]) -> Phrase:
    said += (phrase.article, phrase.word) if phrase.article else (phrase.word,)
    place = len(said) - 1
    if not phrase.article:
        return Name(place, phrase.word)
    if phrase.inner is None:
        return Noun(place, phrase.word, phrase.article == "the")
    said.append(phrase.prep)
    return Noun(place, phrase.word, phrase.article == "the", phrase.prep, _phrase(phrase.inner, said))
