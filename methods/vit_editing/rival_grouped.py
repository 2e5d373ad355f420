"""What editors share that make equally large edits at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.vit_editing.contract import Edited, Editor, Failure, Prepared

if TYPE_CHECKING:
    from tasks.vit_editing.contract import Classifier


@dataclass(frozen=True, kw_only=True)
class Grouped(Editor):
    """batch: edits at once."""

    batch: int = 32

    @abstractmethod
    def edits(
        self,
        model: Classifier,
        prepared: Prepared,
        failures: list[Failure],
        knob: float,
        before: Edited | None,
    ) -> list[Edited]:
        """The edits of failures with equally many pictures, each on top of `before`."""

    def edit(
        self,
        model: Classifier,
        prepared: Prepared,
        failure: Failure,
        knob: float,
        before: Edited | None = None,
    ) -> Edited:
        return self.edits(model, prepared, [failure], knob, before)[0]

    def edit_many(
        self, model: Classifier, prepared: Prepared, failures: Sequence[Failure], knob: float
    ) -> list[Edited]:
        from methods.vit_editing.rival_streams import in_groups

        return in_groups(failures, self.batch, lambda part: self.edits(model, prepared, part, knob, None))
