"""What competitors implement: an editor mends one failure of an image classifier.

Given one failing picture (or a few of one group) and the class that it shows, the editor changes the model so
that it is right, others like it become right, and everything else keeps its answer. Paper: Learning Where to
Edit Vision Transformers (NeurIPS 2024, arXiv 2411.01948).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from suite.api import Method

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    # editors know the family by this module alone
    from tasks.vit_editing.classifier import Classifier as Classifier
    from tasks.vit_editing.classifier import Weights as Weights
    from tasks.vit_editing.written import Written as Written

Prepared = Mapping[str, "Tensor"]
"""What an editor has learned before any edit (a hypernetwork, a covariance), by name; kept as safetensors."""


class Pictures(NamedTuple):
    """x: (n, H, W, 3) uint8. y: (n,) int64, numbers of classes in the order of logits."""

    x: Tensor
    y: Tensor


class Failure(NamedTuple):
    """What an edit is asked for. x: (k, H, W, 3) uint8 pictures of one group, k mostly 1. y: (k,) int64, what
    they show; both on the classifier's device. seed: of all that is random in the edit.
    """

    x: Tensor
    y: Tensor
    seed: int


class Edited(ABC):
    """A classifier after an edit.

    start: the first block that the edit touches; depth for the head alone, -1 where the embeddings are
    touched too. touched: how many parameters have another value; added: how many are new. distance: L2 norm
    of the change of the weights. steps: gradient steps taken. units: (rows, hidden) bool of the structured
    units that may change, where the editor has a mask.
    """

    start: int
    touched: int = 0
    added: int = 0
    distance: float = 0.0
    steps: int = 0
    units: Tensor | None = None

    @abstractmethod
    def logits_from(self, h: Tensor) -> Tensor:
        """The original model's stream (n, T, d) before block `start` (pictures (n, H, W, 3) where start is
        -1) to logits (n, classes).
        """


class ReplacedWeights(Edited):
    """An edit that gives some parameters other values. weights: by name, whole tensors.

    before: the weights that an earlier edit had left, which this one started from; they are kept where this
    one has no value of its own.
    """

    def __init__(
        self,
        model: Classifier,
        weights: Weights,
        *,
        before: ReplacedWeights | None = None,
        steps: int = 0,
        units: Tensor | None = None,
    ) -> None:
        self.model = model
        self.weights = {**(before.weights if before else {}), **weights}
        self.start = first_touched(model, tuple(self.weights))
        self.steps, self.units = steps, units
        differences = [w - model.parameter(name) for name, w in self.weights.items()]
        self.touched = sum(int((d != 0).sum()) for d in differences)
        self.distance = float(sum(float((d.double() ** 2).sum()) for d in differences) ** 0.5)

    def logits_from(self, h: Tensor) -> Tensor:
        if self.start < 0:
            return self.model.logits(h, self.weights)
        return self.model.logits_from(h, self.start, self.weights)


def first_touched(model: Classifier, names: Sequence[str]) -> int:
    """The first block that holds one of the parameters; depth where all lie behind the last, -1 where one
    lies before the first.
    """
    found = model.depth
    for name in names:
        inside = [k for k, block in enumerate(model.blocks) if name.startswith(f"{block.name}.")]
        behind = name.startswith((f"{model.norm}.", f"{model.head}."))
        found = min(found, inside[0] if inside else model.depth if behind else -1)
    return found


def _silent(label: str, done: int, total: int) -> None:
    """Reports nothing."""


@dataclass(frozen=True)
class Workshop:
    """What an editor may use to prepare. training: pictures that the classifier was trained on, of no group
    and no locality set, on its device. seed: of all that is random. folder: where it may keep its state
    against a kill; None keeps nothing. report: progress.
    """

    training: Pictures
    seed: int
    folder: Path | None = None
    report: Callable[[str, int, int], None] = field(default=_silent)

    def generator(self, name: str) -> torch.Generator:
        """A generator of this name's own stream."""
        import hashlib

        import torch

        told = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(told[:7]))


@dataclass(frozen=True, kw_only=True)
class Editor(Method):
    """A competitor. knobs: values of the setting that trades generalization against locality, commas between,
    the gentlest edit (or the one that the editor's authors would take) anywhere; empty for an editor that has
    none.
    """

    knobs: str = ""

    @property
    def values(self) -> tuple[float, ...]:
        """The knob's values; (0.0,) for an editor without one."""
        return tuple(float(part) for part in self.knobs.split(",") if part.strip()) or (0.0,)

    def prepare(self, model: Classifier, workshop: Workshop) -> Prepared:
        """Learns what is learned once for a classifier, before any failure is seen."""
        return {}

    @abstractmethod
    def edit(
        self,
        model: Classifier,
        prepared: Prepared,
        failure: Failure,
        knob: float,
        before: Edited | None = None,
    ) -> Edited:
        """The classifier after the edit. before: an earlier edit of the same editor that this one is put on
        top of, both then being in force; None starts from the original weights. `model` is never changed.
        """

    def edit_many(
        self, model: Classifier, prepared: Prepared, failures: Sequence[Failure], knob: float
    ) -> list[Edited]:
        """Independent edits, each from the original weights: the same as one by one, if faster. Sums in
        another order may move weights by about 1e-4 of a long descent.
        """
        return [self.edit(model, prepared, failure, knob) for failure in failures]
