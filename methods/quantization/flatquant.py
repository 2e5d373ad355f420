"""FlatQuant: a learned invertible Kronecker product before every map (arXiv 2410.09426).

    X W^T = (X / s (P1 kron P2)) (W s (P1 kron P2)^-T)^T

with learned clips of weights and inputs. s is folded into norms and up projections; the two small products
run online, 2 d (a + b) operations a token for sizes a b = d. Between values and o the sizes are the number of
heads and the width of one, and there is no s. Two things are simpler than in the released code: the factor
within a head runs online as well and is not folded into the values, and queries and keys pass a Hadamard
matrix in the place of a learned one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.quantization.omniquant import check
from suite.api import Context
from tasks.quantization.contract import EXACT, Calibration, Precision, Quantized, Quantizer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from methods.quantization.layerwise import Lesson, Recipe, Site
    from methods.quantization.learned import Fitting
    from methods.quantization.training import Course


@dataclass(frozen=True)
class FlatQuant(Quantizer):
    """FlatQuant with rounding to the nearest; defaults are the released script's.

    alpha: of the smoothing from which the scales start. epochs, batch: over the calibration windows, windows
    a step. lr: of matrices and scales; clips learn ten times as fast, and all rates fall by a cosine to a
    thousandth. inputs: blocks are trained on the "exact" stream, as in the released code, or the "rounded".
    """

    alpha: float = 0.3
    epochs: int = 15
    batch: int = 4
    lr: float = 5e-3
    inputs: str = "exact"

    def __post_init__(self) -> None:
        if self.inputs not in ("exact", "rounded"):
            raise ValueError(f"inputs '{self.inputs}': exact or rounded")
        check(self.epochs, self.batch, lr=self.lr)

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        """Scales start from the float model's inputs; each block is trained and rounded in its turn."""
        from methods.quantization.cache import CacheRule
        from methods.quantization.hadamard import block_size
        from methods.quantization.layerwise import Recipe, quantize
        from suite.models.llama_like import llama_like

        rule = None
        if precision.cache < EXACT:
            rule = CacheRule(precision.cache, hadamard=block_size(llama_like(model).head_dim))
        recipe = Recipe(smooth=self._smooth, cache=rule, learn=self.learn)
        return quantize(model, calibration, precision, ctx, recipe)

    def _smooth(self, site: Site) -> Tensor | None:
        from methods.quantization.smoothing import factors

        return factors(site, self.alpha) if site.name != "out" else None

    def learn(self, sites: Mapping[str, Site], recipe: Recipe, lesson: Lesson) -> Course:
        """Trains a block and puts its quantized maps in place."""
        from methods.quantization.learned import teach
        from methods.quantization.training import Schedule

        schedule = Schedule(
            self.epochs,
            self.batch,
            decay=0.01,
            floor=1e-3,
            normalized=True,
            exact_inputs=self.inputs == "exact",
        )
        return teach(sites, lesson, self.fitting(sites, recipe), schedule)

    def fitting(self, sites: Mapping[str, Site], recipe: Recipe) -> Fitting:
        """What is learned of a block."""
        from methods.quantization import learned
        from methods.quantization.clipping import InputClip
        from methods.quantization.links import KroneckerLink, ScaleLink, nearest_factors

        found = learned.fitting(sites, recipe, 10 * self.lr)
        clips = []
        for name, site in sites.items():
            device = site.weights[0].device
            sizes = (site.llama.heads, site.llama.head_dim) if name == "out" else nearest_factors(site.width)
            found.links[name] = [KroneckerLink(sizes, site.ctx.rng(f"kronecker {site.label}"), device)]
            if name != "out":
                found.links[name].insert(0, ScaleLink(site))
            if site.precision.activations < EXACT:
                found.inputs[name] = clip = InputClip(site.precision.activations).to(device)
                clips.extend(clip.parameters())
        found.rates.append(([p for link in found.learned() for p in link.parameters()], self.lr))
        found.rates.append((clips, 10 * self.lr))
        return found
