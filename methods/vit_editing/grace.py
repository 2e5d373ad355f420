"""GRACE: a codebook beside one block answers for the failures and for what lies near them.

    key: the class token before the block; value: the class token behind it that makes the class right
    |token - key| <= radius: the value takes the place of the block's class token; else nothing changes

Source: Hartvigsen et al. (2023), Aging with GRACE, section 3, as in EasyEdit (models/grace/GRACE.py): keys
and radii are added, grown and split by its rules, values trained by Adam at rate 1.

Deviations: the layer is a whole block and the token is the class token. The radius is given in shares of the
median distance of training pictures' class tokens to each other (an absolute 1.0 there), which is a scale of
the model. Values start from the block's own output (its option `warm`; it starts cold, from noise), and
training stops at CE <= enough. `distance` is how far values lie from the outputs they replace, since no
weight changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from suite.errors import UsageError
from tasks.vit_editing.contract import Edited, Editor, Failure, Prepared, Workshop

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.vit_editing.contract import Classifier


@dataclass(frozen=True, kw_only=True)
class GRACE(Editor):
    """knobs: radii, in shares of the median distance; all are ours. block: -1 for the last of the middle
    ones.

    samples: training pictures of the median. batch: edits at once.
    """

    knobs: str = "0.25,0.5,0.75,1,1.25"
    block: int = -1
    steps: int = 50
    lr: float = 1.0
    enough: float = 0.01
    samples: int = 500
    batch: int = 32

    def __post_init__(self) -> None:
        if self.samples < 2 or min(self.steps, self.batch) < 1 or self.lr <= 0:
            raise UsageError("samples must be at least 2, steps and batch at least 1 and lr above 0")

    def prepare(self, model: Classifier, workshop: Workshop) -> Prepared:
        """scale (): the median distance between class tokens of two training pictures."""
        import torch

        from methods.vit_editing.rival_streams import one_block

        x = workshop.training.x
        picked = x[torch.randperm(len(x), generator=workshop.generator("grace"))[: self.samples]]
        tokens = model.kept(picked, one_block(self.block, model))[:, 0]
        return {"scale": torch.pdist(tokens).median()}

    def edit(
        self,
        model: Classifier,
        prepared: Prepared,
        failure: Failure,
        knob: float,
        before: Edited | None = None,
    ) -> Edited:
        import torch

        from methods.vit_editing import rival_codebook as codebook
        from methods.vit_editing.rival_streams import one_block

        block, radius = one_block(self.block, model), knob * float(prepared["scale"])
        if before is not None and not isinstance(before, codebook.Swapped):
            raise UsageError(f"a codebook cannot be put on top of {type(before).__name__}")
        book = codebook.empty(model.width, model.device) if before is None else before.book
        distance = 0.0 if before is None else before.distance**2
        h, after = self._streams(model, block, failure.x)
        steps = 0
        for i, label in enumerate(failure.y):
            book, number = codebook.placed(book, h[i, 0], after[i, 0], int(label), radius)
            value, taken = self._values(
                model, block, after[i : i + 1], book.values[number][None], label.view(1, 1)
            )
            values = book.values.clone()
            values[number], steps = value[0], steps + taken[0]
            book = book._replace(values=values)
            distance += float((value[0] - after[i, 0]).double().square().sum())
        return codebook.Swapped(model, block, book, steps, torch.tensor(distance).sqrt().item())

    def edit_many(
        self, model: Classifier, prepared: Prepared, failures: Sequence[Failure], knob: float
    ) -> list[Edited]:
        """One picture each: all values are trained at once, with the same result as one by one."""
        from methods.vit_editing import rival_codebook as codebook
        from methods.vit_editing.rival_streams import in_groups, one_block, stacked

        if any(len(failure.y) != 1 for failure in failures):
            return super().edit_many(model, prepared, failures, knob)
        block, radius = one_block(self.block, model), knob * float(prepared["scale"])

        def edits(part: list[Failure]) -> list[Edited]:
            x, y = stacked(part)
            h, after = self._streams(model, block, x[:, 0])
            values, taken = self._values(model, block, after, after[:, 0], y)
            found: list[Edited] = []
            for i, steps in enumerate(taken):
                none = codebook.empty(model.width, model.device)
                book, _ = codebook.placed(none, h[i, 0], values[i], int(y[i]), radius)
                moved = float((values[i] - after[i, 0]).double().norm())
                found.append(codebook.Swapped(model, block, book, steps, moved))
            return found

        return in_groups(failures, self.batch, edits)

    def _streams(self, model: Classifier, block: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """Before and behind the block."""
        import torch

        h = model.kept(x, block)
        with torch.no_grad():
            return h, model.through(h, block, block + 1)

    def _values(
        self, model: Classifier, block: int, after: Tensor, values: Tensor, y: Tensor
    ) -> tuple[Tensor, list[int]]:
        """Values (E, d) trained so that streams (E, T, d) behind the block are classed as y (E, 1)."""
        import torch

        from methods.vit_editing.rival_descent import descend, solved
        from methods.vit_editing.rival_streams import with_token

        trained = values.detach().clone().requires_grad_(True)

        def losses() -> tuple[Tensor, Tensor]:
            logits = model.logits_from(with_token(after, trained), block + 1)
            return solved(logits[:, None], y, self.enough)

        taken = descend([trained], losses, torch.optim.Adam([trained], lr=self.lr), self.steps)
        return trained.detach(), taken
