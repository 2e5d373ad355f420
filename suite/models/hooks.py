"""Read, patch, scale and add activations of a transformer while it runs: heads, neurons, residual stream.

    with hooked(model, Scale(head(3, 2), 0.0), Add(residual(5), vector, at="last")):
        model(**inputs)

    with hooked(model, reading := Read(head(3), at="last")):
        model(**inputs)
    reading.value  # (B, heads, head_dim)

Operations at the same place happen in the order in which they were given, an inner context's after an outer
one's, and a reading sees what those before it changed. Gradients flow through all of them. On the way out of
the block everything is removed, and an operation that never met its positions or left every bit as it was
raises MethodError: an edit that does nothing is the easiest way to a wrong conclusion.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from suite.errors import MethodError, UsageError
from suite.models.anatomy import Anatomy, anatomy
from suite.models.positions import At, Columns, chosen, columns, matches, spread, take

Which = int | Sequence[int] | None


@dataclass(frozen=True)
class Site:
    """A place in a model. which: a head or neuron by number, several in order, or None for all."""

    kind: Literal["head", "neuron", "residual"]
    layer: int
    which: Which = None

    @property
    def dims(self) -> int:
        """How many dimensions the activation of a single token has."""
        return (2 if self.kind == "head" else 1) - isinstance(self.which, int)

    def __str__(self) -> str:
        name = "residual stream after" if self.kind == "residual" else f"{self.kind} {self.which} of"
        return f"{name.replace('None', '(all)')} layer {self.layer}"


def head(layer: int, which: Which = None) -> Site:
    """Attention heads just before the output projection; one token's activation is (head_dim,) for one
    head, (n, head_dim) for several or all.
    """
    return Site("head", layer, which)


def neuron(layer: int, which: Which = None) -> Site:
    """FFN neurons just before the down projection; one token's activation is a number for one neuron, (n,)
    for several or all.
    """
    return Site("neuron", layer, which)


def residual(layer: int) -> Site:
    """The residual stream after a layer, (width,) for one token."""
    return Site("residual", layer)


@dataclass(eq=False)
class Read:
    """Keeps what stands at `site`; `values` has one tensor a call of the model, shaped as `take` says.

    detach=False keeps the graph: the model goes on from the very tensor that was read, so that a loss can be
    differentiated with respect to it. Padding is read only with "all".
    """

    site: Site
    at: At = "all"
    detach: bool = True
    values: list[Tensor] = field(default_factory=list, init=False)

    @property
    def value(self) -> Tensor:
        """What the last call had there; MethodError where none has met the positions."""
        if not self.values:
            raise MethodError(f"nothing was read at {self.site}: run the model inside the block")
        return self.values[-1]

    def begin(self) -> None:
        self.values.clear()

    def visit(self, x: Tensor, here: Columns) -> Tensor:
        taken = take(x, self.at, here)
        if taken is None:
            return x
        self.values.append(taken.detach().clone() if self.detach else taken.clone())
        if self.detach:
            return x
        found = matches(self.at, here)
        # Of "all" the padding was read as well, and goes on as it was.
        found = [torch.ones_like(found[0])] if isinstance(self.at, str) and self.at == "all" else found
        return chosen(x, spread(self.values[-1], x, self.at, found, self.site.dims), found)

    def complaint(self) -> str | None:
        return None if self.values else "was never reached"


@dataclass(eq=False)
class _Edit(ABC):
    """What the three ways to change an activation share.

    value: a number or a tensor: one token's activation, or one for each position in the shape that a reading
    there has. may_be_noop: leaving every bit as it was is no mistake (a factor of 1, a zero vector).
    """

    site: Site
    value: Tensor | float
    at: At = "all"
    may_be_noop: bool = False
    reached: bool = field(default=False, init=False)
    changed: bool = field(default=False, init=False)

    def begin(self) -> None:
        self.reached = self.changed = False

    @abstractmethod
    def new(self, x: Tensor, value: Tensor) -> Tensor:
        """What takes the place of x (B, T, ...), `value` laid out in its shape."""

    def visit(self, x: Tensor, here: Columns) -> Tensor:
        found = matches(self.at, here)
        if not any(bool(match.any()) for match in found):
            return x
        self.reached = True
        out = chosen(x, self.new(x, spread(self.value, x, self.at, found, self.site.dims)), found)
        self.changed = self.changed or not torch.equal(out, x)
        return out

    def complaint(self) -> str | None:
        if not self.reached:
            return "was never reached"
        return None if self.changed or self.may_be_noop else "changed nothing"


class Patch(_Edit):
    """Puts `value` in the place of the activation."""

    def new(self, x: Tensor, value: Tensor) -> Tensor:
        return value


class Scale(_Edit):
    """Multiplies the activation by `value`."""

    def new(self, x: Tensor, value: Tensor) -> Tensor:
        return x * value


class Add(_Edit):
    """Adds `value` to the activation."""

    def new(self, x: Tensor, value: Tensor) -> Tensor:
        return x + value


Operation = Read | Patch | Scale | Add


@contextmanager
def hooked(model: nn.Module, *operations: Operation, within: str = "") -> Iterator[Anatomy]:
    """Run the block with the operations in force on `model`; gives the model's anatomy.

    within: the part of the model to work on where it has several stacks ("decoder"). What an operation read
    or changed in an earlier block is forgotten. Raises UsageError for a layer, head or neuron that the model
    lacks, MethodError at the end of the block for an operation that was never reached or changed nothing.
    After an error inside the block only the hooks are removed.
    """
    body = anatomy(model, within=within)
    for operation in operations:
        _check(operation.site, body)
        operation.begin()
    call = _Call(body)
    handles: list[Any] = []
    try:
        handles += call.watch()
        for operation in operations:
            handles += _install(operation, body, call)
        yield body
    finally:
        for handle in handles:
            handle.remove()
    for operation in operations:
        if (complaint := operation.complaint()) is not None:
            name, place = type(operation).__name__, f"{operation.site}, positions {_spelled(operation.at)}"
            raise MethodError(f"{name} at {place}, {complaint}")


def _spelled(at: At) -> str:
    return "by mask" if isinstance(at, Tensor) else str(at)


def _check(site: Site, body: Anatomy) -> None:
    """UsageError unless the model has the site."""
    count = {"head": body.heads, "neuron": body.neurons, "residual": 0}[site.kind]
    if not 0 <= site.layer < len(body.layers):
        raise UsageError(f"{site}: the model has layers 0 to {len(body.layers) - 1}")
    if site.which is None:
        return
    wanted = [site.which] if isinstance(site.which, int) else list(site.which)
    if not wanted or len(set(wanted)) != len(wanted) or not all(0 <= k < count for k in wanted):
        raise UsageError(f"{site}: there are {site.kind}s 0 to {count - 1}, each to be named once")


class _Call:
    """What the running call of the model says of its tokens: the padding mask, and how many lie in the cache.

    The modules around the stack see them as arguments; the innermost that has a mask (B, L) is believed. In
    a model with an encoder and a decoder only the stack's own module is asked, since the outer mask may be
    the other stack's.
    """

    def __init__(self, body: Anatomy) -> None:
        self.owners = body.owners[-1:] if body.encoder_decoder else body.owners
        self.depth = 0
        self.mask: Tensor | None = None
        self.past = 0

    def watch(self) -> list[Any]:
        """Hooks that follow the call; the second of each pair runs after an error too."""
        handles: list[Any] = []
        for owner in self.owners:
            handles.append(owner.register_forward_pre_hook(self._enter, with_kwargs=True))
            handles.append(owner.register_forward_hook(self._leave, always_call=True))
        return handles

    def _enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self.depth == 0:
            self.mask, self.past = None, 0
        self.depth += 1
        given = _arguments(module, args, kwargs)
        mask = given.get("attention_mask")
        cache: Any = given.get("past_key_values")
        if isinstance(mask, Tensor) and mask.ndim == 2:
            self.mask = mask
        if hasattr(cache, "get_seq_length"):
            self.past = int(cache.get_seq_length())

    def _leave(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self.depth = max(self.depth - 1, 0)

    def columns(self, x: Tensor) -> Columns:
        return columns(x.shape[0], x.shape[1], self.mask, self.past, x.device)


def _arguments(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name."""
    try:
        names = list(inspect.signature(module.forward).parameters)
    except (TypeError, ValueError):
        names = []
    return dict(zip(names, args, strict=False)) | kwargs


