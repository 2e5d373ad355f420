"""Stage 3, LCS-ICL: harder demonstrations are drawn more often, as LCS's policy comes to draw them.

Difficulty is the mean negative log-likelihood of a demonstration's output, in nats a token: the language
model's own where one reads the prompt, else that of a small proxy trained by counting.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from methods.compositional.icl.retrieval import features
from tasks.compositional.contract import Example

BEGIN, END = "<s>", "</s>"


class BigramAlignment:
    """p(y|x) = prod_t (p(y_t | y_{t-1}) + p(y_t | x)) / 2, both add-one smoothed counts of training lines.

    p(y_t | x) is the mean over x's words w of (c(w, y_t) + 1) / (sum_t c(w, t) + V), where c counts output
    tokens (the end among them) in lines with w, each line's distinct words once. V is the number of output
    tokens seen, the end and one for all unseen included. A stand-in for a proxy parser, of our own choice:
    the paper's is not known.
    """

    def __init__(self, train: Iterable[Example]) -> None:
        self.bigrams: dict[str, Counter[str]] = defaultdict(Counter)
        self.aligned: dict[str, Counter[str]] = defaultdict(Counter)
        tokens = {END}
        for x, y in train:
            out = [*y.split(), END]
            tokens.update(out)
            for before, token in zip([BEGIN, *out], out, strict=False):
                self.bigrams[before][token] += 1
            for word in dict.fromkeys(x.lower().split()):
                self.aligned[word].update(out)
        self.size = len(tokens) + 1
        self._bigram_totals = {before: row.total() for before, row in self.bigrams.items()}
        self._aligned_totals = {word: row.total() for word, row in self.aligned.items()}

    def difficulty(self, examples: Sequence[Example]) -> list[float]:
        """Mean -log p of each output's tokens and its end, in nats."""
        return [self._difficulty(example) for example in examples]

    def _difficulty(self, example: Example) -> float:
        words, out = example.x.lower().split(), [*example.y.split(), END]
        total = 0.0
        aligned: dict[str, float] = {}
        for before, token in zip([BEGIN, *out], out, strict=False):
            if token not in aligned:
                aligned[token] = self._given_input(token, words)
            follows = self.bigrams[before][token] if before in self.bigrams else 0
            bigram = (follows + 1) / (self._bigram_totals.get(before, 0) + self.size)
            total -= math.log((bigram + aligned[token]) / 2)
        return total / len(out)

    def _given_input(self, token: str, words: Sequence[str]) -> float:
        """The mean over the words; uniform for an input without any."""
        if not words:
            return 1 / self.size
        return math.fsum(
            ((self.aligned[w][token] if w in self.aligned else 0) + 1)
            / (self._aligned_totals.get(w, 0) + self.size)
            for w in words
        ) / len(words)


def draw(
    difficulty: Sequence[float], covers: Sequence[int], k: int, tau: float, rng: np.random.Generator
) -> list[int]:
    """k different candidates from softmax(difficulty / tau), that cover all that k of them can be seen to.

    covers: what of the query a candidate holds, as bits. Candidates are drawn one by one without replacement
    (Gumbel top-k), each among those after which greedy choice still covers everything in the places left.
    Where greedy choice does not manage that in k places, it chooses. Returns numbers, easy to hard.
    """
    scores = np.asarray(difficulty, dtype=np.float64) / tau
    keys = scores + rng.gumbel(size=len(scores))
    order = [int(i) for i in np.argsort(-keys, kind="stable")]
    missing = 0
    for bits in covers:
        missing |= bits
    chosen: list[int] = []
    while order and len(chosen) < k:
        places = k - len(chosen) - 1
        fitting = (i for i in order if _places(missing & ~covers[i], covers) <= places)
        best = next(fitting, None)
        if best is None:
            best = max(order, key=lambda i: (missing & covers[i]).bit_count())
        chosen.append(best)
        order.remove(best)
        missing &= ~covers[best]
    return sorted(chosen, key=lambda i: (difficulty[i], i))


def bits(query: str, texts: Sequence[str]) -> list[int]:
    """Which of the query's distinct words and bigrams each text holds, as bits."""
    wanted = features(query)
    held = [set(features(text)) for text in texts]
    return [sum(1 << k for k, feature in enumerate(wanted) if feature in own) for own in held]


def _places(missing: int, covers: Sequence[int]) -> int:
    """How many candidates greedy choice takes to cover what is missing, all of it coverable."""
    count = 0
    while missing:
        missing &= ~max(covers, key=lambda c: (missing & c).bit_count())
        count += 1
    return count
