"""What the linear maps of a model read, before a quantizer and at each stage behind it.

A stage is the float model's activation ("before"), the quantized model's ("smoothed": what of the method lies
outside the map), that behind each transform of the map ("1", "2", ...), and the last of them ("after"), which
is what gets rounded. The transforms are found as `map.inputs.transforms`, called one after the other; a map
without them has "after" alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from suite.errors import MethodError
from suite.models.llama_like import READERS, llama_like
from tasks.quantization.statistics import InputStatistics, block_variance, input_statistics

BLOCK = 128
"""Channels of a block, or where that does not divide a width, the largest power of two that does."""
Measures = dict[str, float | None]


def measures(model: Any, quantized: Any, windows: Tensor, batch: int = 8) -> dict[str, list[Measures]]:
    """The outlier measures of each layer by "site.stage"; None where one is not finite.

    block_variance is of the channel maxima over their mean, so that it has no unit.
    """
    found: dict[str, list[Measures]] = {}
    for (label, _), one in statistics(model, quantized, windows, batch).items():
        size = math.gcd(len(one.channel_max), BLOCK)
        level = one.channel_max / one.channel_max.double().mean().clamp_min(1e-30)
        values = {
            "max_median": one.max_median,
            "kurtosis": one.kurtosis,
            "block_variance": block_variance(level, size),
        }
        told = {name: value if math.isfinite(value) else None for name, value in values.items()}
        found.setdefault(label, []).append(told)
    return found


def statistics(
    model: Any, quantized: Any, windows: Tensor, batch: int = 8
) -> dict[tuple[str, int], InputStatistics]:
    """Statistics by "site.stage" and layer: of the float model, then of the quantized one, layer by layer."""
    found: dict[tuple[str, int], InputStatistics] = {}
    for run, stages in ((model, False), (quantized, True)):
        with probes(run, stages) as by_label:
            names = {f"{label} {layer}": probe for (label, layer), probe in by_label.items()}
            seen = input_statistics(run, windows, batch=batch, modules=names)
        found |= {key: seen[f"{key[0]} {key[1]}"] for key in by_label}
    return found


@contextmanager
def probes(model: Any, quantized: bool) -> Iterator[Mapping[tuple[str, int], nn.Module]]:
    """Modules by "site.stage" and layer that are called with that activation whenever the model runs."""
    handles, found = [], {}
    for block in llama_like(model).blocks:
        for site, paths in READERS.items():
            linear = block.linear(paths[0])
            chain = transforms(linear) if quantized else ()
            inner = [str(k + 1) for k in range(len(chain) - 1)]
            # The last stage is called "after", whichever it is.
            names = (["smoothed", *inner] if chain else []) + ["after"] if quantized else ["before"]
            own = [nn.Identity() for _ in names]
            found |= {(f"{site}.{name}", block.index): p for name, p in zip(names, own, strict=True)}
            handles.append(linear.register_forward_pre_hook(_shown(chain, own)))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def transforms(linear: Any) -> Sequence[Any]:
    """The transforms that a map applies to what it reads, in order."""
    return list(getattr(getattr(linear, "inputs", None), "transforms", ()))


def _shown(chain: Sequence[Any], own: Sequence[nn.Module]) -> Any:
    """A hook that shows the activation and what each transform makes of it."""

    def show(_: nn.Module, args: tuple[Any, ...]) -> None:
        x = args[0]
        own[0](x)
        for transform, probe in zip(chain, own[1:], strict=True):
            x = transform(x)
            if not isinstance(x, torch.Tensor):
                raise MethodError(f"a transform gave {type(x).__name__}; it must give a tensor")
            probe(x)

    return show
