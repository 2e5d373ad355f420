"""The network that says where to edit: a picture's class token to a soft mask of the units.

Sizes as in the released code of Learning Where to Edit Vision Transformers (editing/hprdmask.py): a learned
query for each row of the mask, zero at first, stands before the token; a few pre-norm blocks with an FFN as
wide as the stream; a linear map for each query, then sigmoid(3 x). There is no norm behind the last block,
and no statistic of a batch. The released module also holds a tensor of masks that it never uses.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from suite.errors import UsageError

AMPLIFY = 3.0
TRAINING, EDITING = 1e-5, 1e-7
"""How far soft masks stay from 0 and 1."""
PARTS = "net."
"""What names of the network's tensors begin with among what an editor has prepared."""


def heads_of(width: int) -> int:
    """The paper's 128 a head where the stream is at least 256 wide, else about 32; a divisor of the width."""
    wanted = max(1, width // (128 if width >= 256 else 32))
    return max(k for k in range(1, wanted + 1) if width % k == 0)


class Block(nn.Module):
    """(B, n, d) to the same: attention, then an FFN, each behind a norm and beside a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.behind = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.parts, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.parts(self.before(x)).unflatten(-1, (3, self.heads, -1))
        q, k, v = (one.transpose(1, 2) for one in parts.unbind(2))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        added: Tensor = self.down(F.gelu(self.up(self.behind(x))))
        return x + added


class Hypernetwork(nn.Module):
    """(B, width) class tokens to soft masks (B, rows, hidden).

    UsageError where `heads` does not divide `width`.
    """

    def __init__(self, width: int, rows: int, hidden: int, blocks: int, heads: int = 0) -> None:
        super().__init__()
        heads = heads or heads_of(width)
        if width % heads:
            raise UsageError(f"{heads} heads do not divide the width {width} of the model")
        self.queries = nn.Parameter(torch.zeros(rows, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.outs = nn.ModuleList(nn.Linear(width, hidden) for _ in range(rows))

    def forward(self, tokens: Tensor, edge: float = EDITING) -> Tensor:
        """edge: how far the masks stay from 0 and 1."""
        x = torch.cat([self.queries.expand(len(tokens), -1, -1), tokens[:, None]], 1)
        for block in self.blocks:
            x = block(x)
        masks = torch.stack([out(x[:, i]) for i, out in enumerate(self.outs)], 1)
        return torch.sigmoid(AMPLIFY * masks).clamp(edge, 1 - edge)

    @classmethod
    def seeded(
        cls, generator: torch.Generator, width: int, rows: int, hidden: int, blocks: int, heads: int = 0
    ) -> Hypernetwork:
        """One at the start of training; leaves torch's own generator as it is."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(generator.initial_seed())
            return cls(width, rows, hidden, blocks, heads)

    def loaded(self, prepared: Mapping[str, Tensor]) -> Hypernetwork:
        """With the tensors of `held`, for editing. UsageError where they do not fit."""
        own = {k.removeprefix(PARTS): v for k, v in prepared.items() if k.startswith(PARTS)}
        try:
            self.load_state_dict(own)
        except RuntimeError as error:
            told = " ".join(str(error).split())[:160]
            raise UsageError(
                f"the prepared hypernetwork has other sizes than this editor's ({told})"
            ) from None
        return self.requires_grad_(False).eval()

    def held(self) -> dict[str, Tensor]:
        """Its tensors by names of their own among what is prepared."""
        return {f"{PARTS}{name}": value.detach().clone() for name, value in self.state_dict().items()}


def taught(
    network: Hypernetwork, optimizer: torch.optim.Optimizer, tokens: Tensor, target: Tensor, passes: int
) -> float:
    """`passes` steps on 0.1 times the binary cross-entropy to the targets (B, rows, hidden); the
    cross-entropy before the first.
    """
    first = 0.0
    for i in range(passes):
        loss = F.binary_cross_entropy(network(tokens, TRAINING), target)
        optimizer.zero_grad(set_to_none=True)
        (0.1 * loss).backward()
        optimizer.step()
        first = first if i else float(loss.detach())
    return first
