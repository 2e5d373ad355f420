"""Small trainable parts inside a frozen vision transformer, whose modules are found by their names.

A part maps the input x of a place to what is added to the place's output, both (n, tokens, width):

    mlp        x before the second norm; added to the output of the block (AdaptFormer, LAMDA-PILOT)
    attention  x after the first norm; added to the output of the attention (LAE)
    query, key, value   x into the projection; added to its output (low-rank updates)

The encoder stays in evaluation mode, its weights are shared by all parts and stand in no state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from suite.errors import Skip, UsageError

Site = Literal["mlp", "attention", "query", "key", "value"]
NAMES: Mapping[str, tuple[str, ...]] = {
    "norm": ("layernorm_after", "norm2"),
    "mlp": ("mlp", "intermediate"),
    "attention": ("attention", "attn"),
    "query": ("q_proj", "query"),
    "key": ("k_proj", "key"),
    "value": ("v_proj", "value"),
}
"""What the parts of a block are called in transformers: ViT, DeiT and DINOv2, in newer and older naming."""
KEPT_BYTES = 2**30
"""Tokens of a task's pictures are kept while it is learned, up to so many."""


class Block(NamedTuple):
    """One block of the encoder. norm: the second; query, key and value: linear maps inside `attention`."""

    whole: nn.Module
    norm: nn.Module
    attention: nn.Module
    query: nn.Linear
    key: nn.Linear
    value: nn.Linear


def blocks(encoder: nn.Module) -> list[Block]:
    """The blocks in order. Skip where there are none: the encoder is no ViT."""
    for module in encoder.modules():
        if isinstance(module, nn.ModuleList) and len(module):
            found = [_block(child) for child in module]
            if all(found):
                return [block for block in found if block]
    raise Skip(
        "needs a ViT: this encoder has no blocks of attention and MLP; choose --base-model vit-32-clean"
    )


def _block(module: nn.Module) -> Block | None:
    children = dict(module.named_children())
    inner = {kind: next((children[n] for n in NAMES[kind] if n in children), None) for kind in NAMES}
    norm, attention = inner["norm"], inner["attention"]
    if norm is None or attention is None or inner["mlp"] is None:
        return None
    maps = {name.rpartition(".")[2]: m for name, m in attention.named_modules() if isinstance(m, nn.Linear)}
    three = [next((maps[n] for n in NAMES[k] if n in maps), None) for k in ("query", "key", "value")]
    return None if None in three else Block(module, norm, attention, *three)


class _Reached(Exception):
    """The first block that has a part is about to run."""


