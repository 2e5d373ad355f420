"""Files of an exported model: their names, their checks, codes as bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from suite.errors import DataError, UsageError

TENSORS, INDEX = "model.safetensors", "quantized.json"
FORMAT = 1
INDEX_BYTES = 1 << 26


def check_folder(folder: Path, ours: set[str]) -> None:
    """UsageError for a path that is no folder, or one that holds anything but `ours`."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{folder} is not a folder; give another --out")
    stray = sorted({p.name for p in folder.iterdir()} - ours) if folder.exists() else []
    if stray:
        raise UsageError(f"{folder} already holds {stray[0]}; give a new or empty folder")


def packed(codes: Tensor, bits: int) -> Tensor:
    """uint8 codes (o, d) of at most 4 bits as bytes, row by row, the earlier code in the lower half."""
    if bits > 4:
        return codes
    flat = codes.flatten()
    flat = torch.cat([flat, flat.new_zeros(len(flat) % 2)])
    return flat[::2] | flat[1::2] << 4


def unpacked(stored: Tensor, bits: int, shape: tuple[int, int]) -> Tensor:
    """The codes of `packed`; ValueError where there are not as many."""
    if bits <= 4:
        stored = torch.stack([stored & 15, stored >> 4], 1).flatten()[: shape[0] * shape[1]]
    return stored.reshape(shape)


def read_index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    try:
        if path.stat().st_size > INDEX_BYTES:
            raise DataError(f"{path} is too large for what it should be; export the model anew")
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{folder} has no {INDEX}; give a folder that was exported") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); export the model anew") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise DataError(f"{path} is not of format {FORMAT}; export the model anew")
    return found


def read_tensors(path: Path, digest: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if digest_of(path) != digest:
            raise DataError(f"{path} has another checksum than {INDEX} says; export the model anew")
        # Copies, since products of matrices may differ in their last bit where memory is aligned otherwise.
        found = {name: tensor.clone() for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} cannot be read ({error}); export the model anew") from None
    return found


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
