"""Stage 1: training lines for a query, by BM25, by token edit distance, or by greedy coverage.

BM25 and coverage read words in small letters, so that "A girl" and "a girl" are alike; the edit distance is
that of the `nearest` competitor and reads them as they are. Of equals the earlier line is first.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from methods.compositional.nearest import NO_TOKEN, NO_TOKEN_EITHER, distances

K1, B = 1.5, 0.75
"""BM25's usual constants: how soon repeats of a word stop counting, and how much length does."""
Feature = tuple[str, ...]
Postings = Mapping[Hashable, np.ndarray]


class Weighted(NamedTuple):
    """Which texts hold a word, and what it adds to their BM25 score."""

    texts: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Index:
    """N texts, prepared for the three ways to search them.

    words: BM25 weights. features: texts that hold a word or a bigram. counted: texts that hold a token at
    least n times, by (token, n). ids, lengths: tokens as numbers (N, longest) and how many there are (N).
    """

    texts: tuple[str, ...]
    words: Mapping[str, Weighted]
    features: Postings
    counted: Postings
    numbers: Mapping[str, int]
    ids: np.ndarray
    lengths: np.ndarray


def index(texts: Sequence[str]) -> Index:
    """The index of distinct texts; ValueError for none."""
    if not texts:
        raise ValueError("an index needs at least one text")
    numbers = {word: k for k, word in enumerate(dict.fromkeys(w for text in texts for w in text.split()))}
    ids, lengths = encode(texts, numbers, NO_TOKEN_EITHER)
    return Index(
        tuple(texts),
        _weights([text.lower().split() for text in texts]),
        _postings(features(text) for text in texts),
        _postings(_counted(text) for text in texts),
        numbers,
        ids,
        lengths,
    )


def features(text: str) -> list[Feature]:
    """The distinct words and bigrams of a text, in order of appearance, words first."""
    words = text.lower().split()
    return list(dict.fromkeys([*((w,) for w in words), *zip(words, words[1:], strict=False)]))


def bm25(found: Index, query: str) -> np.ndarray:
    """The BM25 score of every text (N); each occurrence of a word in the query counts.

    Robertson and Zaragoza 2009, with the idf ln(1 + (N - n + 0.5) / (n + 0.5)), which is never negative.
    """
    scores = np.zeros(len(found.texts))
    for word, times in Counter(query.lower().split()).items():
        if word in found.words:
            scores[found.words[word].texts] += times * found.words[word].weights
    return scores


def by_bm25(found: Index, query: str, k: int) -> list[int]:
    """The k texts of the highest BM25 score, best first."""
    return _smallest(-bm25(found, query), k)


def by_distance(found: Index, query: str, k: int) -> list[int]:
    """The k texts at the smallest token edit distance, nearest first.

    No distance is below the longer length minus the tokens in common. The k texts of the lowest bound give
    a distance beyond which none needs to be measured.
    """
    words = query.split()
    common = np.zeros(len(found.texts), dtype=np.int64)
    for token in _counted(query):
        if token in found.counted:
            common[found.counted[token]] += 1
    bound = np.maximum(len(words), found.lengths) - common
    limit = _to_query(found, query, np.asarray(_smallest(bound, k))).max()
    open_texts = np.flatnonzero(bound <= limit)
    measured = _to_query(found, query, open_texts)
    return [int(open_texts[i]) for i in _smallest(measured, k)]


def by_coverage(found: Index, query: str, k: int) -> list[int]:
    """k texts that together hold as many of the query's words, then bigrams, as greedy choice reaches.

    Ties are broken by BM25. In the manner of Levy et al. 2023 (arXiv 2212.06800), with words and bigrams for
    their local structures.
    """
    wanted = features(query)
    holds = np.zeros((len(wanted), len(found.texts)), dtype=bool)
    for row, feature in enumerate(wanted):
        if feature in found.features:
            holds[row, found.features[feature]] = True
    return cover(holds, weights(wanted), bm25(found, query), k)


def weights(wanted: Sequence[Feature]) -> np.ndarray:
    """What covering each feature is worth: one word more than all bigrams together."""
    bigrams = sum(len(feature) == 2 for feature in wanted)
    return np.array([bigrams + 1 if len(feature) == 1 else 1 for feature in wanted], dtype=np.int64)


