"""What a quantizer implements: from a causal language model to one that computes with few bits.

Paper: DuQuant (arXiv 2406.01721); the protocol is in `docs/quantization.md`.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from suite.api import Context, Method

if TYPE_CHECKING:
    from torch import Tensor

EXACT = 16
"""Bits from which on nothing is rounded."""
NAME = re.compile(r"W(\d+)A(\d+)(?:KV(\d+))?(?:g(\d+))?")


@dataclass(frozen=True)
class Precision:
    """How many bits everything has: "W4A4KV4" in the papers' notation, "g128" behind it for groups.

    weights: of the linear maps inside the layers; activations: of their inputs; cache: of keys and values.
    group: input channels of a weight that share a scale; None for a scale a row. 16 bits or more leave a part
    as it is. Embeddings, norms and the map to the vocabulary are never rounded.
    """

    weights: int = 4
    activations: int = 4
    cache: int = EXACT
    group: int | None = None

    def __post_init__(self) -> None:
        for part in ("weights", "activations", "cache"):
            if getattr(self, part) < 2:
                raise ValueError(f"{part} of {getattr(self, part)} bits: at least 2")
        if self.group is not None and self.group < 1:
            raise ValueError(f"groups of {self.group} channels: at least 1")

    @classmethod
    def parse(cls, name: str) -> Precision:
        """The precision of a name such as W4A4KV4, W8A8, W4A16 or W3A16g128; ValueError for another."""
        found = NAME.fullmatch(name)
        if found is None:
            raise ValueError(f"precision '{name}': write it like W4A4KV4, W8A8, W4A16 or W3A16g128")
        weights, activations, cache, group = found.groups()
        return cls(int(weights), int(activations), int(cache or EXACT), int(group) if group else None)

    @property
    def name(self) -> str:
        cache = f"KV{self.cache}" if self.cache < EXACT else ""
        return f"W{self.weights}A{self.activations}{cache}{f'g{self.group}' if self.group else ''}"


@dataclass(frozen=True)
class Calibration:
    """The texts that a quantizer may look at, the same for all competitors of a cell.

    windows: token ids (N, T); tokenizer: the model's. `once` keeps what several precisions have in common, as
    statistics of the float model, which is the same for all of them.
    """

    windows: Tensor
    tokenizer: Any
    memo: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` gives, made at the first call with this key. It must not be changed afterwards."""
        if key not in self.memo:
            self.memo[key] = make()
        return self.memo[key]


@dataclass(frozen=True)
class Quantized:
    """A model that simulates few-bit arithmetic, and what it would cost.

    model: called with input_ids (B, T), gives `.logits` (B, T, vocabulary). weight_bits: stored for each
    weight of the linear maps inside the layers, scales and zero points included, as a mean. activation_bits:
    of each number in their inputs, likewise. online_flops: floating-point operations a token that the method
    adds to a forward pass (a multiplication and an addition are two), rounding itself left out.
    """

    model: Any
    weight_bits: float
    activation_bits: float
    online_flops: float


class Quantizer(Method):
    """A competitor: fits to a model and rounds it."""

    @abstractmethod
    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        """The model at this precision.

        model: a causal transformers model in evaluation mode, float32, a copy of its own for this call, so
        that it may be changed in place. calibration: the only texts to be looked at. Every random choice
        comes from `ctx`. At 16 bits throughout, the result computes what `model` computes, up to float
        rounding. Layers are to be worked on one by one, so that the inputs of one layer alone are held.
        Raises UsageError for a model that is not built as the method needs, Skip for a precision at which the
        method makes no sense (a method for weights alone where activations are rounded).
        """
