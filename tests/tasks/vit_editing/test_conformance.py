"""The family's checks pass for what keeps its promises and fail, by name, for what breaks one."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from editing_bench import Columns, HeadRow, Nothing

from suite.errors import MethodError
from tasks.vit_editing.classifier import Classifier
from tasks.vit_editing.conformance import checks
from tasks.vit_editing.contract import Edited, Failure, ReplacedWeights


def failing(method: Any) -> set[str]:
    found = set()
    for check in checks(SimpleNamespace(method_instance=method)):  # type: ignore[arg-type]
        try:
            check()
        except MethodError:
            found.add(check.name)
    return found


@pytest.mark.parametrize("method", [Nothing(), HeadRow(), Columns()], ids=lambda m: type(m).__name__)
def test_promises_that_are_kept(method: Any) -> None:
    assert failing(method) == set()


class Neuron(Edited):
    """Adds to a class's logit where the class token is near a key: a memory, whose parameters are new."""

    def __init__(self, model: Classifier, rows: list[tuple[torch.Tensor, int]]) -> None:
        self.model, self.rows, self.start = model, rows, model.depth
        self.added = sum(key.numel() for key, _ in rows)

    def logits_from(self, h: torch.Tensor) -> torch.Tensor:
        token = self.model.tokens(h, self.start)
        logits = self.model.logits_from(h, self.start)
        for key, target in self.rows:
            near = torch.exp(-((token - key) ** 2).sum(1) / 100)
            logits = logits + near[:, None] * (torch.arange(logits.shape[1]) == target)
        return logits


@dataclass(frozen=True, kw_only=True)
class Remembering(HeadRow):
    def edit(
        self, model: Classifier, prepared: Any, failure: Failure, knob: float, before: Any = None
    ) -> Edited:
        key = model.tokens(model.kept(failure.x, model.depth), model.depth)[0]
        return Neuron(model, [*(before.rows if before else []), (key, int(failure.y[0]))])


def test_a_memory_keeps_them_too() -> None:
    assert failing(Remembering()) == set()


@dataclass(frozen=True, kw_only=True)
class Forgetful(Remembering):
    def edit(
        self, model: Classifier, prepared: Any, failure: Failure, knob: float, before: Any = None
    ) -> Edited:
        return super().edit(model, prepared, failure, knob, None)


@dataclass(frozen=True, kw_only=True)
class Restarting(HeadRow):
    """Begins from the original weights whatever was before."""

    def edit(
        self, model: Classifier, prepared: Any, failure: Failure, knob: float, before: Any = None
    ) -> Edited:
        return super().edit(model, prepared, failure, knob, None)


@dataclass(frozen=True, kw_only=True)
class Knotted(HeadRow):
    """Breaks at the other end of its knob, and made together it takes the first picture alone."""

    ends: bool = True

    def edit(
        self, model: Classifier, prepared: Any, failure: Failure, knob: float, before: Any = None
    ) -> Edited:
        broken = self.ends and knob == self.values[-1]
        return super().edit(model, prepared, failure, float("nan") if broken else knob, before)

    def edit_many(self, model: Classifier, prepared: Any, failures: Any, knob: float) -> list[Edited]:
        firsts = [Failure(f.x[:1], f.y[:1], f.seed) for f in failures]
        return super().edit_many(model, prepared, firsts, knob)


@pytest.mark.parametrize("ends", [True, False])
def test_two_pictures_and_the_other_end_of_the_knob(ends: bool) -> None:
    assert failing(Knotted(ends=ends)) == {"several"}


@dataclass(frozen=True, kw_only=True)
class Training(HeadRow):
    def edit(
        self, model: Classifier, prepared: Any, failure: Failure, knob: float, before: Any = None
    ) -> Edited:
        with torch.no_grad():
            model.parameter(f"{model.head}.bias")[0] += 1.0
        return super().edit(model, prepared, failure, knob, before)


@dataclass(frozen=True, kw_only=True)
class Unlocking(HeadRow):
    def edit(
        self, model: Classifier, prepared: Any, failure: Failure, knob: float, before: Any = None
    ) -> Edited:
        model.module.requires_grad_(True)
        with torch.no_grad():
            return super().edit(model, prepared, failure, knob, before)


@dataclass(frozen=True, kw_only=True)
class Rolling(HeadRow):
    """Draws from the global stream."""

    def edit(
        self, model: Classifier, prepared: Any, failure: Failure, knob: float, before: Any = None
    ) -> Edited:
        return super().edit(model, prepared, failure, knob * float(1 + torch.rand(())), before)


@dataclass(frozen=True, kw_only=True)
class Mixing(HeadRow):
    """Made together, edits see each other's pictures."""

    def edit_many(self, model: Classifier, prepared: Any, failures: Any, knob: float) -> list[Edited]:
        x = torch.cat([failure.x for failure in failures])
        return [self.edit(model, prepared, f._replace(x=x, y=f.y[:1].expand(len(x))), knob) for f in failures]


@dataclass(frozen=True, kw_only=True)
class Late(Columns):
    """Names a block behind the one that it edits."""

    def edit(self, model: Classifier, *args: Any, **more: Any) -> Edited:
        edited = super().edit(model, *args, **more)
        edited.start = 2
        return edited


@dataclass(frozen=True, kw_only=True)
class Modest(HeadRow):
    def edit(self, model: Classifier, *args: Any, **more: Any) -> Edited:
        edited = super().edit(model, *args, **more)
        edited.touched = 0
        return edited


@dataclass(frozen=True, kw_only=True)
class Leaking(Columns):
    """Tells a mask smaller than what it changes."""

    def edit(self, model: Classifier, *args: Any, **more: Any) -> Edited:
        edited = super().edit(model, *args, **more)
        assert edited.units is not None
        edited.units = edited.units.clone()
        edited.units[0, edited.units[0].nonzero()[0]] = False
        return edited


class Normed(ReplacedWeights):
    """Answers relative to the others asked."""

    def logits_from(self, h: torch.Tensor) -> torch.Tensor:
        logits = super().logits_from(h)
        return logits - logits.mean(0)


@dataclass(frozen=True, kw_only=True)
class Sociable(HeadRow):
    def edit(self, model: Classifier, *args: Any, **more: Any) -> Edited:
        edited = super().edit(model, *args, **more)
        assert isinstance(edited, ReplacedWeights)
        return Normed(model, edited.weights)


@pytest.mark.parametrize(
    ("method", "named"),
    [
        (Forgetful(), {"before"}),
        (Restarting(), {"before"}),
        (Training(), {"original"}),
        (Unlocking(), {"original"}),
        (Rolling(), {"seeded", "together"}),
        (Mixing(), {"together"}),
        (Late(), {"start"}),
        (Modest(), {"told"}),
        (Leaking(), {"masked"}),
        (Sociable(), {"alone"}),
    ],
    ids=lambda one: type(one).__name__,
)
def test_promises_that_are_broken(method: Any, named: set[str]) -> None:
    """Others may fail with it, where one fault shows in several places; the named ones must."""
    assert named <= failing(method)
