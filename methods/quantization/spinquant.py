"""SpinQuant: QuaRot's rotations, of which those that cost nothing online are learned (arXiv 2405.16406).

R1 turns the residual stream, R2 the values of every block, head by head. Both are orthogonal, move along the
Stiefel manifold by Cayley SGD, and lower the loss of the whole network on its calibration windows while
inputs and cache are rounded and weights are not. GPTQ rounds the weights afterwards. The Hadamard matrices
before down (R4) and on queries and keys (R3) stay what they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.quantization.omniquant import check
from suite.api import Context
from tasks.quantization.contract import EXACT, Calibration, Precision, Quantized, Quantizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from methods.quantization.layerwise import Site
    from methods.quantization.spinning import Turned
    from methods.quantization.transforms import Transform
    from suite.models.llama_like import LlamaLike

ROUNDINGS = ("gptq", "rtn")


@dataclass(frozen=True)
class SpinQuant(Quantizer):
    """SpinQuant; defaults are the released scripts'.

    iterations: steps, of `batch` windows each, over the calibration windows in their order and again from the
    first. lr: of the first step; it falls to zero by a cosine. rounding: of weights, "gptq" or "rtn", as
    QuaRot's. damp: GPTQ's. Inputs and cache have asymmetric grids over their whole range.
    """

    iterations: int = 100
    batch: int = 8
    lr: float = 1.5
    rounding: str = "gptq"
    damp: float = 0.01

    def __post_init__(self) -> None:
        if self.rounding not in ROUNDINGS:
            raise ValueError(f"rounding '{self.rounding}': gptq or rtn")
        if self.iterations < 0:
            raise ValueError(f"iterations is {self.iterations}: 0 or more")
        check(0, self.batch, lr=self.lr)

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        """Learns the rotations, folds them in, rounds block by block. Skip for norms behind the maps."""
        from methods.quantization import layerwise, quarot
        from methods.quantization.cache import CacheRule
        from methods.quantization.layerwise import Recipe
        from methods.quantization.linear import InputRule
        from suite.models.llama_like import fuse_gains, llama_like, rotate_stream

        llama = llama_like(model)
        quarot.refuse(llama)
        fuse_gains(llama)
        hadamard = quarot.power_of_two_in(llama.head_dim) if precision.cache < EXACT else 0
        rule = CacheRule(precision.cache, hadamard=hadamard)
        turned = self.rotations(llama, calibration.windows, precision, rule, ctx)
        rotate_stream(llama, turned.stream)
        quarot.rotate_heads(llama, turned.values)
        recipe = Recipe(
            transforms=online,
            inputs=lambda site: InputRule(precision.activations),
            round=quarot.weight_rounding(self.rounding, self.damp),
            cache=rule,
            wants=frozenset({"hessian"} if self.rounding == "gptq" and precision.weights < EXACT else ()),
        )
        return layerwise.quantize(model, calibration, precision, ctx, recipe)

    def rotations(
        self, llama: LlamaLike, windows: Tensor, precision: Precision, rule: Any, ctx: Context
    ) -> Turned:
        """R1 and R2 after training, of a model whose gains are fused."""
        from methods.quantization import quarot, spinning

        start = spinning.Turned(
            quarot.random_basis(llama.width, ctx.rng("stream")),
            tuple(
                quarot.random_basis(llama.head_dim, ctx.rng(f"values {block.index}"))
                for block in llama.blocks
            ),
        )
        if precision.activations >= EXACT and precision.cache >= EXACT:
            return start
        rates = [
            self.lr * (1 + math.cos(math.pi * step / self.iterations)) / 2 for step in range(self.iterations)
        ]
        chosen = list(windows.split(self.batch))
        batches = [chosen[step % len(chosen)] for step in range(self.iterations)]
        return spinning.learn(llama, start, batches, rates, precision.activations, rule).turned


def online(site: Site) -> Sequence[Transform]:
    """The Hadamard matrix before down, in blocks as large as a power of two divides its width."""
    from methods.quantization import quarot

    return quarot.online(site) if site.name == "down" else ()
