"""What calibration shows of a model, layer by layer: only one layer's activations are held at a time.

The stream is the residual stream of all calibration windows before one block. Running a block moves it to
the next one, so that a later layer is fitted to what the earlier, already rounded layers really give it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from suite.models._calls import device_of, evaluating
from suite.models.llama_like import READERS, Block, LlamaLike
from tasks.quantization.contract import Calibration

BATCH = 8
"""Windows that run together."""
MAX_ROWS = 1 << 16
"""Tokens kept whole of one site; of more, those with the largest entries."""


@dataclass
class Stream:
    """The residual stream before a block, (N, T, d), and with what else transformers calls each block."""

    hidden: Tensor
    calls: list[dict[str, Any]]

    def through(self, block: Block) -> None:
        """Moves the stream behind a block as it is now."""
        with torch.no_grad():
            self.hidden = torch.cat([run(block, rows, self.calls[block.index]) for rows in self.parts()])

    def parts(self) -> Sequence[Tensor]:
        return self.hidden.split(BATCH)


class _Stop(Exception):
    """The first block has been reached."""


@torch.no_grad()
def stream(llama: LlamaLike, windows: Tensor) -> Stream:
    """The stream before the first block, and the calls of all blocks as the model itself makes them."""
    first, device = llama.blocks[0].module, device_of(llama.model)
    calls: list[dict[str, Any]] = []
    hidden: list[Tensor] = []

    def note(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        calls.append({name: value for name, value in kwargs.items() if name != "hidden_states"})

    def stop(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        hidden.append(args[0] if args else kwargs["hidden_states"])
        raise _Stop

    with evaluating(llama.model):
        handles = [b.module.register_forward_pre_hook(note, with_kwargs=True) for b in llama.blocks]
        try:
            llama.model(input_ids=windows[:1].to(device), use_cache=False)
        finally:
            _remove(handles)
        handles = [first.register_forward_pre_hook(stop, with_kwargs=True)]
        try:
            for rows in windows.split(BATCH):
                try:
                    llama.model(input_ids=rows.to(device), use_cache=False)
                except _Stop:
                    continue
        finally:
            _remove(handles)
    return Stream(torch.cat(hidden), calls)


def run(block: Block, hidden: Tensor, call: Mapping[str, Any]) -> Tensor:
    """A block's output for (B, T, d)."""
    found = block.module(hidden, **call)
    output: Tensor = found[0] if isinstance(found, tuple) else found
    return output


@dataclass
class Seen:
    """What calibration shows of one site's activation.

    absmax, absmean: of each channel, (d,); tokens: how many. hessian: X^T X / tokens, (d, d) float64, and
    rows: tokens whole, (M, d); both only where asked for.
    """

    absmax: Tensor
    absmean: Tensor
    tokens: int
    hessian: Tensor | None = None
    rows: Tensor | None = None

    def over(self, factors: Tensor) -> Seen:
        """The same of the activation divided by positive factors (d,)."""
        s = factors.to(self.absmax)
        hessian = None if self.hessian is None else self.hessian / torch.outer(s, s).to(self.hessian)
        rows = None if self.rows is None else self.rows / s
        return Seen(self.absmax / s, self.absmean / s, self.tokens, hessian, rows)


@dataclass
class _Gather:
    """Sums up the inputs of one site."""

    wants: frozenset[str]
    tokens: int = 0
    absmax: Tensor | None = None
    total: Tensor | None = None
    hessian: Tensor | None = None
    rows: list[Tensor] = field(default_factory=list)

    def add(self, x: Tensor) -> None:
        x = x.detach().flatten(0, -2).float()
        size = x.abs()
        absmax, total = size.amax(0), size.sum(0, dtype=torch.float64)
        self.absmax = absmax if self.absmax is None else torch.maximum(self.absmax, absmax)
        self.total = total if self.total is None else self.total + total
        self.tokens += len(x)
        if "hessian" in self.wants:
            part = (x.T @ x).double()
            self.hessian = part if self.hessian is None else self.hessian + part
        if "rows" in self.wants:
            self.rows.append(x)
            if sum(map(len, self.rows)) >= 2 * MAX_ROWS:
                self.rows = [_largest(torch.cat(self.rows))]

    def seen(self) -> Seen:
        assert self.absmax is not None and self.total is not None
        hessian = None if self.hessian is None else self.hessian / self.tokens
        rows = _largest(torch.cat(self.rows)) if self.rows else None
        return Seen(self.absmax, (self.total / self.tokens).float(), self.tokens, hessian, rows)


def _largest(rows: Tensor) -> Tensor:
    """At most MAX_ROWS tokens in their order, those with the largest entries."""
    if len(rows) <= MAX_ROWS:
        return rows
    return rows[rows.abs().amax(1).topk(MAX_ROWS).indices.sort().values]


@contextmanager
def _watched(block: Block, wants: frozenset[str]) -> Iterator[dict[str, _Gather]]:
    """Gathers the input of every site of a block while it runs."""
    gathers = {site: _Gather(wants) for site in READERS}
    handles = []
    for site, paths in READERS.items():

        def add(_: nn.Module, args: tuple[Any, ...], site: str = site) -> None:
            gathers[site].add(args[0])

        handles.append(block.linear(paths[0]).register_forward_pre_hook(add))
    try:
        yield gathers
    finally:
        _remove(handles)


@torch.no_grad()
def observe(block: Block, before: Stream, wants: frozenset[str] = frozenset()) -> dict[str, Seen]:
    """What a block's sites see while the stream runs through it; the stream stays where it is."""
    with _watched(block, wants) as gathers:
        for rows in before.parts():
            run(block, rows, before.calls[block.index])
    return {site: gather.seen() for site, gather in gathers.items()}


@torch.no_grad()
def float_inputs(llama: LlamaLike, calibration: Calibration) -> list[dict[str, Seen]]:
    """What every block's sites see in the model as it is, without Hessians or rows."""
    found, now = [], stream(llama, calibration.windows)
    for block in llama.blocks:
        with _watched(block, frozenset()) as gathers:
            now.through(block)
        found.append({site: gather.seen() for site, gather in gathers.items()})
    return found


def _remove(handles: Sequence[Any]) -> None:
    for handle in handles:
        handle.remove()
