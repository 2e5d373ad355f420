"""The lexicon of COGS, read off its training set: nothing of the test sets is needed to interpret them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from tasks.compositional.cogs.grammar import Lexicon

ROLE = re.compile(r"(\S+) \. (agent|theme|recipient|ccomp|xcomp) \( x _ (\d+) ,")
LAMBDA = re.compile(r"LAMBDA e \. (\S+) \. ")


def induce(pairs: Iterable[tuple[str, str]]) -> Lexicon:
    """The verb forms and the unaccusative verbs of (sentence, logical form) pairs.

    A logical form names the place of each verb, so that the word there is a form of it; a bare verb with a
    lambda form stands for itself. A verb is unaccusative where its subject is the theme of a clause in the
    active voice: a theme without an agent, in a clause in which "was" is not before the verb. It is
    transitive where a theme stands beside an agent or recipient, or in the passive voice.
    """
    lemmas: dict[str, str] = {}
    unaccusative: set[str] = set()
    transitive: set[str] = set()
    for sentence, form in pairs:
        words = sentence.split()
        if (bare := LAMBDA.search(form)) is not None:
            lemmas[sentence.strip()] = bare[1]
            continue
        roles: dict[tuple[str, int], set[str]] = defaultdict(set)
        for verb, role, place in ROLE.findall(form):
            roles[verb, int(place)].add(role)
        for (verb, place), found in roles.items():
            lemmas[words[place]] = verb
            if found == {"theme"} and words[place - 1] != "was":
                unaccusative.add(verb)
            elif "theme" in found:
                transitive.add(verb)
    return Lexicon(lemmas, frozenset(unaccusative), frozenset(transitive))
