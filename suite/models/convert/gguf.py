"""A GGUF language model as a folder of transformers: float32 safetensors, config and tokenizer.

transformers reads the blocks back into float32 and names the weights; it is slow at it and gives a model that
still thinks it is quantized, so this is done once and the mark taken off.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from suite.errors import DataError
from suite.models.quiet import quiet

SINGLE_DIGITS = "smollm"
"""The name that GGUF gives to a pre-tokenizer that sets every digit apart."""


def convert(raw: Path, out: Path) -> None:
    """Write the transformers folder of the only .gguf file in `raw` into `out`."""
    (path,) = raw.glob("*.gguf")
    try:
        with quiet():
            tokenizer = _tokenizer(path)
            _model(path).save_pretrained(out)
            tokenizer.save_pretrained(out)
    except (ImportError, ValueError, KeyError, IndexError, OSError, RuntimeError, struct.error) as error:
        raise DataError(f"{path.name} cannot be converted: {error}; nothing was kept") from None
    _forget_origin(out / "config.json")


def _model(path: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        str(path.parent), gguf_file=path.name, dtype=torch.float32, local_files_only=True
    )
    # What was stored in blocks is plain float32 now; with these left on it would be saved as quantized.
    model.hf_quantizer = None
    model.is_quantized = False
    del model.config.quantization_config
    return model


def _tokenizer(path: Path) -> Any:
    """The tokenizer; transformers leaves out the single digits of SmolLM's (its `Digits` step)."""
    from gguf import GGUFReader
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name, local_files_only=True)
    field = GGUFReader(path).get_field("tokenizer.ggml.pre")
    if field is not None and field.contents() == SINGLE_DIGITS:
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
        digits = pre_tokenizers.Digits(individual_digits=True)
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, byte_level])
    return tokenizer


def _forget_origin(config: Path) -> None:
    """A name that GGUF's metadata brought along would be taken for the id of a hub."""
    content = json.loads(config.read_bytes())
    content.pop("_name_or_path", None)
    content.pop("_model_name_or_path", None)
    config.write_text(json.dumps(content, indent=2) + "\n")
