"""No transforms: the model as it is, rounding to the nearest, and GPTQ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from suite.api import Context
from tasks.quantization.contract import Calibration, Precision, Quantized, Quantizer


@dataclass(frozen=True)
class Float(Quantizer):
    """Rounds nothing: the ceiling."""

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        """The model that came in."""
        return Quantized(model, 16.0, 16.0, 0.0)


@dataclass(frozen=True)
class Rtn(Quantizer):
    """Rounding to the nearest: weights by row or group, inputs by token, keys and values by token and head.

    weight_clip, act_clip: shares of the range that the grids cover.
    """

    weight_clip: float = 1.0
    act_clip: float = 1.0

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        """Nothing is looked at but the weights."""
        from methods.quantization.layerwise import Recipe, quantize, round_to_nearest
        from methods.quantization.linear import InputRule

        recipe = Recipe(
            inputs=lambda site: InputRule(precision.activations, self.act_clip),
            round=round_to_nearest(self.weight_clip),
        )
        return quantize(model, calibration, precision, ctx, recipe)


@dataclass(frozen=True)
class SmoothQuant(Quantizer):
    """Smoothing, then rounding to the nearest (SmoothQuant, section 4).

    alpha: how much of the difficulty goes to the weights. sites: "all", as in DuQuant's comparison, or
    "norms", the method's own scope, the maps that a norm feeds.
    """

    alpha: float = 0.5
    sites: str = "all"

    def __post_init__(self) -> None:
        if self.sites not in ("all", "norms"):
            raise ValueError(f"sites '{self.sites}': all or norms")

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        """Factors from the float model's largest inputs, taken in by norms, values and up projections."""
        from methods.quantization.layerwise import Recipe, Site, quantize
        from methods.quantization.smoothing import factors

        def smooth(site: Site) -> Any:
            return factors(site, self.alpha) if self.sites == "all" or site.name in ("qkv", "ffn") else None

        return quantize(model, calibration, precision, ctx, Recipe(smooth=smooth))


@dataclass(frozen=True)
class Gptq(Quantizer):
    """GPTQ weights, inputs and cache to the nearest.

    damp: share of the Hessian's mean diagonal added to it. act_order: columns by falling diagonal. search:
    the grids' clips by their error on the weights. symmetric: the weights' grids.
    """

    damp: float = 0.01
    act_order: bool = False
    search: bool = False
    symmetric: bool = False

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        """Hessians of the inputs that the already rounded layers give."""
        from methods.quantization.layerwise import Recipe, gptq, quantize

        rounding = gptq(
            symmetric=self.symmetric, search=self.search, damp=self.damp, act_order=self.act_order
        )
        return quantize(
            model, calibration, precision, ctx, Recipe(round=rounding, wants=frozenset({"hessian"}))
        )