class Host:
    """A frozen encoder with places for parts; no torch module, so that who holds it does not own its weights.

    start, stop: which blocks have places, as a slice. places: by the names of the parts, "SITE_BLOCK", the
    module whose output a part adds to.
    """

    def __init__(
        self, encoder: nn.Module, sites: Sequence[Site], start: int = 0, stop: int | None = None
    ) -> None:
        every = blocks(encoder)
        self.encoder = encoder.requires_grad_(False).eval()
        self.blocks = dict(list(enumerate(every))[start:stop])
        if not self.blocks:
            raise UsageError(f"start={start}, stop={stop} leave none of the encoder's {len(every)} blocks")
        self.width: int = every[0].key.in_features
        self.places: dict[str, nn.Module] = {}
        self._parts: Mapping[str, nn.Module] = {}
        self._before_mlp: dict[str, Tensor] = {}
        self._picture: Tensor | None = None
        for number, block in self.blocks.items():
            for site in sites:
                self._open(f"{site}_{number}", site, block)

    def __deepcopy__(self, memo: Any) -> Host:
        """Itself: nothing in it ever changes."""
        return self

    def _open(self, name: str, site: Site, block: Block) -> None:
        """Lets the part of that name, whenever there is one, add to the output of its place."""
        place = block.whole if site == "mlp" else getattr(block, site)

        def add(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
            if name not in self._parts:
                return out
            x = self._before_mlp.pop(name) if site == "mlp" else _first(args, kwargs)
            delta = self._parts[name](x)
            return (out[0] + delta, *out[1:]) if isinstance(out, tuple) else out + delta

        def keep(module: nn.Module, args: tuple[Any, ...]) -> None:
            if name in self._parts:
                self._before_mlp[name] = args[0]

        self.places[name] = place
        place.register_forward_hook(add, with_kwargs=True)
        if site == "mlp":
            block.norm.register_forward_pre_hook(keep)

    def run(self, x: Tensor, parts: Mapping[str, nn.Module]) -> Tensor:
        """(n, width) features with these parts. x: pictures (n, H, W, 3), or what `tokens` gave for them."""
        self._parts = parts
        try:
            if x.ndim == 4:
                out: Tensor = self.encoder(x)
                return out
            with self._before_first(lambda _: x):
                # one picture alone goes through what comes before, and is then replaced
                out = self.encoder(self._picture)
                return out
        finally:
            self._parts = {}
            self._before_mlp.clear()

    def tokens(self, pictures: Tensor) -> Tensor:
        """(n, tokens, width) before the first block that has places: no part changes them."""
        reached: list[Tensor] = []

        def stop(x: Tensor) -> Tensor:
            reached.append(x)
            raise _Reached

        self._picture = pictures[:1]
        with torch.no_grad(), self._before_first(stop):
            for chunk in pictures.split(64):
                try:
                    self.encoder(chunk)
                except _Reached:
                    continue
        return torch.cat(reached)

    def kept(self, pictures: Tensor) -> Tensor:
        """`tokens` of a task's pictures where memory allows, else the pictures themselves."""
        one = self.tokens(pictures[:1])
        fits = one.numel() * one.element_size() * len(pictures) <= KEPT_BYTES
        return self.tokens(pictures) if fits else pictures

    def moments(self, x: Tensor, parts: Mapping[str, nn.Module], size: int) -> dict[int, Tensor]:
        """By block, the mean of t t^T over the tokens t that enter the keys' map: (width, width), float64.

        x: pictures or tokens; size: how many go through at once.
        """
        total: dict[int, Tensor] = {}
        counts = dict.fromkeys(self.blocks, 0)

        def watch(number: int) -> Callable[..., None]:
            def add(module: nn.Module, args: tuple[Any, ...]) -> None:
                t = args[0].reshape(-1, args[0].shape[-1]).double()
                total[number] = total.get(number, 0) + t.T @ t
                counts[number] += len(t)

            return add

        handles = [b.key.register_forward_pre_hook(watch(number)) for number, b in self.blocks.items()]
        try:
            with torch.no_grad():
                for chunk in x.split(size):
                    self.run(chunk, parts)
        finally:
            for handle in handles:
                handle.remove()
        return {number: value / counts[number] for number, value in total.items()}

    @contextmanager
    def _before_first(self, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
        """What enters the first block that has places becomes `change` of it."""

        def replace(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            x = change(_first(args, kwargs))
            if args:
                return (x, *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": x}

        first = next(iter(self.blocks.values())).whole
        handle = first.register_forward_pre_hook(replace, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()


def _first(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """The states that a module was called with."""
    x: Tensor = args[0] if args else kwargs["hidden_states"]
    return x


class Adapted(nn.Module):
    """Pictures, or their tokens, to features; owns its parts and nothing else."""

    def __init__(self, host: Host, parts: nn.ModuleDict) -> None:
        super().__init__()
        self.host, self.parts = host, parts

    def draw(self, generator: torch.Generator) -> None:
        """New parts, which add nothing."""
        for part in self.parts.values():
            part.draw(generator)

    def forward(self, x: Tensor) -> Tensor:
        return self.host.run(x, self.parts)


class Steady(nn.Module):
    """An encoder whose batch norms keep their statistics when it is trained."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.body = encoder

    def train(self, mode: bool = True) -> Steady:
        super().train(mode)
        for module in self.body.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out
