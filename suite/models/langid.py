"""Tells the language of a text with a compressed fastText model, read from its plain binary file.

Joulin et al., Bag of Tricks for Efficient Text Classification, EACL 2017, and FastText.zip, arXiv:1612.03651.
A text is the mean of the vectors of its words and of their character n-grams; the vectors are products of
256 centroids, and the labels are the leaves of a Huffman tree with a logistic unit at each fork. The layout
of the file and the hashes are those of the published program, version 12 of its format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from suite.errors import DataError

MAGIC, VERSION = 793712314, 12
HIERARCHICAL_SOFTMAX, SUPERVISED = 1, 3
CENTROIDS = 256
END = "</s>"
LABEL = "__label__"
SPACES = str.maketrans(dict.fromkeys("\n\r\t\v\f\0", " "))
LEAST = 1e-5
"""Added to a probability before its logarithm, as the published program does."""

Floats = NDArray[np.float32]


class Settings(NamedTuple):
    """What of the training's settings a prediction needs."""

    dim: int
    word_ngrams: int
    loss: int
    model: int
    buckets: int
    shortest: int
    longest: int


class LanguageId:
    """A language identifier; `languages` are its ISO codes."""

    def __init__(self, path: Path) -> None:
        file = _Reader(path.read_bytes())
        self.settings = _settings(file)
        self.words, labels, self.kept = _dictionary(file)
        self.languages = [name.removeprefix(LABEL) for name, _ in labels]
        self.vectors = _vectors(file)
        self.forks = _output(file)
        self._check(file)
        self.paths = huffman([count for _, count in labels])

    def _check(self, file: _Reader) -> None:
        """ValueError for a file of another kind, or one whose parts do not fit each other."""
        s = self.settings
        if (s.loss, s.model, s.word_ngrams) != (HIERARCHICAL_SOFTMAX, SUPERVISED, 1) or s.longest < 1:
            raise ValueError("it is no model of single words with a Huffman tree")
        rows = len(self.words) + len(self.kept)
        if self.vectors.shape != (rows, s.dim) or self.forks.shape != (len(self.languages), s.dim):
            raise ValueError(f"vectors of shape {self.vectors.shape} for {rows} words and n-grams")
        if file.at != len(file.content):
            raise ValueError(f"{len(file.content) - file.at} bytes too many")

    def predict(self, text: str) -> tuple[str, float]:
        """The most probable language and its probability; ("", 0.0) for a text without a known n-gram."""
        scores = self.probabilities(text)
        best = max(scores, key=scores.__getitem__, default="")
        return best, scores.get(best, 0.0)

    def probabilities(self, text: str) -> dict[str, float]:
        """Each language's probability; empty for a text without a known n-gram."""
        rows = self.rows(text)
        if not rows:
            return {}
        hidden = self.vectors[rows].mean(0, dtype=np.float64)
        right = 1 / (1 + np.exp(-np.clip(self.forks.astype(np.float64) @ hidden, -700, 700)))
        logs = np.log(np.stack([1 - right, right]) + LEAST)
        found = (float(np.exp(sum(logs[side, fork] for fork, side in path))) for path in self.paths)
        return dict(zip(self.languages, found, strict=True))

    def rows(self, text: str) -> list[int]:
        """The rows of the vectors of a text's words and n-grams; line breaks count as spaces."""
        found: list[int] = []
        for word in text.translate(SPACES).split(" "):
            if word:
                found += self._word(word)
        return found + ([self.words[END]] if END in self.words else [])

    def _word(self, word: str) -> Iterator[int]:
        if word in self.words:
            yield self.words[word]
        if word == END:
            return
        for gram in grams(f"<{word}>", self.settings.shortest, self.settings.longest):
            row = self.kept.get(fnv(gram.encode(errors="replace")) % self.settings.buckets)
            if row is not None:
                yield len(self.words) + row


def read(path: Path) -> LanguageId:
    """The identifier of a file; DataError for a file that is damaged or of another kind."""
    try:
        return LanguageId(path)
    except (ValueError, IndexError, struct.error, MemoryError) as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{path} is no whole fastText model: {reason}; nothing was loaded") from None


def grams(word: str, shortest: int, longest: int) -> Iterator[str]:
    """The character n-grams of a word with its borders, but for a border alone."""
    for start in range(len(word)):
        for length in range(1, min(longest, len(word) - start) + 1):
            alone = length == 1 and start in (0, len(word) - 1)
            if length >= shortest and not alone:
                yield word[start : start + length]


def fnv(content: bytes) -> int:
    """The 32-bit FNV-1a hash, with bytes taken as signed numbers as the published program takes them."""
    value = 2166136261
    for byte in content:
        value ^= byte if byte < 128 else byte | 0xFFFFFF00
        value = value * 16777619 & 0xFFFFFFFF
    return value


