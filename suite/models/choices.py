"""Multiple choice: log-probabilities of all choices of an item, its context computed once for all of them.

    items = [Item("The capital of France is", [" Paris", " Rome"])]
    scores = score_choices(model, tokenizer, items)
    accuracy(items, scores, gold=[0]).acc

The choices stand behind their context in one row. A mask hides them from each other and position ids make
each of them begin right behind the context, so that its scores are those of a row of its own. Not every
architecture takes such a mask: on first use one item is scored both ways, and where the scores differ, or the
model refuses, everything is scored plainly. `sharing(model)` says what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import nn

from suite.errors import UsageError
from suite.models._calls import accepts, context_length, evaluating, hooked, in_batches
from suite.models._packing import Scores, row_width, score_rows, window_of
from suite.models.likelihood import Likelihood, Pair, encode_pairs, score_pairs

# How far a choice's log-probability may differ between the two ways: in all, or a token in half precision.
EXACT, HALF = 1e-3, 0.05


class Item(NamedTuple):
    """A context and the texts of which one follows it best; each choice brings its own leading space."""

    context: str
    choices: Sequence[str]


Items = Sequence[tuple[str, Sequence[str]]]


@dataclass(frozen=True)
class Verdict:
    """Whether a model's choices can share their context; why: what the comparison showed, when they cannot.

    windowed: whether the compared item was longer than the model's sliding window; hooked: whether hooks were
    on the model, so that the verdict holds for that call only.
    """

    shared: bool
    why: str = ""
    windowed: bool = False
    hooked: bool = False


@dataclass(frozen=True)
class Accuracy:
    """Share of items whose best choice is the right one, as lm-evaluation-harness has it; of equals the first
    is best. acc: by log-probability; acc_norm: by log-probability over the characters of the choice;
    acc_bytes: over its UTF-8 bytes. n: items.
    """

    acc: float
    acc_norm: float
    acc_bytes: float
    n: int


_verdicts: WeakKeyDictionary[nn.Module, Verdict] = WeakKeyDictionary()


def sharing(model: nn.Module) -> Verdict | None:
    """What was found for this model; None while nothing was compared."""
    return _verdicts.get(model)


def score_choices(
    model: nn.Module,
    tokenizer: Any,
    items: Items,
    *,
    batch_size: int = 32,
    max_length: int | None = None,
    share: bool = True,
) -> list[list[Likelihood]]:
    """The likelihood of every choice behind its item's context, in order: what `log_likelihoods` gives.

    batch_size: items at a time (plainly: choices at a time). An item that does not fit the model's context
    with all its choices in one row is scored plainly. share=False does that with all of them: for a model
    with hooks that depend on the place of a token in its row.
    """
    for number, (_, choices) in enumerate(items):
        if not choices or isinstance(choices, str):
            raise UsageError(f"item {number} needs a list of choices, not {choices!r}")
    encoded = [encode_pairs(tokenizer, *item) for item in items]
    limit = context_length(model) if max_length is None else max_length
    packed = [i for i, pairs in enumerate(encoded) if share and _fits(pairs, limit)]
    with evaluating(model):
        if packed and not _may_share(model, [encoded[i] for i in packed]):
            packed = []
        scores = {} if not packed else _score_packed(model, encoded, packed, batch_size)
    plain = [i for i in range(len(items)) if i not in scores]
    flat = score_pairs(model, [p for i in plain for p in encoded[i]], batch_size=batch_size, max_length=limit)
    ends = list(accumulate(len(encoded[i]) for i in plain))
    scores |= {i: flat[end - len(encoded[i]) : end] for i, end in zip(plain, ends, strict=True)}
    return [
        [
            Likelihood(total, len(pair.continuation), len(choice.encode()), greedy)
            for (total, greedy), pair, choice in zip(scores[i], encoded[i], choices, strict=True)
        ]
        for i, (_, choices) in enumerate(items)
    ]


def accuracy(
    items: Items,
    scores: Sequence[Sequence[Likelihood]],
    gold: Sequence[int],
) -> Accuracy:
    """How often the best choice is items[i].choices[gold[i]].

    The space that joins a choice to its context belongs to neither, so spaces at its left are not counted in
    its length. Raises UsageError for no items, for lengths that differ and for a gold choice that is none.
    """
    if not items or not len(items) == len(scores) == len(gold):
        raise UsageError(f"{len(items)} items, {len(scores)} scores and {len(gold)} right choices")
    hits = [0, 0, 0]
    for number, ((_, choices), found, right) in enumerate(zip(items, scores, gold, strict=True)):
        if not 0 <= right < len(choices):
            raise UsageError(f"item {number} has {len(choices)} choices; the right one cannot be {right}")
        texts = [choice.lstrip() for choice in choices]
        for which, lengths in enumerate(
            ([1] * len(texts), [len(t) for t in texts], [len(t.encode()) for t in texts])
        ):
            values = [f.total / max(n, 1) for f, n in zip(found, lengths, strict=True)]
            hits[which] += values.index(max(values)) == right
    n = len(items)
    return Accuracy(hits[0] / n, hits[1] / n, hits[2] / n, n)


def _fits(pairs: list[Pair], limit: int | None) -> bool:
    """Whether the pairs have one context and fit in one row."""
    width = row_width(pairs)
    return all(p.context == pairs[0].context for p in pairs) and (limit is None or width <= limit)


def _score_packed(
    model: nn.Module, encoded: list[list[Pair]], packed: list[int], batch_size: int
) -> dict[int, Scores]:
    """Scores of the items with these numbers, each in one row."""
    scores: dict[int, Scores] = {}
    for chosen in in_batches([row_width(encoded[i]) for i in packed], batch_size):
        numbers = [packed[k] for k in chosen]
        scores.update(zip(numbers, score_rows(model, [encoded[i] for i in numbers]), strict=True))
    return scores


def _may_share(model: nn.Module, items: list[list[Pair]]) -> bool:
    """The verdict on the model: remembered, or found on the widest item that has choices to be packed.

    A verdict found within the sliding window does not hold beyond it, and none holds for a model with hooks,
    which can be others the next time and can depend on the places of tokens.
    """
    several = [pairs for pairs in items if any(len(p.continuation) > 1 for p in pairs)]
    if not several:
        return True
    window = window_of(model)
    widest = max(several, key=_longest)
    beyond = window is not None and _longest(widest) > window
    now_hooked = hooked(model)
    known = _verdicts.get(model)
    if known is None or now_hooked or known.hooked or (known.shared and beyond and not known.windowed):
        why = _difference(model, widest)
        known = _verdicts[model] = Verdict(not why, why, beyond, now_hooked)
    return known.shared


def _longest(pairs: list[Pair]) -> int:
    return max(len(p.context) + len(p.continuation) for p in pairs)


def _difference(model: nn.Module, pairs: list[Pair]) -> str:
    """Why an item cannot be scored in one row; empty when it can."""
    if not accepts(model, "position_ids"):
        return f"{type(model).__name__} takes no position ids"
    plain = score_pairs(model, pairs)
    try:
        packed = score_rows(model, [pairs])[0]
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever an architecture that knows no such mask says
        return f"{type(model).__name__} refuses a block mask: {type(error).__name__}: {error}".splitlines()[0]
    exact = next(model.parameters()).dtype in (torch.float32, torch.float64)
    for (one, _), (other, _), pair in zip(plain, packed, pairs, strict=True):
        if not abs(one - other) <= (EXACT if exact else HALF * len(pair.continuation)):
            return f"{type(model).__name__} scores a choice {other:.4f} in a shared row and {one:.4f} alone"
    return ""
