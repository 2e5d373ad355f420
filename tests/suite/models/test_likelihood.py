"""Log-probabilities beside brute force and lm-evaluation-harness; which tokens count, by hand."""

from __future__ import annotations

import logging
import math
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_lms
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from suite.errors import UsageError
from suite.models import _calls
from suite.models._calls import logits_at, target_log_probs
from suite.models.likelihood import (
    Pair,
    encode_pair,
    log_likelihoods,
    perplexity,
    score_pairs,
    token_log_probs,
    windows,
)

PAIRS = [
    ("The cat sat on", " the mat and the dog sat on the log."),
    ("Where is the cat? ", "on the mat"),
    ("", "one two three"),
    ("Größe und", " Übermut 🙂"),
    ("one two three four five six seven eight nine ten 1 2 3 4 5 6 7", " 8"),
    ("a", "b"),
    ("The dog   ", "  is under the tree"),
]


def brute(model: Any, context: list[int], continuation: list[int]) -> tuple[float, bool]:
    """One token at a time, each from a forward pass of its own, in float64."""
    total, greedy, ids = 0.0, True, list(context)
    for token in continuation:
        with torch.no_grad():
            scores = model(torch.tensor([ids])).logits[0, -1].double()
        total += float(scores[token]) - math.log(float(scores.exp().sum()))
        greedy &= int(scores.argmax()) == token
        ids.append(token)
    return total, greedy


@given(
    kind=st.sampled_from(tiny_lms.KINDS),
    seed=st.integers(0, 5),
    shape=st.lists(st.tuples(st.integers(1, 17), st.integers(1, 6)), min_size=1, max_size=5),
    size=st.integers(1, 5),
    kv_heads=st.sampled_from([4, 2, 1]),
    tied=st.booleans(),
)
@settings(max_examples=8, deadline=None)
def test_scores_are_those_of_one_token_at_a_time(
    kind: str, seed: int, shape: list[tuple[int, int]], size: int, kv_heads: int, tied: bool
) -> None:
    model = tiny_lms.model(kind, seed=seed, kv_heads=kv_heads, tied=tied)
    pick = torch.Generator().manual_seed(seed)
    pairs = [Pair(*(torch.randint(2, 320, (n,), generator=pick).tolist() for n in two)) for two in shape]
    for pair, (total, greedy) in zip(pairs, score_pairs(model, pairs, batch_size=size), strict=True):
        expected, is_greedy = brute(model, *pair)
        assert total == pytest.approx(expected, abs=1e-4)
        assert greedy == is_greedy


