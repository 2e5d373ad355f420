"""The walk that quantizers have in common: block by block, fit, transform, round, go on.

A competitor is a recipe: what to divide activations by, which transforms to put before the maps, how to round
inputs, weights and cache. What it leaves out is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from methods.quantization import cache, calibrate, grids
from methods.quantization.cache import CacheRule
from methods.quantization.calibrate import Seen, Stream
from methods.quantization.grids import Grid
from methods.quantization.linear import InputRule, Inputs, Part, QuantLinear, Rounded, costs
from methods.quantization.transforms import Transform, on_hessian, on_weight
from suite.api import Context
from suite.models.llama_like import READERS, SITES, Block, LlamaLike, llama_like, rescale, shared_by_heads
from tasks.quantization.contract import Calibration, Precision, Quantized


@dataclass(frozen=True)
class Site:
    """A site of a block at the moment when something is fitted to it.

    weights: those of the maps that read it, (o, d) each, as they are now; seen: its activation. divided: the
    factors (d,) by which smoothing has already divided it.
    """

    llama: LlamaLike
    block: Block
    name: str
    seen: Seen
    precision: Precision
    ctx: Context
    divided: Tensor | None = None

    @property
    def width(self) -> int:
        return self.llama.site_width(self.name)

    @property
    def weights(self) -> tuple[Tensor, ...]:
        return tuple(linear.weight.detach() for linear in self.block.readers(self.name))

    @property
    def label(self) -> str:
        """Its name in the model, which also names its random streams."""
        return f"{self.block.index}.{self.name}"


class Lesson(NamedTuple):
    """What a block is to give, for every calibration window (N, T, d).

    rounded: the stream that the rounded blocks before give; exact: that of the float model; wanted: the float
    block's output for `exact`. call: with what else transformers calls the block.
    """

    rounded: Tensor
    exact: Tensor
    wanted: Tensor
    call: Mapping[str, Any]


Smooth = Callable[[Site], "Tensor | None"]
Transforms = Callable[[Site], Sequence[Transform]]
Round = Callable[[Tensor, Site], Rounded]
"""Of a weight behind its transforms, and its site with the activation behind them."""


def round_to_nearest(
    clip: float = 1.0, *, symmetric: bool = False, search: bool = False
) -> Callable[[Tensor, Site], Rounded]:
    """Rounding to the nearest level; `search` finds the clip of each grid by its error."""

    def rounded(weight: Tensor, site: Site) -> Rounded:
        grid = _grid(weight, site.precision, clip, symmetric, search)
        if grid.exact:
            return Rounded(weight, ())
        return Rounded(grids.fake(weight, grid), (Part(0, weight.shape[1], grid),))

    return rounded


def gptq(
    clip: float = 1.0,
    *,
    symmetric: bool = False,
    search: bool = False,
    damp: float = 0.01,
    act_order: bool = False,
) -> Callable[[Tensor, Site], Rounded]:
    """GPTQ on the site's Hessian, on the grids that `round_to_nearest` would have used."""

    def rounded(weight: Tensor, site: Site) -> Rounded:
        grid = _grid(weight, site.precision, clip, symmetric, search)
        if grid.exact:
            return Rounded(weight, ())
        assert site.seen.hessian is not None, "a recipe that rounds by the Hessian wants it"
        values = grids.gptq(weight, site.seen.hessian, grid, damp=damp, act_order=act_order)
        return Rounded(values, (Part(0, weight.shape[1], grid),))

    return rounded


def _grid(weight: Tensor, precision: Precision, clip: float, symmetric: bool, search: bool) -> Grid:
    """The grids of a weight's rows or groups; `search` finds the clip of each by its error."""
    bits, group = precision.weights, precision.group
    searched = search and bits < grids.EXACT_BITS
    share: float | Tensor = grids.mse_clip(weight, bits, symmetric, group) if searched else clip
    return grids.fit(weight, bits, share, symmetric, group)


def plain_inputs(site: Site) -> InputRule:
    """Every token on its own grid over its whole range."""
    return InputRule(site.precision.activations)


def _nothing(site: Site) -> None:
    return None


def _no_transforms(site: Site) -> Sequence[Transform]:
    return ()


@dataclass(frozen=True)
class Recipe:
    """A quantizer, as what it does at each step of the walk.

    prepare: changes the whole float model beforehand without changing its logits; state: a name for what it
    makes, under which statistics of the float model are shared. smooth: factors (d,) by which a site's
    activation is divided, from the float model's activation. transforms: of a site, from the activation that
    reaches it. inputs, round: of its inputs and of each of its weights. cache: of keys and values. wants:
    what transforms and rounding need to see beside the channels' sizes, of "hessian" and "rows". start: what
    it makes of the windows' stream (N, T, d) before the walk is what rows are of; nothing else is seen of it.
    learn: puts the quantized maps in the place of a block's own, in the place of `install` site by site, from
    the block's four sites by name, this recipe and what the block is to give.
    """

    smooth: Smooth = _nothing
    transforms: Transforms = _no_transforms
    inputs: Callable[[Site], InputRule] = plain_inputs
    round: Round = round_to_nearest()
    cache: CacheRule | None = None
    prepare: Callable[[LlamaLike], None] | None = None
    state: str = ""
    wants: frozenset[str] = frozenset()
    start: Callable[[Tensor], Tensor] | None = None
    learn: Callable[[Mapping[str, Site], Recipe, Lesson], Any] | None = None


