"""A linear map in simulated few-bit arithmetic: transforms and rounding of its input, a rounded weight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from methods.quantization.grids import EXACT_BITS, Grid, between, fake, fit
from methods.quantization.transforms import Transform

SCALE_BITS = 16
"""Of a stored scale; a zero point has the bits of the codes."""


@dataclass(frozen=True)
class InputRule:
    """How the inputs of a map are rounded, each token by itself.

    clip: share of a token's range that its grid covers. group: channels a grid; a grid a token where None.
    tail: so many channels at the end are rounded apart from the others, to tail_bits and on one grid a token
    over their whole range (mixed precision: a transform before has put outlier channels there). clip_low:
    share of the lower end of the range where it is another than `clip`, which is then the upper end's.
    """

    bits: int = EXACT_BITS
    clip: float = 1.0
    symmetric: bool = False
    group: int | None = None
    tail: int = 0
    tail_bits: int = EXACT_BITS
    clip_low: float | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """x (..., d) rounded, in its own type."""
        if self.bits >= EXACT_BITS and (not self.tail or self.tail_bits >= EXACT_BITS):
            return x
        if not self.tail:
            return self._round(x, self.bits)
        head, tail = x[..., : -self.tail], x[..., -self.tail :]
        if self.tail_bits < EXACT_BITS:
            tail = fake(tail, fit(tail, self.tail_bits, symmetric=self.symmetric))
        return torch.cat([self._round(head, self.bits), tail], -1)

    def _round(self, x: Tensor, bits: int) -> Tensor:
        if bits >= EXACT_BITS:
            return x
        if self.clip_low is None:
            return fake(x, fit(x, bits, self.clip, self.symmetric, self.group))
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        rows = wide if self.group is None else wide.unflatten(-1, (-1, self.group))
        low, high = self.clip_low * rows.amin(-1, keepdim=True), self.clip * rows.amax(-1, keepdim=True)
        return fake(x, between(low, high, bits, self.symmetric, self.group))

    def stored_bits(self, width: int) -> float:
        """Bits of a token of `width` channels, scales and zero points included."""
        found = _stored(1, width - self.tail, self.bits, self.symmetric, self.group)
        return found + (_stored(1, self.tail, self.tail_bits, self.symmetric, None) if self.tail else 0)


class Part(NamedTuple):
    """Columns first..last-1 of a weight lie on a grid; grid None: they are not rounded."""

    first: int
    last: int
    grid: Grid | None

    def stored_bits(self, rows: int) -> float:
        width = self.last - self.first
        if self.grid is None or self.grid.exact:
            return float(rows * width * EXACT_BITS)
        return _stored(rows, width, self.grid.bits, self.grid.symmetric, self.grid.group)


class Rounded(NamedTuple):
    """A weight (o, d) on its grids, which together cover its columns."""

    values: Tensor
    parts: tuple[Part, ...]


class _Held(NamedTuple):
    """The result y for x, how many maps have it, and of what it was made."""

    x: Tensor
    y: Tensor
    served: int
    made_of: tuple[object, ...]


class Inputs(nn.Module):
    """What the maps of one site do to their common input, done once for all of them.

    readers: how many maps call it with the same tensor, one after the other. The result is kept until the
    last of them has it, and made anew where anything it was made of has changed in between.
    """

    def __init__(self, transforms: Sequence[Transform], rule: InputRule, readers: int = 1) -> None:
        super().__init__()
        self.transforms = nn.ModuleList(transforms)
        self.rule = rule
        self.readers = readers
        self._held: _Held | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(..., d) transformed and rounded."""
        held, made_of = self._held, self._made_of(x) if self.readers > 1 else ()
        self._held = None
        if held is not None and held.x is x and held.made_of == made_of:
            y, served = held.y, held.served
        else:
            y, served = x, 0
            for transform in self.transforms:
                y = transform(y)
            y = self.rule(y)
        if served + 1 < self.readers:
            self._held = _Held(x, y, served + 1, made_of)
        return y

    def _made_of(self, x: Tensor) -> tuple[object, ...]:
        """What has another value once the result for the same tensor is another one."""
        tensors = (x, *self.transforms.parameters(), *self.transforms.buffers())
        # Tensors of inference mode are not counted by torch; they are for reading only.
        changes = (-1 if tensor.is_inference() else tensor._version for tensor in tensors)
        return (*changes, self.rule, torch.is_grad_enabled())

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_held": None}

    def flops(self, width: int) -> float:
        """Operations a token for the transforms."""
        return sum(transform.flops(width) for transform in self.transforms)


class QuantLinear(nn.Module):
    """y = Q(x A) Q(W A^-T)^T + bias, with Q simulated in the type of the weight.

    weight (o, d): already transformed and rounded. parts: its grids, empty where it is not rounded. inputs:
    shared between the maps that read the same activation.
    """

    def __init__(self, weight: Rounded, bias: Tensor | None, inputs: Inputs) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.values.shape
        self.register_buffer("weight", weight.values.contiguous())
        self.register_buffer("bias", bias)
        self.parts = weight.parts
        self.inputs = inputs

    def forward(self, x: Tensor) -> Tensor:
        return linear(self.inputs(x), self.weight, self.bias)

    def stored_bits(self) -> float:
        """Bits of the whole weight."""
        if not self.parts:
            return float(self.weight.numel() * EXACT_BITS)
        return sum(part.stored_bits(self.out_features) for part in self.parts)


class Costs(NamedTuple):
    """Of a model's QuantLinears: bits a weight and bits a number of input, as means; operations a token."""

    weight_bits: float
    activation_bits: float
    online_flops: float


def quantized_maps(model: nn.Module) -> Iterator[tuple[str, QuantLinear]]:
    """The maps of a model that were put in the place of its own, by name."""
    for name, module in model.named_modules():
        if isinstance(module, QuantLinear):
            yield name, module


def costs(model: nn.Module) -> Costs:
    """What the quantized maps of a model would store and add; ValueError where there are none."""
    weights = bits = channels = activations = flops = 0.0
    seen: set[int] = set()
    for _, module in quantized_maps(model):
        weights += module.weight.numel()
        bits += module.stored_bits()
        if id(module.inputs) not in seen:
            seen.add(id(module.inputs))
            channels += module.in_features
            activations += module.inputs.rule.stored_bits(module.in_features)
            flops += module.inputs.flops(module.in_features)
    if not weights:
        raise ValueError("the model has no quantized map")
    return Costs(bits / weights, activations / channels, flops)


def _stored(rows: int, width: int, bits: int, symmetric: bool, group: int | None) -> float:
    if bits >= EXACT_BITS:
        return float(rows * width * EXACT_BITS)
    grids = rows * (width // group if group else 1)
    return float(rows * width * bits + grids * (SCALE_BITS + (0 if symmetric else bits)))
