"""Reads the tensors of an old PyTorch checkpoint without unpickling it.

A checkpoint from before PyTorch 1.6 is five pickles and then the raw numbers. Unpickling can run whatever
the file says; here its instructions are only looked at, one by one, and few of them are obeyed: numbers,
texts, tuples, dicts, and the four names that a dict of tensors needs. Anything else is refused.
"""

from __future__ import annotations

import math
import pickletools
import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from suite.errors import DataError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
DTYPES = {"torch FloatStorage": "<f4", "torch LongStorage": "<i8", "torch HalfStorage": "<f2"}
DICT, REBUILD = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"

Array = NDArray[Any]


class _Name(NamedTuple):
    """A name that the pickle wants imported; it stays a text."""

    text: str


class _Storage(NamedTuple):
    """A stretch of numbers in the second half of the file."""

    dtype: str
    key: str
    numbers: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Mark:
    """Where a tuple or a run of items begins on the stack."""


def tensors(path: Path) -> dict[str, Array]:
    """The tensors of a checkpoint by name; DataError for anything but a plain dict of tensors."""
    content = path.read_bytes()
    stream = BytesIO(content)
    try:
        if _read(stream) != MAGIC or _read(stream) != PROTOCOL or not _read(stream)["little_endian"]:
            raise ValueError("it is not a checkpoint of PyTorch before 1.6")
        plan, keys = _read(stream), _read(stream)
        numbers = _numbers(content, stream.tell(), plan, keys)
        return {str(name): _view(tensor, numbers[tensor.storage.key]) for name, tensor in plan.items()}
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, struct.error) as error:
        raise DataError(f"{path.name} holds no plain dict of tensors: {error}; nothing was loaded") from None


def _numbers(content: bytes, start: int, plan: dict[str, _Tensor], keys: list[str]) -> dict[str, Array]:
    """The raw numbers by storage key: a count of 8 bytes, then the numbers."""
    storages = {tensor.storage.key: tensor.storage for tensor in plan.values()}
    found = {}
    for key in keys:
        storage = storages[key]
        (count,) = struct.unpack_from("<q", content, start)
        if count != storage.numbers:
            raise ValueError(f"a storage of {count} numbers where {storage.numbers} were promised")
        found[key] = np.frombuffer(content, storage.dtype, count, start + 8)
        start += 8 + found[key].nbytes
    if start != len(content):
        raise ValueError(f"{len(content) - start} bytes too many")
    return found


def _view(tensor: _Tensor, numbers: Array) -> Array:
    """A contiguous copy of a tensor whose every number lies inside its storage."""
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True))
    whole = numbers[tensor.offset :]
    if min((tensor.offset, *tensor.strides)) < 0 or min(tensor.shape, default=1) < 1 or last >= len(whole):
        raise ValueError(f"a tensor of shape {tensor.shape} that leaves its {len(numbers)} numbers")
    # Steps of nought would make a few numbers fill the memory.
    if math.prod(tensor.shape) > len(whole):
        raise ValueError(f"a tensor of shape {tensor.shape} made of {len(whole)} numbers")
    steps = tuple(stride * whole.itemsize for stride in tensor.strides)
    return np.array(np.lib.stride_tricks.as_strided(whole, tensor.shape, steps), order="C")


def _read(stream: BytesIO) -> Any:
    """The value of the next pickle in the stream."""
    machine = _Machine()
    for op, arg, _ in pickletools.genops(stream):
        step = STEPS.get(op.name)
        if step is None:
            raise ValueError(f"the pickle instruction {op.name} is not allowed")
        step(machine, arg)
    if len(machine.stack) != 1:
        raise ValueError("a pickle that ends half-way")
    return machine.stack[0]


class _Machine:
    """The stack and the memo of the pickle machine, with the steps that are allowed."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def since_mark(self) -> list[Any]:
        at = max(i for i, value in enumerate(self.stack) if isinstance(value, _Mark))
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def last(self, count: int) -> tuple[Any, ...]:
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        return items

    def name(self, text: str) -> None:
        if text not in (*DTYPES, DICT, REBUILD):
            raise ValueError(f"it wants to import {text}")
        self.push(_Name(text))

    def storage(self) -> None:
        kind, name, key, _, count, view = self.stack.pop()
        if kind != "storage" or view is not None:
            raise ValueError("an unknown kind of storage")
        self.push(_Storage(DTYPES[name.text], key, count))

    def call(self) -> None:
        name, args = self.last(2)
        if name == _Name(DICT) and args == ():
            self.push({})
        elif name == _Name(REBUILD):
            storage, offset, shape, strides, *_ = args
            self.push(_Tensor(storage, offset, shape, strides))
        else:
            raise ValueError(f"it wants to call {name}")

    def items(self, pairs: list[Any]) -> None:
        self.stack[-1].update(zip(pairs[::2], pairs[1::2], strict=True))

    def attributes(self) -> None:
        """A state dict carries attributes (`_metadata`, the versions of its layers) beside its items."""
        self.stack.pop()


def _remember(machine: _Machine, index: int) -> None:
    machine.memo[index] = machine.stack[-1]


STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda m, arg: None,
    "STOP": lambda m, arg: None,
    "MARK": lambda m, arg: m.push(_Mark()),
    "NONE": lambda m, arg: m.push(None),
    "NEWTRUE": lambda m, arg: m.push(True),
    "NEWFALSE": lambda m, arg: m.push(False),
    "BININT": lambda m, arg: m.push(arg),
    "BININT1": lambda m, arg: m.push(arg),
    "BININT2": lambda m, arg: m.push(arg),
    "LONG1": lambda m, arg: m.push(arg),
    "BINUNICODE": lambda m, arg: m.push(arg),
    "EMPTY_TUPLE": lambda m, arg: m.push(()),
    "TUPLE1": lambda m, arg: m.push(m.last(1)),
    "TUPLE2": lambda m, arg: m.push(m.last(2)),
    "TUPLE3": lambda m, arg: m.push(m.last(3)),
    "TUPLE": lambda m, arg: m.push(tuple(m.since_mark())),
    "EMPTY_LIST": lambda m, arg: m.push([]),
    "APPEND": lambda m, arg: (item := m.stack.pop(), m.stack[-1].append(item))[-1],
    "APPENDS": lambda m, arg: (items := m.since_mark(), m.stack[-1].extend(items))[-1],
    "EMPTY_DICT": lambda m, arg: m.push({}),
    "SETITEM": lambda m, arg: m.items(list(m.last(2))),
    "SETITEMS": lambda m, arg: m.items(m.since_mark()),
    "BINPUT": _remember,
    "LONG_BINPUT": _remember,
    "BINGET": lambda m, arg: m.push(m.memo[arg]),
    "LONG_BINGET": lambda m, arg: m.push(m.memo[arg]),
    "GLOBAL": lambda m, arg: m.name(arg),
    "BINPERSID": lambda m, arg: m.storage(),
    "REDUCE": lambda m, arg: m.call(),
    "BUILD": lambda m, arg: m.attributes(),
}
"""The pickle instructions that are obeyed, by their names in `pickletools`."""
