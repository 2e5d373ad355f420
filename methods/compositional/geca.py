"""GECA: good-enough compositional augmentation (Andreas 2020, arXiv 1904.09545)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from methods.compositional.neural import Neural
from suite.api import Context
from tasks.compositional.contract import Augmented, Example, Problem

Tokens = tuple[str, ...]
Arguments = tuple[Tokens, ...]
"""The fragments that fill a template's slots, in slot order."""
BREAK = "##"
SLOTS = tuple(f"WUG{k}" for k in range(10))


@dataclass(frozen=True)
class Limits:
    """What counts as a template, and how much is made of one.

    The defaults are the released settings for SCAN.

    slots: fragments that are taken out of an example, at most. size: tokens of a fragment, at most.
    length: examples of that many tokens (input, separator, output) or more give no template.
    variants: new fillings of one template, at most. lines: distinct examples that are looked at, all
    where None: one-word inputs and those with a word of no other line, then others by chance.
    """

    slots: int = 2
    size: int = 1
    length: int = 40
    variants: int = 2
    lines: int | None = None


LIMITS = {
    "scan": Limits(),
    "cogs": Limits(lines=4000),
    "cogs-ql": Limits(lines=4000),
    "geoquery": Limits(size=4),
}
EXAMPLES = {"scan": 1000, "cogs": 2000, "cogs-ql": 2000, "geoquery": 2000}


