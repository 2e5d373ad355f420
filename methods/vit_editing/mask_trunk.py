"""The part of a vision transformer that an edit of FFN matrices runs through, written out for stacks of them.

Many edits at once have the same attention, norms and head and different FFN matrices. Only those are stacked
and multiplied by batched products; all else is computed once over all pictures. What an edit cannot change is
computed before its first step: the attention of the first edited block, and there the share of the hidden
units that stay as they are. The last block is computed for the class token alone, since the head reads no
other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from suite.errors import UsageError

if TYPE_CHECKING:
    from tasks.vit_editing.contract import Classifier, Weights

CLOSE = 1e-3
"""How far the stream of a pre-norm block may be from what the module computes, relative and absolute."""


@dataclass(eq=False)
class Units:
    """The FFN of one edited block for E edits. Each edit has its own order of the hidden units: those that
    may change come first.

    first: (E, d, n) rows of fc1 and second: (E, n, d) columns of fc2 of the units that may change, each laid
    as its gradient comes out; bias: (E, n) of fc1. rest: the same three of the other units, None where there
    are none. fixed: (E, N, d), the sum that the other units give, where their input never changes.
    """

    first: Tensor
    second: Tensor
    bias: Tensor
    rest: tuple[Tensor, Tensor, Tensor] | None = None
    fixed: Tensor | None = None

    def taken(self, index: Tensor) -> Units:
        """Those of some of the edits, by number; `first` and `second` as new leaves."""
        rest = None if self.rest is None else tuple(one[index] for one in self.rest)
        fixed = None if self.fixed is None else self.fixed[index]
        first, second = (one.detach()[index].requires_grad_(one.requires_grad) for one in self.pair)
        return Units(first, second, self.bias[index], rest, fixed)  # type: ignore[arg-type]

    @property
    def pair(self) -> tuple[Tensor, Tensor]:
        """`first` and `second`."""
        return self.first, self.second


@dataclass(frozen=True, eq=False)
class Trunk:
    """A classifier from the first edited FFN on. blocks: numbers of those edited, ascending. weights:
    replaced parameters that an earlier edit left.

    UsageError for blocks that are no pre-norm blocks with an attention of four maps.
    """

    model: Classifier
    blocks: tuple[int, ...]
    weights: Weights

    @classmethod
    def of(cls, model: Classifier, blocks: Sequence[int], weights: Weights | None = None) -> Trunk:
        """Compares one short stream with the module's own before anything is trusted to it."""
        trunk = cls(model, tuple(sorted(blocks)), weights or {})
        if not trunk.blocks or not 0 <= trunk.blocks[0] <= trunk.blocks[-1] < model.depth:
            raise UsageError(f"blocks {list(blocks)}: the model has those from 0 to {model.depth - 1}")
        trunk._compare()
        return trunk

    @property
    def rows(self) -> tuple[str, ...]:
        """Names of the matrices in the order of a mask's rows: fc1 and fc2 of the first block, and so on."""
        return tuple(name for k in self.blocks for name in self.model.blocks[k].matrices)

    @property
    def hidden(self) -> int:
        """Hidden units of one FFN."""
        return int(self.value(self.rows[0]).shape[0])

    def value(self, name: str) -> Tensor:
        """A parameter, replaced or original."""
        return self.weights[name] if name in self.weights else self.model.parameter(name)

    def stream(self, pictures: Tensor) -> Tensor:
        """(n, H, W, 3) pictures to the stream (n, T, d) before the first edited block."""
        first = self.blocks[0]
        with torch.no_grad():
            return torch.cat([self.model.stream(part, first, self.weights) for part in pictures.split(128)])

    @torch.no_grad()
    def middle(self, h: Tensor) -> Tensor:
        """The stream (n, T, d) before the first edited block to that before its FFN, (n, T, d), or (n, 1, d)
        of the class token where it is the last block.
        """
        return self._attended(self.blocks[0], h)

    def units(self, masks: Tensor, middle: Tensor) -> list[Units]:
        """The FFN of each edited block under masks (E, rows, hidden) of bool. middle: (E, k, T, d).

        A unit may change where either of its two masks has it.
        """
        found = []
        with torch.no_grad():
            for j, block in enumerate(self.blocks):
                either = masks[:, 2 * j] | masks[:, 2 * j + 1]
                n = max(1, int(either.sum(1).max()))
                order = torch.argsort((~either).int(), dim=1, stable=True)
                part, others = self._gathered(block, order[:, :n]), order[:, n:]
                one = Units(*part)
                if others.shape[1]:
                    one.rest = self._gathered(block, others)
                if j == 0 and one.rest is not None:
                    x = self._normed(block, middle).flatten(1, 2)
                    one.fixed, one.rest = _ffn(x, *one.rest, self._activation), None
                found.append(one)
        return found

    def order(self, masks: Tensor) -> list[Tensor]:
        """Of each edited block the numbers (E, hidden) of its units as `units` sorts them."""
        return [
            torch.argsort((~(masks[:, 2 * j] | masks[:, 2 * j + 1])).int(), dim=1, stable=True)
            for j in range(len(self.blocks))
        ]

    def whole(self, count: int) -> list[Units]:
        """`units` of `count` edits that may change all, as expanded views."""
        found = []
        for block in self.blocks:
            fc1, fc2 = self.model.blocks[block].matrices
            bias = self.value(fc1.removesuffix("weight") + "bias")
            tensors = (self.value(fc1).T, self.value(fc2).T, bias)
            found.append(Units(*(one.detach().expand(count, *one.shape) for one in tensors)))
        return found

    def logits(self, middle: Tensor, units: Sequence[Units]) -> Tensor:
        """(E, k, T, d) before the first edited FFN, to logits (E, k, classes)."""
        count, k = middle.shape[:2]
        s = middle.flatten(0, 1)
        for block in range(self.blocks[0], self.model.depth):
            if block != self.blocks[0]:
                s = self._attended(block, s)
            x = self._normed(block, s)
            if block in self.blocks:
                one = units[self.blocks.index(block)]
                y = self._edited(block, x.view(count, -1, x.shape[-1]), one).view_as(s)
            else:
                fc1, fc2 = self.model.blocks[block].fc1, self.model.blocks[block].fc2
                y = self._linear(fc2, self._activation(self._linear(fc1, x)))
            s = s + y
        token = self._norm(self.model.norm, s[:, 0])
        return self._linear(self.model.head, token).view(count, k, -1)

    def _edited(self, block: int, x: Tensor, one: Units) -> Tensor:
        y = _ffn(x, one.first, one.second, one.bias, self._activation)
        if one.fixed is not None:
            y = y + one.fixed
        if one.rest is not None:
            y = y + _ffn(x, *one.rest, self._activation)
        return y + self.value(f"{self.model.blocks[block].fc2}.bias")

    def _gathered(self, block: int, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows of fc1, columns of fc2 and biases of fc1, as `Units` holds them, of the units (E, n)."""
        fc1, fc2 = self.model.blocks[block].matrices
        bias = self.value(fc1.removesuffix("weight") + "bias")
        return self.value(fc1)[index].transpose(1, 2).contiguous(), self.value(fc2).T[index], bias[index]

    def _attended(self, block: int, h: Tensor) -> Tensor:
        """The stream before a block to that before its FFN; of the last block the class token's alone."""
        norm, _ = self._norms(block)
        query, key, value, out = self.model.blocks[block].attention
        x = self._norm(norm, h)
        heads = self.model.module.config.num_attention_heads
        if block == self.model.depth - 1:
            mixed, h = (
                self._asked(self._linear(query, x[:, 0]).unflatten(-1, (heads, -1)), x, block),
                h[:, :1],
            )
        else:
            parts = (self._linear(name, x).unflatten(-1, (heads, -1)) for name in (query, key, value))
            q, k, v = (one.transpose(1, 2) for one in parts)
            mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return h + self._linear(out, mixed)

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

    def _normed(self, block: int, s: Tensor) -> Tensor:
        return self._norm(self._norms(block)[1], s)

    def _norms(self, block: int) -> tuple[str, str]:
        """Names of the norms before the attention and before the FFN."""
        stem = self.model.blocks[block].name
        parts = self.model.module.get_submodule(stem).named_modules()
        first, second = (f"{stem}.{name}" for name, part in parts if isinstance(part, nn.LayerNorm))
        return first, second

    def _norm(self, name: str, x: Tensor) -> Tensor:
        part: Any = self.model.module.get_submodule(name)
        weight, bias = self.value(f"{name}.weight"), self.value(f"{name}.bias")
        return F.layer_norm(x, part.normalized_shape, weight, bias, part.eps)

    def _linear(self, name: str, x: Tensor) -> Tensor:
        biased = getattr(self.model.module.get_submodule(name), "bias", None) is not None
        return F.linear(x, self.value(f"{name}.weight"), self.value(f"{name}.bias") if biased else None)

    def _activation(self, x: Tensor) -> Tensor:
        from transformers.activations import ACT2FN

        found: Tensor = ACT2FN[self.model.module.config.hidden_act](x)
        return found

    @torch.no_grad()
    def _compare(self) -> None:
        first = self.blocks[0]
        dtype = self.value(self.rows[0]).dtype
        h = torch.randn((1, 5, self.model.width), generator=torch.Generator().manual_seed(0)).to(dtype)
        try:
            found = self.logits(self.middle(h)[None], self.whole(1))[0]
        except (AttributeError, ValueError, KeyError, RuntimeError) as error:
            raise _other(self.model, str(error)) from None
        truth = self.model.logits_from(h, first, self.weights)
        if not torch.allclose(found, truth, rtol=CLOSE, atol=CLOSE):
            raise _other(self.model, f"logits are {float((found - truth).abs().max()):.2g} off")


def _ffn(x: Tensor, first: Tensor, second: Tensor, bias: Tensor, activation: Any) -> Tensor:
    """(E, N, d) through units (E, d, n), (E, n, d), (E, n): what they add to the stream, (E, N, d)."""
    a = activation(torch.baddbmm(bias[:, None], x, first))
    return torch.bmm(a, second)


def _other(model: Classifier, told: str) -> UsageError:
    return UsageError(
        f"{type(model.module).__name__} is not made of pre-norm blocks with queries, keys, values and an FFN "
        f"of two maps as ViT's are ({' '.join(told.split())[:120]}); no editor of FFN matrices takes it"
    )


def scattered(
    trunk: Trunk, order: Sequence[Tensor], units: Sequence[Units], edit: int
) -> Mapping[str, Tensor]:
    """Whole matrices of one edit of a stack by name. order: of each block (E, n) numbers of its units."""
    found = {}
    for block, index, one in zip(trunk.blocks, order, units, strict=True):
        fc1, fc2 = trunk.model.blocks[block].matrices
        for name, part in ((fc1, one.first), (fc2, one.second)):
            weight = trunk.value(name).detach().clone()
            at = index[edit, : one.second.shape[1]]
            if name == fc1:
                weight[at] = part.detach()[edit].T
            else:
                weight[:, at] = part.detach()[edit].T
            found[name] = weight
    return found
