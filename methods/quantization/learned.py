"""Learning, block by block, of what rounding leaves free: scales, matrices, clips.

Each block is trained to give what the float block gives, by the mean squared error of its output; its weights
stay as they are. While it is trained a linear map computes

    y = Q(x A) Q(R W A^-T)^T + R b

with A a chain of links in front of it, R what the link behind it asks of the rows of its weight; gradients
pass through rounding as if it were not there. Afterwards what can be is folded into the float weights, and
the rest is put in front of the maps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, mse_loss

from methods.quantization import calibrate
from methods.quantization.clipping import InputClip, WeightClip
from methods.quantization.grids import EXACT_BITS
from methods.quantization.layerwise import Lesson, Recipe, Site, exact_cache
from methods.quantization.linear import Inputs, QuantLinear, Rounded
from methods.quantization.training import Course, Schedule, train
from methods.quantization.transforms import Transform, on_weight
from suite.models.llama_like import READERS, Block

PRODUCERS = {"out": "self_attn.v_proj", "down": "mlp.up_proj"}
"""The map whose rows produce a site."""


class RowLink(nn.Module):
    """What is learned of the rows of a map alone; all of it is folded into the map."""

    def rows(self, w: Tensor) -> Tensor:
        """The weight (o, k) of the map, or its bias (o, 1), as it is with what was learned."""
        return w

    def project(self) -> None:
        """Puts the parameters back, after a step, to where they must stay."""

    def begin(self, epoch: int, epochs: int) -> None:
        """Called before each epoch, counted from 0."""


class Link(RowLink, ABC):
    """A transform x -> x A while it is learned. rows: of the map before the site, to give x A for x."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """x A for (..., d), or x itself where the map before the site takes A in."""

    @abstractmethod
    def weight(self, w: Tensor) -> Tensor:
        """w A^-T for (o, d)."""

    @abstractmethod
    def settle(self, site: Site) -> Transform | None:
        """What is computed online; None where all of it is folded.

        A link that is folded at a norm changes the norm here; the maps are changed by whoever calls.
        """


@dataclass
class Fitting:
    """What is learned of one block.

    links, inputs: of each site, links or fixed transforms and the rule of its inputs. rows: of a map by its
    path, beyond what the links ask (queries and keys). clips: of a map by its path. rates: learning rates of
    groups of parameters.
    """

    links: dict[str, list[nn.Module]]
    inputs: dict[str, Any]
    rows: dict[str, RowLink] = field(default_factory=dict)
    clips: dict[str, WeightClip] = field(default_factory=dict)
    rates: list[tuple[list[nn.Parameter], float]] = field(default_factory=list)

    def learned(self) -> list[RowLink]:
        """All links that have something to learn."""
        chains = (link for chain in self.links.values() for link in chain if isinstance(link, Link))
        return [*chains, *dict.fromkeys(self.rows.values())]

    def by_rows(self) -> dict[str, list[RowLink]]:
        """What is asked of the rows of each map that something is asked of."""
        found: dict[str, list[RowLink]] = {path: [link] for path, link in self.rows.items()}
        for site, path in PRODUCERS.items():
            links: list[RowLink] = [link for link in self.links[site] if isinstance(link, Link)]
            if links:
                found[path] = links
        return found


class Trained(nn.Module):
    """A linear map of a block in training."""

    def __init__(self, source: Any, inputs: Inputs, rows: Sequence[RowLink], clip: WeightClip | None) -> None:
        super().__init__()
        self.source, self.inputs, self.clip = source, inputs, clip
        self.before = nn.ModuleList(rows)
        movable = any(isinstance(link, RowLink) for link in (*rows, *inputs.transforms))
        self.fixed = None if movable else on_weight(inputs.transforms, source.weight.detach())

    def weight(self) -> Tensor:
        """R W A^-T, not yet rounded."""
        if self.fixed is not None:
            return self.fixed
        w: Tensor = self.source.weight.detach()
        for link in self.before:
            w = link.rows(w)
        for link in self.inputs.transforms:
            w = link.weight(w)
        return w

    def forward(self, x: Tensor) -> Tensor:
        w, bias = self.weight(), self.source.bias
        if self.clip is not None:
            w = self.clip(w)
        if bias is not None:
            bias = bias.detach()[:, None]
            for link in self.before:
                bias = link.rows(bias)
            bias = bias[:, 0]
        return linear(self.inputs(x), w, bias)


def fitting(sites: Mapping[str, Site], recipe: Recipe, clip_rate: float) -> Fitting:
    """The transforms and inputs of a recipe with learned clips for the weights, as all methods here have."""
    found = Fitting(
        {name: list(recipe.transforms(site)) for name, site in sites.items()},
        {name: recipe.inputs(site) for name, site in sites.items()},
    )
    for name, site in sites.items():
        for path, w in zip(READERS[name], site.weights, strict=True):
            if site.precision.weights < EXACT_BITS:
                found.clips[path] = WeightClip(*w.shape, site.precision).to(w.device)
    found.rates.append(([p for clip in found.clips.values() for p in clip.parameters()], clip_rate))
    return found


def learn(sites: Mapping[str, Site], lesson: Lesson, what: Fitting, schedule: Schedule) -> Course:
    """Trains what a block leaves free. The block itself is afterwards as it was."""
    block = sites["qkv"].block
    precision = sites["qkv"].precision
    if min(precision.weights, precision.activations, precision.cache) >= EXACT_BITS:
        return Course(0.0, 0.0, ())
    inputs = lesson.exact if schedule.exact_inputs else lesson.rounded
    wanted = [lesson.wanted]
    if schedule.augmented:
        wanted.append(_outputs(block, lesson.rounded, lesson.call))
    frozen = [(p, p.requires_grad) for p in block.module.parameters()]
    for parameter, _ in frozen:
        parameter.requires_grad_(False)
    sources = _put(sites, what)

    def loss(rows: Tensor) -> Tensor:
        found = calibrate.run(block, inputs[rows], lesson.call)
        return sum((mse_loss(found, target[rows]) for target in wanted), start=found.new_zeros(()))

    try:
        return train(what.rates, what.learned(), loss, schedule, len(inputs))
    finally:
        for path, source in sources.items():
            block.replace(path, source)
        for parameter, required in frozen:
            parameter.requires_grad_(required)


def teach(sites: Mapping[str, Site], lesson: Lesson, what: Fitting, schedule: Schedule) -> Course:
    """Trains a block and puts its quantized maps in place."""
    course = learn(sites, lesson, what, schedule)
    settle(sites, what)
    return course


@torch.no_grad()
def _outputs(block: Block, hidden: Tensor, call: Mapping[str, Any]) -> Tensor:
    with exact_cache(block):
        return torch.cat([calibrate.run(block, rows, call) for rows in hidden.split(calibrate.BATCH)])


def _put(sites: Mapping[str, Site], what: Fitting) -> dict[str, Any]:
    """Maps in training in the place of a block's own, which are returned by their paths."""
    block, rows = sites["qkv"].block, what.by_rows()
    sources: dict[str, Any] = {}
    for name in sites:
        inputs = Inputs(cast("list[Transform]", what.links[name]), what.inputs[name], len(READERS[name]))
        for path in READERS[name]:
            sources[path] = block.linear(path)
            clip = what.clips.get(path)
            block.replace(path, Trained(sources[path], inputs, rows.get(path, ()), clip))
    return sources


