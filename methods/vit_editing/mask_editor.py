"""What editors of FFN matrices share: which blocks, how many at once, and the descent under a mask."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from suite.errors import UsageError
from tasks.vit_editing.contract import Edited, Editor, Failure, Prepared, ReplacedWeights

if TYPE_CHECKING:
    from torch import Tensor

    from methods.vit_editing.descent import Descent, Outcome
    from methods.vit_editing.mask_trunk import Trunk
    from tasks.vit_editing.contract import Classifier

DENSITIES = "0.75,0.5,0.25,0.1,0.05"
"""Shares of units that may change, as the released code sweeps them."""


def chosen(model: Classifier, blocks: str) -> tuple[int, ...]:
    """Numbers of blocks: "" those in the middle as the paper has them, "early" and "late" as many at either
    end, else numbers with commas between. UsageError for others.
    """
    middle = model.middle()
    named = {
        "": middle,
        "early": tuple(range(len(middle))),
        "late": tuple(range(model.depth - len(middle), model.depth)),
    }
    if blocks in named:
        return named[blocks]
    try:
        found = tuple(sorted({int(part) for part in blocks.split(",")}))
    except ValueError:
        found = ()
    if not found or found[0] < 0 or found[-1] >= model.depth:
        raise UsageError(
            f'blocks "{blocks}" of a model with blocks 0 to {model.depth - 1}: "", early, late or numbers, '
            'as "3,4"'
        )
    return found


def replaced(before: Edited | None) -> ReplacedWeights | None:
    """The earlier edit, which must be one of weights. UsageError for another."""
    if before is not None and not isinstance(before, ReplacedWeights):
        raise UsageError(f"an edit of weights cannot go on top of a {type(before).__name__}")
    return before


def alike(failures: Sequence[Failure], together: int) -> Iterator[list[int]]:
    """Numbers of failures with equally many pictures, at most `together` at a time."""
    sizes = sorted({len(failure.y) for failure in failures})
    for size in sizes:
        numbers = [e for e, failure in enumerate(failures) if len(failure.y) == size]
        for start in range(0, len(numbers), together):
            yield numbers[start : start + together]


@dataclass(frozen=True, kw_only=True)
class FFNEditor(Editor):
    """RMSprop on the two matrices of the FFNs of a few blocks, biases left alone.

    blocks: "" for those in the middle, "early", "late", or numbers such as "3,4". lr: of RMSprop. steps: at
    most. enough: cross-entropy at which an edit stops, if it is right. together: edits in one batched run.
    """

    blocks: str = ""
    lr: float = 2e-5
    steps: int = 100
    enough: float = 0.01
    together: int = 32

    def __post_init__(self) -> None:
        if self.lr <= 0 or self.steps < 0 or self.together < 1:
            raise ValueError(
                f"lr is above 0, steps at least 0 and together at least 1, not {self.lr}, {self.steps} and "
                f"{self.together}"
            )

    @abstractmethod
    def masks(
        self,
        trunk: Trunk,
        prepared: Prepared,
        failures: Sequence[Failure],
        streams: Tensor,
        labels: Tensor,
        knob: float,
    ) -> Tensor:
        """What may change, (E, rows, hidden) of bool. streams: (E, k, T, d) before the first edited block,
        labels: (E, k).
        """

    @abstractmethod
    def descent(self, knob: float) -> Descent:
        """How to go down."""

    def edit(
        self,
        model: Classifier,
        prepared: Prepared,
        failure: Failure,
        knob: float,
        before: Edited | None = None,
    ) -> Edited:
        return self._edits(model, prepared, [failure], knob, replaced(before))[0]

    def edit_many(
        self, model: Classifier, prepared: Prepared, failures: Sequence[Failure], knob: float
    ) -> list[Edited]:
        found: dict[int, Edited] = {}
        for numbers in alike(failures, self.together):
            part = [failures[e] for e in numbers]
            found |= dict(zip(numbers, self._edits(model, prepared, part, knob, None), strict=True))
        return [found[e] for e in range(len(failures))]

    def _edits(
        self,
        model: Classifier,
        prepared: Prepared,
        failures: Sequence[Failure],
        knob: float,
        before: ReplacedWeights | None,
    ) -> list[Edited]:
        """Edits of failures with equally many pictures."""
        import torch

        from methods.vit_editing.descent import descend
        from methods.vit_editing.mask_trunk import Trunk

        weights = before.weights if before else None
        trunk = Trunk.of(model, chosen(model, self.blocks), weights)
        labels = torch.stack([failure.y for failure in failures])
        streams = trunk.stream(torch.cat([failure.x for failure in failures]))
        streams = streams.unflatten(0, tuple(labels.shape))
        masks = self.masks(trunk, prepared, failures, streams, labels, knob)
        found: list[Outcome] = descend(trunk, streams, labels, masks, self.descent(knob))
        return [
            ReplacedWeights(model, one.weights, before=before, steps=one.steps, units=masks[e])
            for e, one in enumerate(found)
        ]


@dataclass(frozen=True, kw_only=True)
class MaskedEditor(FFNEditor):
    """An editor that scores the units, keeps the best and descends on them. knob: the share kept.

    strict_greater: keep what is above the smallest kept score, as released, and so one unit fewer.
    """

    knobs: str = DENSITIES
    strict_greater: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if bad := [value for value in self.values if not 0 <= value <= 1]:
            raise ValueError(f"knobs are shares of units from 0 to 1, not {bad[0]}")

    @abstractmethod
    def scores(
        self, trunk: Trunk, prepared: Prepared, failures: Sequence[Failure], streams: Tensor, labels: Tensor
    ) -> Tensor:
        """How much each unit should be edited, (E, rows, hidden). streams: (E, k, T, d) before the first
        edited block, labels: (E, k).
        """

    def masks(
        self,
        trunk: Trunk,
        prepared: Prepared,
        failures: Sequence[Failure],
        streams: Tensor,
        labels: Tensor,
        knob: float,
    ) -> Tensor:
        from methods.vit_editing.masks import top_k

        return top_k(self.scores(trunk, prepared, failures, streams, labels), knob, self.strict_greater)

    def descent(self, knob: float) -> Descent:
        from methods.vit_editing.descent import Descent

        return Descent(lr=self.lr, steps=self.steps, enough=self.enough)
