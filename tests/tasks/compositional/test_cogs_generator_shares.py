"""Generated COGS beside the published files: shares of frames, phrases and depths, lengths, categories."""

from __future__ import annotations

import gzip
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from statistics import mean

import pytest
from cogs_rows import clauses, depth, frame, of, sentences

from tasks.compositional.cogs.categories import TESTS
from tasks.compositional.cogs.generator import Made, Row, generate
from tasks.compositional.notation.cogs import Clause, Name
from tasks.compositional.notation.cogs_reading import read

Shares = dict[str, dict[str | int, float]]


@cache
def large() -> Made:
    return generate(0, 8_000, 0, 0, 100, joined=False)


@cache
def published(name: str) -> list[Row]:
    """The rows of a COGS file in SUITE_DATA_DIR; skips the test where there is none."""
    path = Path(os.environ.get("SUITE_DATA_DIR", "")) / "cogs" / f"{name}.tsv.gz"
    if not os.environ.get("SUITE_DATA_DIR") or not path.is_file():
        pytest.skip(f"cogs/{name}.tsv.gz is not in SUITE_DATA_DIR")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [Row(*line.rstrip("\n").split("\t")) for line in file]


def shares(rows: Sequence[Row]) -> Shares:
    """How rows divide by the frame of the main clause, by clauses and by length (14 and more as one), and how
    the phrases of each frame and role divide by kind and by modifiers. Each is a share of its own whole."""
    counts: dict[str, Counter[str | int]] = defaultdict(Counter)
    for row in rows:
        tree = read(row.sentence, row.form)
        counts["frame"][frame(row.sentence, tree)] += 1
        counts["clauses"][sum(1 for _ in clauses(tree)) - 1] += 1
        counts["length"][min(len(row.sentence.split()), 14)] += 1
        for clause in clauses(tree):
            for role, argument in clause.arguments:
                if isinstance(argument, Clause):
                    continue
                slot = f"{frame(row.sentence, clause)}: {role}"
                kind = "name" if isinstance(argument, Name) else "the" if argument.definite else "a"
                counts[slot][kind] += 1
                counts[f"{slot}: modifiers"][depth(argument)] += 1
    return {name: {key: n / found.total() for key, n in found.items()} for name, found in counts.items()}


def farthest(found: Shares, wanted: Shares, which: Callable[[str], bool]) -> float:
    """The largest difference of a share, over the countings that `which` picks."""
    return max(
        abs(found[name].get(key, 0.0) - wanted[name].get(key, 0.0))
        for name in filter(which, wanted)
        for key in {*found[name], *wanted[name]}
    )


def test_the_shares_of_train_are_near_those_of_the_published_files() -> None:
    wanted = shares(of(published("train"), "in_distribution")[::3])
    found = shares(of(large().train, "in_distribution"))
    assert found.keys() == wanted.keys()
    assert farthest(found, wanted, lambda name: name in ("frame", "clauses")) < 0.015
    assert farthest(found, wanted, lambda name: name == "length") < 0.03
    assert farthest(found, wanted, lambda name: name.endswith(": modifiers")) < 0.06
    assert farthest(found, wanted, lambda name: ":" in name and not name.endswith("modifiers")) < 0.12


def lengths(rows: Iterable[Row]) -> list[int]:
    return [len(row.sentence.split()) for row in rows]


def test_lengths_are_near_those_of_the_published_files() -> None:
    for rows, real, apart in (
        (sentences(large().train), sentences(published("train")), 3),
        (large().gen, published("gen"), 8),
    ):
        assert abs(max(lengths(rows)) - max(lengths(real))) <= apart
    for category in TESTS:
        means = [mean(lengths(of(rows, category))) for rows in (large().gen, published("gen"))]
        assert abs(means[0] - means[1]) < 1.5


def test_the_categories_are_those_of_the_published_files() -> None:
    assert {row.category for row in published("gen")} == set(TESTS)
    assert {row.category for row in published("train")} == {row.category for row in large().train}
