"""The training that all learned quantizers share: AdamW over the calibration windows, one block at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn


class Listener(Protocol):
    """What wants to hear of epochs and steps."""

    def begin(self, epoch: int, epochs: int) -> None:
        """Called before each epoch, counted from 0."""

    def project(self) -> None:
        """Puts parameters back, after a step, to where they must stay."""


@dataclass(frozen=True)
class Schedule:
    """How a block is trained.

    epochs; batch: windows a step, in their order; decay: AdamW's. floor: share of its rate at which each
    learning rate ends, by a cosine; None for constant rates. normalized: every step's loss is divided by
    itself, so that its gradient has the same size in all blocks. exact_inputs: the block is trained on the
    float stream and not on what the rounded blocks before give. augmented: the error against the float block
    on the rounded stream counts as well.
    """

    epochs: int
    batch: int = 1
    decay: float = 0.0
    floor: float | None = None
    normalized: bool = False
    exact_inputs: bool = False
    augmented: bool = False


@dataclass(frozen=True)
class Course:
    """How training went: the mean loss before it and behind it, and of each finished epoch's steps.

    kept: whether what was learned stays; otherwise the parameters are those of the start.
    """

    before: float
    after: float
    epochs: tuple[float, ...]
    kept: bool = True


def train(
    rates: Sequence[tuple[Sequence[nn.Parameter], float]],
    links: Sequence[Listener],
    loss: Callable[[Tensor], Tensor],
    schedule: Schedule,
    count: int,
) -> Course:
    """Steps of AdamW over all windows, epoch by epoch.

    rates: parameters with their learning rates. links: what of them wants to hear of epochs and steps. loss:
    of the windows of these indices. An epoch in which a loss or a parameter stops being finite is taken back,
    and the training ends with it. Where the error over all windows is larger at the end than at the start,
    the start is taken: gradients past rounding are a guess, and small blocks and few windows mislead them.
    """
    groups = [{"params": params, "lr": rate} for params, rate in rates if params]
    parts = torch.arange(count).split(schedule.batch)
    for link in links:
        link.begin(0, schedule.epochs)
    before = _mean(loss, parts)
    if not groups or not schedule.epochs:
        return Course(before, before, ())
    parameters = [p for group in groups for p in group["params"]]
    optimizer = torch.optim.AdamW(groups, weight_decay=schedule.decay)
    start = [p.detach().clone() for p in parameters]
    peaks, steps, done = [group["lr"] for group in optimizer.param_groups], 0, []
    for epoch in range(schedule.epochs):
        kept = [p.detach().clone() for p in parameters]
        for link in links:
            link.begin(epoch, schedule.epochs)
        losses = []
        for rows in parts:
            share = _share(schedule, steps / (schedule.epochs * len(parts)))
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * share
            losses.append(_step(optimizer, loss(rows), schedule.normalized))
            for link in links:
                link.project()
            steps += 1
            if not math.isfinite(losses[-1]):
                break
        if not (math.isfinite(sum(losses)) and all(bool(p.isfinite().all()) for p in parameters)):
            _restore(parameters, kept)
            break
        done.append(sum(losses) / len(losses))
    after = _mean(loss, parts)
    if not after <= before:
        _restore(parameters, start)
    return Course(before, min(after, before), tuple(done), kept=after <= before)


@torch.no_grad()
def _restore(parameters: Sequence[nn.Parameter], values: Sequence[Tensor]) -> None:
    for parameter, value in zip(parameters, values, strict=True):
        parameter.copy_(value)


def _step(optimizer: torch.optim.Optimizer, value: Tensor, normalized: bool) -> float:
    optimizer.zero_grad()
    size = value.detach()
    if bool(size.isfinite()):
        (value / size.clamp_min(1e-30) if normalized else value).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return float(size)


def _share(schedule: Schedule, progress: float) -> float:
    """Of the learning rates, at a progress between 0 and 1."""
    if schedule.floor is None:
        return 1.0
    return schedule.floor + (1 - schedule.floor) * (1 + math.cos(math.pi * progress)) / 2


@torch.no_grad()
def _mean(loss: Callable[[Tensor], Tensor], parts: Sequence[Tensor]) -> float:
    return sum(float(loss(rows)) for rows in parts) / len(parts)
