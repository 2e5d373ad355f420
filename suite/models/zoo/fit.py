"""What every training of the zoo does alike: seed of the weights, the shared loop, rounding at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import nn

from suite.models.training import AdamW, Loop, Schedule, Streams
from suite.models.zoo.recipe import Workshop


class Trained(Protocol):
    """The settings of a recipe that its training needs."""

    @property
    def seed(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def lr(self) -> float: ...
    @property
    def warmup(self) -> int: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def identity(self) -> str: ...


def seed_weights(recipe: Trained) -> None:
    """What is built next gets the weights of the recipe's seed."""
    torch.manual_seed(Streams(recipe.seed).torch("weights").initial_seed())


def loop_of(
    recipe: Trained,
    modules: Mapping[str, nn.Module],
    workshop: Workshop,
    *,
    betas: tuple[float, float] = (0.9, 0.98),
) -> Loop:
    """The shared training loop with the recipe's settings, resumed from its own checkpoint."""
    return Loop(
        dict(modules),
        Schedule(recipe.steps, recipe.lr, recipe.warmup),
        Streams(recipe.seed),
        AdamW(recipe.weight_decay, betas=betas),
        workshop.checkpoint,
        recipe.identity,
        report=workshop.report,
    )


def as_stored(model: Any) -> Any:
    """Round the weights to float16, in place, so that what is measured is what is kept."""
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.copy_(value.half())
    return model
