"""Log-probabilities of texts under a causal language model, in float32 whatever the model's own type.

    log_likelihoods(model, tokenizer, [("The capital of France is", " Paris")])[0].total
    token_log_probs(model, ids, mask).sum(1)  # with gradients: DPO, REINFORCE and their kin
    perplexity(model, tokenizer, text, window=1024).value

Where a text is split into context and continuation, how they are tokenized and how a long one is cut follow
lm-evaluation-harness, so that numbers can be compared with those published with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from suite.errors import UsageError
from suite.models._calls import (
    context_length,
    device_of,
    encode,
    evaluating,
    hooked,
    in_batches,
    logits_at,
    need_prefix,
    right_padded,
    target_log_probs,
)


class Pair(NamedTuple):
    """Token ids of a context, at least one, and of the continuation that is scored, at least one."""

    context: list[int]
    continuation: list[int]


@dataclass(frozen=True)
class Likelihood:
    """log p(continuation | context) in nats.

    total: over all tokens of the continuation; n_tokens, n_bytes: its length in tokens, and in UTF-8 bytes as
    it was given; is_greedy: whether every one of its tokens is the most likely one at its place.
    """

    total: float
    n_tokens: int
    n_bytes: int
    is_greedy: bool

    @property
    def mean(self) -> float:
        """Nats a token."""
        return self.total / self.n_tokens


@dataclass(frozen=True)
class Perplexity:
    """nll: negative log-likelihood of all scored tokens together, in nats. n_bytes: of the whole text."""

    nll: float
    n_tokens: int
    n_bytes: int

    @property
    def value(self) -> float:
        """exp(nll / n_tokens): per token of this tokenizer, so comparable between models that share it."""
        return math.exp(self.nll / self.n_tokens)

    @property
    def bits_per_byte(self) -> float:
        """Comparable between tokenizers."""
        return self.nll / (self.n_bytes * math.log(2))


def log_likelihoods(
    model: nn.Module,
    tokenizer: Any,
    pairs: Sequence[tuple[str, str]],
    *,
    batch_size: int = 32,
    max_length: int | None = None,
) -> list[Likelihood]:
    """Scores every (context, continuation), in order; the context is conditioned on and not scored.

    max_length: the most tokens that the model sees at once (default: its context). What is longer is cut from
    the left, the context first; a continuation that does not fit by itself is a UsageError, as is one without
    a token. How the pair becomes tokens: `encode_pair`.
    """
    limit = context_length(model) if max_length is None else max_length
    encoded = [encode_pair(tokenizer, *pair) for pair in pairs]
    scored = score_pairs(model, encoded, batch_size=batch_size, max_length=limit)
    return [
        Likelihood(total, len(e.continuation), len(text.encode()), greedy)
        for (_, text), e, (total, greedy) in zip(pairs, encoded, scored, strict=True)
    ]


def encode_pair(tokenizer: Any, context: str, continuation: str) -> Pair:
    """`encode_pairs` of a single continuation."""
    return encode_pairs(tokenizer, context, [continuation])[0]


def encode_pairs(tokenizer: Any, context: str, continuations: Sequence[str]) -> list[Pair]:
    """Token ids of a context with each of its continuations, as lm-evaluation-harness makes them.

    Spaces at the end of the context go to the continuation. Both are encoded together, and what lies behind
    the tokens of the context encoded alone is the continuation; so all continuations of one context share its
    tokens. An empty context is BOS, or EOS where there is no BOS, unless the continuation begins with it.
    """
    pairs = []
    start = encode(tokenizer, context.rstrip()) if context else []
    for continuation in continuations:
        if context:
            pair = Pair(start, encode(tokenizer, context + continuation)[len(start) :])
        else:
            ids, prefix = encode(tokenizer, continuation, special=False), need_prefix(tokenizer)
            pair = Pair(ids[:1], ids[1:]) if ids[:1] == [prefix] else Pair([prefix], ids)
        if not pair.continuation:
            raise UsageError(
                f"the continuation {continuation!r} adds no token to its context: nothing to score"
            )
        if not pair.context:
            raise UsageError(f"the context {context!r} has no token; leave it empty to start from BOS")
        pairs.append(pair)
    return pairs


def score_pairs(
    model: nn.Module, pairs: Sequence[Pair], *, batch_size: int = 32, max_length: int | None = None
) -> list[tuple[float, bool]]:
    """(log p(continuation | context), whether it is the greedy one) of each pair of token ids, in order.

    Only the positions that predict a continuation reach the model's last map. Raises UsageError for a
    continuation longer than max_length.
    """
    scores: dict[int, tuple[float, bool]] = {}
    rows = [cut(pair, max_length) for pair in pairs]
    with evaluating(model):
        for chosen in in_batches([len(row) for row in rows], batch_size):
            found = _score(model, [rows[i] for i in chosen], [len(pairs[i].continuation) for i in chosen])
            scores.update(zip(chosen, found, strict=True))
    return [scores[i] for i in range(len(pairs))]


def cut(pair: Pair, max_length: int | None) -> list[int]:
    """All ids of a pair, without those at the left that max_length inputs and one target leave out."""
    ids = [*pair.context, *pair.continuation]
    if max_length is not None and len(pair.continuation) > max_length:
        raise UsageError(
            f"a continuation has {len(pair.continuation)} tokens and the model sees {max_length} at once; "
            "shorten it, or use perplexity() for a long text"
        )
    return ids if max_length is None else ids[-(max_length + 1) :]


def _score(model: nn.Module, rows: list[list[int]], counts: list[int]) -> list[tuple[float, bool]]:
    """Scores of the last counts[i] tokens of each row; the last token of a row is only a target."""
    device = device_of(model)
    inputs = right_padded([row[:-1] for row in rows], device)
    where = [
        (i, len(row) - 1 - n + j)
        for i, (row, n) in enumerate(zip(rows, counts, strict=True))
        for j in range(n)
    ]
    at = torch.tensor(where, device=device).T
    targets = torch.tensor([t for row, n in zip(rows, counts, strict=True) for t in row[-n:]], device=device)
    # A causal model never sees the padding behind a row, and is faster without a mask; hooks need to know it.
    mask = {"attention_mask": _real(rows, inputs)} if hooked(model) else {}
    values, best = target_log_probs(logits_at(model, inputs, (at[0], at[1]), **mask), targets)
    parts = zip(values.double().split(counts), best.split(counts), strict=True)
    return [(float(value.sum()), bool(greedy.all())) for value, greedy in parts]


def _real(rows: list[list[int]], inputs: Tensor) -> Tensor:
    """1 at the inputs that are tokens of a row, 0 at the padding, like `inputs`."""
    lengths = torch.tensor([len(row) - 1 for row in rows], device=inputs.device)
    return (torch.arange(inputs.shape[1], device=inputs.device) < lengths[:, None]).long()


def token_log_probs(model: nn.Module, ids: Tensor, mask: Tensor) -> Tensor:
    """log p(ids[:, t] | ids[:, :t]) as (B, T) float32 where `mask` is true, 0 elsewhere; differentiable.

    ids: (B, T) token ids, padded on the right with any id. mask: (B, T), true at the tokens to score (say, of
    the answer), false in the prompt and the padding. Only scored positions reach the last map. The model is
    used in the mode it is in. The first token has nothing before it: UsageError where it is to be scored.
    """
    mask = mask.bool()
    if ids.shape != mask.shape or ids.ndim != 2:
        raise UsageError(f"ids and mask are both (B, T), not {tuple(ids.shape)} and {tuple(mask.shape)}")
    if bool(mask[:, :1].any()):
        raise UsageError(
            "the first token of a row has nothing before it and cannot be scored; begin with BOS"
        )
    rows, columns = mask.nonzero(as_tuple=True)
    out = torch.zeros(ids.shape, dtype=torch.float32, device=ids.device)
    if not len(rows):
        return out
    logits = logits_at(model, ids, (rows, columns - 1))
    values, _ = target_log_probs(logits, ids[rows, columns])
    return out.index_put((rows, columns), values.to(out.device))


def perplexity(
    model: nn.Module,
    tokenizer: Any,
    text: str,
    *,
    window: int | None = None,
    stride: int | None = None,
    batch_size: int = 1,
) -> Perplexity:
    """Perplexity of one text, each token scored once: all but the first, which nothing precedes.

    The tokenizer's own special tokens count as tokens: where it begins with BOS, BOS is that first token and
    all of the text is scored. window: tokens of one row, the last of which is only predicted (default: the
    model's context). A row conditions on its first window - stride tokens, which the row before has scored,
    and scores the rest; stride: window - 1 by default, so that rows share one token; a smaller one gives
    every token more context and costs more.
    """
    window = context_length(model) if window is None else window
    if window is None:
        raise UsageError("the model does not say how long its context is; give window=")
    stride = window - 1 if stride is None else stride
    ids = encode(tokenizer, text)
    scored = score_pairs(model, windows(ids, window, stride), batch_size=batch_size)
    return Perplexity(-math.fsum(total for total, _ in scored), len(ids) - 1, len(text.encode()))


def windows(ids: Sequence[int], window: int, stride: int) -> list[Pair]:
    """(what conditions, what is scored) for each window of at most `window` ids; scored parts join up.

    Raises UsageError for fewer than two ids, and for a stride that would leave tokens out.
    """
    if len(ids) < 2:
        raise UsageError("a perplexity needs at least two tokens; the text is too short")
    if not 1 <= stride < window:
        raise UsageError(f"stride is {stride} and window {window}; stride is 1 or more and below window")
    pairs, scored, end = [], 1, min(window, len(ids))
    while scored < len(ids):
        start = max(0, end - window)
        pairs.append(Pair(list(ids[start:scored]), list(ids[scored:end])))
        scored, end = end, min(end + stride, len(ids))
    return pairs
