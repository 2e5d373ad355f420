"""Training of an editor on episodes: gradients of pretended edits, a state that survives a kill."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from methods.vit_editing.rival_episodes import Episodes
from methods.vit_editing.rival_streams import current, listening, many_logits
from suite.errors import UsageError
from tasks.vit_editing.contract import Workshop

if TYPE_CHECKING:
    from tasks.vit_editing.contract import Classifier, Weights

EVERY_S = 20.0
"""Seconds between two states."""
CLIP = 1.0
"""Most that a gradient's norm may be."""


class Factors(NamedTuple):
    """read (E, n, in) and delta (E, n, out) of a map: its gradient is sum_n delta_n read_n^T."""

    read: Tensor
    delta: Tensor


def factors(
    model: Classifier, h: Tensor, y: Tensor, blocks: Sequence[int], weights: Weights | None = None
) -> dict[str, Factors]:
    """By the names of the FFN matrices of `blocks`, the factors of the gradient of each edit's mean CE.

    h: streams (E, k, T, d) before the first of the blocks. y: (E, k). n is k T tokens.
    """
    maps = [name for block in blocks for name in (model.blocks[block].fc1, model.blocks[block].fc2)]
    kept: dict[str, tuple[Tensor, Tensor]] = {}
    flat = h.flatten(0, 1).detach().requires_grad_(True)
    with listening(model, maps, kept):
        logits = model.by_module(flat, blocks[0], weights)
    loss = F.cross_entropy(logits, y.flatten(), reduction="sum") / y.shape[1]
    deltas = torch.autograd.grad(loss, [kept[name][1] for name in maps])
    found = {}
    for name, delta in zip(maps, deltas, strict=True):
        read = kept[name][0].detach()
        parts = (part.unflatten(0, y.shape).flatten(1, 2) for part in (read, delta))
        found[f"{name}.weight"] = Factors(*parts)
    return found


class Practice(NamedTuple):
    """Streams of episodes before the first block. edit: (B, 1, T, d), y: (B, 1). like: (B, 1, T, d). apart:
    (L, T, d), kept: the original model's log-probabilities of it (L, classes).
    """

    edit: Tensor
    y: Tensor
    like: Tensor
    apart: Tensor
    kept: Tensor


def practice(model: Classifier, episodes: Episodes, start: int) -> Practice:
    """Episodes as the blocks from `start` on see them."""
    n = len(episodes.y)
    h = model.kept(torch.cat([episodes.x, episodes.like, episodes.apart]), start)
    with torch.no_grad():
        kept = model.logits_from(h[2 * n :], start).log_softmax(1)
    return Practice(h[:n, None], episodes.y[:, None], h[n : 2 * n, None], h[2 * n :], kept)


class Outcome(NamedTuple):
    """Means over episodes. edit: CE of the edited models on the edit and on its like. drift: KL(p ||
    p_edited) on the pictures apart. right: share of the edits that are right.
    """

    edit: Tensor
    drift: Tensor
    right: float


def outcome(model: Classifier, given: Practice, start: int, changes: Mapping[str, Tensor]) -> Outcome:
    """Of models with changes (B, out, in) added to their matrices; differentiable in the changes."""
    n, count = len(given.y), len(given.apart)
    streams = torch.cat([given.edit, given.like, given.apart[None].expand(n, *given.apart.shape)], 1)
    edited = {name: current(model, {}, name) + change for name, change in changes.items()}
    logits = many_logits(model, streams, start, edited)
    wanted = logits[:, :2]
    edit = F.cross_entropy(wanted.flatten(0, 1), given.y.expand(n, 2).flatten())
    now = logits[:, 2:].log_softmax(2)
    drift = (given.kept.exp() * (given.kept - now)).sum() / (n * count)
    return Outcome(edit, drift, float((wanted[:, 0].argmax(1) == given.y[:, 0]).float().mean()))


def trained(
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    step: Callable[[int], Tensor],
    steps: int,
    workshop: Workshop,
    label: str,
) -> None:
    """`steps` steps of a loss that depends on the modules and on the number of the step alone, so that a
    training that was killed goes on as if it had not been. The state is the modules' and the optimizer's.
    """
    path = None if workshop.folder is None else workshop.folder / f"{label.replace(' ', '-')}.safetensors"
    done = 0
    if path is not None and path.is_file():
        state = load_file(path)
        done = int(state.pop("done"))
        _restore(modules, optimizer, state)
    saved = time.monotonic()
    while done < steps:
        loss = step(done)
        if not torch.isfinite(loss):
            raise UsageError(
                f"{label}: the loss of step {done + 1} is {float(loss.detach())}; try a lower lr"
            )
        optimizer.zero_grad()
        loss.backward()
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
        done += 1
        workshop.report(label, done, steps)
        if path is not None and (done == steps or time.monotonic() - saved > EVERY_S):
            state = _state(modules, optimizer) | {"done": torch.tensor(done)}
            part = path.with_suffix(".part")
            save_file(state, part)
            part.replace(path)
            saved = time.monotonic()


def _state(modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = {f"{name}/{k}": v for name, module in modules.items() for k, v in module.state_dict().items()}
    for i, held in optimizer.state_dict()["state"].items():
        state |= {f"#{i}/{k}": torch.as_tensor(v) for k, v in held.items()}
    return {k: v.detach().clone().contiguous() for k, v in state.items()}


def _restore(
    modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer, state: Mapping[str, Tensor]
) -> None:
    for name, module in modules.items():
        module.load_state_dict(under(state, f"{name}/"))
    told = optimizer.state_dict()
    for i in range(sum(len(group["params"]) for group in told["param_groups"])):
        if held := under(state, f"#{i}/"):
            told["state"][i] = held
    optimizer.load_state_dict(told)


def under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin so, without that."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
