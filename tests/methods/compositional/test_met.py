"""Mutual exclusivity: what is mutated and what the extra term is worth."""

from __future__ import annotations

import gzip
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.compositional.met import CLASSES, TINY, Met, alternatives, exclusion, mutate, word_classes
from methods.compositional.vocabulary import EOS, PAD, Vocabulary, pad
from suite.api import Context
from tasks.compositional.contract import Example, Problem

WORDS = Vocabulary.of(["walk look run jump left right twice and after around jump1 jump2"])


def words_for(token: str) -> set[str]:
    return {WORDS.tokens[i] for i in alternatives(WORDS, CLASSES["scan"])[WORDS.ids[token]]}


def test_a_word_is_exchanged_within_its_class() -> None:
    assert words_for("left") == {"right"}
    assert words_for("walk") == {"look", "run", "jump", "jump1", "jump2"}


def test_an_indexed_primitive_belongs_to_the_class_of_its_stem() -> None:
    assert words_for("jump1") == {"walk", "look", "run", "jump", "jump2"}


def test_a_word_without_class_is_exchanged_for_any_other() -> None:
    assert words_for("twice") == set(WORDS.tokens[4:]) - {"twice"}


@given(st.lists(st.lists(st.sampled_from(WORDS.tokens[4:]), max_size=6), min_size=1), st.integers(0, 99))
def test_exactly_one_word_of_each_row_is_exchanged(rows: list[list[str]], seed: int) -> None:
    source = pad([WORDS.encode(" ".join(row)) for row in rows])
    others = alternatives(WORDS, CLASSES["scan"])
    mutated = mutate(source, others, np.random.default_rng(seed))
    for row, before, after in zip(rows, source, mutated, strict=True):
        changed = np.flatnonzero(before != after)
        assert len(changed) == min(1, len(row))
        assert all(after[i] in others[before[i]] for i in changed)
        assert ((after == EOS) == (before == EOS)).all() and ((after == PAD) == (before == PAD)).all()


P = torch.tensor([[[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]], [[0.2, 0.4, 0.4], [1.0, 0.0, 0.0]]]).clamp(min=1e-30)
TARGET = torch.tensor([[1, 2], [2, PAD]])


@pytest.mark.parametrize(
    ("probability", "expected"),
    [("sequence", (0.5 * 0.7, 0.4)), ("mean", (0.6, 0.4)), ("min", (0.5, 0.4))],
)
def test_the_term_is_minus_log_of_the_complement(probability: str, expected: tuple[float, float]) -> None:
    worth = -sum(math.log(1 - p) for p in expected) / 2
    assert exclusion(P.log(), TARGET, probability).item() == pytest.approx(worth, rel=1e-5)


def test_the_term_vanishes_when_the_target_is_impossible_and_stays_finite_when_it_is_certain() -> None:
    target = torch.tensor([[1]])
    impossible = torch.tensor([[[0.0, -200.0]]])
    assert exclusion(impossible, target, "sequence").item() == 0
    certain = torch.tensor([[[-200.0, 0.0]]], requires_grad=True)
    value = exclusion(certain, target, "sequence")
    assert value.item() == pytest.approx(-math.log(TINY), rel=1e-5)
    value.backward()
    assert torch.isfinite(certain.grad).all()


def test_the_strength_weighs_the_term() -> None:
    """Loss at strength 3 less loss at strength 0 is three times the term on the same mutations."""
    pairs = [Example("walk left", "L W"), Example("run", "R")]
    problem = Problem("scan", pairs, [], frozenset(), lambda x: x, 4)
    vocabularies = (Vocabulary.of(e.x for e in pairs), Vocabulary.of(e.y for e in pairs))
    from methods.compositional.training import collate, encode_pairs

    batch = collate(encode_pairs(pairs, vocabularies), "cpu")
    values: dict[float, Any] = {}
    for strength in (0.0, 1.0, 3.0):
        method = Met(hidden=8, embed=4, dropout=0.0, strength=strength)
        torch.manual_seed(0)
        model = method.network(vocabularies)
        values[strength] = method.loss(problem, vocabularies, Context(seed=0))(model, batch, 7).item()
    assert values[1.0] > values[0.0]
    assert values[3.0] - values[0.0] == pytest.approx(3 * (values[1.0] - values[0.0]), rel=1e-4)


VERBS = [("see", "saw", "seen"), ("eat", "ate", "eaten"), ("take", "took", "taken")]


