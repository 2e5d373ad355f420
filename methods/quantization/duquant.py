"""DuQuant: smoothing, a greedy block rotation, a permutation that evens out the blocks, a second rotation.

    X W^T = (X L^-1 G)(W L G)^T,    G = R_1 P R_2      (arXiv 2406.01721, section 3)

The same class with a Hadamard matrix in the place of the greedy rotation, or another permutation, is its
cheaper rivals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from suite.api import Context
from tasks.quantization.contract import EXACT, Calibration, Precision, Quantized, Quantizer

if TYPE_CHECKING:
    from torch import Tensor

    from methods.quantization.layerwise import Lesson, Recipe, Round, Site
    from methods.quantization.training import Course
    from methods.quantization.transforms import Transform

ROTATIONS = ("greedy", "hadamard", "random")
ORDERS = ("zigzag", "massdiff", "absmax", "random")
REDUCTIONS = ("concat", "mean", "max")
WIDE = 6
"""Bits from which on nothing is clipped: the published ratios are for 4 bits, and at 6 they cost more than
rounding does."""


@dataclass(frozen=True)
class DuQuant(Quantizer):
    """DuQuant and its ablations; defaults are those of the released script for W4A4.

    alpha: of smoothing; None for none. chain: rotations (R) and permutations (P) in their order; "" for
    smoothing alone. rotation, steps: how a block's rotation is found, and the most steps of the greedy
    search. block: its size, or where that does not divide a width, the largest power of two that does. order:
    of channels, by the permutation. act_clip, weight_clip: shares of a grid's range below 6 bits. rounding:
    of weights, "rtn" or "gptq". quirk: "row" takes the row of the peak for its channel, as the released code
    does. peak: what the search lowers, "abs" or "range". reduce: what the rotations are fitted to: the mean
    of all windows as one pseudo-sequence (the released code), what is largest among them ("max"), or all of
    them ("concat"). smooth_by: maxima over the weights of "group" or of the "one" map that the released code
    looks at. cache_hadamard: queries and keys rotated before keys are rounded; round_query: queries rounded
    as well, as in the released code. lwc_epochs: of learning the weights' clips in the place of weight_clip;
    0 for none. lwc_lr: its learning rate.
    """

    alpha: float | None = 0.6
    chain: str = "RPR"
    rotation: str = "greedy"
    steps: int = 256
    block: int = 128
    order: str = "zigzag"
    act_clip: float = 0.9
    weight_clip: float = 0.8
    rounding: str = "rtn"
    quirk: str = ""
    peak: str = "abs"
    reduce: str = "mean"
    smooth_by: str = "group"
    cache_hadamard: bool = True
    round_query: bool = False
    lwc_epochs: int = 0
    lwc_lr: float = 1e-2

    def __post_init__(self) -> None:
        for name, value, known in (
            ("rotation", self.rotation, ROTATIONS),
            ("order", self.order, ORDERS),
            ("rounding", self.rounding, ("rtn", "gptq")),
            ("quirk", self.quirk, ("", "row")),
            ("peak", self.peak, ("abs", "range")),
            ("reduce", self.reduce, REDUCTIONS),
            ("smooth_by", self.smooth_by, ("group", "one")),
        ):
            if value not in known:
                raise ValueError(f"{name} '{value}': one of {', '.join(map(repr, known))}")
        if self.block < 1 or self.block & (self.block - 1):
            raise ValueError(f"block is {self.block}; give a power of two")
        if set(self.chain) - {"R", "P"}:
            raise ValueError(f"chain '{self.chain}': rotations R and permutations P in their order, like RPR")
        if self.steps < 0:
            raise ValueError(f"steps {self.steps}: 0 or more")
        self._check_learning()

    def _check_learning(self) -> None:
        if self.lwc_epochs < 0 or self.lwc_lr <= 0:
            raise ValueError(f"lwc_epochs {self.lwc_epochs}, lwc_lr {self.lwc_lr}: 0 or more, and above 0")
        if self.lwc_epochs and self.weight_clip != 1:
            raise ValueError(f"learned clips take the place of weight_clip={self.weight_clip}; set it to 1")
        if self.lwc_epochs and self.rounding != "rtn":
            raise ValueError(f"clips are learned with rounding='rtn', not '{self.rounding}'")

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        """Smoothing from the float model's inputs; rotations from what the rounded layers before give."""
        from methods.quantization.layerwise import Recipe, quantize
        from methods.quantization.linear import InputRule
        from methods.quantization.smoothing import factors

        narrow = self.act_clip if precision.activations < WIDE else 1.0
        looks = ("R" in self.chain and self.rotation == "greedy") or (
            "P" in self.chain and self.order != "random"
        )
        wants = ({"rows"} if looks else set()) | ({"hessian"} if self.rounding == "gptq" else set())
        steps: dict[str, Any] = {"transforms": self._transforms} if self.chain else {}
        if self.alpha is not None:
            steps["smooth"] = lambda site: factors(site, self.alpha, self.smooth_by)
        recipe = Recipe(
            inputs=lambda site: InputRule(precision.activations, narrow),
            round=self._round(precision),
            cache=self._cache(calibration, precision, model),
            wants=frozenset(wants),
            start=None if self.reduce == "concat" else _mean if self.reduce == "mean" else _largest,
            learn=self.learn if self.lwc_epochs else None,
            **steps,
        )
        return quantize(model, calibration, precision, ctx, recipe)

    def learn(self, sites: Mapping[str, Site], recipe: Recipe, lesson: Lesson) -> Course:
        """Learns the clips of a block behind its transforms, and puts its quantized maps in place."""
        from methods.quantization.learned import fitting, teach
        from methods.quantization.training import Schedule

        return teach(sites, lesson, fitting(sites, recipe, self.lwc_lr), Schedule(self.lwc_epochs))

    def _round(self, precision: Precision) -> Round:
        from methods.quantization.layerwise import gptq, round_to_nearest

        clip = self.weight_clip if precision.weights < WIDE else 1.0
        return gptq(clip) if self.rounding == "gptq" else round_to_nearest(clip)

    def _cache(self, calibration: Calibration, precision: Precision, model: Any) -> Any:
        from methods.quantization.cache import CacheRule
        from methods.quantization.hadamard import block_size
        from suite.models.llama_like import llama_like

        if precision.cache >= EXACT:
            return CacheRule()
        clip = self.act_clip if precision.cache < WIDE else 1.0
        size = block_size(llama_like(model).head_dim, self.block) if self.cache_hadamard else 0
        return CacheRule(precision.cache, key_clip=clip, hadamard=size, query=self.round_query)

    def _transforms(self, site: Site) -> Sequence[Transform]:
        """The chain of a site, each link fitted to what the ones before give."""
        from methods.quantization.hadamard import block_size
        from methods.quantization.transforms import Gather

        size = block_size(site.width, self.block)
        rng = site.ctx.rng(f"rotation {site.label}")
        rows, links = site.seen.rows, []
        for letter in self.chain:
            link = (
                self._rotation(rows, size, rng)
                if letter == "R"
                else Gather(_order(self.order, rows, site.width, size, rng))
            )
            rows = None if rows is None else link(rows)
            links.append(link)
        return links

    def _rotation(self, rows: Tensor | None, size: int, rng: Any) -> Transform:
        import torch

        from methods.quantization import rotation
        from methods.quantization.transforms import Hadamard, Rotate

        if self.rotation == "hadamard":
            return Hadamard(size)
        if self.rotation == "random":
            return Rotate(torch.linalg.qr(torch.from_numpy(rng.standard_normal((size, size)))).Q.float())
        assert rows is not None
        found = rotation.greedy(
            rotation.blocks(rows, size)[None],
            rotation.start(size, rng)[None].to(rows.device),
            self.steps,
            quirk="row" if self.quirk else None,
            peak="range" if self.peak == "range" else "abs",
        )
        return Rotate(found.matrix[0])


def _order(name: str, rows: Tensor | None, width: int, size: int, rng: Any) -> Tensor:
    """The permutation (d,) by its name, from the activation (M, d)."""
    from methods.quantization import permutation

    if name == "random":
        return permutation.shuffled(width, rng)
    assert rows is not None
    if name == "massdiff":
        return permutation.massdiff(rows.abs().mean(0), size)
    scores = rows.abs().amax(0)
    return permutation.absmax(scores) if name == "absmax" else permutation.zigzag(scores, size)


def _mean(hidden: Tensor) -> Tensor:
    return hidden.mean(0, keepdim=True)


def _largest(hidden: Tensor) -> Tensor:
    """At every place the number of the largest magnitude among the windows."""
    return hidden.gather(0, hidden.abs().argmax(0, keepdim=True))
