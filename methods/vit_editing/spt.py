"""SPT: the units whose squared gradients promise the largest first gain, then masked RMSprop.

Sensitivity-Aware Visual Parameter-Efficient Fine-Tuning (ICCV 2023, arXiv 2303.08566): one step of gradient
descent on a weight lowers the loss by its squared gradient, times the rate, to first order. There the
sensitivity is summed over a training set and decides weight by weight which are tuned and which matrices get
low-rank updates; here it is that of the failure alone and is summed over structured units, which is what an
edit from one picture can have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.vit_editing.mask_editor import MaskedEditor

if TYPE_CHECKING:
    from torch import Tensor

    from methods.vit_editing.mask_trunk import Trunk
    from tasks.vit_editing.contract import Failure, Prepared


@dataclass(frozen=True, kw_only=True)
class SPT(MaskedEditor):
    """Units with the largest sum of (dl/dw)^2 over their weights, l the failure's cross-entropy."""

    def scores(
        self, trunk: Trunk, prepared: Prepared, failures: Sequence[Failure], streams: Tensor, labels: Tensor
    ) -> Tensor:
        from methods.vit_editing.masks import unit_gradients

        return unit_gradients(trunk, streams, labels, 2)
