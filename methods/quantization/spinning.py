"""Rotations of stream and values, learned through the loss of a whole model; its weights stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from methods.quantization import cache, hadamard, stiefel
from methods.quantization.cache import CacheRule
from methods.quantization.linear import InputRule
from methods.quantization.quarot import power_of_two_in
from suite.models._calls import device_of
from suite.models.llama_like import READERS, SITES, LlamaLike


class Turned(NamedTuple):
    """stream: R1 (width, width); values: R2 (head_dim, head_dim) of every block."""

    stream: Tensor
    values: tuple[Tensor, ...]


class Learned(NamedTuple):
    """The rotations at the end, and the loss at every step before it was taken."""

    turned: Turned
    losses: tuple[float, ...]


Turn = Callable[[Tensor, "Tensor | None"], tuple[Tensor, "Tensor | None"]]


class _Map(nn.Module):
    """A linear map between rotations: its input rounded, its weight turned on either side and not rounded."""

    def __init__(self, source: Any, rule: InputRule, turn: Turn, block: int = 1) -> None:
        super().__init__()
        self.source, self.rule, self.turn, self.block = source, rule, turn, block

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.turn(self.source.weight, self.source.bias)
        if self.block > 1:
            x, weight = hadamard.transform(x, self.block), hadamard.transform(weight, self.block)
        return linear(self.rule(x), weight, bias)


def learn(
    llama: LlamaLike,
    start: Turned,
    batches: Sequence[Tensor],
    rates: Sequence[float],
    bits: int,
    rule: CacheRule,
) -> Learned:
    """Steps of Cayley SGD on the next-token loss, a batch of windows (B, T) and a rate each.

    The model's gains must be fused; it is afterwards as it was, but for the attention function that reads
    the rule. bits: of the inputs of the maps.
    """
    device = device_of(llama.model)
    stream = start.stream.to(device, torch.float32).requires_grad_()
    values = [basis.to(device, torch.float32).requires_grad_() for basis in start.values]
    losses = []
    with turning(llama, stream, values, bits, rule):
        for windows, rate in zip(batches, rates, strict=True):
            ids = windows.to(device)
            value = next_token_loss(llama.model, ids)
            gradients = torch.autograd.grad(value, [stream, *values], allow_unused=True)
            losses.append(float(value.detach()))
            for basis, gradient in zip([stream, *values], gradients, strict=True):
                if gradient is not None and bool(gradient.isfinite().all()):
                    basis.data.copy_(stiefel.descend(basis.data, gradient, rate))
    found = Turned(_orthogonal(stream), tuple(_orthogonal(basis) for basis in values))
    return Learned(found, tuple(losses))


def next_token_loss(model: Any, ids: Tensor) -> Tensor:
    """Mean cross-entropy of every token but the first of each window (B, T)."""
    logits = model(input_ids=ids, use_cache=False).logits
    return cross_entropy(logits[:, :-1].flatten(0, 1).float(), ids[:, 1:].flatten())


@contextmanager
def turning(
    llama: LlamaLike, stream: Tensor, values: Sequence[Tensor], bits: int, rule: CacheRule
) -> Iterator[None]:
    """The model computes with the rotations, differentiable in them, and rounds inputs and cache."""
    inputs, embedding = InputRule(bits), llama.model.get_input_embeddings()
    head = llama.model.get_output_embeddings()
    frozen = [(p, p.requires_grad) for p in llama.model.parameters()]
    places = [
        (block, path, block.linear(path)) for block in llama.blocks for s in SITES for path in READERS[s]
    ]
    block_size = power_of_two_in(llama.neurons)
    cache.install(llama, rule)
    handle = embedding.register_forward_hook(lambda _, __, out: out @ stream)
    with ExitStack() as undo:
        undo.callback(handle.remove)
        for parameter, required in frozen:
            undo.callback(parameter.requires_grad_, required)
            parameter.requires_grad_(False)
        for block, path, source in places:
            undo.callback(block.replace, path, source)
            turn = _turn(llama, path, stream, values[block.index])
            size = block_size if path in READERS["down"] else 1
            block.replace(path, _Map(source, inputs, turn, size))
        undo.callback(llama.model.set_output_embeddings, head)
        llama.model.set_output_embeddings(_Map(head, InputRule(), lambda w, b: (w @ stream, b)))
        yield


def _turn(llama: LlamaLike, path: str, stream: Tensor, values: Tensor) -> Turn:
    """How the weight (o, d) and the bias of a map are turned."""
    heads, size = llama.heads, llama.head_dim
    writes = path in READERS["out"] or path in READERS["down"]

    def turn(w: Tensor, b: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if path in READERS["out"]:
            w = (w.view(-1, heads, size) @ values).flatten(1)
        if writes:
            return stream.T @ w, None if b is None else b @ stream
        w = w @ stream
        if path == "self_attn.v_proj":
            w = (values.T @ w.view(llama.kv_heads, size, -1)).reshape(w.shape)
            b = None if b is None else (b.view(-1, size) @ values).flatten()
        return w, b

    return turn


def _orthogonal(basis: Tensor) -> Tensor:
    """The nearest orthogonal matrix in float64: float32 steps are off by their rounding."""
    u, _, v = torch.linalg.svd(basis.detach().double())
    found: Tensor = u @ v
    return found
