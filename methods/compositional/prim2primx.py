"""Prim2PrimX: every primitive multiplied (Jiang, Zhou and Bansal 2022, arXiv 2211.15578)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from methods.compositional.lexicon import Lexicon, simple_align
from methods.compositional.neural import Neural
from suite.api import Context
from tasks.compositional.contract import Augmented, Example, Problem

Primitives = Mapping[str, str]
"""Input word to the one output word that it stands for."""
INDEXED = re.compile(r"(.*\D)([1-9]\d*)")


class Settings(NamedTuple):
    """See `Prim2PrimX`."""

    tau: float
    copies: int
    per_example: int


SETTINGS = {"scan": Settings(0.9, 5, 10), "cogs": Settings(0.5, 2, 2)}


@dataclass(frozen=True)
class Prim2PrimX(Neural):
    """A parser trained on a mix of the training lines and lines with indexed primitives.

    Every one-to-one entry of the induced lexicon, say jump and I_JUMP, gets `copies` twins: jump1 and
    I_JUMP1, ... A mutation of a line gives each of its primitives an index or none, the same wherever it
    occurs in input and output. A line with k primitives has (copies + 1)^k - 1 mutations.

    tau: words in more than this share of the lines are no primitives. per_example: mutations drawn for a
    line, all of them when 0. max_n: at most so many examples, drawn from all lines alike. None is the
    language's setting in `SETTINGS`: for COGS the released one; for SCAN the released one for around_right
    (the release has tau 0.5 and all mutations for addprim_jump; with 0.5 "left" and "right" are too
    frequent in around_right); for every other language that of COGS, which is no setting of the paper's.

    The release trains on one file of lines and mutations together; aug_ratio 0.95 is the share of mutations
    in it (0.94 on addprim_jump). The vocabularies grow by the twins; a parser that emits one for an
    original word is wrong, as in the release. A primitive that has a twin's name among the tokens of the
    training lines is left out.
    """

    aug_ratio: float = 0.95
    copies: int | None = None
    tau: float | None = None
    per_example: int | None = None
    max_n: int = 400_000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_n < 1 or (self.copies is not None and self.copies < 1):
            raise ValueError("copies and max_n must be at least 1")
        if self.per_example is not None and self.per_example < 0:
            raise ValueError(f"per_example must not be negative, it is {self.per_example}")
        if self.tau is not None and not 0 < self.tau <= 1:
            raise ValueError(f"tau must lie in (0, 1], not {self.tau}")

    def settings(self, language: str) -> Settings:
        """The fields that are set, and the language's settings for the others."""
        chosen = {"tau": self.tau, "copies": self.copies, "per_example": self.per_example}
        known = SETTINGS.get(language, SETTINGS["cogs"])
        return known._replace(**{name: value for name, value in chosen.items() if value is not None})

    def augment(self, problem: Problem, ctx: Context) -> list[Augmented]:
        """Mutations of the distinct training lines."""
        rng = ctx.rng("prim2primx")
        tau, copies, per_example = self.settings(problem.language)
        words = primitives(problem.train, copies, tau)
        return mutations(problem.train, words, copies, rng, per_example=per_example or None, max_n=self.max_n)


def primitives(train: Sequence[Example], copies: int = 5, tau: float = 0.5) -> dict[str, str]:
    """The words to multiply: one-to-one in the induced lexicon, and in at most `tau` of the lines."""
    lines = Counter(word for x, _ in train for word in set(x.split()))
    tokens = {token for example in train for text in example for token in text.split()}
    entries = without_identity_conflicts(simple_align(train))
    claims = Counter(image for entry in entries.values() for image in entry)
    found = {}
    for word, entry in entries.items():
        image = next(iter(entry))
        twins = {f"{stem}{k}" for stem in (word, image) for k in range(1, copies + 1)}
        one_to_one = len(entry) == 1 and claims[image] == 1
        if one_to_one and lines[word] <= tau * len(train) and twins.isdisjoint(tokens):
            found[word] = image
    return found


