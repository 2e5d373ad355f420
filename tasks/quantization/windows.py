"""Texts as windows of tokens, the way GPTQ and those who followed it cut them (DuQuant, sections 3.1 and 5).

`encode` makes token ids of one text, special tokens included where the tokenizer adds any: a tokenizer's
`encode`, or any function. Windows are rows of an integer tensor (N, length). Random ones come from Python's
generator under a seed, in the order of the released code, so that they are the very windows of a published
number wherever texts and tokenizer are the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Encode = Callable[[str], Sequence[int]]

C4_DOCUMENTS = 1100
"""How many documents the newer C4 recipe joins."""
C4_WINDOWS = 256
"""How many windows both C4 recipes have, the newer one at most."""


def text_windows(texts: Sequence[str], encode: Encode, length: int) -> Tensor:
    """The texts joined with blank lines, tokenized once, in windows that do not overlap; the tail is dropped.

    WikiText-2 and PTB are measured so. Raises ValueError where not even one window is full.
    """
    return _cut(encode("\n\n".join(texts)), length)


def c4_old(
    documents: Sequence[str], encode: Encode, length: int, *, windows: int = C4_WINDOWS, seed: int = 20
) -> Tensor:
    """One random window from each of `windows` random documents that are long enough: GPTQ's first recipe.

    A document that is too short is drawn in vain and another one is drawn; one document may serve twice. The
    seed is that of DuQuant's code. Perplexities under this recipe and under `c4_new` must not be compared.
    Raises ValueError where no document has more than `length` tokens.
    """
    _positive(length)
    draw, found = random.Random(seed), []
    known: dict[int, Sequence[int]] = {}
    while len(found) < windows:
        ids = _long_enough(documents, encode, length, draw, known)
        found.append(_random_window(ids, length, draw))
    return torch.stack(found)


def c4_new(
    documents: Sequence[str],
    encode: Encode,
    length: int,
    *,
    first: int = C4_DOCUMENTS,
    windows: int = C4_WINDOWS,
) -> Tensor:
    """The first documents joined with single spaces, tokenized once, cut into at most `windows` windows.

    GPTQ's second recipe; nothing in it is random. Raises ValueError where not even one window is full.
    """
    return _cut(encode(" ".join(documents[:first])), length)[:windows]


def calibration_windows(
    texts: Sequence[str], encode: Encode, *, windows: int = 128, length: int = 2048, seed: int = 2
) -> Tensor:
    """Random windows, overlapping as it comes, of the texts joined with blank lines and tokenized once.

    Counts and seed are DuQuant's, the texts there are WikiText-2's training split. Raises ValueError where
    there are no more than `length` tokens.
    """
    _positive(length)
    ids, draw = encode("\n\n".join(texts)), random.Random(seed)
    if len(ids) <= length:
        raise ValueError(f"{len(ids)} tokens are too few to draw windows of {length} from; give more text")
    return torch.stack([_random_window(ids, length, draw) for _ in range(windows)])


def _cut(ids: Sequence[int], length: int) -> Tensor:
    _positive(length)
    count = len(ids) // length
    if not count:
        raise ValueError(f"{len(ids)} tokens do not fill one window of {length}; give more text")
    return torch.tensor(ids[: count * length], dtype=torch.long).view(count, length)


def _random_window(ids: Sequence[int], length: int, draw: random.Random) -> Tensor:
    """As the released code draws it, which never takes the very last window."""
    start = draw.randint(0, len(ids) - length - 1)
    return torch.tensor(ids[start : start + length], dtype=torch.long)


def _long_enough(
    documents: Sequence[str],
    encode: Encode,
    length: int,
    draw: random.Random,
    known: dict[int, Sequence[int]],
) -> Sequence[int]:
    """The ids of the next random document with more than `length` tokens.

    The released code also takes a document of exactly `length` tokens, and then fails for want of a place to
    begin. known: ids by document, empty for a short one, so that none is tokenized twice.
    """
    while len(known) < len(documents) or any(known.values()):
        k = draw.randint(0, len(documents) - 1)
        if k not in known:
            ids = encode(documents[k])
            known[k] = ids if len(ids) > length else ()
        if known[k]:
            return known[k]
    raise ValueError(f"none of {len(documents)} documents has more than {length} tokens")


def _positive(length: int) -> None:
    if length < 1:
        raise ValueError(f"windows of {length} tokens: at least 1")
