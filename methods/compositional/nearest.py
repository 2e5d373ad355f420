"""Nearest neighbour: the output of the training input at the smallest edit distance, as a floor."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from suite.api import Context
from suite.errors import Skip
from tasks.compositional.contract import Fitted, Learner, Problem

FILE = "nearest.json"
QUERIES_AT_ONCE, PAIRS_AT_ONCE = 256, 16_384
"""So that the tables of a step stay in the processor's cache."""
NO_TOKEN, NO_TOKEN_EITHER = -1, -2
"""Padding of the one and of the other side of a pair, which never match."""
Counted = tuple[str, int]
Bags = tuple[dict[Counted, int], np.ndarray]
FAR = np.iinfo(np.int16).max


@dataclass(frozen=True)
class NearestNeighbour(Learner):
    """One neighbour by Levenshtein distance over tokens; of equally near ones the first in training order.

    An input that occurs several times in training counts once, with its first output.
    """

    competes = frozenset({"training", "in-context"})

    def fit(self, problem: Problem, ctx: Context) -> Neighbours:
        """Keep the distinct training lines; raises Skip when there is none."""
        answers: dict[str, str] = {}
        for x, y in problem.train:
            answers.setdefault(x, y)
        if not answers:
            raise Skip("the training set is empty, so nothing is near")
        return Neighbours(answers)

    def load(self, folder: Path) -> Neighbours:
        """The training lines that `Neighbours.save` wrote."""
        return Neighbours(json.loads((folder / FILE).read_text(encoding="utf-8")))


class Neighbours(Fitted):
    """The distinct training inputs with their outputs."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        super().__init__()
        self.answers = dict(answers)

    def predict(self, inputs: Sequence[str]) -> list[str]:
        """The output of each input's nearest training input."""
        outputs = list(self.answers.values())
        return [outputs[k] for k in nearest(inputs, list(self.answers))]

    def save(self, folder: Path) -> None:
        """The training lines as one JSON object, in training order."""
        text = json.dumps(self.answers, ensure_ascii=False)
        (folder / FILE).write_text(text, encoding="utf-8")


def nearest(queries: Sequence[str], texts: Sequence[str]) -> list[int]:
    """For each query the index of the text at the smallest token edit distance, the first of equals.

    No distance is below the longer length minus the number of tokens in common. Pairs are therefore
    measured in the order of this bound, until it exceeds the smallest distance found.
    """
    words = {word: k for k, word in enumerate(dict.fromkeys(w for text in texts for w in text.split()))}
    distinct = list(dict.fromkeys(queries))
    rows, columns = _encode(distinct, words, NO_TOKEN), _encode(texts, words, NO_TOKEN_EITHER)
    bags = _bags(texts)
    found: list[int] = []
    for start in range(0, len(distinct), QUERIES_AT_ONCE):
        part = slice(start, start + QUERIES_AT_ONCE)
        here = (rows[0][part], rows[1][part])
        common = _common(distinct[part], bags)
        bound = np.maximum(here[1][:, None], columns[1]) - common
        found.extend(_search(bound, here, columns))
    by_query = dict(zip(distinct, found, strict=True))
    return [by_query[query] for query in queries]