def without_identity_conflicts(lexicon: Lexicon) -> Lexicon:
    """The lexicon in which a word that stands for itself stands for nothing else."""
    return {word: {word: entry[word]} if word in entry else entry for word, entry in lexicon.items()}


def mutations(
    train: Sequence[Example],
    words: Primitives,
    copies: int,
    rng: np.random.Generator,
    *,
    per_example: int | None = None,
    max_n: int | None = None,
) -> list[Augmented]:
    """Mutations of the distinct training lines, line by line: all, or `per_example` of each, or `max_n`."""
    lines: dict[Example, int] = {}
    for line, example in enumerate(train):
        lines.setdefault(Example(*example), line)
    hosts = list(lines.values())
    present = [[w for w in dict.fromkeys(train[h].x.split()) if w in words] for h in hosts]
    sizes = [(copies + 1) ** len(here) - 1 for here in present]
    if per_example is not None:
        # Codes are drawn, not lists of them: a line with many primitives has millions of mutations.
        codes = [_draw(size, per_example, rng) for size in sizes]
    else:
        codes = _codes(sizes, max_n, rng)
    made = [
        mutate(train[host], words, _digits(code + 1, here, copies))._replace(host=host)
        for host, here, chosen in zip(hosts, present, codes, strict=True)
        for code in chosen
    ]
    kept = _draw(len(made), max_n, rng) if max_n is not None else range(len(made))
    return [made[k] for k in kept]


def mutate(example: Example, words: Primitives, index: Mapping[str, int]) -> Augmented:
    """The example with the given index on each primitive of `index`."""
    in_x = {word: f"{word}{k}" for word, k in index.items()}
    in_y = {words[word]: f"{words[word]}{k}" for word, k in index.items()}
    x = " ".join(in_x.get(token, token) for token in example.x.split())
    y = " ".join(in_y.get(token, token) for token in example.y.split())
    steps = (f"{old} -> {new}" for pair in zip(in_x.items(), in_y.items(), strict=True) for old, new in pair)
    return Augmented(x, y, -1, " | ".join(steps))


def replay(train: Sequence[Example], augmented: Augmented) -> Example:
    """The example again, from its host line and its description."""
    steps = [step.split(" -> ") for step in augmented.how.split(" | ")]
    words = {word: image for (word, _), (image, _) in zip(steps[::2], steps[1::2], strict=True)}
    index = {word: int(twin.removeprefix(word)) for word, twin in steps[::2]}
    return mutate(train[augmented.host], words, index).example


def strip_index(text: str, words: Collection[str]) -> str:
    """`text` with the twins of `words` replaced by the originals: "jump3 left" is "jump left"."""
    return " ".join(_original(token, words) for token in text.split())


def _original(token: str, words: Collection[str]) -> str:
    match = INDEXED.fullmatch(token)
    return match[1] if match and match[1] in words else token


def _codes(sizes: Sequence[int], max_n: int | None, rng: np.random.Generator) -> Iterator[Sequence[int]]:
    """For each line the codes of its mutations: all, or `max_n` drawn evenly from those of all lines."""
    total = sum(sizes)
    if max_n is None or total <= max_n:
        yield from (range(size) for size in sizes)
        return
    drawn, low = np.sort(rng.choice(total, max_n, replace=False)), 0
    for size in sizes:
        start, end = np.searchsorted(drawn, (low, low + size))
        yield (drawn[start:end] - low).tolist()
        low += size


def _draw(size: int, n: int, rng: np.random.Generator) -> Sequence[int]:
    """At most `n` of 0..size-1, ascending."""
    return range(size) if size <= n else sorted(rng.choice(size, n, replace=False).tolist())


def _digits(code: int, here: Sequence[str], copies: int) -> dict[str, int]:
    """The index of each primitive that has one: `code` in base copies + 1, a digit for a word of `here`."""
    index = {}
    for word in here:
        code, digit = divmod(code, copies + 1)
        if digit:
            index[word] = digit
    return index