def test_a_greedy_continuation_is_called_greedy() -> None:
    model = tiny_lms.model("llama")
    out = model.generate(
        torch.tensor([[5, 6]]), max_new_tokens=5, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    best = out[0, 2:].tolist()
    (_, yes), (_, no) = score_pairs(
        model, [Pair([5, 6], best), Pair([5, 6], [*best[:-1], (best[-1] + 1) % 320])]
    )
    assert yes and not no


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("which", ["stories", "gpt2", "gemma3"])
def test_equal_to_lm_evaluation_harness(which: str, caplog: pytest.LogCaptureFixture) -> None:
    huggingface = pytest.importorskip("lm_eval.models.huggingface")
    model, tok = tiny_lms.stories() if which == "stories" else (tiny_lms.model(which), tiny_lms.tokenizer())
    pairs = [p for p in PAIRS if which != "stories" or p[0].strip()]
    long = ("one two three four five " * (60 if which == "stories" else 20), "six seven eight")
    with caplog.at_level(logging.CRITICAL):
        rival = huggingface.HFLM(pretrained=model, tokenizer=tok, batch_size=3, max_length=None)
        requests = [SimpleNamespace(args=p) for p in (*pairs, long)]
        expected = rival.loglikelihood(requests, disable_tqdm=True)
    got = log_likelihoods(model, tok, [*pairs, long], batch_size=4)
    for g, (total, greedy) in zip(got, expected, strict=True):
        assert g.total == pytest.approx(total, abs=1e-4)
        assert g.is_greedy == greedy


def test_counts_and_means_by_hand() -> None:
    tok = tiny_lms.tokenizer()
    (got,) = log_likelihoods(tiny_lms.model("llama"), tok, [("The cat", " Äpfel")])
    n = len(tok.encode("The cat Äpfel")) - len(tok.encode("The cat"))
    assert (got.n_tokens, got.n_bytes) == (n, 7)
    assert got.mean == pytest.approx(got.total / n)


def test_spaces_move_to_the_continuation_and_an_empty_context_is_bos() -> None:
    tok = tiny_lms.tokenizer()
    assert encode_pair(tok, "The cat ", "sat") == encode_pair(tok, "The cat", " sat")
    assert encode_pair(tok, "", "cat") == Pair([tok.bos_token_id], tok.encode("cat"))
    assert encode_pair(tok, "", "<s>cat") == Pair([tok.bos_token_id], tok.encode("cat"))
    for context, continuation in (("The cat", ""), ("", "")):
        with pytest.raises(UsageError, match="adds no token"):
            encode_pair(tok, context, continuation)
    with pytest.raises(UsageError, match="has no token"):
        encode_pair(tok, "  ", "cat")


def test_what_is_too_long_loses_its_left() -> None:
    model = tiny_lms.model("llama")
    context, continuation = list(range(10, 40)), [50, 51, 52]
    ((cut, _),) = score_pairs(model, [Pair(context, continuation)], max_length=8)
    # Eight inputs: the last six of the context and two of the continuation, whose third is only a target.
    assert cut == pytest.approx(brute(model, context[-6:], continuation)[0], abs=1e-4)
    with pytest.raises(UsageError, match="9 tokens and the model sees 8"):
        score_pairs(model, [Pair([1], [5] * 9)], max_length=8)


def test_only_scored_positions_reach_the_last_map() -> None:
    model = tiny_lms.model("gemma3")
    widths: list[int] = []
    model.lm_head.register_forward_hook(lambda module, args, out: widths.append(out[..., 0].numel()))
    score_pairs(model, [Pair([5] * 9, [6, 7]), Pair([5], [6, 7, 8]), Pair([9, 9, 9], [6])])
    assert widths == [6]
    ids = torch.randint(2, 320, (2, 7))
    at = (torch.tensor([0, 1, 1]), torch.tensor([6, 0, 3]))
    with torch.no_grad():
        assert torch.allclose(logits_at(model, ids, at), model(ids).logits[at], atol=1e-5)
    assert not model.lm_head._forward_pre_hooks, "nothing is left behind"


class Headless(nn.Module):
    """A causal model that does not say which its last map is."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = tiny_lms.model("llama")
        self.config = self.inner.config

    def forward(self, **inputs: Any) -> Any:
        return self.inner(**inputs)


def test_a_model_with_an_unknown_last_map_is_scored_in_full() -> None:
    pairs = [Pair([5] * 9, [6, 7]), Pair([5], [6, 7, 8])]
    for (one, _), (other, _) in zip(
        score_pairs(Headless(), pairs), score_pairs(tiny_lms.model("llama"), pairs), strict=True
    ):
        assert one == pytest.approx(other, abs=1e-5)


def test_softcapped_logits_are_those_that_count() -> None:
    model = tiny_lms.model("gemma3")
    plain = score_pairs(model, [Pair([5, 6], [7, 8])])[0][0]
    model.config.final_logit_softcapping = 2.0
    ((capped, _),) = score_pairs(model, [Pair([5, 6], [7, 8])])
    assert capped == pytest.approx(brute(model, [5, 6], [7, 8])[0], abs=1e-4)
    assert abs(capped - plain) > 0.1


def test_bfloat16_logits_are_summed_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = (torch.randn(5, 320, generator=torch.Generator().manual_seed(0)) * 8).bfloat16()
    targets, rows = torch.tensor([3, 4, 319, 0]), torch.tensor([0, 0, 4, 2])
    expected = logits.double().log_softmax(-1)[rows, targets]
    whole, best = target_log_probs(logits, targets, rows=rows)
    monkeypatch.setattr(_calls, "CHUNK", 640)  # two rows at a time
    chunked, _ = target_log_probs(logits, targets, rows=rows)
    assert whole.dtype == torch.float32 and torch.equal(whole, chunked)
    assert torch.allclose(whole.double(), expected, atol=1e-5)
    assert best.tolist() == (logits.argmax(-1)[rows] == targets).tolist()


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_token_log_probs_and_their_gradient_are_those_of_the_full_softmax(kind: str) -> None:
    model = tiny_lms.model(kind)
    ids = torch.randint(2, 320, (3, 9), generator=torch.Generator().manual_seed(1))
    mask = torch.zeros(3, 9, dtype=torch.bool)
    mask[0, 4:], mask[1, 1:3] = True, True
    got = token_log_probs(model, ids, mask)
    expected = model(ids).logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    expected = torch.cat([torch.zeros(3, 1), expected], 1) * mask
    assert torch.allclose(got, expected, atol=1e-5)
    weights = torch.randn(3, 9, generator=torch.Generator().manual_seed(2))
    parameters = list(model.parameters())
    ours = torch.autograd.grad((got * weights).sum(), parameters, retain_graph=True)
    theirs = torch.autograd.grad((expected * weights).sum(), parameters)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-3 * float(other.abs().max()))


def test_nothing_to_score_gives_zeros_and_a_first_token_is_refused() -> None:
    model, ids = tiny_lms.model("llama"), torch.tensor([[5, 6, 7]])
    assert token_log_probs(model, ids, torch.zeros(1, 3)).tolist() == [[0.0, 0.0, 0.0]]
    with pytest.raises(UsageError, match="first token"):
        token_log_probs(model, ids, torch.tensor([[1, 0, 0]]))
    with pytest.raises(UsageError, match=r"\(B, T\)"):
        token_log_probs(model, ids, torch.zeros(1, 2))


def test_windows_score_each_token_once_by_hand() -> None:
    ids = list(range(7))
    assert windows(ids, 3, 2) == [Pair([0], [1, 2]), Pair([2], [3, 4]), Pair([4], [5, 6])]
    assert windows(ids, 4, 2) == [Pair([0], [1, 2, 3]), Pair([2, 3], [4, 5]), Pair([3, 4, 5], [6])]
    assert windows(ids, 4, 3) == [Pair([0], [1, 2, 3]), Pair([3], [4, 5, 6])]
    assert windows(ids, 50, 3) == [Pair([0], [1, 2, 3, 4, 5, 6])]
    for window, stride in ((3, 3), (3, 0), (1, 1)):
        with pytest.raises(UsageError, match="stride"):
            windows(ids, window, stride)
    with pytest.raises(UsageError, match="at least two tokens"):
        windows([4], 3, 2)


@given(n=st.integers(2, 60), window=st.integers(2, 20), data=st.data())
def test_windows_join_up(n: int, window: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, window - 1))
    pairs = windows(range(n), window, stride)
    assert [i for p in pairs for i in p.continuation] == list(range(1, n))
    assert all(len(p.context) + len(p.continuation) <= window for p in pairs)
    assert all(p.context[-1] + 1 == p.continuation[0] for p in pairs)
    assert all(len(p.context) >= min(window - stride, p.continuation[0]) for p in pairs)


def test_perplexity_in_one_window_is_the_exponential_of_the_models_own_loss() -> None:
    model, tok = tiny_lms.model("gpt2"), tiny_lms.tokenizer()
    text = " ".join(tiny_lms.TEXT[:2])
    ids = torch.tensor([tok.encode(text)])
    with torch.no_grad():
        loss = float(model(ids, labels=ids).loss)
    got = perplexity(model, tok, text)
    assert got.value == pytest.approx(math.exp(loss), rel=1e-4)
    assert (got.n_tokens, got.n_bytes) == (ids.shape[1] - 1, len(text.encode()))
    assert got.bits_per_byte == pytest.approx(loss * got.n_tokens / math.log(2) / got.n_bytes, rel=1e-4)


@pytest.mark.parametrize("stride", [1, 3, None])
def test_perplexity_over_windows_is_that_of_brute_force(stride: int | None) -> None:
    model, tok = tiny_lms.model("llama"), tiny_lms.tokenizer()
    ids = tok.encode(tiny_lms.TEXT[0])
    total = sum(brute(model, *pair)[0] for pair in windows(ids, 8, stride or 7))
    got = perplexity(model, tok, tiny_lms.TEXT[0], window=8, stride=stride, batch_size=3)
    assert got.nll == pytest.approx(-total, abs=1e-3)


def test_a_real_model_finds_its_own_kind_of_text_likely() -> None:
    model, tok = tiny_lms.stories()
    tale = "Once upon a time, there was a little girl named Lily. She loved to play outside."
    assert perplexity(model, tok, tale).value < 5 < perplexity(model, tok, tale[::-1]).value


def test_no_pairs_give_no_scores() -> None:
    assert log_likelihoods(tiny_lms.model("llama"), tiny_lms.tokenizer(), []) == []
