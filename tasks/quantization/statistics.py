"""What the inputs of a model's linear maps are like, and how far a linear map's outputs are from others.

Everything is of the numbers as the model computes them; sums are kept in float64, so that the order and the
size of batches do not matter to 1e-12 or so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from suite.models._calls import device_of, evaluating
from suite.models.anatomy import anatomy


@dataclass(frozen=True)
class InputStatistics:
    """Of all tokens that entered one linear map of d inputs.

    channel_max: the largest |x| of each channel, (d,) float32; channel_mean: the mean of |x| of each channel,
    (d,) float64; kurtosis: fourth standardized moment of all entries together, 3 where they are Gaussian, NaN
    where all are equal; tokens: how many there were.
    """

    channel_max: Tensor
    channel_mean: Tensor
    kurtosis: float
    tokens: int

    @property
    def max_median(self) -> float:
        """The largest channel maximum over their median: how far the outlier channels stand out."""
        return max_median(self.channel_max)

    def block_variance(self, block: int) -> float:
        """Of the channel maxima: `block_variance`."""
        return block_variance(self.channel_max, block)


def linears(model: Any) -> dict[str, nn.Module]:
    """The linear maps inside the layers of a model by name, in order; what a map holds within is not listed.

    A map is what says how many inputs it has (`in_features`), so that a quantized one counts as well. The
    last map to the vocabulary and the embedding are no part of a layer. UsageError where `anatomy` raises it.
    """
    blocks = {id(layer.block) for layer in anatomy(model).layers}
    roots = [name for name, module in model.named_modules() if id(module) in blocks]
    found: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        inside = any(name.startswith(f"{root}.") for root in roots)
        if inside and hasattr(module, "in_features") and not _within(name, found):
            found[name] = module
    return found


def input_statistics(
    model: Any, windows: Tensor, *, batch: int = 8, modules: Mapping[str, nn.Module] | None = None
) -> dict[str, InputStatistics]:
    """Statistics of the inputs of linear maps over windows (N, length) of token ids, in one pass.

    modules: which maps, by the name that the result has them under (default: `linears(model)`). Nothing of an
    input is kept but sums. Raises ValueError for no window and for a map that was never called.
    """
    if windows.ndim != 2 or not windows.numel():
        raise ValueError(f"windows are (N, length), not {tuple(windows.shape)}")
    chosen = linears(model) if modules is None else modules
    sums = {name: _Sums() for name in chosen}
    handles = [module.register_forward_pre_hook(sums[name].hook()) for name, module in chosen.items()]
    try:
        with evaluating(model):
            for rows in windows.split(batch):
                model(input_ids=rows.to(device_of(model)), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    unmet = [name for name, one in sums.items() if not one.tokens]
    if unmet:
        raise ValueError(f"{unmet[0]} was never called ({len(unmet)} in all): it has no statistics")
    return {name: one.result() for name, one in sums.items()}


def max_median(values: Tensor) -> float:
    """The largest of the values over their median, the mean of the middle two where their number is even.

    Infinite where the median is 0 and the largest is not; NaN where all are 0.
    """
    ordered = values.double().sort().values
    n = len(ordered)
    middle = float((ordered[(n - 1) // 2] + ordered[n // 2]) / 2)
    largest = float(ordered[-1])
    if middle == 0:
        return math.inf if largest else math.nan
    return largest / middle


def block_variance(values: Tensor, block: int) -> float:
    """Variance (population) of the means of the values of each block of `block` channels in a row.

    Of channel maxima it is what a permutation is to make small (DuQuant, Theorem 2). ValueError for a block
    that does not divide the channels.
    """
    if block < 1 or len(values) % block:
        raise ValueError(f"blocks of {block} do not divide {len(values)} channels")
    return float(values.double().view(-1, block).mean(1).var(correction=0))


def relative_error(output: Tensor, reference: Tensor) -> float:
    """|output - reference| / |reference| in the Frobenius norm; ValueError for a reference of zeros only."""
    difference, size = _norms(output, reference, dim=None)
    if not float(size):
        raise ValueError("the reference is zero throughout: there is no relative error")
    return float(difference / size)


def token_errors(output: Tensor, reference: Tensor) -> Tensor:
    """|output - reference| / |reference| of each token in the Euclidean norm: (..., d) to (...), float64.

    One token with a large reference may hide in `relative_error` what all others lose. A token whose
    reference is zero has infinity, or NaN where its output is zero too.
    """
    difference, size = _norms(output, reference, dim=-1)
    return difference / size


def _norms(output: Tensor, reference: Tensor, dim: int | None) -> tuple[Tensor, Tensor]:
    if output.shape != reference.shape:
        raise ValueError(
            f"outputs {tuple(output.shape)} and reference {tuple(reference.shape)} differ in shape"
        )
    exact = reference.double()
    difference = output.to(exact.device).double() - exact
    return torch.linalg.vector_norm(difference, dim=dim), torch.linalg.vector_norm(exact, dim=dim)


def _within(name: str, found: Iterable[str]) -> bool:
    return any(name.startswith(f"{outer}.") for outer in found)


@dataclass
class _Sums:
    """What is kept of one map's inputs: by channel, and of all entries the first four powers about `centre`.

    The centre is the mean of the first input, so that the central moments are no differences of large sums.
    """

    tokens: int = 0
    largest: Tensor | None = None
    absolute: Tensor | None = None
    centre: float = 0.0
    powers: list[float] = field(default_factory=lambda: [0.0] * 4)

    def hook(self) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def add(_: nn.Module, args: tuple[Any, ...]) -> None:
            self.add(args[0].detach().flatten(0, -2))

        return add

    def add(self, x: Tensor) -> None:
        """x: (tokens, d)."""
        size = x.abs()
        largest, absolute = size.amax(0).float(), size.sum(0, dtype=torch.float64)
        if self.largest is None or self.absolute is None:
            self.largest, self.absolute = largest, absolute
            self.centre = float(x.mean(dtype=torch.float64))
        else:
            self.largest = torch.maximum(self.largest, largest)
            self.absolute = self.absolute + absolute
        self.tokens += len(x)
        moved = x.double() - self.centre
        square = moved.square()
        for k, power in enumerate((moved, square, square * moved, square * square)):
            self.powers[k] += float(power.sum())

    def result(self) -> InputStatistics:
        assert self.largest is not None and self.absolute is not None
        mean = self.absolute / self.tokens
        entries = self.tokens * len(mean)
        m, m2, m3, m4 = (power / entries for power in self.powers)
        variance = m2 - m * m
        fourth = m4 - 4 * m * m3 + 6 * m * m * m2 - 3 * m**4
        kurtosis = fourth / variance**2 if variance > 0 else math.nan
        return InputStatistics(self.largest.cpu(), mean.cpu(), kurtosis, self.tokens)
