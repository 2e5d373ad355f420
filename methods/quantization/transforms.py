"""Invertible linear maps put between an activation and the weight that reads it.

    X W^T = (X A) (W A^-T)^T

A transform is the map x -> x A over the last axis, computed when the model runs, and w -> w A^-T, computed
once; for an orthogonal A the two are the same. Several in a row are applied in their order on both sides.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from methods.quantization import hadamard, rotation


class Transform(nn.Module, ABC):
    """One map. Its tensors are buffers, so that they move with the model and can be saved."""

    kind: ClassVar[str] = ""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """x A for (..., d), in the type of x."""

    def weight(self, w: Tensor) -> Tensor:
        """w A^-T for (o, d)."""
        return self(w)

    @abstractmethod
    def flops(self, width: int) -> float:
        """Operations a token of `width` channels costs."""

    def options(self) -> dict[str, Any]:
        """What beside its tensors it is built from."""
        return {}


class Scale(Transform):
    """x / s, channel by channel: smoothing where no part before it can take it in."""

    kind = "scale"

    def __init__(self, factors: Tensor) -> None:
        super().__init__()
        self.register_buffer("factors", factors)

    def forward(self, x: Tensor) -> Tensor:
        return x / self.factors.to(x.dtype)

    def weight(self, w: Tensor) -> Tensor:
        return w * self.factors.to(w.dtype)

    def flops(self, width: int) -> float:
        return width


class Gather(Transform):
    """Channels in another order: new channel i is old channel order[i]."""

    kind = "gather"

    def __init__(self, order: Tensor) -> None:
        super().__init__()
        self.register_buffer("order", order)

    def forward(self, x: Tensor) -> Tensor:
        return x[..., self.order]

    def flops(self, width: int) -> float:
        return 0.0


class Rotate(Transform):
    """The same orthogonal matrix (B, B) in every block of B channels."""

    kind = "rotate"

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.register_buffer("matrix", matrix)

    def forward(self, x: Tensor) -> Tensor:
        return rotation.rotate(x, self.matrix)

    def weight(self, w: Tensor) -> Tensor:
        # A rotation found in float32 is orthogonal to 1e-7 only; its true inverse makes up for the rest.
        return rotation.rotate(w, torch.linalg.inv(self.matrix.double()).T)

    def flops(self, width: int) -> float:
        return 2.0 * width * len(self.matrix)


class Hadamard(Transform):
    """A Hadamard matrix in every block of `block` channels, behind random signs where there are any."""

    kind = "hadamard"

    def __init__(self, block: int, sign: Tensor | None = None) -> None:
        super().__init__()
        self.block = block
        self.register_buffer("sign", sign)

    def forward(self, x: Tensor) -> Tensor:
        return hadamard.transform(x if self.sign is None else x * self.sign.to(x.dtype), self.block)

    def flops(self, width: int) -> float:
        return width * math.log2(self.block) + (0 if self.sign is None else width)

    def options(self) -> dict[str, Any]:
        return {"block": self.block}


class Kronecker(Transform):
    """x as a matrix (a, b), rows first, becomes left^T x right: A is the Kronecker product of left and right.

    left (a, a) and right (b, b) are invertible.
    """

    kind = "kronecker"

    def __init__(self, left: Tensor, right: Tensor) -> None:
        super().__init__()
        self.register_buffer("left", left)
        self.register_buffer("right", right)

    def forward(self, x: Tensor) -> Tensor:
        return _kronecker(x, self.left.to(x.dtype), self.right.to(x.dtype))

    def weight(self, w: Tensor) -> Tensor:
        left, right = (torch.linalg.inv(m.double()).T.to(w.dtype) for m in (self.left, self.right))
        return _kronecker(w, left, right)

    def flops(self, width: int) -> float:
        return 2.0 * width * (len(self.left) + len(self.right))


class Dense(Transform):
    """Any invertible matrix (d, d)."""

    kind = "dense"

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.register_buffer("matrix", matrix)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix.to(x.dtype)

    def weight(self, w: Tensor) -> Tensor:
        return torch.linalg.solve(self.matrix.double(), w.double().T).T.to(w.dtype)

    def flops(self, width: int) -> float:
        return 2.0 * width * width


class Reassemble(Transform):
    """QLLM's: new channel i is share[i] x[first[i]] + other_share[i] x[second[i]], of the sum of the weights.

    All are (d,); other_share is 0 for a channel made of one old channel, whose weights are then those of it.
    Not invertible: merging loses what two channels do not have in common.
    """

    kind = "reassemble"

    def __init__(self, first: Tensor, share: Tensor, second: Tensor, other_share: Tensor) -> None:
        super().__init__()
        self.register_buffer("first", first)
        self.register_buffer("share", share)
        self.register_buffer("second", second)
        self.register_buffer("other_share", other_share)

    def forward(self, x: Tensor) -> Tensor:
        share, other = self.share.to(x.dtype), self.other_share.to(x.dtype)
        return x[..., self.first] * share + x[..., self.second] * other

    def weight(self, w: Tensor) -> Tensor:
        return w[:, self.first] + w[:, self.second] * (self.other_share != 0)

    def flops(self, width: int) -> float:
        """A multiplication for each channel that is scaled, and an addition more for each that is merged."""
        return float((self.share != 1).sum() + (self.other_share != 0).sum())


KINDS: dict[str, type[Transform]] = {
    t.kind: t for t in (Scale, Gather, Rotate, Hadamard, Kronecker, Dense, Reassemble)
}


def rebuilt(kind: str, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Transform:
    """The transform that was saved as kind, options and tensors; ValueError for an unknown kind."""
    if kind not in KINDS:
        raise ValueError(f"transform '{kind}' is none of {', '.join(KINDS)}")
    return KINDS[kind](**options, **tensors)


@torch.no_grad()
def on_weight(transforms: Iterable[Transform], w: Tensor) -> Tensor:
    """The weight (o, d) behind all transforms, computed in float64, in its own type."""
    wide = w.double()
    for transform in transforms:
        wide = transform.weight(wide)
    return wide.to(w.dtype)


@torch.no_grad()
def on_hessian(transforms: Sequence[Transform], hessian: Tensor) -> Tensor:
    """X^T X of the activation behind all transforms, from the X^T X (d, d) before them: A^T H A."""
    wide = hessian.double()
    for _ in range(2):
        for transform in transforms:
            wide = transform(wide)
        wide = wide.T
    return wide.to(hessian.dtype)


def _kronecker(x: Tensor, left: Tensor, right: Tensor) -> Tensor:
    y = x.unflatten(-1, (len(left), len(right))) @ right
    return (left.T @ y).flatten(-2)
