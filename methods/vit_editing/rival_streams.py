"""What rival editors read inside a block, and small tools that all of them use.

u: what the FFN's first map reads; k: its hidden units behind the activation, the keys of fc2; of all tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.func import vmap

from suite.errors import UsageError
from tasks.vit_editing.contract import Edited, Failure, ReplacedWeights

if TYPE_CHECKING:
    from tasks.vit_editing.contract import Classifier, Weights

BATCH = 128

ACTIVATIONS = ("activation_fn", "intermediate_act_fn", "act")
"""Names of the activation beside fc1: transformers 5, transformers 4, timm."""
SHIFT, LIGHT = 1 / 16, 0.2
"""Augmentation: at most this share of a side, and of brightness and contrast."""


class Passed(NamedTuple):
    """A block's stream behind it (n, T, d), what fc1 read (n, T, d) and the keys of fc2 (n, T, hidden)."""

    after: Tensor
    read: Tensor
    keys: Tensor


@contextmanager
def listening(
    model: Classifier, names: Sequence[str], kept: dict[str, tuple[Tensor, Tensor]]
) -> Iterator[None]:
    """Puts into `kept` what each named module reads and writes while the context lasts."""

    def hears(name: str) -> Callable[[Any, Any, Any], None]:
        def hear(module: Any, given: Any, told: Any) -> None:
            kept[name] = (given[0], told)

        return hear

    held = [model.module.get_submodule(name).register_forward_hook(hears(name)) for name in names]
    try:
        yield
    finally:
        for one in held:
            one.remove()


def passed(model: Classifier, h: Tensor, block: int, weights: Weights | None = None) -> Passed:
    """The stream (n, T, d) before a block, through it."""
    one, kept = model.blocks[block], dict[str, tuple[Tensor, Tensor]]()
    with listening(model, (one.fc1, one.fc2), kept):
        after = model.through_modules(h, block, block + 1, weights)
    return Passed(after, kept[one.fc1][0], kept[one.fc2][0])


@torch.no_grad()
def read_by(model: Classifier, pictures: Tensor, block: int) -> Iterator[Passed]:
    """Pictures (n, H, W, 3) through a block of the original weights, in batches."""
    for part in pictures.split(BATCH):
        yield passed(model, model.stream(part, block), block)


def with_token(after: Tensor, token: Tensor) -> Tensor:
    """The stream (n, T, d) with another class token (n, d)."""
    return torch.cat([token[:, None], after[:, 1:]], 1)


def activation(model: Classifier, block: int) -> Callable[[Tensor], Tensor]:
    """The FFN's activation. UsageError where it is not found by its name."""
    name = model.blocks[block].fc1.rpartition(".")[0]
    beside = model.module.get_submodule(name)
    found = next((getattr(beside, n) for n in ACTIVATIONS if hasattr(beside, n)), None)
    if found is None:
        raise UsageError(f"block {block}: no activation of the FFN was found by name in {name}")
    act: Callable[[Tensor], Tensor] = found
    return act


def chosen(blocks: str, model: Classifier) -> tuple[int, ...]:
    """The blocks that a field names, "3,4"; the middle ones for "". UsageError for one that is not there."""
    if not blocks.strip():
        return model.middle()
    try:
        found = tuple(sorted({int(part) for part in blocks.split(",")}))
    except ValueError:
        raise UsageError(f"blocks={blocks}: write their numbers with commas between, as in 3,4") from None
    if found[0] < 0 or found[-1] >= model.depth:
        raise UsageError(f"blocks={blocks}: this model has the blocks 0 to {model.depth - 1}")
    return found


def one_block(block: int, model: Classifier) -> int:
    """The number of a block, the last of the middle ones for -1."""
    return chosen("" if block < 0 else str(block), model)[-1]


def inherited(before: Edited | None) -> dict[str, Tensor]:
    """The weights that an earlier edit left."""
    if before is None:
        return {}
    if not isinstance(before, ReplacedWeights):
        raise UsageError(f"an edit of weights cannot be put on top of {type(before).__name__}")
    return dict(before.weights)


def current(model: Classifier, weights: Mapping[str, Tensor], name: str) -> Tensor:
    """A parameter after the earlier edits."""
    return weights[name] if name in weights else model.parameter(name).detach()


def groups(failures: Sequence[Failure], size: int) -> Iterator[list[int]]:
    """Numbers of failures with equally many pictures, at most `size` at once, in order."""
    by_count: dict[int, list[int]] = {}
    for i, failure in enumerate(failures):
        by_count.setdefault(len(failure.y), []).append(i)
    for found in by_count.values():
        yield from (found[k : k + size] for k in range(0, len(found), size))


Many = Callable[[list[Failure]], list[Any]]


def in_groups(failures: Sequence[Failure], size: int, edits: Many) -> list[Any]:
    """The edits of failures, in their order, from a function that edits equally large ones at once."""
    done: dict[int, Any] = {}
    for part in groups(failures, size):
        done.update(zip(part, edits([failures[i] for i in part]), strict=True))
    return [done[i] for i in range(len(failures))]


def stacked(failures: Sequence[Failure]) -> tuple[Tensor, Tensor]:
    """Pictures (E, k, H, W, 3) and labels (E, k) of equally large failures."""
    return torch.stack([f.x for f in failures]), torch.stack([f.y for f in failures])


def augmented(x: Tensor, n: int, seed: int) -> Tensor:
    """(k, H, W, 3) uint8 to (k, 1 + n, H, W, 3) uint8: the picture itself, then n copies that are shifted
    (the edge repeated) and have another brightness and contrast.
    """
    draw = torch.Generator().manual_seed(seed)
    height, width = x.shape[1:3]
    copies = [x]
    for _ in range(n):
        copy = torch.empty_like(x)
        for i, picture in enumerate(x):
            up, left = (_within(max(1, round(side * SHIFT)), draw) for side in (height, width))
            rows = (torch.arange(height) + up).clamp(0, height - 1)
            columns = (torch.arange(width) + left).clamp(0, width - 1)
            contrast, light = (1 + LIGHT * (2 * torch.rand(2, generator=draw) - 1)).tolist()
            moved = picture[rows][:, columns].float()
            level = moved.mean()
            copy[i] = (((moved - level) * contrast + level) * light).round().clamp(0, 255).to(x.dtype)
        copies.append(copy)
    return torch.stack(copies, 1)


def many_logits(
    model: Classifier, h: Tensor, start: int, weights: Mapping[str, Tensor], shared: Weights | None = None
) -> Tensor:
    """Streams (E, k, T, d) before block `start` to logits (E, k, classes), each row under its own weights,
    stacked as (E, ...); shared: weights that are the same for all.
    """

    def one(own: dict[str, Tensor], stream: Tensor) -> Tensor:
        return model.logits_from(stream, start, {**(shared or {}), **own}, mapped=True)

    told: Tensor = vmap(one)(dict(weights), h)
    return told


def _within(most: int, draw: torch.Generator) -> int:
    return int(torch.randint(-most, most + 1, (1,), generator=draw))
