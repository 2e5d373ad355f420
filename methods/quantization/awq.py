"""AWQ: weights alone, with the channels that matter scaled up before they are rounded (arXiv 2306.00978).

    s = t / sqrt(max t * min t),    t = mean|X|^alpha,    least over alpha of ||X W^T - (X/s) Q(W s)^T||^2

with alpha 0, 1/20 .. 19/20. The factors go into the part that produces the activation, so nothing is
computed when the model runs. Then each grid of the weights, those of q and k excepted, is clipped where that
lowers the error of its own outputs.

Both errors need X only as X^T X, since ||X D^T||^2 is the trace of D X^T X D^T. All calibration tokens count
therefore, where the released code looks at samples of them, and for scaling it compares the outputs of whole
attention and FFN parts, here those of the maps that read the activation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from suite.api import Context
from suite.errors import Skip
from tasks.quantization.contract import EXACT, Calibration, Precision, Quantized, Quantizer

if TYPE_CHECKING:
    from torch import Tensor

    from methods.quantization.layerwise import Site
    from suite.models.llama_like import LlamaLike

LEAST = 1e-4
"""Of a factor before it is normalised."""
NOT_CLIPPED = ("self_attn.q_proj", "self_attn.k_proj")
"""Their product makes the attention scores, which no error of either alone tells of."""
ROWS = 64
"""Rows of a weight that are clipped together: bounds the memory."""


@dataclass(frozen=True)
class Awq(Quantizer):
    """Activation-aware scaling and clipping of weights.

    steps: values of alpha, from 0 up in steps of 1 / steps. clip: whether grids are clipped; clip_steps,
    clip_most: by 0, 1 / clip_steps and so on, as long as it is less than clip_most.
    """

    steps: int = 20
    clip: bool = True
    clip_steps: int = 20
    clip_most: float = 0.5

    def __post_init__(self) -> None:
        for name in ("steps", "clip_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: at least 1")
        if not 0 <= self.clip_most < 1:
            raise ValueError(f"clip_most is {self.clip_most}: from 0 to below 1")

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        """Fitted to the float model's inputs, layer by layer. Skip where activations are rounded."""
        if precision.activations < EXACT:
            raise Skip(f"awq rounds weights alone, and {precision.name} rounds activations; see W4A16")
        from methods.quantization import cache, calibrate
        from methods.quantization.layerwise import Recipe, Site, install, report
        from suite.models.llama_like import SITES, llama_like

        llama, rule = llama_like(model), cache.CacheRule(precision.cache)
        now = calibrate.stream(llama, calibration.windows) if precision.weights < EXACT else None
        for block in ctx.track(llama.blocks, f"quantize {precision.name}", len(llama.blocks)):
            if now is not None:
                seen = calibrate.observe(block, now, frozenset({"hessian"}))
                now.through(block)
                self._fit([Site(llama, block, name, seen[name], precision, ctx) for name in SITES])
            for name in SITES:
                install(Site(llama, block, name, _unseen(), precision, ctx), Recipe())
        cache.install(llama, rule)
        return report(llama, rule)

    def _fit(self, sites: list[Site]) -> None:
        """Scales and clips a block's weights. All factors are found before any is applied."""
        import torch

        from suite.models.llama_like import READERS, rescale

        with torch.no_grad():
            found = [self.factors(site) if _may_scale(site.llama, site.name) else None for site in sites]
            for site, s in zip(sites, found, strict=True):
                if s is not None:
                    rescale(site.llama, site.block, site.name, s)
            for site, s in zip(sites, found, strict=True):
                seen = site.seen if s is None else site.seen.over(s)
                assert seen.hessian is not None
                for path in READERS[site.name] if self.clip else ():
                    if path not in NOT_CLIPPED:
                        self._clip(site.block.linear(path).weight, seen.hessian, site.precision)

    def factors(self, site: Site) -> Tensor:
        """The s (d,) of least error."""
        return min(self.tried(site), key=lambda one: one[1])[0]

    def tried(self, site: Site) -> Iterator[tuple[Tensor, float]]:
        """Every s with the mean squared error a token that it leaves, summed over the outputs."""
        import torch

        from methods.quantization import grids

        assert site.seen.hessian is not None
        bits, group = site.precision.weights, site.precision.group
        weight = torch.cat(site.weights).float()
        hessian = site.seen.hessian.to(weight)
        for step in range(self.steps):
            s = normalised(site.seen.absmean, step / self.steps).to(weight)
            scaled = weight * s
            error = grids.fake(scaled, grids.fit(scaled, bits, group=group)) / s - weight
            yield s, float(((error @ hessian) * error).sum())

    def _clip(self, weight: Tensor, hessian: Tensor, precision: Precision) -> None:
        """Bounds a weight's entries by the best limit of each grid."""
        for rows in weight.data.split(ROWS):
            rows.copy_(self.clipped(rows, hessian, precision))

    def clipped(self, weight: Tensor, hessian: Tensor, precision: Precision) -> Tensor:
        """The weight (o, d) with each grid's entries within c max|w|, c of the least squared error.

        The error is of what the grid's own channels add to the output; c is 1 where nothing else is better.
        """
        import torch

        from methods.quantization import grids

        size = precision.group or weight.shape[1]
        w = weight.float().unflatten(1, (-1, size))
        blocks = _diagonal_blocks(hessian, size).to(w)
        largest = w.abs().amax(2, keepdim=True)
        best, least = w, torch.full_like(largest, torch.inf)
        for step in range(int(self.clip_most * self.clip_steps)):
            limit = largest * (1 - step / self.clip_steps)
            bounded = torch.minimum(torch.maximum(w, -limit), limit)
            error = grids.fake(bounded, grids.fit(bounded, precision.weights)) - w
            of_grid = (torch.einsum("ogi,gij->ogj", error, blocks) * error).sum(2, keepdim=True)
            best = torch.where(of_grid < least, bounded, best)
            least = torch.minimum(of_grid, least)
        return best.flatten(1).to(weight.dtype)


def normalised(absmean: Tensor, alpha: float) -> Tensor:
    """mean|X|^alpha (d,), at least 1e-4, divided so that largest times smallest is 1."""
    s = (absmean**alpha).clamp_min(LEAST)
    return s / (s.max() * s.min()).sqrt()


def _diagonal_blocks(hessian: Tensor, size: int) -> Tensor:
    """The blocks (d / size, size, size) on the diagonal."""
    import torch

    return torch.stack([hessian[i : i + size, i : i + size] for i in range(0, len(hessian), size)])


def _may_scale(llama: LlamaLike, site: str) -> bool:
    """Whether the producer can take the factors in: values only where each query head has its own."""
    return site != "out" or llama.heads == llama.kv_heads


def _unseen() -> Any:
    import torch

    from methods.quantization.calibrate import Seen

    return Seen(torch.empty(0), torch.empty(0), 0)
