"""Mutual exclusivity: what is mutated and what the extra term is worth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.compositional.met import CLASSES, TINY, Met, alternatives, exclusion, mutate
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
