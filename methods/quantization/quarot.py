"""QuaRot: rotations that spread outliers and that the float model does not notice (arXiv 2404.00456).

With the gains of the norms fused into the maps that read them, the residual stream is written in the basis of
a randomised Hadamard matrix Q, for which no operation is paid. Values and the input of o are rotated head by
head, also for free. Three more rotations are computed when the model runs: of queries and keys behind the
rotary embedding, across the heads before o, and of the neurons before down.

The paper's models have widths for which tables of Hadamard matrices exist. Here only Sylvester's are used,
whose sizes are powers of two. Of a stream of width 2^k m, m odd, Q is the Kronecker product of the Hadamard
matrix of 2^k and a random orthogonal one of m, behind random signs. Online, blocks are as large as a power of
two divides: 6 heads are mixed in pairs, 9 not at all, and 11008 neurons in blocks of 256.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.quantization.duquant import WIDE
from suite.api import Context
from suite.errors import Skip
from tasks.quantization.contract import EXACT, Calibration, Precision, Quantized, Quantizer

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from methods.quantization.cache import CacheRule
    from methods.quantization.layerwise import Round, Site
    from methods.quantization.transforms import Transform
    from suite.models.llama_like import LlamaLike

ROUNDINGS = ("gptq", "rtn")


@dataclass(frozen=True)
class QuaRot(Quantizer):
    """QuaRot with GPTQ or with rounding to the nearest; defaults are the released code's for 4 bits.

    rounding: of weights, "gptq" or "rtn", both symmetric with the clip of each grid searched by its squared
    error. act_clip, cache_clip: shares of the range of a token's inputs (symmetric), and of its keys and
    values a head (asymmetric), below 6 bits. damp: GPTQ's.
    """

    rounding: str = "gptq"
    act_clip: float = 0.9
    cache_clip: float = 0.95
    damp: float = 0.01

    def __post_init__(self) -> None:
        if self.rounding not in ROUNDINGS:
            raise ValueError(f"rounding '{self.rounding}': gptq or rtn")
        for name in ("act_clip", "cache_clip"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: a share of the range, above 0, at most 1")

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        """Rotates the float model, then rounds block by block. Skip for a model with norms behind maps."""
        from methods.quantization.layerwise import Recipe, quantize
        from suite.models.llama_like import llama_like

        llama = llama_like(model)
        basis = random_basis(llama.width, ctx.rng("stream"))
        recipe = Recipe(
            prepare=lambda prepared: rotate(prepared, basis),
            transforms=online,
            inputs=lambda site: input_rule(site.precision, self.act_clip),
            round=weight_rounding(self.rounding, self.damp),
            cache=cache_rule(llama, precision, self.cache_clip),
            wants=frozenset({"hessian"} if self.rounding == "gptq" and precision.weights < EXACT else ()),
        )
        return quantize(model, calibration, precision, ctx, recipe)


def refuse(llama: LlamaLike) -> None:
    """Skip where norms stand between the maps and the stream (Gemma 2 and 3): no rotation passes them."""
    if any(block.behind for block in llama.blocks):
        raise Skip(
            f"{type(llama.model).__name__} has norms behind attention and FFN, whose gains no rotation of "
            "the residual stream passes"
        )


def random_basis(width: int, rng: np.random.Generator) -> Tensor:
    """A randomised Hadamard matrix (width, width) in float64, orthogonal: x D (H kron O) for row vectors x.

    D are random signs, H the Hadamard matrix of the largest power of two that divides the width, O a random
    orthogonal matrix of the odd rest (1 where there is none).
    """
    import torch

    from methods.quantization import hadamard

    even = width & -width
    odd = width // even
    factor = torch.linalg.qr(torch.from_numpy(rng.standard_normal((odd, odd)))).Q.contiguous()
    basis = torch.kron(hadamard.matrix(even), factor)
    return hadamard.signs(width, rng, torch.float64)[:, None] * basis


def rotate(llama: LlamaLike, basis: Tensor) -> None:
    """What costs nothing online: gains fused, the stream in another basis, values rotated head by head.

    basis: orthogonal (width, width). Skip where the model cannot be rotated.
    """
    from suite.models.llama_like import fuse_gains, rotate_stream

    refuse(llama)
    fuse_gains(llama)
    rotate_stream(llama, basis)
    rotate_heads(llama, [head_basis(llama)] * len(llama.blocks))


def head_basis(llama: LlamaLike) -> Tensor:
    """The Hadamard matrix of a head's channels (head_dim, head_dim), in blocks where the size needs them."""
    import torch

    from methods.quantization import hadamard

    return hadamard.transform(torch.eye(llama.head_dim, dtype=torch.float64), power_of_two_in(llama.head_dim))


def rotate_heads(llama: LlamaLike, bases: Sequence[Tensor]) -> None:
    """Has every block's values come out as v @ basis, head by head, and its map o undo it.

    bases: one orthogonal (head_dim, head_dim) a block, the same for all heads of the block.
    """
    import torch

    from suite.models.llama_like import turn_outputs

    for block, basis in zip(llama.blocks, bases, strict=True):
        turn_outputs(block.linear("self_attn.v_proj"), torch.block_diag(*[basis] * llama.kv_heads))
        (out,) = block.readers("out")
        by_head = out.weight.double().unflatten(1, (llama.heads, llama.head_dim))
        out.weight.data.copy_((by_head @ basis.to(by_head)).flatten(1))


def online(site: Site) -> Sequence[Transform]:
    """The rotations computed when the model runs: across heads before o, of the neurons before down."""
    import torch

    from methods.quantization.permutation import inverse
    from methods.quantization.transforms import Gather, Hadamard

    if site.name == "down":
        block = power_of_two_in(site.width)
        return [Hadamard(block)] if block > 1 else []
    heads = site.llama.heads
    block = power_of_two_in(heads)
    if site.name != "out" or block == 1:
        return []
    # Channel c of all heads side by side, and back.
    order = torch.arange(site.width).view(heads, -1).T.reshape(-1).to(site.weights[0].device)
    return [Gather(order), Hadamard(block), Gather(inverse(order))]


def power_of_two_in(size: int) -> int:
    """The largest power of two that divides a size, however large."""
    return size & -size


def input_rule(precision: Precision, clip: float) -> Any:
    """Inputs on a symmetric grid a token, clipped below 6 bits."""
    from methods.quantization.linear import InputRule

    bits = precision.activations
    return InputRule(bits, clip if bits < WIDE else 1.0, symmetric=True)


def weight_rounding(rounding: str, damp: float = 0.01) -> Round:
    """Symmetric grids with searched clips, filled by "gptq" or "rtn"."""
    from methods.quantization.layerwise import gptq, round_to_nearest

    if rounding == "rtn":
        return round_to_nearest(symmetric=True, search=True)
    return gptq(symmetric=True, search=True, damp=damp)


def cache_rule(llama: LlamaLike, precision: Precision, clip: float) -> CacheRule:
    """Keys and values on an asymmetric grid a token and head; queries and keys behind a Hadamard matrix."""
    from methods.quantization.cache import CacheRule

    bits = precision.cache
    if bits >= EXACT:
        return CacheRule()
    share = clip if bits < WIDE else 1.0
    return CacheRule(bits, key_clip=share, value_clip=share, hadamard=power_of_two_in(llama.head_dim))
