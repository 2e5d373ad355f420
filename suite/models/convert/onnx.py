"""Reads the weights out of an ONNX file without a library for it, and names them as transformers does.

ONNX is a protobuf message; only the few fields that hold weights and the nodes that use them are read
(onnx.proto: ModelProto 7 graph; GraphProto 1 node, 5 initializer; NodeProto 1 input, 3 name, 4 op_type;
TensorProto 1 dims, 2 data_type, 8 name, 9 raw_data).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from suite.errors import DataError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
GRAPH = 7
NODE, INITIALIZER = 1, 5
NODE_INPUT, NODE_NAME, NODE_KIND = 1, 3, 4
DIMS, DATA_TYPE, NAME, RAW_DATA = 1, 2, 8, 9
FLOAT = 1

Array = NDArray[Any]


class Use(NamedTuple):
    """A node: its name is the path of the module that it came from."""

    name: str
    kind: str
    inputs: tuple[str, ...]


def read(path: Path) -> tuple[dict[str, Array], list[Use]]:
    """float32 weights by name, and the nodes; DataError for a file that is no whole ONNX model."""
    try:
        content = memoryview(path.read_bytes())
        (graph,) = [value for field, value in _fields(content) if field == GRAPH]
        parts = list(_fields(graph))
        weights = dict(_tensor(value) for field, value in parts if field == INITIALIZER)
        return weights, [_node(value) for field, value in parts if field == NODE]
    except (ValueError, IndexError, KeyError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} is no readable ONNX model: {error}; nothing was loaded") from None


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Field number and value: an int for a varint, a view of the bytes otherwise."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        if wire == VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if wire not in (FIXED64, BYTES, FIXED32):
            raise ValueError(f"an unknown wire type {wire}")
        size, at = _varint(message, at) if wire == BYTES else ({FIXED64: 8, FIXED32: 4}[wire], at)
        if at + size > len(message):
            raise ValueError("it ends in the middle of a field")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first; the top bit says that more follow."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _tensor(message: memoryview) -> tuple[str, Array]:
    shape: list[int] = []
    name, raw, kind = "", memoryview(b""), 0
    for field, value in _fields(message):
        if field == DIMS:
            shape += [value] if isinstance(value, int) else _packed(value)
        elif field == DATA_TYPE:
            kind = value
        elif field == NAME:
            name = str(value, "utf-8")
        elif field == RAW_DATA:
            raw = value
    if kind != FLOAT or len(raw) != 4 * math.prod(shape):
        raise ValueError(f"the weight {name} is not {math.prod(shape)} float32 numbers")
    return name, np.frombuffer(raw, "<f4").reshape(shape)


def _packed(message: memoryview) -> list[int]:
    numbers, at = [], 0
    while at < len(message):
        value, at = _varint(message, at)
        numbers.append(value)
    return numbers


def _node(message: memoryview) -> Use:
    name = kind = ""
    inputs = []
    for field, value in _fields(message):
        if field == NODE_INPUT:
            inputs.append(str(value, "utf-8"))
        elif field == NODE_NAME:
            name = str(value, "utf-8")
        elif field == NODE_KIND:
            kind = str(value, "utf-8")
    return Use(name, kind, tuple(inputs))