def cover(holds: np.ndarray, worth: np.ndarray, preference: np.ndarray, k: int) -> list[int]:
    """Up to k columns of `holds` (features, candidates), each the one that adds most to those before it.

    Once nothing can be added, a new round begins with every feature open; columns without any feature come
    last. Equal gains go to the larger preference, then to the earlier column.
    """
    value = holds * np.asarray(worth, dtype=np.int32)[:, None]
    chosen: list[int] = []
    missing = np.ones(len(value), dtype=bool)
    gain = value.sum(0, dtype=np.int32)
    while len(chosen) < min(k, holds.shape[1]):
        most = gain.max()
        if most == 0 and not missing.all():
            missing[:] = True
            gain = value.sum(0, dtype=np.int32)
            gain[chosen] = -1
            continue
        equal = np.flatnonzero(gain == most)
        best = int(equal[np.argmax(preference[equal])])
        for row in np.flatnonzero(missing & holds[:, best]):
            missing[row] = False
            gain -= value[row]
        chosen.append(best)
        gain[chosen] = -1
    return chosen


def edit_distances(query: str, texts: Sequence[str]) -> np.ndarray:
    """Token edit distance of the query to each of N texts (N)."""
    numbers = {word: k for k, word in enumerate(dict.fromkeys(query.split()))}
    ids, lengths = encode(texts, numbers, NO_TOKEN_EITHER)
    return _distances(query, numbers, ids, lengths)


def encode(
    texts: Sequence[str], numbers: Mapping[str, int], unknown: int = NO_TOKEN
) -> tuple[np.ndarray, np.ndarray]:
    """Token numbers (N, longest), `unknown` for other words and for padding, and lengths (N)."""
    rows = [[numbers.get(word, unknown) for word in text.split()] for text in texts]
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    out = np.full((len(rows), int(lengths.max(initial=0))), unknown, dtype=np.int32)
    for row, tokens in zip(out, rows, strict=True):
        row[: len(tokens)] = tokens
    return out, lengths


def _to_query(found: Index, query: str, which: np.ndarray) -> np.ndarray:
    return _distances(query, found.numbers, found.ids[which], found.lengths[which])


def _distances(query: str, numbers: Mapping[str, int], ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The query against encoded texts; unknown words of the two sides are apart and never match."""
    own, length = encode([query], numbers, NO_TOKEN)
    rows = (np.repeat(own, len(ids), axis=0), np.repeat(length, len(ids)))
    return distances(rows, (ids[:, : int(lengths.max(initial=0))], lengths))


def _smallest(values: np.ndarray, k: int) -> list[int]:
    return [int(i) for i in np.argsort(values, kind="stable")[:k]]


def _weights(texts: Sequence[Sequence[str]]) -> dict[str, Weighted]:
    """BM25's addend of each word in each text that holds it."""
    lengths = np.array([len(words) for words in texts], dtype=np.float64)
    norm = K1 * (1 - B + B * lengths / max(lengths.mean(), 1e-9))
    where: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for i, words in enumerate(texts):
        for word, times in Counter(words).items():
            where[word].append((i, times))
    out = {}
    for word, entries in where.items():
        ids, times = np.array(entries).T
        idf = math.log(1 + (len(texts) - len(ids) + 0.5) / (len(ids) + 0.5))
        out[word] = Weighted(ids, idf * times * (K1 + 1) / (times + norm[ids]))
    return out


def _counted(text: str) -> list[tuple[str, int]]:
    """The tokens of a text, numbered by occurrence: sets of them meet as often as the bags of words do."""
    return [(word, k) for word, n in Counter(text.split()).items() for k in range(1, n + 1)]


def _postings(bags: Iterable[Iterable[Hashable]]) -> dict[Hashable, np.ndarray]:
    """Key to the numbers of the bags that hold it, ascending; a bag holds a key once."""
    where: dict[Hashable, list[int]] = defaultdict(list)
    for i, bag in enumerate(bags):
        for key in bag:
            where[key].append(i)
    return {key: np.array(ids) for key, ids in where.items()}
