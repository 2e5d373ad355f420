"""The mask that the paper's search finds for the very failure, without the hypernetwork that is taught to
guess it: a reference for what the distillation costs.

As meta-training does (bilevel.py), but with the failing picture as the base of every pair: a rectangle of a
training picture is pasted into it, and the edit sought gives back the answer to the picture as it was. The
targets of a few such pairs are averaged. The paper has no such editor; it is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.vit_editing.mask_editor import MaskedEditor

if TYPE_CHECKING:
    from torch import Tensor

    from methods.vit_editing.bilevel import Bilevel
    from methods.vit_editing.mask_trunk import Trunk
    from tasks.vit_editing.contract import Classifier, Failure, Prepared, Workshop

MATES = "mates"
HELD = 64
"""Training pictures that rectangles are cut from."""


@dataclass(frozen=True, kw_only=True)
class OracleMask(MaskedEditor):
    """Units by the mean of the targets of `pairs` mixtures of the failure; knob: the share that may change.

    The other fields are those of the paper's search (`Bilevel`).
    """

    pairs: int = 4
    inner: int = 5
    inner_lr: float = 1e-3
    outer: int = 10
    mask_lr: float = 0.1
    sparsity: float = 1.0
    temperature: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.pairs, self.inner, self.outer) < 1:
            raise ValueError(
                f"pairs, inner and outer are at least 1, not {self.pairs}, {self.inner} and {self.outer}"
            )

    @property
    def bilevel(self) -> Bilevel:
        """How targets are found."""
        from methods.vit_editing.bilevel import Bilevel

        return Bilevel(
            self.inner,
            self.inner_lr,
            self.outer,
            self.mask_lr,
            self.sparsity,
            temperature=self.temperature,
        )

    def prepare(self, model: Classifier, workshop: Workshop) -> Prepared:
        """Training pictures to cut from, (m, H, W, 3) uint8."""
        import torch

        order = torch.randperm(len(workshop.training.y), generator=workshop.generator("mates"))
        return {MATES: workshop.training.x[order[:HELD]].clone()}

    def scores(
        self, trunk: Trunk, prepared: Prepared, failures: Sequence[Failure], streams: Tensor, labels: Tensor
    ) -> Tensor:
        import torch

        from methods.vit_editing.bilevel import search

        model, first = trunk.model, trunk.blocks[0]
        mixed, starts = zip(
            *(self._pairs(trunk, prepared[MATES], failure) for failure in failures), strict=True
        )
        with torch.no_grad():
            teacher = torch.softmax(
                model.logits_from(streams.flatten(0, 1), first, trunk.weights) / self.temperature, -1
            )
        teacher = teacher.repeat_interleave(self.pairs, 0)
        middle = trunk.middle(trunk.stream(torch.cat(mixed)))
        count = labels.shape[1] * self.pairs
        found = search(trunk, middle, teacher, torch.cat(starts), self.bilevel, samples=count)
        return found.target.unflatten(0, (len(failures), count)).mean(1)

    def _pairs(self, trunk: Trunk, mates: Tensor, failure: Failure) -> tuple[Tensor, Tensor]:
        """Each picture `pairs` times with other rectangles, (k * pairs, S, S, 3), and the masks' first
        logits.
        """
        import torch
        from torch.nn import functional as F

        from methods.vit_editing.bilevel import uniform
        from methods.vit_editing.cutmix import boxes, paste
        from methods.vit_editing.where_to_edit import patch_of

        size, patch = trunk.model.images.size, patch_of(trunk.model)
        draw = torch.Generator().manual_seed(failure.seed)
        count = len(failure.y) * self.pairs
        drawn = torch.randint(0, len(mates), (count,), generator=draw)
        both = torch.cat([failure.x.repeat_interleave(self.pairs, 0), mates[drawn]])
        x = both.permute(0, 3, 1, 2).float()
        if tuple(x.shape[2:]) != (size, size):
            x = F.interpolate(x, (size, size), mode="bicubic", antialias=True).clamp(0, 255)
        base, other = x.permute(0, 2, 3, 1).split(count)
        places = boxes(count, size // patch, draw)
        return paste(base, other, places, patch), uniform(count, trunk, draw)
