"""Made-up COGS: sentences of the fragment in the shares of the published files, with the same 21 tests.

For machines without the files. The words are our own (`words.py`); how often a verb has a frame, a phrase a
modifier and a clause another below it was counted on the published training set. What only the
generalization set may show is the same as there (Kim & Linzen 2020, section 3): a word in a new place, a verb
in a new frame, a modified subject, and depths 3 to 12.

Three shares of the published tests are not copied: there the lowest clause of cp_recursion is unaccusative
more often (31 % of rows), the agent after "by" has a modifier too in obj_pp_to_subj_pp, and a few rows of
cp_recursion have three modifiers. All exposures are single clauses here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import accumulate, repeat
from typing import NamedTuple, TypeVar

from tasks.compositional.cogs import words
from tasks.compositional.cogs.categories import CCOMP, EXPOSURES, FRAMES, TESTS, Frame, Wanted
from tasks.compositional.cogs.spelling import Plan, Said, spell
from tasks.compositional.cogs.words import Verb
from tasks.compositional.notation.cogs import Clause, logical_form
from tasks.compositional.notation.cogs import variable_free as free_form

SHAPES, DRAWS = 400, 8
"""For one new sentence: so many shapes are tried, and so many times each filled with words, before giving
up. Staying with a shape keeps its share where most of its sentences are taken."""
CUMULATIVE = tuple(accumulate(rank**-1.1 for rank in range(1, 101)))
EMBEDDED, DEEPEST_CLAUSE = 0.095, 2
MODIFIED_AGAIN, DEEPEST_MODIFIER = 0.085, 2
BARE_NOUNS, BARE_NAMES = 40, 20
"""How many ordinary nouns and names also stand alone in the training set, as in COGS."""
KINDS = {"thing": words.THINGS, "person": words.PEOPLE, "name": words.NAMES}
ROLES = ("agent", "theme", "recipient")
T = TypeVar("T")


class Row(NamedTuple):
    """A sentence (or a word that stands alone), its form, and why it is there."""

    sentence: str
    form: str
    category: str


class Made(NamedTuple):
    """The four parts. Train is mixed; gen stands category by category."""

    train: tuple[Row, ...]
    dev: tuple[Row, ...]
    test: tuple[Row, ...]
    gen: tuple[Row, ...]


def generate(
    seed: int,
    n_train: int,
    n_dev: int,
    n_test: int,
    per_category: int,
    *,
    variable_free: bool = False,
    joined: bool = True,
    depths: Sequence[int] = range(3, 13),
) -> Made:
    """A whole COGS: `n_train` sentences with 143 single words and 12 exposures, and the other parts.

    No sentence is in two parts or twice in one. Every word of dev, test and gen is in train, and every verb
    whose subject is a theme there has such a subject in train; from 2,000 sentences on, train has each verb
    in each of its frames. The two recursion categories take `depths` in turn. Variables are written "x_3", or
    "x _ 3" as in the published files where not `joined`; the variable-free form has none. Raises ValueError
    where that many sentences are not to be had, as with fewer than 20 to train on.
    """
    draw = _Draw(random.Random(seed))
    every = [Wanted({name: 1}, verbs) for name, frame in FRAMES.items() for verbs in frame.verbs]
    asked = [*every, Wanted(clauses=1), *repeat(Wanted(), n_train)][:n_train]
    train: list[tuple[str, str | Clause, str]]
    train = [draw.row(wanted, "in_distribution") for wanted in asked]
    draw.covering = False
    for name, wanted in EXPOSURES.items():
        train.append(draw.row(wanted._replace(clauses=0), f"exposure_example_{name}"))
    train += draw.bare()
    draw.rng.shuffle(train)
    draw.closed = True
    dev = [draw.row(Wanted(), "in_distribution") for _ in range(n_dev)]
    test = [draw.row(Wanted(), "in_distribution") for _ in range(n_test)]
    gen = [
        draw.row(_deepened(wanted, name, depths[k % len(depths)]), name)
        for name, wanted in TESTS.items()
        for k in range(per_category)
    ]

    def write(form: str | Clause) -> str:
        if isinstance(form, str):
            return form
        written = free_form(form) if variable_free else logical_form(form)
        return written.replace(" _ ", "_") if joined else written

    return Made(*(tuple(Row(s, write(f), c) for s, f, c in part) for part in (train, dev, test, gen)))


def _deepened(wanted: Wanted, category: str, depth: int) -> Wanted:
    if category == "cp_recursion":
        return wanted._replace(clauses=depth)
    return wanted._replace(modifiers=depth) if category == "pp_recursion" else wanted


def _mark(frame: Frame, verb: Verb) -> str:
    """What must have been met before a verb can be understood in a frame: its form, and where the subject of
    its active voice is a theme, which the form does not tell, that it can be."""
    if frame is FRAMES["theme"]:
        return f"{verb.lemma} . theme"
    return verb.participle if "was" in frame.pattern else verb.past


def _marks(plan: Plan) -> set[str]:
    found = {_mark(plan.frame, plan.verb)}
    return found if plan.below is None else found | _marks(plan.below)


class _Draw:
    """Draws sentences and remembers them.

    While `covering`, the first draws for a slot go once through all words that fit it, so that a small
    training set shows each there; it is flatter for that than a large one. Once `closed`, only sentences are
    taken whose words have been met.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.covering, self.closed = True, False
        self.unused: dict[str, list[int]] = {}
        self.usable: dict[str, list[int]] = {}
        self.sentences: set[str] = set()
        self.met: set[str] = set()

    def row(self, wanted: Wanted, category: str) -> tuple[str, Clause, str]:
        """A new sentence of the kind that is wanted, with its tree."""
        for attempt in range(SHAPES * DRAWS):
            if attempt % DRAWS == 0:
                shape = self.shape(wanted)
            plan = self.plan(shape)
            sentence, tree = spell(plan)
            shown = {*sentence.split(), *_marks(plan)}
            if sentence not in self.sentences and (not self.closed or shown <= self.met):
                self.sentences.add(sentence)
                self.met |= shown
                return sentence, tree, category
        raise ValueError(
            f"no new sentence for '{category}' in {SHAPES * DRAWS} draws; ask for fewer, or train on more"
        )

    def bare(self) -> list[tuple[str, str, str]]:
        """The words that stand alone in the training set, with their lambda forms."""
        places = (noun for group in words.PLACES.values() for noun in group)
        nouns = list(dict.fromkeys((*words.PEOPLE, *words.THINGS, *places)))
        names = (*self.rng.sample(words.NAMES, BARE_NAMES), words.BARE_NAME)
        found = {name: name for name in names}
        for noun in (*self.rng.sample(nouns, BARE_NOUNS), words.BARE_NOUN):
            found[noun] = f"LAMBDA a . {noun} ( a )"
        for verb, *_ in (*words.TRANSITIVE, *words.OMISSIBLE):
            roles = f"{verb} . agent ( e , b ) AND {verb} . theme ( e , a )"
            found[verb] = f"LAMBDA a . LAMBDA b . LAMBDA e . {roles}"
        for verb, *_ in (*words.UNERGATIVE, words.BARE):
            found[verb] = f"LAMBDA a . LAMBDA e . {verb} . agent ( e , a )"
        for verb, *_ in words.UNACCUSATIVE:
            found[verb] = f"LAMBDA a . LAMBDA e . {verb} . theme ( e , a )"
        self.met |= set(found)
        return [(word, form, "primitive") for word, form in found.items()]

    def shape(self, wanted: Wanted) -> Wanted:
        """The same with the number of clauses above the lowest and its one frame settled."""
        clauses = wanted.clauses
        if clauses is None:
            clauses = self.repeats(EMBEDDED, EMBEDDED, DEEPEST_CLAUSE)
        shares = wanted.frames or {name: f.below if clauses else f.top for name, f in FRAMES.items()}
        frame = self.rng.choices(tuple(shares), tuple(shares.values()))[0]
        return wanted._replace(clauses=clauses, frames={frame: 1})

    def plan(self, shape: Wanted) -> Plan:
        plan = self.lowest(shape)
        for _ in range(shape.clauses or 0):
            subject = self.phrase("agent", CCOMP, first=True)
            plan = Plan(
                CCOMP,
                self.pick("ccomp", CCOMP.verbs[0], lambda verb: verb.past),
                {"agent": subject},
                below=plan,
            )
        if not shape.modified_subject:
            return plan
        role = plan.frame.pattern.split()[0]
        modifiers = self.repeats(1.0, MODIFIED_AGAIN, DEEPEST_MODIFIER)
        subject = self.phrase(role, plan.frame, first=True, modifiers=modifiers)
        return plan._replace(phrases={**plan.phrases, role: subject})

    def lowest(self, shape: Wanted) -> Plan:
        """The clause that has none below it."""
        (name,) = shape.frames
        frame = FRAMES[name]
        verbs = shape.verbs or self.rng.choice(frame.verbs)
        verb = self.pick(f"{name} {verbs[0].lemma}", verbs, lambda verb: _mark(frame, verb))
        phrases: dict[str, Said] = {}
        for role in (part for part in frame.pattern.split() if part in ROLES):
            modifiers = 0
            if role == "theme":
                drawn = self.repeats(frame.modified, MODIFIED_AGAIN, DEEPEST_MODIFIER)
                modifiers = drawn if shape.modifiers is None else shape.modifiers
            word = shape.word if role == shape.role else ""
            phrases[role] = self.phrase(role, frame, first=not phrases, modifiers=modifiers, word=word)
        raised = None
        if "xcomp" in frame.pattern:
            raised = shape.raised or self.pick("raised", words.RAISED, lambda verb: verb.lemma)
        return Plan(frame, verb, phrases, raised)

    def repeats(self, once: float, again: float, most: int) -> int:
        """A count: at least one with chance `once`, then one more with `again` each time, at most `most`."""
        count = 0
        while count < most and self.rng.random() < (again if count else once):
            count += 1
        return count

    def phrase(self, role: str, frame: Frame, *, first: bool, modifiers: int = 0, word: str = "") -> Said:
        """A phrase that fits a role, with `word` at its head where there is one; names have no modifiers."""
        if not word:
            thing, person, name = frame.themes if role == "theme" else (0, 1, 1)
            shares = (thing, person, 0 if modifiers else name)
            kind = self.rng.choices(("thing", "person", "name"), shares)[0]
            word = self.pick(f"{kind} {'first' if first else 'later'}", KINDS[kind], str)
        return Said(word) if word[0].isupper() else self.modified(word, modifiers)

    def modified(self, noun: str, modifiers: int) -> Said:
        article = self.rng.choice(("a", "the"))
        if not modifiers:
            return Said(noun, article)
        prep = self.rng.choice(tuple(words.PLACES))
        return Said(
            noun, article, prep, self.modified(self.pick(prep, words.PLACES[prep], str), modifiers - 1)
        )

    def pick(self, slot: str, among: Sequence[T], mark: Callable[[T], str]) -> T:
        """One of the words that fit a slot, the first the most often; `mark` tells when one has been met."""
        if self.covering:
            if slot not in self.unused:
                self.unused[slot] = self.rng.sample(range(len(among)), len(among))
            if self.unused[slot]:
                return among[self.unused[slot].pop()]
        if self.closed:
            if slot not in self.usable:
                self.usable[slot] = [k for k, word in enumerate(among) if mark(word) in self.met]
            among = [among[k] for k in self.usable[slot]] or among
        return self.rng.choices(among, cum_weights=CUMULATIVE[: len(among)])[0]
