"""The editor that does nothing: no score may be below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.vit_editing.contract import Edited, Editor, Failure, Prepared, ReplacedWeights

if TYPE_CHECKING:
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