@dataclass(frozen=True)
class Geca(Neural):
    """A parser trained on a mix of the training lines and recombined fragments of them.

    A template is an example without some fragments, which are taken out of input and output wherever they
    occur. Two templates that share a filling are neighbours, and a template takes over the fillings of a
    neighbour that has several. A field that is None has the language's setting, see `LIMITS`: for SCAN
    the released one. For semantic parsing the release takes out 3 fragments of up to 4 tokens and makes
    2,000 examples. GeoQuery has 2 fragments here, and COGS, for which no setting is published, 2 of one
    token each from 4,000 of its lines: the templates of a line grow with the power of its length. Of COGS's
    lines with logical forms 42 % are too long for a template (of the variable-free ones 3 %).

    Different from the release: templates are visited in a random order until `n` examples are made (there:
    in the order of a hash table). Fillings are drawn by the number of neighbours that offer them, and one
    that shares two fillings counts twice (there: once). A template with all its slots in the input or all
    in the output is dropped at once (there: it never makes an example, but may be a neighbour). The cap of
    1,000 adjacencies is left out: it has no effect in the released code. Of several outputs for one new
    input the first is kept (there: all).

    wug_count, wug_size, max_length, variants, lines: see `Limits`. n: new examples, at most.
    """

    aug_ratio: float = 0.3
    dedup: bool = True
    wug_count: int | None = None
    wug_size: int | None = None
    max_length: int | None = None
    variants: int | None = None
    lines: int | None = None
    n: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("wug_count", "wug_size", "max_length", "variants", "lines", "n"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        if self.wug_count is not None and self.wug_count > len(SLOTS):
            raise ValueError(f"wug_count must be at most {len(SLOTS)}, not {self.wug_count}")

    def limits(self, language: str) -> Limits:
        """The fields that are set, and the language's limits for the others (SCAN's where it has none)."""
        fields = {
            "slots": self.wug_count,
            "size": self.wug_size,
            "length": self.max_length,
            "variants": self.variants,
            "lines": self.lines,
        }
        chosen = {name: value for name, value in fields.items() if value is not None}
        return replace(LIMITS.get(language, LIMITS["scan"]), **chosen)

    def augment(self, problem: Problem, ctx: Context) -> list[Augmented]:
        """At most `n` recombinations whose input and output are both unseen."""
        n = self.n if self.n is not None else EXAMPLES.get(problem.language, EXAMPLES["scan"])
        return recombine(problem.train, n, self.limits(problem.language), ctx.rng("geca"))


class Index:
    """The templates of a training set and their fillings, each with the first line that shows it."""

    def __init__(self, lines: Mapping[Example, int], limits: Limits) -> None:
        self.fillings: dict[Tokens, dict[Arguments, int]] = defaultdict(dict)
        self.templates: dict[Arguments, list[Tokens]] = defaultdict(list)
        self._offers: dict[Arguments, Counter[Arguments]] = {}
        self._choices: dict[frozenset[Arguments], Counter[Arguments]] = {}
        for example, line in lines.items():
            for template, arguments in generalisations(joined(example), limits):
                fillings = self.fillings[template]
                if arguments not in fillings:
                    fillings[arguments] = line
                    self.templates[arguments].append(template)

    def choices(self, template: Tokens) -> Counter[Arguments]:
        """Fillings that neighbours offer to a template, with the number of offers.

        A filling is left out if the template has it, or if it shares a fragment with each one that it has.
        """
        own = frozenset(self.fillings[template])
        if own not in self._choices:
            offers: Counter[Arguments] = Counter()
            for arguments in own:
                offers.update(self._offered_through(arguments))
            sets = [frozenset(a) for a in own]
            self._choices[own] = Counter(
                {
                    a: n
                    for a, n in sorted(offers.items())
                    if a not in own and any(map(set(a).isdisjoint, sets))
                }
            )
        return self._choices[own]

    def _offered_through(self, arguments: Arguments) -> Counter[Arguments]:
        """What the templates that have this filling offer: all they have, if that is more than one."""
        if arguments not in self._offers:
            rich = (self.fillings[t] for t in self.templates[arguments] if len(self.fillings[t]) > 1)
            self._offers[arguments] = Counter(a for fillings in rich for a in fillings)
        return self._offers[arguments]


def recombine(train: Sequence[Example], n: int, limits: Limits, rng: np.random.Generator) -> list[Augmented]:
    """At most `n` new examples, each a template of one training line with a neighbour's filling."""
    index = Index(drawn_lines(train, limits.lines, rng), limits)
    seen_x, seen_y = {e.x for e in train}, {e.y for e in train}
    made: dict[str, Augmented] = {}
    templates = list(index.fillings)
    for place in rng.permutation(len(templates)):
        template = templates[place]
        for arguments in _draw(index.choices(template), limits.variants, rng):
            new = split(fill(template, arguments))
            if new.x not in seen_x and new.y not in seen_y and new.x not in made:
                old, host = next(iter(index.fillings[template].items()))
                made[new.x] = Augmented(new.x, new.y, host, describe(old, arguments))
                if len(made) == n:
                    return list(made.values())
    return list(made.values())


def generalisations(tokens: Tokens, limits: Limits) -> Iterator[tuple[Tokens, Arguments]]:
    """The templates of "x ## y" that have slots in x and in y, each with the fragments it leaves out.

    Fragments of one template have no token in common. Slots are numbered in the order in which the
    fragments are taken out, left to right.
    """
    if len(tokens) < limits.length:
        yield from _generalise(tokens, (), 0, limits)


def joined(example: Example) -> Tokens:
    """The example as one sequence, x ## y."""
    return (*example.x.split(), BREAK, *example.y.split())


def split(tokens: Tokens) -> Example:
    """The example of which `tokens` is the joined sequence."""
    middle = tokens.index(BREAK)
    return Example(" ".join(tokens[:middle]), " ".join(tokens[middle + 1 :]))


def fill(template: Tokens, arguments: Arguments) -> Tokens:
    """The template with each slot replaced by its argument."""
    by_slot = dict(zip(SLOTS, arguments, strict=False))
    return tuple(word for token in template for word in by_slot.get(token, (token,)))


def take_out(tokens: Tokens, fragment: Tokens, slot: str) -> Tokens:
    """`tokens` with every occurrence of `fragment`, found from left to right, replaced by `slot`."""
    out: list[str] = []
    place, size = 0, len(fragment)
    while place < len(tokens):
        found = tokens[place : place + size] == fragment
        out.append(slot if found else tokens[place])
        place += size if found else 1
    return tuple(out)


def first_lines(train: Sequence[Example]) -> dict[Example, int]:
    """The distinct examples in order, each with the line where it is first."""
    lines: dict[Example, int] = {}
    for line, example in enumerate(train):
        lines.setdefault(Example(*example), line)
    return lines


def drawn_lines(train: Sequence[Example], n: int | None, rng: np.random.Generator) -> dict[Example, int]:
    """`n` of the `first_lines` in order; inputs that alone show a word, or are one, come before any drawn."""
    lines = first_lines(train)
    if n is None or len(lines) <= n:
        return lines
    examples = list(lines)
    uses = Counter(word for e in examples for word in set(e.x.split()))
    common = np.array([" " in e.x and all(uses[w] > 1 for w in e.x.split()) for e in examples])
    kept = np.lexsort((rng.random(len(examples)), common))[:n]
    return {examples[k]: lines[examples[k]] for k in np.sort(kept)}


def describe(old: Arguments, new: Arguments) -> str:
    """The recombination in words: "walk -> jump | I_WALK -> I_JUMP"."""
    return " | ".join(f"{' '.join(a)} -> {' '.join(b)}" for a, b in zip(old, new, strict=True))


def replay(train: Sequence[Example], augmented: Augmented) -> Example:
    """The example again, from its host line and its description."""
    pairs = [tuple(side.split()) for step in augmented.how.split(" | ") for side in step.split(" -> ")]
    tokens = joined(train[augmented.host])
    for slot, fragment in zip(SLOTS, pairs[::2], strict=False):
        tokens = take_out(tokens, fragment, slot)
    return split(fill(tokens, tuple(pairs[1::2])))


def _generalise(
    tokens: Tokens, used: Arguments, begin: int, limits: Limits
) -> Iterator[tuple[Tokens, Arguments]]:
    """Templates with one fragment more than `used`, found from `begin` on, and those with still more."""
    slot, last = SLOTS[len(used)], len(used) + 1 == limits.slots
    middle, slots = tokens.index(BREAK), set(SLOTS[: len(used)])
    slots_in_x = not slots.isdisjoint(tokens[:middle])
    slots_in_y = not slots.isdisjoint(tokens[middle + 1 :])
    taken = slots.union({BREAK}, *used)
    for fragment, (start, in_x, in_y) in _fragments(tokens, taken, begin, limits.size).items():
        complete = (slots_in_x or in_x) and (slots_in_y or in_y)
        if last and not complete:
            continue
        template, arguments = take_out(tokens, fragment, slot), (*used, fragment)
        if complete:
            yield template, arguments
        if not last:
            yield from _generalise(template, arguments, start + 1, limits)


def _fragments(
    tokens: Tokens, taken: set[str], begin: int, size: int
) -> dict[Tokens, tuple[int, bool, bool]]:
    """Fragments without a token of `taken`: first place from `begin` on, and whether x and y have them.

    A later place of the same fragment gives the same template and fewer ways on, so the first is enough.
    """
    middle = tokens.index(BREAK)
    found: dict[Tokens, tuple[int, bool, bool]] = {}
    sides: dict[Tokens, tuple[bool, bool]] = {}
    for width in range(1, size + 1):
        for start in range(len(tokens) + 1 - width):
            fragment = tokens[start : start + width]
            if not taken.isdisjoint(fragment):
                continue
            in_x, in_y = sides.get(fragment, (False, False))
            sides[fragment] = (in_x or start < middle, in_y or start > middle)
            if start >= begin:
                found.setdefault(fragment, (start, False, False))
    return {fragment: (start, *sides[fragment]) for fragment, (start, _, _) in found.items()}


def _draw(choices: Counter[Arguments], n: int, rng: np.random.Generator) -> list[Arguments]:
    """At most `n` different fillings, drawn by their counts; all of them, in order, when they are no more."""
    if len(choices) <= n:
        return list(choices)
    weights = np.array(list(choices.values()), dtype=float)
    items = list(choices)
    return [items[k] for k in rng.choice(len(items), n, replace=False, p=weights / weights.sum())]