def huffman(counts: list[int]) -> list[list[tuple[int, int]]]:
    """For each label the forks from the root to it, and which way to go: 0 left, 1 right.

    Counts come in falling order, so that the two lightest are always the next leaf from the end or the next
    fork from the beginning.
    """
    total = len(counts)
    weights = [*counts, *([10**15] * (total - 1))]
    up: dict[int, tuple[int, int]] = {}
    leaf, fork = total - 1, total
    for made in range(total, 2 * total - 1):
        lightest = []
        for side in (0, 1):
            if leaf >= 0 and weights[leaf] < weights[fork]:
                chosen, leaf = leaf, leaf - 1
            else:
                chosen, fork = fork, fork + 1
            up[chosen] = (made, side)
            lightest.append(weights[chosen])
        weights[made] = sum(lightest)
    return [_climb(label, up, total) for label in range(total)]


def _climb(label: int, up: dict[int, tuple[int, int]], total: int) -> list[tuple[int, int]]:
    path, at = [], label
    while at in up:
        at, side = up[at]
        path.append((at - total, side))
    return path[::-1]


class _Reader:
    """Takes numbers and texts off the front of a file."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + form, self.content, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def array(self, dtype: str, count: int) -> NDArray[Any]:
        size = np.dtype(dtype).itemsize
        if count < 0 or count * size > len(self.content) - self.at:
            raise ValueError(f"it promises {count} numbers beyond its end")
        found = np.frombuffer(self.content, dtype, count, self.at)
        self.at += count * size
        return found

    def text(self) -> str:
        end = self.content.index(b"\0", self.at)
        found = self.content[self.at : end].decode(errors="replace")
        self.at = end + 1
        return found


def _settings(file: _Reader) -> Settings:
    if file.take("ii") != (MAGIC, VERSION):
        raise ValueError("it does not begin as one")
    dim, _, _, _, _, words, loss, model, buckets, shortest, longest, _, _ = file.take("12id")
    if buckets < 1 or dim < 1:
        raise ValueError(f"{buckets} buckets of {dim} numbers")
    return Settings(dim, words, loss, model, buckets, shortest, longest)


def _dictionary(file: _Reader) -> tuple[dict[str, int], list[tuple[str, int]], dict[int, int]]:
    """Words by row, labels with their counts, and the rows of the n-grams that were kept."""
    size, words, labels, _, kept = file.take("iiiqq")
    if size != words + labels or labels < 2 or kept < 0:
        raise ValueError(f"a dictionary of {words} words, {labels} labels and {kept} n-grams")
    entries = [(file.text(), *file.take("qb")) for _ in range(size)]
    pairs = file.array("<i4", 2 * kept).reshape(-1, 2).tolist()
    known = {word: row for row, (word, _, _) in enumerate(entries[:words])}
    if len(known) != words or sorted(row for _, row in pairs) != list(range(kept)):
        raise ValueError("a word or an n-gram stands twice")
    return known, [(name, count) for name, count, _ in entries[words:]], dict(pairs)


def _vectors(file: _Reader) -> Floats:
    """The input matrix (rows, dim), put together from its codes."""
    if file.take("?") != (True,):
        raise ValueError("its vectors are not compressed")
    scaled, rows, dim, size = file.take("?qqi")
    codes = file.array("u1", size)
    parts = _quantizer(file, dim)
    vectors = _decode(codes.reshape(rows, len(parts)), parts)
    if scaled:
        norms = file.array("u1", rows).reshape(rows, 1)
        vectors = vectors * _decode(norms, _quantizer(file, 1))
    return vectors


def _quantizer(file: _Reader, expected: int) -> list[Floats]:
    """The 256 centroids (256, width) of each stretch of a vector."""
    dim, parts, width, last = file.take("4i")
    if dim != expected or parts < 1 or min(width, last) < 1 or (parts - 1) * width + last != dim:
        raise ValueError(f"{parts} stretches that make no vector of {expected}")
    widths = [width] * (parts - 1) + [last]
    return [file.array("<f4", CENTROIDS * wide).reshape(CENTROIDS, wide) for wide in widths]


def _decode(codes: NDArray[np.uint8], parts: list[Floats]) -> Floats:
    return np.concatenate([centroids[codes[:, i]] for i, centroids in enumerate(parts)], axis=1)


def _output(file: _Reader) -> Floats:
    """The output matrix (labels, dim): a row for each fork, and one that is not used."""
    if file.take("?") != (False,):
        raise ValueError("its output is compressed")
    rows, dim = file.take("qq")
    matrix: Floats = file.array("<f4", rows * dim).reshape(rows, dim)
    return matrix
