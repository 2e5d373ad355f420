"""A training that is killed at a step, for the tests that it goes on to the same weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from suite.models.training import Loop
from suite.models.zoo import fit


class Killed(Exception):
    """Stands for the kill."""


def at(step: int) -> Callable[[str, int, int], None]:
    """A report that kills at `step`."""

    def report(label: str, done: int, total: int) -> None:
        if done == step:
            raise Killed

    return report


def saving_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the recipes of the zoo write a checkpoint at each step."""
    monkeypatch.setattr(fit, "Loop", partial(Loop, every_s=-1.0))


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    """Are all weights and buffers equal to the bit?"""
    again = second.state_dict()
    return all(torch.equal(value, again[key]) for key, value in first.state_dict().items())
