"""Loads a model that is at hand into memory; knows the kinds of model, and no model by name."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.errors import DataError, UsageError
from suite.models.identity import fingerprint, verify
from suite.models.quiet import quiet
from suite.models.registry import Entry, Images, Kind
from suite.models.sources import Found, find
from suite.models.weights import check_weights

DTYPES = ("float32", "bfloat16", "float16")
CLASSES = {
    "causal-lm": "AutoModelForCausalLM",
    "seq2seq": "AutoModelForSeq2SeqLM",
    "encoder": "AutoModel",
}
TEXT = ("causal-lm", "seq2seq", "encoder")


@dataclass(frozen=True)
class Loaded:
    """A model in evaluation mode, whose parameters can be trained.

    tokenizer: of a text model, None otherwise. images: how a vision model wants its images, None otherwise.
    fingerprint: what the cell's identity says of its weights.
    """

    name: str
    model: Any
    tokenizer: Any
    images: Images | None
    entry: Entry | None
    fingerprint: str
    path: Path


def load(name: str, *, device: str = "cpu", dtype: str = "float32") -> Loaded:
    """See `suite.models.load`."""
    if dtype not in DTYPES:
        raise UsageError(f"dtype '{dtype}': a model is loaded in one of {', '.join(DTYPES)}")
    found = find(name)
    verify(found, thorough=False)
    kind = found.entry.kind if found.entry else _kind(found.path)
    if kind == "language-id":
        from suite.models.langid import read

        return _loaded(found, read(found.path / "lid.176.ftz"), None, None)
    try:
        with quiet():
            model = _model(found, kind, dtype).to(device).eval()
            tokenizer = _tokenizer(found.path) if kind in TEXT else None
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise DataError(f"the model in {found.path} cannot be loaded: {reason}") from None
    return _loaded(found, model, tokenizer, _images(found) if kind in ("vit", "cnn") else None)


def _loaded(found: Found, model: Any, tokenizer: Any, images: Images | None) -> Loaded:
    return Loaded(found.name, model, tokenizer, images, found.entry, fingerprint(found.name), found.path)


def _model(found: Found, kind: Kind, dtype: str) -> Any:
    import torch

    if found.entry is not None and found.entry.network:
        return _network(found, found.entry).to(getattr(torch, dtype))
    check_weights(found.path)
    import transformers

    # Makes the suite's own class known to the Auto classes.
    import suite.models.conv_vit  # noqa: F401

    auto = getattr(transformers, CLASSES.get(kind) or _vision_class(found.path))
    # transformers takes scaled dot product attention where the architecture has it.
    model, report = auto.from_pretrained(
        str(found.path),
        dtype=getattr(torch, dtype),
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    _complete(found.path, report)
    return model


def _complete(folder: Path, report: Mapping[str, Any]) -> None:
    """DataError for a weight that the folder lacks: transformers would go on with random numbers.

    A language model's own encoder has no pooler, and nothing of ours uses one.
    """
    lacking = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if lacking:
        raise DataError(f"{folder} lacks the weight {lacking[0]} ({len(lacking)} in all); nothing was loaded")


def _network(found: Found, entry: Entry) -> Any:
    """A module that the suite wrote, filled with the weights of its entry, all of them and no other."""
    from safetensors.torch import load_file

    from suite.models.weights import check_safetensors

    path = found.path / (entry.files[0].name if entry.files else "model.safetensors")
    if not path.is_file():
        raise DataError(f"{found.path} holds no {path.name}; nothing was loaded")
    check_safetensors(path)
    module, _, function = entry.network.partition(":")
    network = getattr(importlib.import_module(module), function)()
    weights = load_file(path)
    # Kept in half precision, computed in the precision of the module.
    network.load_state_dict(
        {name: value.to(network.state_dict()[name].dtype) for name, value in weights.items()}
    )
    return network


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}; a model's folder has a config.json") from None
    if not isinstance(content, dict):
        raise DataError(f"{path} is no table of settings; a model's folder has a config.json")
    return content


def _architecture(folder: Path) -> str:
    named = _config(folder).get("architectures") or [""]
    return str(named[0])


def _kind(folder: Path) -> Kind:
    """The kind of an unnamed model, from the class that its config names."""
    architecture = _architecture(folder)
    if architecture.endswith(("ForCausalLM", "LMHeadModel")):
        return "causal-lm"
    if architecture.endswith("ForConditionalGeneration"):
        return "seq2seq"
    return "vit" if "image_size" in _config(folder) else "encoder"


def _vision_class(folder: Path) -> str:
    """With its head where it is a classifier."""
    classifies = _architecture(folder).endswith("ForImageClassification")
    return "AutoModelForImageClassification" if classifies else "AutoModel"


def _images(found: Found) -> Images | None:
    """From preprocessor_config.json where the folder has one, else from the entry."""
    path = found.path / "preprocessor_config.json"
    if not path.is_file():
        return found.entry.images if found.entry else None
    try:
        settings = json.loads(path.read_bytes())
        size = settings.get("crop_size") or settings["size"]
        side = size if isinstance(size, int) else size.get("height", size.get("shortest_edge"))
        mean, std = (tuple(map(float, settings[key])) for key in ("image_mean", "image_std"))
        return Images(int(side), (mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise DataError(f"{path} is damaged: {error or type(error).__name__}") from None
