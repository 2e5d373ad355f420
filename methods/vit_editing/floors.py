"""Editors without any skill: one that does nothing, and one that gives an answer another name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from suite.errors import MethodError
from tasks.vit_editing.contract import Edited, Editor, Failure, Prepared, ReplacedWeights

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.vit_editing.contract import Classifier


@dataclass(frozen=True, kw_only=True)
class Identity(Editor):
    """Leaves the model as it is: GR 0, LR 1."""

    def edit(
        self,
        model: Classifier,
        prepared: Prepared,
        failure: Failure,
        knob: float,
        before: Edited | None = None,
    ) -> Edited:
        return before if before is not None else ReplacedWeights(model, {})


@dataclass(frozen=True, kw_only=True)
class Relabel(Editor):
    """The answer that the model gives to the failure gets the name of the right class, whatever is shown.

    Not in the paper. Where the failures of a group share one wrong answer it mends all of them, and all that
    it costs elsewhere is that answer: what the other editors' changes of weights must be better than.
    """

    def edit(
        self,
        model: Classifier,
        prepared: Prepared,
        failure: Failure,
        knob: float,
        before: Edited | None = None,
    ) -> Relabelled:
        if not (before is None or isinstance(before, Relabelled)):
            raise MethodError(f"relabel goes on from its own edits, not from {type(before).__name__}")
        names = dict(before.names) if before else {}
        said = model.logits_from(model.kept(failure.x, model.depth), model.depth).argmax(1)
        names |= dict(zip(said.tolist(), failure.y.tolist(), strict=True))
        return Relabelled(model, names)


class Relabelled(Edited):
    """names: the class that is meant where the original model answers with a class; others stay."""

    def __init__(self, model: Classifier, names: Mapping[int, int]) -> None:
        self.model = model
        self.names = {said: meant for said, meant in names.items() if said != meant}
        self.start, self.added = model.depth, len(self.names)

    def logits_from(self, h: Tensor) -> Tensor:
        before = self.model.logits_from(h, self.start)
        logits, answers = before.clone(), before.argmax(1)
        for said, meant in self.names.items():
            rows = answers == said
            logits[rows, said], logits[rows, meant] = before[rows, meant], before[rows, said]
        return logits