@torch.no_grad()
def settle(sites: Mapping[str, Site], what: Fitting) -> None:
    """Folds what was learned into a block and puts its quantized maps in place."""
    block = sites["qkv"].block
    for path, links in what.by_rows().items():
        source = block.linear(path)
        for link in links:
            source.weight.copy_(link.rows(source.weight.double()))
            if source.bias is not None:
                source.bias.copy_(link.rows(source.bias.double()[:, None])[:, 0])
    for name, site in sites.items():
        chain: list[Transform] = []
        for link in what.links[name]:
            online = link.settle(site) if isinstance(link, Link) else cast("Transform", link)
            if online is not None:
                chain.append(online)
                continue
            for source in block.readers(name):
                source.weight.copy_(link.weight(source.weight.double()))
        rule = what.inputs[name]
        rule = rule.rule() if isinstance(rule, InputClip) else rule
        inputs = Inputs(chain, rule, len(READERS[name]))
        for path in READERS[name]:
            source = block.linear(path)
            weight = on_weight(inputs.transforms, source.weight.detach())
            bias = None if source.bias is None else source.bias.detach()
            block.replace(path, QuantLinear(_rounded(weight, what.clips.get(path)), bias, inputs))


def _rounded(weight: Tensor, clip: WeightClip | None) -> Rounded:
    return Rounded(weight, ()) if clip is None else clip.rounded(weight)
