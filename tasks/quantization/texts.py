"""The texts of the family as windows of tokens: what is measured on, and what may be calibrated on.

Both come from files that have no document in common, or both are sampled from the model itself ("own").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from suite.errors import UsageError
from suite.models._calls import need_prefix
from tasks.quantization.sources import OWN, documents
from tasks.quantization.windows import C4_WINDOWS, Encode, c4_new, c4_old, calibration_windows, text_windows

Recipe = Literal["joined", "c4-old", "c4-new"]

# torch's CPU generator takes the low 32 bits of a seed, so that the windows are those of 0, 1, ...; the seeds
# of calibration are hashes, whose low 32 bits are as good as never that small.
OWN_SEED = 1 << 40
"""Of the first sampled evaluation window; those of calibration come from the cell's seed."""


def encoder(tokenizer: Any, *, special: bool = True) -> Encode:
    """A text's token ids, with the tokenizer's own special tokens where asked for."""

    def encode(text: str) -> Sequence[int]:
        # However long the text is: it is cut into windows afterwards, which no warning needs to say.
        found: Sequence[int] = tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
        return found

    return encode


def evaluation(
    text: str, recipe: Recipe, model: Any, tokenizer: Any, length: int, count: int | None, bos: bool
) -> Tensor:
    """The windows that are measured, (N, length), the same for every seed.

    count: at most so many, the first (all of them where None; the recipes of C4 have 256, and "own" needs a
    number). bos: every window begins with BOS, which counts among its tokens.
    """
    if text == OWN:
        if count is None:
            raise UsageError("of the model's own text there is no end: say how many windows")
        return sampled(model, tokenizer, count, length, OWN_SEED)

    def cut(encode: Encode, length: int) -> Tensor:
        rows = documents(text, "evaluation")
        if recipe == "c4-old":
            return c4_old(rows, encode, length, windows=count or C4_WINDOWS)
        found = c4_new(rows, encode, length) if recipe == "c4-new" else text_windows(rows, encode, length)
        return found[:count]

    return _with_bos(cut, tokenizer, length, bos)


def calibration(
    text: str, model: Any, tokenizer: Any, length: int, count: int, seed: int, bos: bool
) -> Tensor:
    """The windows that a quantizer may look at, (count, length): drawn at random by the seed."""
    if text == OWN:
        return sampled(model, tokenizer, count, length, seed)
    rows = documents(text, "calibration")
    return _with_bos(
        lambda encode, length: calibration_windows(rows, encode, windows=count, length=length, seed=seed),
        tokenizer,
        length,
        bos,
    )


def _with_bos(cut: Callable[[Encode, int], Tensor], tokenizer: Any, length: int, bos: bool) -> Tensor:
    try:
        if not bos:
            return cut(encoder(tokenizer), length)
        windows = cut(encoder(tokenizer, special=False), length - 1)
    except ValueError as error:
        raise UsageError(f"{error} (task fields length, windows and those of calibration)") from None
    return torch.cat([windows.new_full((len(windows), 1), need_prefix(tokenizer)), windows], 1)


def sampled(model: Any, tokenizer: Any, count: int, length: int, seed: int) -> Tensor:
    """Texts that the model writes behind BOS at temperature 1, (count, length); seeds from `seed` on.

    It writes on behind its end-of-text token, so that all have one length. UsageError where the model's
    context is shorter.
    """
    from suite.models.generation import generate

    seeds = [(seed + k) % (1 << 63) for k in range(count)]
    prompts = [[need_prefix(tokenizer)]] * count
    texts = generate(
        model, tokenizer, prompts, max_new_tokens=length - 1, temperature=1.0, seeds=seeds, eos=()
    )
    short = min(len(text.ids) for text in texts)
    if short < length - 1:
        raise UsageError(f"windows of {length} tokens: the model's context holds {short + 1}")
    return torch.tensor([[*prompt, *text.ids] for prompt, text in zip(prompts, texts, strict=True)])
