"""Multiple choice: a shared context gives the scores of a plain one, or is not shared; accuracies by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import tiny_lms
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from suite.errors import UsageError
from suite.models._packing import score_rows
from suite.models.choices import Item, accuracy, score_choices, sharing
from suite.models.likelihood import Likelihood, Pair, log_likelihoods, score_pairs

ITEMS = [
    Item("Where is the cat? The cat is on", [" the mat", " the log and the tree", " 東京", " ten"]),
    Item("one two three", [" four five six", " 4"]),
    Item("", ["The cat", "The dog is"]),
    Item("The dog sat ", ["on the log", "under", "under the tree.", "a", "Äpfel"]),
    Item("Where is the dog? " * 4, [" the mat", " the log and the tree"]),
]


def plain(model: Any, tok: Any, items: list[Item]) -> list[list[Likelihood]]:
    return [log_likelihoods(model, tok, [(i.context, c) for c in i.choices]) for i in items]


def assert_equal(got: list[list[Likelihood]], expected: list[list[Likelihood]]) -> None:
    for g, e in zip((x for row in got for x in row), (x for row in expected for x in row), strict=True):
        assert g.total == pytest.approx(e.total, abs=1e-4)
        assert (g.n_tokens, g.n_bytes, g.is_greedy) == (e.n_tokens, e.n_bytes, e.is_greedy)


@pytest.mark.parametrize("size", [1, 3, 32])
@pytest.mark.parametrize("kind", tiny_lms.KINDS)
def test_a_shared_context_changes_no_score(kind: str, size: int) -> None:
    """Among them models whose window of 8 tokens is shorter than the items."""
    model, tok = tiny_lms.model(kind), tiny_lms.tokenizer()
    assert_equal(score_choices(model, tok, ITEMS, batch_size=size), plain(model, tok, ITEMS))
    verdict = sharing(model)
    assert verdict is not None and verdict.shared, verdict
    assert verdict.windowed == (kind in ("gemma3", "mistral"))


@given(
    kind=st.sampled_from(tiny_lms.KINDS),
    seed=st.integers(0, 5),
    shapes=st.lists(
        st.tuples(st.integers(1, 15), st.lists(st.integers(1, 5), min_size=1, max_size=4)),
        min_size=1,
        max_size=4,
    ),
    eager=st.booleans(),
)
@settings(max_examples=20, deadline=None)
def test_packed_rows_score_as_rows_of_their_own(
    kind: str, seed: int, shapes: list[tuple[int, list[int]]], eager: bool
) -> None:
    model, pick = tiny_lms.model(kind, seed=seed), torch.Generator().manual_seed(seed)
    if eager:
        model.set_attn_implementation("eager")

    def some(n: int) -> list[int]:
        return torch.randint(2, 320, (n,), generator=pick).tolist()

    contexts = [some(n) for n, _ in shapes]
    items = [[Pair(c, some(n)) for n in counts] for c, (_, counts) in zip(contexts, shapes, strict=True)]
    with torch.no_grad():
        packed = [score for scores in score_rows(model, items) for score in scores]
    alone = [score for pairs in items for score in score_pairs(model, pairs, batch_size=1)]
    for (one, greedy), (other, is_greedy) in zip(packed, alone, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
        assert greedy == is_greedy


def test_a_real_model_scores_as_lm_evaluation_harness_does() -> None:
    huggingface = pytest.importorskip("lm_eval.models.huggingface")
    model, tok = tiny_lms.stories()
    items = [
        Item(
            "Lily went to the park with her",
            [" mom", " red ball", " clouds.\nThe", " friends and they played"],
        ),
        Item("Tom was sad because", [" he lost his toy", " the sun was blue", " mom"]),
    ]
    rival = huggingface.HFLM(pretrained=model, tokenizer=tok, batch_size=4)
    requests = [SimpleNamespace(args=(i.context, c)) for i in items for c in i.choices]
    expected = rival.loglikelihood(requests, disable_tqdm=True)
    got = [s for scores in score_choices(model, tok, items) for s in scores]
    assert [(pytest.approx(g.total, abs=1e-4), g.is_greedy) for g in got] == expected
    assert sharing(model).shared  # type: ignore[union-attr]


def test_the_context_goes_through_the_model_once() -> None:
    model, tok, tokens = tiny_lms.model("llama"), tiny_lms.tokenizer(), []
    model.register_forward_pre_hook(
        lambda m, args, inputs: tokens.append(inputs["input_ids"].numel()), with_kwargs=True
    )
    heads: list[int] = []
    model.lm_head.register_forward_hook(lambda m, args, out: heads.append(out.shape[-2]))
    (scores,) = score_choices(model, tok, ITEMS[:1])
    context = len(tok.encode(ITEMS[0].context))
    assert tokens[-1:] == [context + sum(s.n_tokens - 1 for s in scores)]
    # The last token of the context predicts the first of every choice.
    assert heads[-1:] == [1 + sum(s.n_tokens - 1 for s in scores)]


class Deaf(nn.Module):
    """Takes a block mask and overlooks it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = tiny_lms.model("llama")
        self.config = self.inner.config

    def forward(
        self, input_ids: Any, attention_mask: Any = None, position_ids: Any = None, use_cache: bool = False
    ) -> Any:
        return self.inner(input_ids=input_ids, use_cache=use_cache)


