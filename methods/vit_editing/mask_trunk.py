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
from torch import Tensor

from suite.errors import UsageError

if TYPE_CHECKING:
    from tasks.vit_editing.contract import Classifier, Weights, Written


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
        """With the blocks in order."""
        trunk = cls(model, tuple(sorted(blocks)), weights or {})
        if not trunk.blocks or not 0 <= trunk.blocks[0] <= trunk.blocks[-1] < model.depth:
            raise UsageError(f"blocks {list(blocks)}: the model has those from 0 to {model.depth - 1}")
        if model.misfit:
            raise UsageError(
                f"{type(model.module).__name__} is not made of pre-norm blocks with queries, keys, values "
                f"and an FFN of two maps as ViT's are ({model.misfit}); no editor of FFN matrices takes it"
            )
        return trunk

    @property
    def parts(self) -> Written:
        """The blocks under the replaced parameters."""
        return self.model.written(self.weights)

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
        return self.parts.value(name)

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
        return self.parts.attended(self.blocks[0], h)

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
                    x = self.parts.normed(block, middle).flatten(1, 2)
                    one.fixed, one.rest = _ffn(x, *one.rest, self.parts.activation), None
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
                s = self.parts.attended(block, s)
            x = self.parts.normed(block, s)
            if block in self.blocks:
                one = units[self.blocks.index(block)]
                y = self._edited(block, x.view(count, -1, x.shape[-1]), one).view_as(s)
            else:
                y = self.parts.ffn(block, x)
            s = s + y
        token = self.parts.norm(self.model.norm, s[:, 0])
        return self.parts.linear(self.model.head, token).view(count, k, -1)

    def _edited(self, block: int, x: Tensor, one: Units) -> Tensor:
        y = _ffn(x, one.first, one.second, one.bias, self.parts.activation)
        if one.fixed is not None:
            y = y + one.fixed
        if one.rest is not None:
            y = y + _ffn(x, *one.rest, self.parts.activation)
        return y + self.value(f"{self.model.blocks[block].fc2}.bias")

    def _gathered(self, block: int, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows of fc1, columns of fc2 and biases of fc1, as `Units` holds them, of the units (E, n)."""
        fc1, fc2 = self.model.blocks[block].matrices
        bias = self.value(fc1.removesuffix("weight") + "bias")
        return self.value(fc1)[index].transpose(1, 2).contiguous(), self.value(fc2).T[index], bias[index]


def _ffn(x: Tensor, first: Tensor, second: Tensor, bias: Tensor, activation: Any) -> Tensor:
    """(E, N, d) through units (E, d, n), (E, n, d), (E, n): what they add to the stream, (E, N, d)."""
    a = activation(torch.baddbmm(bias[:, None], x, first))
    return torch.bmm(a, second)


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
