"""The pre-norm blocks of a vision transformer written out, for the many short passes that edits need.

The same as the module's own blocks to rounding, less what nobody reads: the head reads the class token alone,
so of the last block no other token is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from tasks.vit_editing.classifier import Classifier, Weights

CLOSE = 1e-3
"""How far the logits of a ViT may be from what the module computes, relative and absolute."""


@dataclass(frozen=True, eq=False)
class Written:
    """A classifier's blocks under replaced weights, by whole names.

    mapped: within torch.func.vmap, which has no rule for the fused attention.
    """

    model: Classifier
    weights: Weights
    mapped: bool = False

    def value(self, name: str) -> Tensor:
        """A parameter, replaced or original."""
        return self.weights[name] if name in self.weights else self.model.parameter(name)

    def logits(self, h: Tensor, start: int) -> Tensor:
        """The stream (n, T, d) before block `start` to logits (n, classes)."""
        return self.linear(self.model.head, self.tokens(h, start))

    def tokens(self, h: Tensor, start: int) -> Tensor:
        """The stream before block `start` to the normed class token (n, d) that the head reads."""
        last = self.model.depth - 1
        if start <= last:
            s = self.attended(last, self.through(h, start, last))
            h = s + self.ffn(last, self.normed(last, s))
        return self.norm(self.model.norm, h[:, 0])

    def through(self, h: Tensor, start: int, stop: int) -> Tensor:
        """The stream (n, T, d) before block `start` to that before block `stop`."""
        for block in range(start, stop):
            s = self.attended(block, h, whole=True)
            h = s + self.ffn(block, self.normed(block, s))
        return h

    def attended(self, block: int, h: Tensor, whole: bool = False) -> Tensor:
        """The stream (n, T, d) before a block to that before its FFN; of the last block (n, 1, d), the class
        token's alone, unless the whole is asked for.
        """
        x = self.norm(self.model.blocks[block].norms[0], h)
        query, key, value, out = self.model.blocks[block].attention
        heads = self.model.module.config.num_attention_heads
        if block == self.model.depth - 1 and not whole:
            mixed, h = self._asked(self.linear(query, x[:, 0]).unflatten(-1, (heads, -1)), x, block), h[:, :1]
        else:
            parts = (self.linear(name, x).unflatten(-1, (heads, -1)) for name in (query, key, value))
            q, k, v = (one.transpose(1, 2) for one in parts)
            mixed = (_attention if self.mapped else F.scaled_dot_product_attention)(q, k, v)
            mixed = mixed.transpose(1, 2).flatten(2)
        return h + self.linear(out, mixed)

    def ffn(self, block: int, x: Tensor) -> Tensor:
        """What the FFN adds to the stream, from its normed input."""
        one = self.model.blocks[block]
        return self.linear(one.fc2, self.activation(self.linear(one.fc1, x)))

    def normed(self, block: int, s: Tensor) -> Tensor:
        """The input of a block's FFN, from the stream before it."""
        return self.norm(self.model.blocks[block].norms[1], s)

    def norm(self, name: str, x: Tensor) -> Tensor:
        """A layer norm by its name."""
        part: Any = self.model.module.get_submodule(name)
        weight, bias = self.value(f"{name}.weight"), self.value(f"{name}.bias")
        return F.layer_norm(x, part.normalized_shape, weight, bias, part.eps)

    def linear(self, name: str, x: Tensor) -> Tensor:
        """A linear map by its name."""
        biased = getattr(self.model.module.get_submodule(name), "bias", None) is not None
        return F.linear(x, self.value(f"{name}.weight"), self.value(f"{name}.bias") if biased else None)

    def activation(self, x: Tensor) -> Tensor:
        """Of the FFNs."""
        from transformers.activations import ACT2FN

        found: Tensor = ACT2FN[self.model.module.config.hidden_act](x)
        return found

    def _asked(self, q: Tensor, x: Tensor, block: int) -> Tensor:
        """What one query a head, (n, heads, e), finds in normed tokens x (n, T, d): (n, 1, heads * e).

        One query is brought to the tokens, and their mean to the values, so that no key or value of a token
        is computed. A bias of the keys adds the same to all scores of a query, and so nothing.
        """
        _, key, value, _ = self.model.blocks[block].attention
        heads, size = q.shape[1:]
        to_key, to_value = (self.value(f"{name}.weight").unflatten(0, (heads, size)) for name in (key, value))
        scores = torch.einsum("nhe,hed->nhd", q, to_key) @ x.transpose(1, 2)
        mean = (scores * size**-0.5).softmax(-1) @ x
        found = torch.einsum("nhd,hed->nhe", mean, to_value).flatten(1)
        if getattr(self.model.module.get_submodule(value), "bias", None) is not None:
            found = found + self.value(f"{value}.bias")
        return found[:, None]


def _attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Queries, keys and values (n, heads, T, e) to (n, heads, T, e)."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    return scores.softmax(-1) @ v


@torch.no_grad()
def misfit(model: Classifier) -> str:
    """Why the module's blocks cannot be written out like this; empty where one short stream comes out as the
    module has it.
    """
    h = torch.randn((1, 5, model.width), generator=torch.Generator().manual_seed(0))
    h = h.to(model.parameter(f"{model.head}.weight"))
    try:
        found = Written(model, {}).logits(h, 0)
    except (AttributeError, IndexError, KeyError, RuntimeError, ValueError) as error:
        return " ".join(str(error).split())[:120]
    truth = model.by_module(h, 0)
    if not torch.allclose(found, truth, rtol=CLOSE, atol=CLOSE):
        return f"logits are {float((found - truth).abs().max()):.2g} off"
    return ""
