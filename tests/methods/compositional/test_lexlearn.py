"""LexLearn starts from the induced lexicon and trains it with the parser."""

from __future__ import annotations

import pytest
import torch

from methods.compositional.lexlearn import LexLearn
from methods.compositional.neural import Neural
from methods.compositional.vocabulary import Vocabulary
from suite.api import Context
from tasks.compositional.contract import Example, Problem

PAIRS = [Example("dax", "R"), Example("wif", "G"), Example("dax wif", "R G"), Example("lug dax", "B B R")]
PROBLEM = Problem("toy", PAIRS, [], frozenset(), None, 4)
TINY = LexLearn(hidden=8, embed=6, dropout=0.0, batch=4, steps=4, lr=0.05)


def test_the_table_starts_at_the_log_of_the_softmax_of_the_aligned_counts() -> None:
    source, target = Vocabulary.of([x for x, _ in PAIRS]), Vocabulary.of([y for _, y in PAIRS])
    table = TINY.table(PROBLEM, (source, target))
    # "dax" stands with R in its three pairs, and is the only word in all pairs that have R.
    dax = table[source.ids["dax"]].exp()
    assert dax[target.ids["R"]].item() == pytest.approx(1 + 1e-7)
    assert dax[target.ids["G"]].item() == pytest.approx(1e-7)
    # A special token has no entry, so it says nothing: every target alike.
    flat = table[0].exp()
    assert torch.allclose(flat, torch.full_like(flat, 1 / len(target) + 1e-7))


def test_training_moves_the_table_of_lexlearn_and_not_that_of_copying() -> None:
    before = TINY.table(PROBLEM, _vocabularies())
    after = TINY.fit(PROBLEM, Context(0)).model.table
    assert after.requires_grad and not torch.equal(after, before)
    pairs = [Example("dax", "dax"), Example("wif", "wif")]
    plain = Neural(hidden=8, embed=6, dropout=0.0, batch=4, steps=4, lr=0.05)
    assert not plain.fit(
        Problem("toy", pairs, [], frozenset(), None, 4), Context(0)
    ).model.table.requires_grad


def test_a_transformer_cannot_read_the_lexicon() -> None:
    with pytest.raises(ValueError, match="parser must be lstm"):
        LexLearn(parser="transformer", hidden=32, heads=2)


def _vocabularies() -> tuple[Vocabulary, Vocabulary]:
    return Vocabulary.of([x for x, _ in PAIRS]), Vocabulary.of([y for _, y in PAIRS])
