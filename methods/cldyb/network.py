"""The module that gradient learners train: an encoder, and a head that grows with the classes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Kind = Literal["linear", "cosine"]
CHUNK = 256
"""Images that go through an encoder at once when nothing is trained."""


class SGD:
    """Stochastic gradient descent as torch.optim.SGD has it: v <- m v + (g + w theta), theta <- theta - lr v.

    Its own few lines, as importing torch.optim takes longer than thousands of steps of a head.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float, decay: float) -> None:
        self.parameters = [p for p in parameters if p.requires_grad]
        self.velocity: list[Tensor | None] = [None] * len(self.parameters)
        self.lr, self.momentum, self.decay = lr, momentum, decay

    @torch.no_grad()
    def step(self, loss: Tensor) -> None:
        """One step down the gradient of `loss`; parameters that it does not reach stay."""
        found = torch.autograd.grad(loss, self.parameters, allow_unused=True)
        for i, (p, g) in enumerate(zip(self.parameters, found, strict=True)):
            if g is None:
                continue
            g = g.add(p, alpha=self.decay) if self.decay else g
            v = self.velocity[i]
            self.velocity[i] = g.clone() if v is None else v.mul_(self.momentum).add_(g)
            p.sub_(self.velocity[i], alpha=self.lr)


class Head(nn.Module):
    """Scores of the classes so far: x w^T + b, or sigma cos(x, w) with a learned sigma.

    New rows as in LAMDA-PILOT (backbone/linears.py): linear, uniform within sqrt(3 / d), the biases 0;
    cosine, uniform within 1 / sqrt(d), sigma 1.
    """

    def __init__(self, width: int, kind: Kind = "linear") -> None:
        super().__init__()
        self.kind = kind
        self.weight = nn.Parameter(torch.zeros(0, width))
        own = torch.zeros(0) if kind == "linear" else torch.ones(1)
        self.register_parameter("bias" if kind == "linear" else "sigma", nn.Parameter(own))

    def fresh(self, rows: int, generator: torch.Generator | None = None) -> Tensor:
        """(rows, width) weights for new classes."""
        width = self.weight.shape[1]
        bound = math.sqrt((3 if self.kind == "linear" else 1) / width)
        return torch.rand((rows, width), generator=generator) * 2 * bound - bound

    def grow(self, rows: Tensor) -> None:
        """Puts weights (k, width) below the present ones; the parameters are new objects afterwards."""
        self.weight = nn.Parameter(torch.cat([self.weight.detach(), rows.to(self.weight)]))
        if self.kind == "linear":
            self.bias = nn.Parameter(torch.cat([self.bias.detach(), self.bias.new_zeros(len(rows))]))

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "linear":
            return F.linear(x, self.weight, self.bias)
        return self.sigma * F.linear(F.normalize(x, dim=1), F.normalize(self.weight, dim=1))


class Network(nn.Module):
    """encoder: maps a batch to features (n, width); the identity where features come in."""

    def __init__(self, encoder: nn.Module | None, width: int, kind: Kind = "linear") -> None:
        super().__init__()
        self.encoder = nn.Identity() if encoder is None else encoder
        self.head = Head(width, kind)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.encoder(x))
        return out

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """(n, width) under the encoder as it stands, in evaluation mode."""
        if isinstance(self.encoder, nn.Identity):
            return x
        self.eval()
        return torch.cat([self.encoder(part) for part in x.split(CHUNK)])

    @torch.no_grad()
    def scores(self, x: Tensor) -> Tensor:
        """(n, C) in evaluation mode."""
        out: Tensor = self.head(self.features(x))
        return out

    def copied(self) -> dict[str, Tensor]:
        """Parameters and buffers by name, as copies."""
        return {name: value.detach().clone() for name, value in self.state_dict().items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Takes on copies of what `copied` gave, with as many classes as that had."""
        self.head.weight = nn.Parameter(torch.empty_like(tensors["head.weight"]))
        if self.head.kind == "linear":
            self.head.bias = nn.Parameter(torch.empty_like(tensors["head.bias"]))
        self.load_state_dict(tensors)