def _install(operation: Operation, body: Anatomy, call: _Call) -> list[Any]:
    layer = body.layers[operation.site.layer]
    if operation.site.kind == "residual":
        return [layer.block.register_forward_hook(_after(operation, call))]
    shape: list[int] = []
    target = layer.attention_out if operation.site.kind == "head" else layer.ffn_out
    return [
        layer.block.register_forward_pre_hook(_note_shape(shape), with_kwargs=True),
        target.register_forward_pre_hook(_before(operation, body, call, shape)),
    ]


def _note_shape(shape: list[int]) -> Callable[..., None]:
    """Notes (B, T) of what enters a block: OPT's neurons are (B * T, neurons), the rows run together."""

    def note(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        hidden = args[0] if args else kwargs["hidden_states"]
        shape[:] = hidden.shape[:2]

    return note


def _after(operation: Operation, call: _Call) -> Callable[..., Any]:
    """A hook on a block's output, which is the residual stream or a tuple that begins with it."""

    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        x = output if isinstance(output, Tensor) else output[0]
        out = operation.visit(x, call.columns(x))
        if out is x:
            return None
        return out if isinstance(output, Tensor) else type(output)((out, *output[1:]))

    return hook


def _before(operation: Operation, body: Anatomy, call: _Call, shape: list[int]) -> Callable[..., Any]:
    """A hook on the input of an output projection: the heads side by side, or the neurons."""
    site = operation.site
    split = (body.heads, body.head_dim) if site.kind == "head" else (body.neurons,)

    def hook(module: nn.Module, args: tuple[Any, ...]) -> Any:
        flat = args[0]
        whole = flat.reshape(*shape, *split)
        index = slice(None) if site.which is None else site.which
        part = whole[:, :, index if isinstance(index, (int, slice)) else list(index)]
        out = operation.visit(part, call.columns(whole))
        if out is part:
            return None
        if site.which is not None:
            whole = whole.clone()
            whole[:, :, index if isinstance(index, int) else list(index)] = out  # type: ignore[arg-type]
            out = whole
        return (out.reshape(flat.shape), *args[1:])

    return hook