def quantize(
    model: Any, calibration: Calibration, precision: Precision, ctx: Context, recipe: Recipe
) -> Quantized:
    """The model by a recipe, changed in place. UsageError for one that is not built like Llama."""
    llama = llama_like(model)
    if recipe.prepare is not None:
        recipe.prepare(llama)
    smoothed = recipe.smooth is not _nothing
    of_float = (
        calibration.once(("inputs", recipe.state), lambda: calibrate.float_inputs(llama, calibration))
        if smoothed
        else None
    )
    streams = _streams(llama, calibration, recipe)
    rule = recipe.cache or CacheRule(precision.cache)
    cache.install(llama, rule)
    for block in ctx.track(llama.blocks, f"quantize {precision.name}", len(llama.blocks)):
        divided: dict[str, Tensor] = {}
        if of_float is not None:
            divided = _smooth(llama, block, of_float[block.index], precision, ctx, recipe)
        _one(llama, block, streams, precision, ctx, recipe, divided)
    return report(llama, rule)


def report(llama: LlamaLike, rule: CacheRule) -> Quantized:
    """The finished model with what it costs."""
    found = costs(llama.model)
    attention = len(llama.blocks) * rule.flops(llama.heads, llama.kv_heads, llama.head_dim)
    return Quantized(llama.model, found.weight_bits, found.activation_bits, found.online_flops + attention)


def _smooth(
    llama: LlamaLike,
    block: Block,
    seen: dict[str, Seen],
    precision: Precision,
    ctx: Context,
    recipe: Recipe,
) -> dict[str, Tensor]:
    """Divides the activations of a block's sites. All factors are found before any is applied."""
    sites = {name: Site(llama, block, name, seen[name], precision, ctx) for name in SITES}
    found = {name: recipe.smooth(site) for name, site in sites.items()}
    used = {name: factors for name, factors in found.items() if factors is not None}
    if "out" in used:
        used["out"] = shared_by_heads(llama, used["out"])
    for name, factors in used.items():
        rescale(llama, block, name, factors)
    return used


def _one(
    llama: LlamaLike,
    block: Block,
    streams: _Streams,
    precision: Precision,
    ctx: Context,
    recipe: Recipe,
    divided: Mapping[str, Tensor],
) -> None:
    """Puts quantized maps in the place of a block's own, and moves the streams behind it."""
    unseen = {name: Seen(torch.empty(0), torch.empty(0), 0) for name in SITES}
    seen = streams.observe(block, recipe.wants) or unseen
    sites = {name: Site(llama, block, name, seen[name], precision, ctx, divided.get(name)) for name in SITES}
    now, exact = streams.now, streams.exact
    if recipe.learn is not None and now is not None and exact is not None:
        before = exact.hidden
        with exact_cache(block):
            exact.through(block)
        recipe.learn(sites, recipe, Lesson(now.hidden, before, exact.hidden, now.calls[block.index]))
    else:
        for site in sites.values():
            install(site, recipe)
    for stream in (now, streams.few):
        if stream is not None:
            stream.through(block)


class _Streams(NamedTuple):
    """The windows' streams that a walk needs, each moved behind a block once that is rounded.

    now: of all windows; few: what `Recipe.start` makes of them, from which alone rows then come; exact: of
    all windows behind the float blocks, where something is learned.
    """

    now: Stream | None
    few: Stream | None
    exact: Stream | None

    def observe(self, block: Block, wants: frozenset[str]) -> dict[str, Seen]:
        """What a block's sites see; empty where nobody looks."""
        if self.few is None:
            return calibrate.observe(block, self.now, wants) if self.now is not None else {}
        few = calibrate.observe(block, self.few, frozenset({"rows"}))
        if self.now is None:
            return few
        found = calibrate.observe(block, self.now, wants - {"rows"})
        return {name: replace(seen, rows=few[name].rows) for name, seen in found.items()}


def _streams(llama: LlamaLike, calibration: Calibration, recipe: Recipe) -> _Streams:
    """Only those that the recipe looks at."""
    learns = recipe.learn is not None
    reduced = recipe.start is not None and "rows" in recipe.wants
    whole = learns or bool(recipe.wants - {"rows"} if reduced else recipe.wants)
    looks = recipe.transforms is not _no_transforms and not reduced
    if not (whole or looks or reduced):
        return _Streams(None, None, None)
    every = calibrate.stream(llama, calibration.windows)
    few = Stream(recipe.start(every.hidden), every.calls) if recipe.start is not None and reduced else None
    return _Streams(
        every if whole or looks else None, few, Stream(every.hidden, every.calls) if learns else None
    )


@contextmanager
def exact_cache(block: Block) -> Iterator[None]:
    """Keys and values of a block as they are, whatever rule it carries."""
    attention = block.module.self_attn
    rule = getattr(attention, "cache_rule", None)
    if rule is not None:
        attention.cache_rule = None
    try:
        yield
    finally:
        if rule is not None:
            attention.cache_rule = rule


@torch.no_grad()
def install(site: Site, recipe: Recipe) -> None:
    """Transforms a site and rounds the weights that read it."""
    chain = list(recipe.transforms(site))
    if chain and site.seen.hessian is not None:
        hessian = on_hessian(chain, site.seen.hessian)
        site = replace(site, seen=replace(site.seen, hessian=hessian, rows=None))
    inputs = Inputs(chain, recipe.inputs(site), readers=len(READERS[site.name]))
    for path in READERS[site.name]:
        linear = site.block.linear(path)
        weight = recipe.round(on_weight(chain, linear.weight.detach()), site)
        bias = None if linear.bias is None else linear.bias.detach()
        site.block.replace(path, QuantLinear(weight, bias, inputs))
