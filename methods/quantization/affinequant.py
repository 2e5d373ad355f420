"""AffineQuant: a full matrix where OmniQuant has a scale, opened gradually (arXiv 2403.12544).

    X W^T = (X A^-1)(W A^T)^T,    A strictly diagonally dominant, with a band that widens epoch by epoch

Between values and o a matrix a head is folded into both. Behind a norm a full matrix folds into nothing: the
norm's gain is diagonal. There the released code takes full matrices for weights alone and applies A^-1 behind
the norm when the model runs; with rounded activations it takes scales. Both are settings here, and what runs
online is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.quantization.omniquant import check, scale_keys
from suite.api import Context
from tasks.quantization.contract import EXACT, Calibration, Precision, Quantized, Quantizer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from methods.quantization.layerwise import Lesson, Recipe, Site
    from methods.quantization.learned import Fitting
    from methods.quantization.training import Course

PLACES = ("auto", "full", "scale")


@dataclass(frozen=True)
class AffineQuant(Quantizer):
    """AffineQuant; defaults are the released scripts' for Llama.

    norms: behind norms a "full" matrix, computed online, or a "scale"; "auto": full where activations are not
    rounded. heads: a matrix a head between values and o, otherwise a scale. share: of what was learned beside
    the diagonal; None: 0.1 with rounded activations and 0.01 without. alpha, epochs, batch, let_lr, lwc_lr,
    augmented: as OmniQuant's.
    """

    norms: str = "auto"
    heads: bool = True
    share: float | None = None
    alpha: float = 0.5
    epochs: int = 20
    batch: int = 1
    let_lr: float = 5e-3
    lwc_lr: float = 1e-2
    augmented: bool = True

    def __post_init__(self) -> None:
        if self.norms not in PLACES:
            raise ValueError(f"norms '{self.norms}': one of {', '.join(PLACES)}")
        if self.share is not None and not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}: above 0, at most 1")
        check(self.epochs, self.batch, let_lr=self.let_lr, lwc_lr=self.lwc_lr)

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        """Diagonals start from SmoothQuant's factors, of the float model's inputs."""
        from methods.quantization.layerwise import Recipe, quantize

        recipe = Recipe(smooth=self._smooth, learn=self.learn)
        return quantize(model, calibration, precision, ctx, recipe)

    def _smooth(self, site: Site) -> Tensor | None:
        from methods.quantization.smoothing import factors

        return factors(site, self.alpha) if site.name != "down" else None

    def learn(self, sites: Mapping[str, Site], recipe: Recipe, lesson: Lesson) -> Course:
        """Trains a block and puts its quantized maps in place."""
        from methods.quantization.learned import teach
        from methods.quantization.training import Schedule

        schedule = Schedule(self.epochs, self.batch, augmented=self.augmented)
        return teach(sites, lesson, self.fitting(sites, recipe), schedule)

    def fitting(self, sites: Mapping[str, Site], recipe: Recipe) -> Fitting:
        """What is learned of a block."""
        from methods.quantization import learned
        from methods.quantization.links import AffineLink, ScaleLink

        site = sites["qkv"]
        llama, device = site.llama, site.weights[0].device
        rounds = site.precision.activations < EXACT
        share = self.share if self.share is not None else 0.1 if rounds else 0.01
        full = self.norms == "full" or (self.norms == "auto" and not rounds)
        found = learned.fitting(sites, recipe, self.lwc_lr)
        for name in ("qkv", "ffn"):
            found.links[name] = (
                [AffineLink(llama.width, share, None, device)] if full else [ScaleLink(sites[name])]
            )
        found.links["out"] = (
            [AffineLink(llama.head_dim, share, llama.kv_heads, device)]
            if self.heads
            else [ScaleLink(sites["out"])]
        )
        found.rates.append(
            ([p for link in found.learned() for p in link.parameters()], self.let_lr),
        )
        scale_keys(sites, found, self.let_lr)
        return found
