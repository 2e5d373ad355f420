"""How prompts reach a frozen ViT of transformers: by the names of its modules, not by its class.

Two ways: prompt tokens behind the class token (L2P), and prefixes to the keys and values of chosen blocks
(DualPrompt, CODA-Prompt, HiDe-Prompt). Without either the outputs are those of the encoder itself.

A prefix of length L makes the attention module see L more tokens, whose keys and values are replaced by the
prefix and whose outputs are dropped. So the model's own attention runs, eager or sdpa, and what it computes
is

    softmax(q [p_k; k]^T / sqrt(d)) [p_v; v]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from methods.cldyb.prompt_training import AT_ONCE
from suite.errors import Skip, UsageError

PROJECTIONS = (("q_proj", "k_proj", "v_proj"), ("query", "key", "value"))
"""What the maps to queries, keys and values are called in an attention module."""
NORMS = ("layernorm", "norm", "post_layernorm")
CLOSE = 1e-4
"""How far the outputs of the blocks, called one by one, may be from the model's own."""

Prefixes = Mapping[int, tuple[Tensor, Tensor]]
"""Number of a block, from 0, to the keys and the values put before its own, each (n, L, width)."""


def attention_of(block: nn.Module) -> tuple[nn.Module, list[nn.Linear]] | None:
    """The attention module within a block and its maps to queries, keys, values; None where there is none."""
    for module in block.modules():
        for names in PROJECTIONS:
            maps = [getattr(module, name, None) for name in names]
            if all(isinstance(m, nn.Linear) for m in maps):
                return module, [m for m in maps if isinstance(m, nn.Linear)]
    return None


def blocks_of(body: nn.Module) -> list[nn.Module]:
    """The blocks in their order: the first list of modules all of which hold an attention module."""
    for module in body.modules():
        if isinstance(module, nn.ModuleList) and len(module) and all(map(attention_of, module)):
            return list(module)
    return []