def distances(rows: tuple[np.ndarray, np.ndarray], columns: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Levenshtein distances of P pairs, by dynamic programming over all pairs at once.

    Each side is its token ids (P, longest) and lengths (P); paddings of the two sides differ. A cell
    depends on no later token, so that padding never reaches the cell (length, length) that is read.
    """
    (left, n_left), (right, n_right) = rows, columns
    left, right = np.ascontiguousarray(left.T), np.ascontiguousarray(right.T)
    pairs = np.arange(len(n_left))
    table = np.repeat(np.arange(len(right) + 1, dtype=np.int16)[:, None], len(pairs), axis=1)
    out = n_right.astype(np.int16)
    for i, tokens in enumerate(left, start=1):
        diagonal = table[0].copy()
        table[0] = i
        for j, others in enumerate(right, start=1):
            changed = diagonal + (tokens != others)
            diagonal = table[j].copy()
            np.minimum(table[j], table[j - 1], out=table[j])
            table[j] += 1
            np.minimum(table[j], changed, out=table[j])
        ended = pairs[n_left == i]
        out[ended] = table[n_right[ended], ended]
    return out


def _search(
    bound: np.ndarray, rows: tuple[np.ndarray, np.ndarray], columns: tuple[np.ndarray, np.ndarray]
) -> list[int]:
    """The best column of each row, given lower bounds (rows, columns) of the distances."""
    best = np.full(len(bound), FAR, dtype=np.int64)
    where = np.full(len(bound), bound.shape[1], dtype=np.int64)
    for level in range(int(bound.max(initial=0)) + 1):
        open_rows = np.flatnonzero(best >= level)
        if not len(open_rows):
            break
        r, c = np.nonzero(bound[open_rows] == level)
        r = open_rows[r]
        worth = (best[r] > level) | (c < where[r])
        r, c = r[worth], c[worth]
        for start in range(0, len(r), PAIRS_AT_ONCE):
            some_r, some_c = r[start : start + PAIRS_AT_ONCE], c[start : start + PAIRS_AT_ONCE]
            measured = distances((rows[0][some_r], rows[1][some_r]), (columns[0][some_c], columns[1][some_c]))
            _improve(best, where, some_r, some_c, measured)
    return [int(k) for k in where]


def _improve(
    best: np.ndarray, where: np.ndarray, rows: np.ndarray, columns: np.ndarray, measured: np.ndarray
) -> None:
    """Put nearer columns, and earlier ones of the same distance, into `best` and `where`."""
    order = np.lexsort((columns, measured, rows))
    rows, columns, measured = rows[order], columns[order], measured[order]
    first = np.flatnonzero(np.diff(rows, prepend=-1))
    rows, columns, measured = rows[first], columns[first], measured[first]
    better = (measured < best[rows]) | ((measured == best[rows]) & (columns < where[rows]))
    best[rows[better]] = measured[better]
    where[rows[better]] = columns[better]


def _encode(texts: Sequence[str], words: Mapping[str, int], pad: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ids (texts, longest) and lengths; unknown tokens get the padding of queries."""
    ids = [[words.get(word, NO_TOKEN) for word in text.split()] for text in texts]
    lengths = np.array([len(row) for row in ids], dtype=np.int64)
    out = np.full(
        (len(ids), int(lengths.max(initial=0))), pad, dtype=np.int16 if len(words) < FAR else np.int32
    )
    for row, tokens in zip(out, ids, strict=True):
        row[: len(tokens)] = tokens
    return out, lengths


def _counted(text: str) -> list[Counted]:
    """The tokens of a text, numbered by occurrence: sets of them meet as often as the bags of words do."""
    return [(word, k) for word, n in Counter(text.split()).items() for k in range(n)]


def _bags(texts: Sequence[str]) -> Bags:
    """Numbers of the counted tokens, and which text has which (tokens, texts; 0 or 1)."""
    counted = [_counted(text) for text in texts]
    number = {token: k for k, token in enumerate(dict.fromkeys(t for bag in counted for t in bag))}
    has = np.zeros((len(number), len(texts)), dtype=np.float32)
    for column, bag in enumerate(counted):
        has[[number[token] for token in bag], column] = 1
    return number, has


def _common(queries: Sequence[str], bags: Bags) -> np.ndarray:
    """Number of tokens that a query and a text have in common, with repetition (queries, texts)."""
    number, has = bags
    asked = np.zeros((len(queries), len(number)), dtype=np.float32)
    for row, query in enumerate(queries):
        asked[row, [number[token] for token in _counted(query) if token in number]] = 1
    return (asked @ has).astype(np.int64)
