"""What generation and scoring share: how a text becomes token ids, how ids become a batch, how a causal
language model is called so that only the wanted positions reach its (often largest) last map.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from suite.errors import UsageError

# Logits looked at together when log-probabilities are taken: 64 MiB of float32.
CHUNK = 1 << 24


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Dropout off and no gradients inside; each module's mode is afterwards as it was before."""
    modes = [(module, module.training) for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def device_of(model: nn.Module) -> torch.device:
    """Where the inputs must be: the device of the token embedding."""
    embedding = getattr(model, "get_input_embeddings", lambda: None)()
    parameter = next((embedding if embedding is not None else model).parameters())
    return parameter.device


def hooked(model: nn.Module) -> bool:
    """Whether someone reads or edits what happens inside the model."""
    return any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def accepts(model: nn.Module, argument: str) -> bool:
    """Whether the model's forward has this argument by name; an adapter's wrapper is looked through."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return argument in inspect.signature(base.forward).parameters


def context_length(model: nn.Module) -> int | None:
    """The most positions that the model's config says it can have; None where it does not say."""
    config: Any = getattr(model, "config", None)
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    for name in ("n_positions", "max_position_embeddings", "n_ctx"):
        if getattr(config, name, None):
            return int(getattr(config, name))
    return None


def encode(tokenizer: Any, text: str, *, special: bool = True) -> list[int]:
    """Token ids of a text, with the tokenizer's own special tokens, but never a second BOS before one that
    the text already begins with (a chat template writes it).
    """
    bos = prefix_id(tokenizer)
    if special and bos is not None:
        special = not text.startswith(tokenizer.decode([bos]))
    return list(tokenizer.encode(text, add_special_tokens=special))


def prefix_id(tokenizer: Any) -> int | None:
    """What stands before an empty context: BOS, else EOS, else None."""
    found = tokenizer.bos_token_id
    found = tokenizer.eos_token_id if found is None else found
    return None if found is None else int(found)


def need_prefix(tokenizer: Any) -> int:
    """`prefix_id`, or UsageError where the tokenizer has neither BOS nor EOS."""
    found = prefix_id(tokenizer)
    if found is None:
        raise UsageError("an empty context needs a BOS or EOS token and the tokenizer has none; give it one")
    return found


def eos_ids(model: nn.Module, tokenizer: Any) -> list[int]:
    """The tokens that end a text: the generation config's, else the tokenizer's."""
    found = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    found = tokenizer.eos_token_id if found is None else found
    if found is None:
        return []
    return [int(i) for i in found] if isinstance(found, (list, tuple)) else [int(found)]


def right_padded(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Ids as (B, longest), zeros behind the shorter ones: a causal model never looks at them, so that no mask
    is needed and no row's numbers depend on its neighbours' lengths.
    """
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], device=device)


def logits_at(model: nn.Module, ids: Tensor, at: tuple[Tensor, Tensor], **inputs: Any) -> Tensor:
    """Logits (N, V) at N positions of a batch, in the model's dtype; differentiable.

    at: row and column numbers, N each. The hidden states are picked before the last map, so that it costs N
    positions; a model without a known last map, or one that does not call it once, is run in full and picked
    from afterwards.
    """
    head = getattr(model, "get_output_embeddings", lambda: None)()
    if head is None:
        return _plain_logits(model, ids, **inputs)[at]
    seen: list[torch.Size] = []

    def pick(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        seen.append(args[0].shape)
        return (args[0][at][None], *args[1:]) if args[0].shape[:2] == ids.shape else None

    handle = head.register_forward_pre_hook(pick)
    try:
        logits = _plain_logits(model, ids, **inputs)
    finally:
        handle.remove()
    picked = len(seen) == 1 and seen[0][:2] == ids.shape
    return logits[0] if picked else logits[at]


def _plain_logits(model: nn.Module, ids: Tensor, **inputs: Any) -> Tensor:
    return model(input_ids=ids, use_cache=False, **inputs).logits


def target_log_probs(logits: Tensor, targets: Tensor, *, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Log-probability of each target in float32, and whether it is the most likely token. Both (M,).

    logits: (N, V), any dtype; targets: (M,); rows: which of the N each target belongs to, (M,), by default
    its own. Taken in chunks, so that a large vocabulary in bfloat16 needs no float32 copy of all logits.
    """
    rows = torch.arange(len(targets), device=logits.device) if rows is None else rows
    chunks = logits.split(max(1, CHUNK // logits.shape[-1]))
    total = torch.cat([chunk.float().logsumexp(-1) for chunk in chunks])
    best = torch.cat([chunk.argmax(-1) for chunk in chunks])
    return logits[rows, targets].float() - total[rows], best[rows] == targets


def in_batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Numbers of rows, at most `size` of similar length at a time, the longest first, so that little is
    padded and a lack of memory shows at once.
    """
    if size < 1:
        raise UsageError(f"batch_size is {size}; give 1 or more")
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    for start in range(0, len(order), size):
        yield order[start : start + size]