class Rude(Deaf):
    """Refuses a block mask."""

    def forward(
        self, input_ids: Any, attention_mask: Any = None, position_ids: Any = None, use_cache: bool = False
    ) -> Any:
        if attention_mask is not None:
            raise ValueError("only masks of two dimensions")
        return self.inner(input_ids=input_ids, use_cache=use_cache)


class Placeless(Deaf):
    """Knows no position ids."""

    def forward(self, input_ids: Any, use_cache: bool = False) -> Any:
        return self.inner(input_ids=input_ids, use_cache=use_cache)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (Deaf, "Deaf scores a choice -"),
        (Rude, "Rude refuses a block mask: ValueError: only masks of two dimensions"),
        (Placeless, "Placeless takes no position ids"),
    ],
)
def test_a_model_that_cannot_share_is_scored_plainly(made: type[Deaf], why: str) -> None:
    model, tok = made(), tiny_lms.tokenizer()
    assert sharing(model) is None
    for _ in range(2):
        assert_equal(score_choices(model, tok, ITEMS), plain(model.inner, tok, ITEMS))
    verdict = sharing(model)
    assert verdict is not None and not verdict.shared and verdict.why.startswith(why)


def test_a_verdict_within_the_window_is_not_trusted_beyond_it() -> None:
    model, tok = tiny_lms.model("gemma3"), tiny_lms.tokenizer()
    short = [Item("a", ["b c", "d"])]
    score_choices(model, tok, short)
    assert sharing(model) is not None and not sharing(model).windowed  # type: ignore[union-attr]
    assert_equal(score_choices(model, tok, ITEMS), plain(model, tok, ITEMS))
    assert sharing(model).windowed  # type: ignore[union-attr]


@pytest.mark.parametrize("at", ["all", "last"])
def test_a_hooked_model_is_scored_as_it_is_hooked(at: Any) -> None:
    """Edits of all tokens share, edits of the last one do not, and no verdict outlives the hooks."""
    from suite.models.hooks import Add, hooked, residual

    model, tok = tiny_lms.model("llama"), tiny_lms.tokenizer()
    before = score_choices(model, tok, ITEMS)
    with hooked(model, Add(residual(0), torch.linspace(-3, 3, 32), at=at)):
        got = score_choices(model, tok, ITEMS)
        verdict = sharing(model)
        alone = [[log_likelihoods(model, tok, [(i.context, c)])[0] for c in i.choices] for i in ITEMS]
    assert_equal(got, alone)
    assert abs(got[0][0].total - before[0][0].total) > 0.01
    assert verdict is not None and verdict.shared == (at == "all") and verdict.hooked
    assert_equal(score_choices(model, tok, ITEMS), before)


