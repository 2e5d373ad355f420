"""QLLM: outlier channels are split, similar ones merged, and the width stays (arXiv 2310.08041).

A channel whose largest magnitude is above theta becomes T = ceil(max|x| / theta) channels of x / T each, with
the same weights: exact in float. To make room for them, pairs of other channels i, j become one channel
(x_i + x_j) / 2 with the weights w_i + w_j, which is off by (x_i - x_j)(w_i - w_j) / 2: those pairs are taken
for which that is least. theta is the one, among some, of the least error of the site's rounded maps.

Left out is the paper's correction of the error by learned low-rank weights. Where activations are not rounded
nothing is split, since a split serves them alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from suite.api import Context
from tasks.quantization.contract import EXACT, Calibration, Precision, Quantized, Quantizer

if TYPE_CHECKING:
    from torch import Tensor

    from methods.quantization.layerwise import Site
    from methods.quantization.reassembly import Reassemble
    from methods.quantization.transforms import Transform


@dataclass(frozen=True)
class Qllm(Quantizer):
    """Channel reassembly, then rounding to the nearest.

    steps: values of theta, from the site's largest magnitude (no split) down by the root of 2 each. rows: of
    the calibration tokens so many measure the error of a theta, evenly spaced: a merge costs every token, so
    that those with outliers alone would speak for splits.
    """

    steps: int = 8
    rows: int = 4096

    def __post_init__(self) -> None:
        for name in ("steps", "rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: at least 1")

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        """Splits and merges by the activations that the already rounded layers give."""
        from methods.quantization.layerwise import Recipe, quantize

        if precision.activations >= EXACT:
            return quantize(model, calibration, precision, ctx, Recipe())
        recipe = Recipe(transforms=self.reassembly, wants=frozenset({"hessian", "rows"}))
        return quantize(model, calibration, precision, ctx, recipe)

    def reassembly(self, site: Site) -> Sequence[Transform]:
        """The site's splits and merges, none where they do not pay."""
        import torch

        from methods.quantization.reassembly import reassemble

        seen = site.seen
        assert seen.hessian is not None and seen.rows is not None
        weight = torch.cat(site.weights).float()
        rows = _evenly(seen.rows, self.rows)
        best: Reassemble | None = None
        least = self._error(rows, weight, None, site.precision)
        for step in range(1, self.steps):
            found = reassemble(
                seen.absmax, seen.hessian, weight, float(seen.absmax.max()) * 0.5 ** (step / 2)
            )
            if found is None:
                break
            error = self._error(rows, weight, found, site.precision)
            if error < least:
                best, least = found, error
        return [] if best is None else [best]

    def _error(
        self, rows: Tensor, weight: Tensor, transform: Reassemble | None, precision: Precision
    ) -> float:
        """Squared error of the outputs of rounded inputs (M, d) and weights (o, d), reassembled or not."""
        from methods.quantization.grids import fake, fit

        x, w = (rows, weight) if transform is None else (transform(rows), transform.weight(weight))
        x = fake(x, fit(x, precision.activations))
        w = fake(w, fit(w, precision.weights, group=precision.group))
        return float((x @ w.T - rows @ weight.T).square().sum())


def _evenly(rows: Tensor, count: int) -> Tensor:
    """`count` of the rows at equal distances, the first among them; all where there are no more."""
    import torch

    if len(rows) <= count:
        return rows
    return rows[torch.arange(count, device=rows.device) * len(rows) // count]