def cogs(language: str) -> list[Example]:
    """Sentences of three verbs and their bare words; in which form they are written does not matter."""
    train = [Example("cup", "LAMBDA a . cup ( a )"), Example("Liam", "Liam")]
    for k, (verb, past, participle) in enumerate(VERBS):
        upper, above = VERBS[k - 1][0], VERBS[k - 1][1]
        train.append(Example(verb, f"LAMBDA a . LAMBDA e . {verb} . agent ( e , a )"))
        for name in ("Emma", "Noah"):
            sentences = (
                f"{name} {past} the cat in a house .",
                f"The cat {above} to {verb} .",
                f"A house was {participle} by {name} .",
            )
            forms = (
                f"* cat ( x_3 ) ; {verb} . agent ( x_1 , {name} ) AND {verb} . theme ( x_1 , x_3 ) AND "
                "cat . nmod . in ( x_3 , x_6 ) AND house ( x_6 )",
                f"* cat ( x_1 ) ; {upper} . agent ( x_2 , x_1 ) AND {upper} . xcomp ( x_2 , x_4 ) AND "
                f"{verb} . agent ( x_4 , x_1 )",
                f"house ( x_1 ) AND {verb} . theme ( x_3 , x_1 ) AND {verb} . agent ( x_3 , {name} )",
            )
            free = (
                f"{verb} ( agent = {name} , theme = * cat ( nmod . in = house ) )",
                f"{upper} ( agent = * cat , xcomp = {verb} ( agent = * cat ) )",
                f"{verb} ( theme = house , agent = {name} )",
            )
            written = forms if language == "cogs" else free
            train += [Example(x, y) for x, y in zip(sentences, written, strict=True)]
    return train


@pytest.mark.parametrize("language", ["cogs", "cogs-ql"])
def test_the_classes_of_cogs_are_parts_of_speech_in_either_notation(language: str) -> None:
    classes = word_classes(Problem(language, cogs(language), [], frozenset(), None, 9))
    assert {frozenset(c) for c in classes} == {
        frozenset({"Emma", "Noah", "Liam"}),
        frozenset({"cat", "house", "cup"}),
        frozenset({"the", "a"}),
        frozenset({"The", "A"}),
        frozenset({"in"}),
        frozenset({"see", "eat", "take"}),
        frozenset({"saw", "ate", "took"}),
        frozenset({"seen", "eaten", "taken"}),
    }


def test_the_classes_of_geoquery_are_the_types_of_names() -> None:
    train = [
        Example("capital of texas", "answer ( capital ( loc_2 ( stateid ( texas ) ) ) )"),
        Example("rivers in iowa and ohio", "f ( stateid ( iowa ) , stateid ( ohio ) )"),
        Example("where is the ohio", "answer ( loc_1 ( riverid ( ohio ) ) )"),
        Example("is ohio big", "answer ( size ( stateid ( ohio ) ) )"),
        Example("where is the austin", "answer ( stateid ( austin ) )"),
        Example("how big is austin", "answer ( size ( cityid ( austin, _ ) ) )"),
        Example("where is austin texas", "answer ( loc_1 ( cityid ( austin, tx ) ) )"),
        Example("where is boston", "answer ( loc_1 ( cityid ( boston, _ ) ) )"),
        Example("where is new york", "answer ( loc_1 ( cityid ( new york, _ ) ) )"),
    ]
    classes = word_classes(Problem("geoquery", train, [], frozenset(), None, 9))
    assert classes == [["austin", "boston"], ["iowa", "ohio", "texas"]]


def test_scan_has_its_two_classes_and_an_unknown_language_none() -> None:
    for language, classes in (("scan", CLASSES["scan"]), ("toy", ())):
        assert word_classes(Problem(language, [], [], frozenset(), None, 9)) == classes


@pytest.mark.parametrize("name", ["train", "variable_free__train"])
def test_the_classes_of_the_cogs_training_set(name: str) -> None:
    folder = os.environ.get("SUITE_DATA_DIR")
    path = Path(folder or ".") / "cogs" / f"{name}.tsv.gz"
    if folder is None or not path.is_file():
        pytest.skip(f"needs cogs/{name}.tsv.gz in SUITE_DATA_DIR")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    language = "cogs" if name == "train" else "cogs-ql"
    train = [Example(x, y.replace(" _ ", "_")) for x, y, _ in rows]
    classes = word_classes(Problem(language, train, [], frozenset(), None, 9))
    words = {word for x, _ in train for word in x.split()}
    # What no class has: the full stop, four words without content, and a noun whose output is not "TV".
    assert words - {w for c in classes for w in c} == {".", "TV", "by", "that", "to", "was"}
    (names,) = [c for c in classes if "Emma" in c]
    assert names == sorted(w for w in words if w[0].isupper() and w not in ("A", "The", "TV"))
    assert ["beside", "in", "on"] in classes and ["A", "The"] in classes and ["a", "the"] in classes
    (finite,) = [c for c in classes if "ate" in c]
    assert "saw" in finite and "eaten" not in finite and "eat" not in finite
