"""What prompt learners train: prompts and a head, by Adam. Their encoder is frozen and lives elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.cldyb.network import SGD, Network
from suite.models.training import Streams


class Adam(SGD):
    """Adam (Kingma and Ba, 2015) as torch.optim.Adam has it, betas 0.9 and 0.999, without weight decay.

    factors: what multiplies the rate of a parameter, by name; else 1. clip: the norm to which all gradients
    together are cut, as torch.nn.utils.clip_grad_norm_ does; 0 for no cut. alter: changes the gradients, by
    name and in place, after the cut.
    """

    def __init__(
        self,
        named: Mapping[str, nn.Parameter],
        lr: float,
        *,
        factors: Mapping[str, float] | None = None,
        clip: float = 0.0,
        alter: Callable[[dict[str, Tensor]], None] | None = None,
    ) -> None:
        super().__init__(named.values(), lr, 0.9, 0.0)
        self.names = [name for name, p in named.items() if p.requires_grad]
        self.factors, self.clip, self.alter = dict(factors or {}), clip, alter
        self.moments: dict[str, tuple[Tensor, Tensor, int]] = {}

    @torch.no_grad()
    def step(self, loss: Tensor) -> None:
        found = torch.autograd.grad(loss, self.parameters, allow_unused=True)
        grads = {name: g for name, g in zip(self.names, found, strict=True) if g is not None}
        if self.clip:
            norm = torch.stack([g.norm() for g in grads.values()]).norm()
            grads = {name: g * (self.clip / (norm + 1e-6)).clamp(max=1) for name, g in grads.items()}
        if self.alter is not None:
            self.alter(grads)
        for name, p in zip(self.names, self.parameters, strict=True):
            if name in grads:
                self._move(name, p, grads[name])

    def _move(self, name: str, p: nn.Parameter, g: Tensor) -> None:
        if name not in self.moments:
            self.moments[name] = (torch.zeros_like(p), torch.zeros_like(p), 0)
        first, second, steps = self.moments[name]
        first.lerp_(g, 0.1)
        second.mul_(0.999).addcmul_(g, g, value=0.001)
        steps += 1
        self.moments[name] = (first, second, steps)
        root = second.sqrt().div_((1 - 0.999**steps) ** 0.5).add_(1e-8)
        p.addcdiv_(first, root, value=-self.lr * self.factors.get(name, 1.0) / (1 - 0.9**steps))


class PromptNetwork(Network):
    """Prompts by name, whatever their shapes, and a head; a state of it holds nothing else."""

    def __init__(self, width: int, prompts: Mapping[str, Tensor]) -> None:
        super().__init__(None, width)
        self.prompts = nn.ParameterDict({name: nn.Parameter(value) for name, value in prompts.items()})

    def put(self, name: str, value: Tensor) -> None:
        """Makes `value` the prompt of that name: a new parameter."""
        self.prompts[name] = nn.Parameter(value)

    def load(self, tensors: dict[str, Tensor]) -> None:
        for name in list(self.prompts):
            self.put(name, torch.empty_like(tensors[f"prompts.{name}"]))
        super().load(tensors)


class Residual(nn.Module):
    """norm(x + MLP(x)), one hidden layer of twice the width: what HiDe-Prompt infers tasks by.

    Weights normal with deviation 0.02, cut at 2; biases 0.
    """

    def __init__(self, width: int, streams: Streams) -> None:
        super().__init__()
        # Made without weights, so that torch's own generator is not drawn from.
        self.up = nn.utils.skip_init(nn.Linear, width, 2 * width)
        self.down = nn.utils.skip_init(nn.Linear, 2 * width, width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        for name, layer in (("up", self.up), ("down", self.down)):
            nn.init.trunc_normal_(layer.weight, std=0.02, generator=streams.torch(name))
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x + self.down(F.gelu(self.up(x))))
        return out