def test_items_that_do_not_fit_in_one_row_and_share_false_are_scored_plainly() -> None:
    model, tok = tiny_lms.model("llama"), tiny_lms.tokenizer()
    long = Item("Where is the cat? The cat is on " * 20, [" the mat", " the log"])
    assert_equal(score_choices(model, tok, [*ITEMS, long]), plain(model, tok, [*ITEMS, long]))
    other = tiny_lms.model("llama")
    assert_equal(score_choices(other, tok, ITEMS, share=False), plain(model, tok, ITEMS))
    assert sharing(other) is None, "nothing was compared"


def test_bfloat16_shares_as_well() -> None:
    model, tok = tiny_lms.model("llama").bfloat16(), tiny_lms.tokenizer()
    for got, expected in zip(score_choices(model, tok, ITEMS), plain(model, tok, ITEMS), strict=True):
        for g, e in zip(got, expected, strict=True):
            assert g.mean == pytest.approx(e.mean, abs=0.2)


def likely(*totals: float) -> list[Likelihood]:
    return [Likelihood(total, 1, 1, False) for total in totals]


def test_accuracies_by_hand() -> None:
    items = [
        Item("q", [" aaaa", " b"]),  # -4 / 4 = -1 beats -3 / 1 when divided, loses before
        Item("q", [" ÄÄ", " abc"]),  # characters: -4.1 / 2 and -6 / 3; bytes: -4.1 / 4 and -6 / 3
        Item("q", [" x", " y"]),  # equal: the first counts
    ]
    scores = [likely(-4.0, -3.0), likely(-4.1, -6.0), likely(-2.0, -2.0)]
    got = accuracy(items, scores, [0, 0, 0])
    assert (got.acc, got.acc_norm, got.acc_bytes, got.n) == (2 / 3, 2 / 3, 1.0, 3)
    assert accuracy(items, scores, [1, 1, 1]).acc == 1 / 3


def test_accuracies_are_those_of_lm_evaluation_harness() -> None:
    """Its rule: argmax of the sums, of the sums over characters, of the sums over bytes."""
    import numpy as np

    rng = np.random.default_rng(0)
    words = ["a", "über", "東京都", "a longer answer", "🙂", "xyz"]
    items, scores, gold = [], [], []
    expected = np.zeros(3)
    for _ in range(200):
        chosen = rng.permutation(words)[:4].tolist()
        totals = -rng.gamma(3.0, 3.0, 4)
        right = int(rng.integers(4))
        characters = np.array([float(len(w)) for w in chosen])
        size = np.array([float(len(w.encode("utf-8"))) for w in chosen])
        expected += [np.argmax(totals / by) == right for by in (1.0, characters, size)]
        items.append(Item("q", [f" {w}" for w in chosen]))
        scores.append(likely(*totals.tolist()))
        gold.append(right)
    got = accuracy(items, scores, gold)
    assert [got.acc, got.acc_norm, got.acc_bytes] == pytest.approx((expected / 200).tolist())


def test_wrong_items_are_refused_in_one_line() -> None:
    model, tok = tiny_lms.model("llama"), tiny_lms.tokenizer()
    with pytest.raises(UsageError, match="item 1 needs a list of choices"):
        score_choices(model, tok, [ITEMS[0], Item("q", [])])
    with pytest.raises(UsageError, match="the right one cannot be 2"):
        accuracy([Item("q", ["a", "b"])], [likely(-1, -2)], [2])
    with pytest.raises(UsageError, match="1 items, 1 scores and 0 right"):
        accuracy([Item("q", ["a", "b"])], [likely(-1, -2)], [])
    assert score_choices(model, tok, []) == []
