"""Mixed precision: a few outlier channels keep more bits than the others (Atom, QUIK).

Channels are reordered so that the outliers come last, inputs by a gather and the columns of the weight with
them; the two parts then have grids of their own. GPTQ walks through the columns in that order, so that what
rounding does to the many is made up for by the few that are stored better.

The published numbers of outliers are for widths from 4096 on. Of a narrower activation no more than an eighth
is kept, a power of two of channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from methods.quantization.duquant import WIDE
from suite.api import Context
from tasks.quantization.contract import EXACT, Calibration, Precision, Quantized, Quantizer

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from methods.quantization.layerwise import Recipe, Site
    from methods.quantization.linear import Rounded

SHARE = 8
"""At most one channel in so many is an outlier."""
BETTER = 8
"""Bits of Atom's outliers, and of QUIK's down projections."""


@dataclass(frozen=True)
class Atom(Quantizer):
    """Atom: the outliers in 8 bits, all else in few, in groups of channels (arXiv 2310.19102).

    outliers: channels of the largest mean square, kept in 8 bits. group: the most channels that share a grid,
    of inputs and of weights; the largest number up to it that divides what is left of the width. act_clip,
    weight_clip: shares of the range below 6 bits, outliers excepted. damp: GPTQ's. All channels are sorted,
    so that a group holds channels of like size. Grids are symmetric and fixed before GPTQ walks through them
    (the released code fits a group when it reaches it); keys and values are asymmetric.
    """

    outliers: int = 128
    group: int = 128
    act_clip: float = 0.9
    weight_clip: float = 0.85
    damp: float = 0.01

    def __post_init__(self) -> None:
        _check(self.outliers)
        if self.group < 1:
            raise ValueError(f"group is {self.group}: at least 1 channel")

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        """Hessians, which also give the order, of what the already rounded layers give."""
        from methods.quantization.layerwise import quantize

        def order(site: Site) -> Tensor:
            assert site.seen.hessian is not None
            return site.seen.hessian.diagonal().sort(stable=True).indices

        return quantize(model, calibration, precision, ctx, _recipe(self._split, order, self.damp))

    def _split(self, site: Site) -> Split:
        tail = outlier_count(site.width, self.outliers)
        return Split(
            weights=site.precision.weights,
            activations=site.precision.activations,
            tail=tail,
            weight_tail_bits=max(BETTER, site.precision.weights),
            act_tail_bits=max(BETTER, site.precision.activations),
            group=group_in(site.width - tail, min(self.group, site.precision.group or self.group)),
            act_group=group_in(site.width - tail, self.group),
            act_clip=self.act_clip,
            weight_clip=self.weight_clip,
            act_symmetric=True,
        )


@dataclass(frozen=True)
class Quik(Quantizer):
    """QUIK-4B: outlier channels kept at 16 bits, down projections in 8 (arXiv 2310.09259).

    outliers: channels of the largest magnitude. damp: GPTQ's. Weights are symmetric with the clip of each
    grid searched by its squared error, inputs asymmetric over a token's whole range. Keys and values, which
    the method leaves alone, are rounded to the nearest where the precision asks for it.
    """

    outliers: int = 256
    damp: float = 0.01

    def __post_init__(self) -> None:
        _check(self.outliers)

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        """Hessians and magnitudes of what the already rounded layers give."""
        from methods.quantization.layerwise import quantize

        def order(site: Site) -> Tensor:
            return outliers_last(site.seen.absmax, outlier_count(site.width, self.outliers))

        return quantize(model, calibration, precision, ctx, _recipe(self._split, order, self.damp))

    def _split(self, site: Site) -> Split:
        tail = outlier_count(site.width, self.outliers)
        least = BETTER if site.name == "down" else 0
        group = site.precision.group
        return Split(
            weights=max(site.precision.weights, least),
            activations=max(site.precision.activations, least),
            tail=tail,
            group=None if group is None else group_in(site.width - tail, group),
        )


class Split(NamedTuple):
    """How the two parts of a site are rounded; from 16 bits on a part is left as it is.

    weights, activations: bits of the first channels; tail: how many are at the end, with weight_tail_bits and
    act_tail_bits of theirs. group, act_group: channels of the first part that share a grid, the whole part
    where None. act_clip, weight_clip: shares of the range that its grids cover below 6 bits; the weights' is
    searched where None.
    """

    weights: int
    activations: int
    tail: int
    weight_tail_bits: int = EXACT
    act_tail_bits: int = EXACT
    group: int | None = None
    act_group: int | None = None
    act_clip: float = 1.0
    weight_clip: float | None = None
    act_symmetric: bool = False


def outlier_count(width: int, most: int) -> int:
    """The largest power of two of at most `most` channels and an eighth of the width; 0 below 8 channels."""
    limit = min(most, width // SHARE)
    return 1 << (limit.bit_length() - 1) if limit else 0


def group_in(width: int, most: int) -> int:
    """The largest number of channels up to `most` that divides the width."""
    return max(n for n in range(1, min(width, most) + 1) if width % n == 0)


def outliers_last(scores: Tensor, count: int) -> Tensor:
    """The order (d,) in which the `count` channels of the largest scores come last, by rising score.

    The others stay in their order.
    """
    import torch

    ranked = scores.sort(stable=True).indices
    few = ranked[len(ranked) - count :]
    return torch.cat([ranked[: len(ranked) - count].sort().values, few])


def round_split(weight: Tensor, hessian: Tensor, split: Split, damp: float) -> Rounded:
    """GPTQ over a weight (o, d) whose last columns have a grid of their own or none.

    hessian: (d, d) of the inputs in the same order. With h and t for the two parts and H damped, rounding the
    first part sees the Schur complement H_hh - H_ht H_tt^-1 H_th, and the second part then moves by
    (W_h - Q_h) H_ht H_tt^-1 before it is rounded: what walking through all columns one by one gives.
    """
    import torch

    from methods.quantization import grids
    from methods.quantization.linear import Part, Rounded

    if split.weights >= EXACT:
        return Rounded(weight, ())
    width, cut = weight.shape[1], weight.shape[1] - split.tail
    head, h = weight[:, :cut], damped(hessian, damp)
    clip = (
        grids.mse_clip(head, split.weights, True, split.group)
        if split.weight_clip is None
        else (split.weight_clip if split.weights < WIDE else 1.0)
    )
    grid = grids.fit(head, split.weights, clip, True, split.group)
    if not split.tail:
        return Rounded(grids.gptq(weight, h, grid, damp=0.0), (Part(0, width, grid),))
    carry = torch.linalg.solve(h[cut:, cut:], h[cut:, :cut]).T
    found = grids.gptq(head, h[:cut, :cut] - carry @ h[cut:, :cut], grid, damp=0.0)
    tail = weight[:, cut:] + ((head - found).to(carry) @ carry).to(weight)
    if split.weight_tail_bits >= EXACT:
        return Rounded(torch.cat([found, tail], 1), (Part(0, cut, grid), Part(cut, width, None)))
    fine = grids.fit(tail, split.weight_tail_bits, symmetric=True)
    tail = grids.gptq(tail, h[cut:, cut:], fine, damp=0.0)
    return Rounded(torch.cat([found, tail], 1), (Part(0, cut, grid), Part(cut, width, fine)))


def damped(hessian: Tensor, damp: float) -> Tensor:
    """H (d, d) in float64, 1 for channels never used, with damp times its mean diagonal on the diagonal."""
    h = hessian.double().clone()
    diagonal = h.diagonal()
    diagonal[diagonal == 0] = 1
    diagonal += damp * diagonal.mean()
    return h


def _recipe(split: Callable[[Site], Split], order: Callable[[Site], Tensor], damp: float) -> Recipe:
    from methods.quantization.layerwise import Recipe
    from methods.quantization.linear import InputRule
    from methods.quantization.transforms import Gather

    def inputs(site: Site) -> InputRule:
        s = split(site)
        if s.activations >= EXACT:
            return InputRule()
        clip = s.act_clip if s.activations < WIDE else 1.0
        return InputRule(s.activations, clip, s.act_symmetric, s.act_group, s.tail, s.act_tail_bits)

    def rounding(weight: Tensor, site: Site) -> Rounded:
        assert site.seen.hessian is not None
        return round_split(weight, site.seen.hessian, split(site), damp)

    return Recipe(
        transforms=lambda site: [Gather(order(site))],
        inputs=inputs,
        round=rounding,
        wants=frozenset({"hessian"}),
    )


def _check(outliers: int) -> None:
    if outliers < 0:
        raise ValueError(f"outliers is {outliers}: 0 channels or more")