class PromptedEncoder:
    """A frozen encoder of the contract's `Backbone.fresh`, as blocks that take prompts.

    width: of tokens. depth: number of blocks. Skip where the encoder is no ViT whose parts are found by name.
    """

    def __init__(self, encoder: Any, width: int) -> None:
        body = getattr(encoder, "body", None)
        if not isinstance(body, nn.Module) or not hasattr(encoder, "prepared"):
            raise _no_vit("this encoder has no body")
        self.blocks, self.width, self.depth = blocks_of(body), width, len(blocks_of(body))
        norms = [getattr(body, name, None) for name in NORMS]
        norm = next((m for m in norms if isinstance(m, nn.Module)), None)
        if not self.blocks or norm is None or not hasattr(body, "embeddings"):
            raise _no_vit(f"{type(body).__name__} has no embeddings, attention blocks and last norm")
        self.encoder, self.norm, self.embed = encoder.requires_grad_(False).eval(), norm, body.embeddings
        table = getattr(self.embed, "position_embeddings", None)
        self.position = table.detach()[:, :1] if isinstance(table, Tensor) else torch.zeros(1, 1, width)
        self._prefixes: dict[int, tuple[Tensor, Tensor]] = {}
        self._taps: dict[int, Tensor] | None = None
        for number, block in enumerate(self.blocks):
            self._open(number, block)
        self._check(type(body).__name__)

    @torch.no_grad()
    def _check(self, name: str) -> None:
        """Skip where the model does more between its blocks than to pass tokens on."""
        size = getattr(self.encoder, "size", 32)
        blank = torch.full((1, size, size, 3), 100, dtype=torch.uint8)
        found, truth = self.outputs(self.tokens(blank)), self.encoder(blank)
        if found.shape[2] != truth.shape[1] or not torch.allclose(found[:, 0], truth, atol=CLOSE, rtol=CLOSE):
            raise _no_vit(f"{name} does more than to pass its tokens from block to block")

    def _open(self, number: int, block: nn.Module) -> None:
        """Hooks that put a prefix into the attention of a block and keep its queries."""
        found = attention_of(block)
        assert found is not None  # blocks_of has seen to it
        module, (query, key, value) = found
        if key.out_features != self.width or value.out_features != self.width:
            raise _no_vit("its keys and values are narrower than its tokens")

        def widen(_: nn.Module, args: Any, kwargs: Any) -> Any:
            if number not in self._prefixes:
                return None
            if args:
                return (self._widened(number, args[0]), *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": self._widened(number, kwargs["hidden_states"])}

        def narrow(_: nn.Module, args: Any, out: Any) -> Any:
            length = self._length(number)
            if not length:
                return None
            return out[:, length:] if isinstance(out, Tensor) else (out[0][:, length:], *out[1:])

        def tap(_: nn.Module, args: Any, out: Tensor) -> None:
            if self._taps is not None:
                self._taps[number] = out[:, self._length(number) :]

        module.register_forward_pre_hook(widen, with_kwargs=True)
        module.register_forward_hook(narrow)
        query.register_forward_hook(tap)
        for place, projection in enumerate((key, value)):
            projection.register_forward_hook(self._replacing(number, place))

    def _replacing(self, number: int, place: int) -> Callable[[nn.Module, Any, Tensor], Tensor | None]:
        def replace(_: nn.Module, args: Any, out: Tensor) -> Tensor | None:
            if number not in self._prefixes:
                return None
            prefix = self._prefixes[number][place]
            return torch.cat([prefix, out[:, prefix.shape[1] :]], dim=1)

        return replace

    def _length(self, number: int) -> int:
        return self._prefixes[number][0].shape[1] if number in self._prefixes else 0

    def _widened(self, number: int, hidden: Tensor) -> Tensor:
        shape = (len(hidden), self._length(number), hidden.shape[2])
        return torch.cat([hidden.new_zeros(shape), hidden], dim=1)

    def needs(self, depth: int, what: str) -> None:
        """UsageError for prompts in a block that there is not."""
        if depth > self.depth:
            raise UsageError(
                f"{what} reach block {depth}, but the encoder has {self.depth}: set fewer layers"
            )

    @torch.no_grad()
    def tokens(self, images: Tensor) -> Tensor:
        """(n, T, width) as the first block takes them, the class token first, of pictures (n, H, W, 3)."""
        parts = [self.embed(self.encoder.prepared(part)) for part in images.split(AT_ONCE)]
        return torch.cat(parts)

    def outputs(
        self, tokens: Tensor, prompts: Tensor | None = None, prefixes: Prefixes | None = None
    ) -> Tensor:
        """(n, T + L, width) after the last norm.

        prompts: (n, L, width) put behind the class token. As in the released code of L2P, whose table of
        positions is stretched so, each gets the class token's position. Gradients reach both kinds.
        """
        x = tokens
        if prompts is not None:
            x = torch.cat([x[:, :1], prompts + self.position.to(x), x[:, 1:]], dim=1)
        self._prefixes = dict(prefixes or {})
        try:
            for block in self.blocks:
                out = block(x)
                x = out if isinstance(out, Tensor) else out[0]
        finally:
            self._prefixes = {}
        normed: Tensor = self.norm(x)
        return normed

    @torch.no_grad()
    def queries(self, tokens: Tensor) -> Tensor:
        """(n, width) class tokens of the encoder without a prompt."""
        return torch.cat([self.outputs(part)[:, 0] for part in tokens.split(AT_ONCE)])

    @torch.no_grad()
    def tapped(self, tokens: Tensor, prefixes: Prefixes) -> dict[int, Tensor]:
        """The attention's queries (n, T, width) in every block, by number, under these prefixes."""
        self._taps = {}
        try:
            self.outputs(tokens, prefixes=prefixes)
            return self._taps
        finally:
            self._taps = None


def _no_vit(why: str) -> Skip:
    return Skip(f"needs a ViT: {why}; choose --base-model vit-32-clean")
