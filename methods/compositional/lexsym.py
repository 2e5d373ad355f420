"""LexSym: data augmentation by lexical symmetry (Akyürek and Andreas 2023, arXiv 2201.12926)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from methods.compositional.lexicon import Lexicon, simple_align
from methods.compositional.neural import Neural
from suite.api import Context
from tasks.compositional.contract import Augmented, Example, Problem

Partners = dict[str, list[str]]
DRAWS_PER_EXAMPLE = 10
"""Swaps that are drawn for each new example that is wanted, before giving up."""


@dataclass(frozen=True)
class LexSym(Neural):
    """A parser trained on a mix of the training lines and lines in which two words changed roles.

    Two words of the induced lexicon may be swapped if some training input becomes another one when the
    first is put for the second, and back. A swap exchanges them wherever they occur in the input, and their
    images in the output. The line and the first word are drawn uniformly, the second by 1 / its highest
    count in the lexicon, so that rare words enter often.

    Different from the release: it swaps anew in every batch; here up to `n` distinct examples whose input
    is in no training line are drawn beforehand, from 10 n swaps. With the default that is 300,000, about as
    many as 4,800 batches of 128 hold at aug_ratio 0.5. Partners are looked for among all training inputs
    (there: in a sample of 5,000 of each word). As there, an input of one word makes it a partner of every
    other such word, so that on COGS some bare nouns change places with bare verbs or names.
    """

    n: int = 30_000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n < 1:
            raise ValueError(f"n must be at least 1, not {self.n}")

    def augment(self, problem: Problem, ctx: Context) -> list[Augmented]:
        """At most `n` distinct swaps with an unseen input."""
        return swaps(problem.train, self.n, ctx.rng("lexsym"))


def swaps(train: Sequence[Example], n: int, rng: np.random.Generator) -> list[Augmented]:
    """At most `n` distinct examples with an unseen input, each a swap in one training line."""
    lexicon = without_shared_images(simple_align(train))
    partners = swappable(lexicon, (e.x for e in dict.fromkeys(train)))
    chances = {word: _chances(others, lexicon) for word, others in partners.items()}
    seen = {e.x for e in train}
    made: dict[str, Augmented] = {}
    for host, places in _draws(len(train), n, rng):
        words = [w for w in dict.fromkeys(train[host].x.split()) if w in partners]
        if not words:
            continue
        first = words[int(places[0] * len(words))]
        second = partners[first][int(np.searchsorted(chances[first], places[1], side="right"))]
        new = swap(train[host], first, second, images(lexicon, first, second, rng))
        if new.x not in seen and new.x not in made:
            made[new.x] = new._replace(host=host)
            if len(made) == n:
                break
    return list(made.values())


def without_shared_images(lexicon: Lexicon) -> Lexicon:
    """The lexicon without the words that share an image with another word."""
    claims = Counter(image for entry in lexicon.values() for image in entry)
    return {word: entry for word, entry in lexicon.items() if all(claims[image] == 1 for image in entry)}


def swappable(lexicon: Mapping[str, object], inputs: Iterable[str]) -> Partners:
    """Words to those that stand, all else equal, where they stand: "walk left" and "run left".

    Every occurrence of the word is exchanged. The relation is symmetric; words without a partner are left
    out.
    """
    frames: dict[str, set[str]] = defaultdict(set)
    for text in inputs:
        for word in set(text.split()) & lexicon.keys():
            frames[word].add(" ".join("" if token == word else token for token in text.split()))
    partners = {
        word: [
            other for other in sorted(frames) if other != word and not frames[word].isdisjoint(frames[other])
        ]
        for word in sorted(frames)
    }
    return {word: others for word, others in partners.items() if others}


def images(lexicon: Lexicon, first: str, second: str, rng: np.random.Generator) -> dict[str, str]:
    """What each image of either word becomes: an image of the other, drawn uniformly."""
    becomes = {}
    for here, there in ((first, second), (second, first)):
        choices = sorted(lexicon[there])
        for image in sorted(lexicon[here]):
            becomes[image] = choices[rng.integers(len(choices))] if len(choices) > 1 else choices[0]
    return becomes


def swap(example: Example, first: str, second: str, becomes: Mapping[str, str]) -> Augmented:
    """The example with the two words exchanged and its output tokens mapped by `becomes`."""
    words = {first: second, second: first}
    x = " ".join(words.get(token, token) for token in example.x.split())
    y = " ".join(becomes.get(token, token) for token in example.y.split())
    steps = [f"{first} <-> {second}", *(f"{old} -> {new}" for old, new in becomes.items())]
    return Augmented(x, y, -1, " | ".join(steps))


def replay(train: Sequence[Example], augmented: Augmented) -> Example:
    """The example again, from its host line and its description."""
    words, *steps = augmented.how.split(" | ")
    first, second = words.split(" <-> ")
    becomes = dict(step.split(" -> ") for step in steps)
    return swap(train[augmented.host], first, second, becomes).example


def _chances(others: Sequence[str], lexicon: Lexicon) -> np.ndarray:
    """Cumulative probabilities of the partners, proportional to 1 / their highest count."""
    weights = np.array([1 / max(lexicon[word].values()) for word in others]).cumsum()
    weights /= weights[-1]
    return weights


def _draws(lines: int, n: int, rng: np.random.Generator) -> Iterator[tuple[int, list[float]]]:
    """10 n lines, each with two numbers in [0, 1) for the choice of the words."""
    hosts = rng.integers(lines, size=DRAWS_PER_EXAMPLE * n)
    return zip(hosts.tolist(), rng.random((DRAWS_PER_EXAMPLE * n, 2)).tolist(), strict=True)
