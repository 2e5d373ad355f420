"""Looks at weight files before anything loads them: safetensors only, and only whole ones."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from suite.errors import DataError

INDEX = "model.safetensors.index.json"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack", ".npz")
LONGEST_HEADER = 100_000_000
"""Bytes; the limit of the format itself."""
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64, "C64": 64, "F4": 4,
}  # fmt: skip


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model's folder; DataError where it has none, or only pickled ones."""
    found = sorted(folder.glob("*.safetensors"))
    if found:
        return found
    pickled = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLED)
    if pickled:
        raise DataError(
            f"{folder} holds only pickled weights ({pickled[0]}), which could run code and are never loaded; "
            "give a folder with model.safetensors"
        )
    raise DataError(f"{folder} holds no weights (*.safetensors)")


def check_weights(folder: Path) -> None:
    """DataError unless every safetensors file of the folder, and its index, is whole."""
    files = weight_files(folder)
    for file in files:
        check_safetensors(file)
    if (folder / INDEX).is_file():
        _check_index(folder / INDEX, {file.name for file in files})


def _check_index(path: Path, present: set[str]) -> None:
    try:
        named = set(json.loads(path.read_bytes())["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is damaged: {error or type(error).__name__}; get the model again") from None
    if missing := sorted(str(name) for name in named - present):
        raise DataError(f"{path.parent} lacks {missing[0]}, which its index names; get the model again")


def check_safetensors(path: Path) -> None:
    """DataError unless the header is one, and its tensors fill the rest of the file to the byte."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8:
            raise _damaged(path, f"it has {size} bytes")
        (length,) = struct.unpack("<Q", start)
        if length > min(LONGEST_HEADER, size - 8):
            kind = _disguise(start)
            raise _damaged(
                path, f"its header claims {length:,} bytes and the file has {size:,}{kind and '; ' + kind}"
            )
        header = file.read(length)
    try:
        spans = sorted(_spans(json.loads(header)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, f"its header cannot be read: {error}") from None
    end = 0
    for begin, stop in spans:
        if begin != end:
            raise _damaged(path, f"its tensors overlap or leave a gap at byte {min(begin, end):,}")
        end = stop
    if end != size - 8 - length:
        raise _damaged(
            path, f"its tensors claim {end:,} bytes and the file has {size - 8 - length:,} for them"
        )


def _spans(header: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """Where each tensor begins and ends; ValueError where that is not what its shape and type need."""
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        begin, end = tensor["data_offsets"]
        shape = tensor["shape"]
        if not all(isinstance(n, int) and n >= 0 for n in (begin, end, *shape)):
            raise ValueError(f"{name} has odd numbers")
        if 8 * (end - begin) != BITS[tensor["dtype"]] * math.prod(shape):
            raise ValueError(f"{name} of shape {shape} does not fit its {end - begin:,} bytes")
        yield begin, end


def _disguise(start: bytes) -> str:
    """What a file that is no safetensors file looks like."""
    if start.startswith(b"PK"):
        return "it is a zip archive, as PyTorch writes pickles"
    if start[:1] == b"\x80" and start[1] <= 5:
        return "it is a pickle"
    return ""


def _damaged(path: Path, why: str) -> DataError:
    return DataError(f"{path} is no whole safetensors file: {why}; nothing was loaded")
