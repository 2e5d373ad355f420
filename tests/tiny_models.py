"""Small stand-ins for models and their sources: wheels, a package index, weight files, a language model."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import subprocess
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from suite.models.registry import Entry, Member, Wheel
from suite.models.wheels import Run

ENTRIES: tuple[Entry, ...] = ()
"""Filled by a test: the list of models that the registry reads instead of its own."""

PLAIN = Entry(
    name="plain",
    summary="Two files in a package.",
    kind="encoder",
    architecture="None",
    parameters=4,
    licence="MIT",
    source="https://example.org/plain",
    citation="Nobody, 2026",
)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def weights(**tensors: Sequence[float]) -> bytes:
    """A safetensors file, written by hand from the description of the format."""
    arrays = {name: np.asarray(values, "<f4") for name, values in tensors.items()}
    header, at = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    return framed(header, b"".join(array.tobytes() for array in arrays.values()))


def framed(header: Any, data: bytes) -> bytes:
    """The length of the header, the header, the numbers."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def wheel(folder: Path, members: Mapping[str, bytes], package: str = "plain-model") -> Wheel:
    """Write a wheel and pin it as it is; each member goes to a file of its own last name."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{package.replace('-', '_')}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    pinned = tuple(
        Member(name, sha256(content), len(content), name.rpartition("/")[2])
        for name, content in members.items()
    )
    return Wheel(package, "1.0", file.name, sha256(file.read_bytes()), pinned)


def packed(folder: Path, members: Mapping[str, bytes], **changes: Any) -> Entry:
    """An entry whose files are in one wheel in `folder`."""
    return replace(PLAIN, wheels=(wheel(folder, members),), **changes)


def index(folder: Path) -> Run:
    """A pip that downloads from a folder of wheels."""

    def pip(
        command: Sequence[str], scratch: Path, glance: Callable[[], None]
    ) -> subprocess.CompletedProcess[str]:
        package, _, version = command[-1].partition("==")
        target = Path(command[command.index("--dest") + 1])
        (found,) = folder.glob(f"{package.replace('-', '_')}-{version}-*.whl")
        shutil.copy(found, target)
        glance()
        return subprocess.CompletedProcess(command, 0, "", "")

    return pip


def offline(
    command: Sequence[str], scratch: Path, glance: Callable[[], None]
) -> subprocess.CompletedProcess[str]:
    """A pip that reaches no index."""
    said = f"WARNING: Retrying\nERROR: No matching distribution found for {command[-1]}\n"
    return subprocess.CompletedProcess(command, 1, "", said)


def language_model(folder: Path, **settings: Any) -> Any:
    """Write a Llama of random weights with a tokenizer of single letters, and return it."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "vocab_size": 32,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
    }
    model = LlamaForCausalLM(LlamaConfig(**sizes | settings)).eval()
    model.save_pretrained(folder)
    letters = {letter: i for i, letter in enumerate("?abcdefghijklmnopqrstuvwxyz_.")}
    tokenizer = Tokenizer(models.WordLevel(letters, "?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="?").save_pretrained(folder)
    return model
