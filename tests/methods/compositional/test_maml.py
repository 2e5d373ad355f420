"""Meta-learning: its gradient, its partners, and that a kill changes nothing."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.compositional import training
from methods.compositional.maml import Distances, Maml, halves, meta_loss, nearest
from methods.compositional.training import Batch, batch_nll, collate, encode_pairs
from methods.compositional.vocabulary import Vocabulary
from suite.api import Context
from tasks.compositional.contract import Example, Problem

PAIRS = [Example(f"{a} {b}", f"{b.upper()} {a.upper()}") for a in "abcd" for b in "abcd"]
PROBLEM = Problem("toy", PAIRS, [], frozenset(), lambda x: x, 4)
TINY = {"hidden": 12, "embed": 8, "batch": 8, "steps": 12, "lr": 0.02}
VOCABULARIES = (Vocabulary.of(e.x for e in PAIRS), Vocabulary.of(e.y for e in PAIRS))


def levenshtein(left: str, right: str) -> int:
    a, b = left.split(), right.split()
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


def encoded(pairs: list[Example]) -> Batch:
    return collate(encode_pairs(pairs, VOCABULARIES), "cpu")


@pytest.mark.parametrize("parser", ["lstm", "transformer"])
def test_the_gradient_is_that_of_two_losses_the_second_after_a_step(parser: Any) -> None:
    method = Maml(parser=parser, hidden=16, embed=8, dropout=0.0, batch=8)
    torch.manual_seed(0)
    model = method.network(VOCABULARIES)
    inner, outer = encoded(PAIRS[:4]), encoded(PAIRS[7:11])
    loss = meta_loss(model, inner, outer, 0.5)
    loss.backward()
    found = {name: p.grad for name, p in model.named_parameters()}

    first = copy.deepcopy(model)
    before = batch_nll(first(inner.source, inner.target), inner.target)
    before.backward()
    moved = copy.deepcopy(first)
    with torch.no_grad():
        for p, q in zip(moved.parameters(), first.parameters(), strict=True):
            p -= 0.5 * q.grad
            p.grad = None
    after = batch_nll(moved(outer.source, outer.target), outer.target)
    after.backward()
    # The step must matter, or a loss without it would pass.
    plain = batch_nll(model(outer.source, outer.target), outer.target)
    assert abs(after.item() - plain.item()) > 1e-3
    assert loss.item() == pytest.approx(before.item() + after.item(), rel=1e-5)
    for (name, p), q in zip(moved.named_parameters(), first.parameters(), strict=True):
        torch.testing.assert_close(found[name], p.grad + q.grad, rtol=1e-4, atol=1e-6)


def test_a_table_that_is_not_learned_stays_out_of_the_step() -> None:
    pairs = [Example("a b", "b a"), Example("b a", "a b")]
    vocabularies = (Vocabulary.of(e.x for e in pairs), Vocabulary.of(e.y for e in pairs))
    method = Maml(hidden=8, embed=4, dropout=0.0, batch=2)
    model = method.network(vocabularies, method.table(PROBLEM, vocabularies))
    batch = collate(encode_pairs(pairs, vocabularies), "cpu")
    meta_loss(model, *halves(batch), 0.1).backward()
    assert model.table.grad is None and model.write.weight.grad is not None


def test_a_batch_splits_into_halves_without_empty_columns() -> None:
    inner, outer = halves(Batch(torch.tensor([[4, 2, 0], [4, 5, 2]]), torch.tensor([[7, 2], [2, 0]])))
    assert (inner.source.tolist(), inner.target.tolist()) == ([[4, 2]], [[7, 2]])
    assert (outer.source.tolist(), outer.target.tolist()) == ([[4, 5, 2]], [[2]])


TEXTS = st.lists(st.lists(st.sampled_from("abc"), max_size=6).map(" ".join), min_size=1, max_size=8)
QUERIES = st.lists(st.lists(st.sampled_from("abcx"), max_size=6).map(" ".join), max_size=4)


@given(QUERIES, TEXTS)
def test_distances_are_the_edit_distances(queries: list[str], texts: list[str]) -> None:
    table = Distances(texts).to(queries)
    assert table.shape == (len(queries), len(texts))
    assert table.tolist() == [[levenshtein(q, t) for t in texts] for q in queries]


def test_distances_are_right_up_to_the_last_bit_of_a_word() -> None:
    rng = np.random.default_rng(0)
    queries = [" ".join(rng.choice(list("abc"), n)) for n in (1, 63, 64)]
    texts = [" ".join(rng.choice(list("abc"), n)) for n in (0, 5, 64, 90)]
    assert Distances(texts).to(queries).tolist() == [[levenshtein(q, t) for t in texts] for q in queries]
    with pytest.raises(ValueError, match="at most 64 tokens"):
        Distances(texts).to(["a " * 65])


@given(QUERIES, TEXTS.map(lambda texts: list(dict.fromkeys(texts))), st.integers(1, 9))
def test_neighbours_are_the_nearest_others_the_first_of_equals(
    queries: list[str], texts: list[str], n: int
) -> None:
    found, distances = nearest(queries, texts, n)
    for query, row, far in zip(queries, found.tolist(), distances.tolist(), strict=True):
        ranked = sorted((levenshtein(query, t), k) for k, t in enumerate(texts) if t != query)[:n]
        real = [(int(d), k) for d, k in zip(far, row, strict=True) if k >= 0]
        assert real == ranked
        assert row[len(ranked) :] == [-1] * (len(row) - len(ranked))


def test_partners_are_neighbours_drawn_by_their_distance() -> None:
    # "a b" has "a" at distance 1 and "c d" at 2: chances 1 and exp(-1 / 0.5).
    inputs = ["a b", "a", "c d", "a b"]
    method = Maml(uniform=0.0, temperature=0.5)
    drawn = method.partners(inputs, np.zeros((100, 100), dtype=int), np.random.default_rng(0))
    counts = Counter(drawn.ravel().tolist())
    assert counts.keys() == {1, 2}
    share = 1 / (1 + np.exp(-2))
    assert abs(counts[1] / 10_000 - share) < 4 * (share * (1 - share) / 10_000) ** 0.5


def test_a_repeated_input_has_neighbours_other_than_itself() -> None:
    inputs = ["a", "a", "b b b"]
    drawn = Maml(uniform=0.0).partners(inputs, np.array([[0, 1, 2]]), np.random.default_rng(0))
    assert drawn.tolist() == [[2, 2, 0]]


def test_only_so_many_neighbours_count() -> None:
    inputs = ["a b c", "a b", "a", "x"]
    method = Maml(uniform=0.0, neighbours=1, temperature=100.0)
    drawn = method.partners(inputs, np.zeros((20, 20), dtype=int), np.random.default_rng(0))
    assert set(drawn.ravel().tolist()) == {1}


def test_a_share_of_the_partners_is_any_line() -> None:
    inputs = ["a b", "a", "x y z", "a b"]
    method = Maml(uniform=0.6, neighbours=1)
    drawn = method.partners(inputs, np.zeros((100, 100), dtype=int), np.random.default_rng(0))
    counts = Counter(drawn.ravel().tolist())
    for line, share in {0: 0.15, 1: 0.55, 2: 0.15, 3: 0.15}.items():
        assert abs(counts[line] / 10_000 - share) < 4 * (share * (1 - share) / 10_000) ** 0.5


def test_a_pool_limits_where_neighbours_are_looked_for() -> None:
    inputs = [f"w{k}" for k in range(50)]
    method = Maml(uniform=0.0, pool=5)
    drawn = method.partners(inputs, np.tile(np.arange(50), (40, 1)), np.random.default_rng(0))
    assert len(set(drawn.ravel().tolist())) == 5
    assert (drawn != np.arange(50)).all()


def test_a_single_input_is_its_own_partner() -> None:
    assert Maml(uniform=0.0).partners(["a"], np.array([[0, 0]]), np.random.default_rng(0)).tolist() == [
        [0, 0]
    ]


def test_a_batch_is_one_half_lines_and_one_half_their_partners() -> None:
    class Seen(Maml):
        def batches(self, session: Any) -> Any:
            get = super().batches(session)
            self.__dict__["batch_of"] = [get(step) for step in range(self.steps)]
            return get

    method = Seen(**TINY, uniform=0.0, neighbours=6)
    fitted: Any = method.fit(PROBLEM, Context(seed=1))
    source = fitted.vocabularies[0]
    for batch in method.__dict__["batch_of"]:
        texts = [source.decode(row) for row in batch.source.tolist()]
        assert len(texts) == 8
        # Six inputs share a place with "a b"; the others differ in both.
        assert all(levenshtein(x, z) == 1 for x, z in zip(texts[:4], texts[4:], strict=True))
    assert fitted.facts["examples_seen"] == 96


class Killed(Exception):
    pass


def fit(folder: Path | None, die_at: int | None = None) -> dict[str, torch.Tensor]:
    def report(label: str, done: int, total: int) -> None:
        if done == die_at:
            raise Killed

    torch.manual_seed(99)  # the fit must not depend on what ran before
    fitted: Any = Maml(**TINY, dropout=0.2).fit(PROBLEM, Context(seed=3, checkpoint=folder, report=report))
    return fitted.model.state_dict()


def test_a_killed_training_continues_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_EVERY_S", -1.0)
    whole = fit(None)
    with pytest.raises(Killed):
        fit(tmp_path, die_at=7)
    assert (tmp_path / "training.safetensors").is_file()
    resumed = fit(tmp_path)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_parser_learns_to_reverse_two_letters() -> None:
    method = Maml(hidden=32, embed=16, dropout=0.0, batch=32, steps=150, lr=0.01)
    fitted = method.fit(PROBLEM, Context(seed=0))
    assert fitted.predict([e.x for e in PAIRS]) == [e.y for e in PAIRS]


@pytest.mark.parametrize(
    ("field", "value"),
    [("batch", 7), ("neighbours", 0), ("pool", 1), ("alpha", 0.0), ("temperature", 0.0), ("uniform", 1.1)],
)
def test_settings_without_meaning_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        Maml(**{field: value})
