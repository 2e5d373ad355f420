"""timm's vision transformers as ViTModels of transformers, so that all that finds parts by name finds them.

    python -m suite.models.timm_vit vit_base_patch16_224.augreg_in21k FOLDER

makes a folder that is a base model like any other: `suite run --base-model FOLDER`. Its weights are those of
the timm model by other names, the map to queries, keys and values in three pieces; timm is needed for the
conversion only. Those with a class token and nothing that ViTModel lacks can be converted: no layer scale,
registers, norms of queries and keys, norm before the blocks. Source of the names: timm 1.0,
models/vision_transformer.py.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn

from suite.errors import DataError, SuiteError, UsageError

ACTIVATIONS = ("gelu", "gelu_pytorch_tanh", "quick_gelu", "relu")
"""What an MLP's activation may be, as transformers calls it."""
WHOLE = {
    "cls_token": "embeddings.cls_token",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
    "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
    "norm.weight": "layernorm.weight",
    "norm.bias": "layernorm.bias",
}
IN_A_BLOCK = {
    "norm1": "layernorm_before",
    "attn.proj": "attention.output.dense",
    "norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
QKV = ("query", "key", "value")
"""Names as published ViTs have them in their files; every version of transformers reads these."""
BLOCK = re.compile(r"blocks\.(\d+)\.(.+)\.(weight|bias)")
HEAD = ("head.weight", "head.bias")
CLOSE = 1e-4
"""How far a feature of the converted model may be from timm's, relative and absolute."""


def named(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a timm state dict by the names of a ViTModel's file, without those of its classifier.

    UsageError for a tensor that ViTModel has no place for. One that is missing is found when they are loaded.
    """
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        block = BLOCK.fullmatch(name)
        if name in HEAD:
            continue
        if name in WHOLE:
            found[WHOLE[name]] = value
        elif block and block[2] in IN_A_BLOCK:
            found[f"encoder.layer.{block[1]}.{IN_A_BLOCK[block[2]]}.{block[3]}"] = value
        elif block and block[2] == "attn.qkv":
            # One map whose outputs are all queries, then all keys, then all values.
            for kind, part in zip(QKV, value.chunk(3), strict=True):
                found[f"encoder.layer.{block[1]}.attention.attention.{kind}.{block[3]}"] = part
        else:
            raise _other(f"ViTModel has no place for its {name}")
    return found


def vit(model: Any) -> Any:
    """A ViTModel without a pooler, in evaluation mode, that computes what a timm VisionTransformer does.

    Sizes are read from the weights; heads, activation and the norms' epsilon from the modules. Outputs are
    compared on one picture of noise: UsageError where they differ, as for any other model that has no twin.
    """
    from transformers import ViTConfig

    state = model.state_dict()
    if missing := sorted({"cls_token", "pos_embed", "norm.weight", "patch_embed.proj.weight"} - set(state)):
        raise _other(f"it has no {missing[0]}: its features are no class token after a last norm")
    weights = named(state)
    first = model.blocks[0]
    patch, positions = state["patch_embed.proj.weight"], state["pos_embed"].shape[1] - 1
    side = round(positions**0.5)
    if side**2 != positions or patch.shape[1] != 3 or patch.shape[2] != patch.shape[3]:
        raise _other(f"{positions} positions beside the class token's, patches of {tuple(patch.shape[1:])}")
    config = ViTConfig(
        hidden_size=patch.shape[0],
        num_hidden_layers=len(model.blocks),
        num_attention_heads=first.attn.num_heads,
        intermediate_size=state["blocks.0.mlp.fc1.weight"].shape[0],
        hidden_act=_activation(first.mlp.act),
        layer_norm_eps=model.norm.eps,
        qkv_bias="blocks.0.attn.qkv.bias" in state,
        image_size=side * patch.shape[3],
        patch_size=patch.shape[3],
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    twin = _filled(config, weights)
    _compare(model, twin, config.image_size)
    return twin


def _filled(config: Any, weights: Mapping[str, Tensor]) -> Any:
    """A ViTModel of these weights, all of them and no other."""
    from transformers import ViTModel

    from suite.models.quiet import quiet

    own = {name: value.detach().clone() for name, value in weights.items()}
    try:
        with quiet():
            twin, report = ViTModel.from_pretrained(
                None, config=config, state_dict=own, add_pooling_layer=False, output_loading_info=True
            )
    except RuntimeError as error:
        raise _other(" ".join(str(error).split())[:200]) from None
    if odd := sorted({*report["missing_keys"], *report["unexpected_keys"]}):
        raise _other(f"{odd[0]} is missing or has no place ({len(odd)} such weights)")
    return twin.eval()


def _compare(model: Any, twin: Any, size: int) -> None:
    """UsageError where the class token of a picture of noise is another one."""
    picture = torch.randn((1, 3, size, size), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        truth = model.eval().forward_features(picture)[:, 0]
        found = twin(picture).last_hidden_state[:, 0]
    if not torch.allclose(found, truth, rtol=CLOSE, atol=CLOSE):
        off = float((found - truth).abs().max())
        raise _other(f"ViTModel with its weights gives features that are off by {off:.2g}")


def _activation(module: nn.Module) -> str:
    """What transformers calls an activation, found by its values."""
    from transformers.activations import ACT2FN

    points = torch.linspace(-4, 4, 33)
    for name in ACTIVATIONS:
        if torch.allclose(module(points.clone()), ACT2FN[name](points), rtol=0, atol=1e-6):
            return name
    raise _other(f"its activation {type(module).__name__} is none of {', '.join(ACTIVATIONS)}")


def write(model: Any, folder: Path) -> None:
    """Makes a folder that `suite.models.load` loads: weights, config and how pictures are to be prepared.

    Mean, deviation and size are those of the model's `pretrained_cfg`. The class is that of a classifier of
    no classes, for a ViTModel of its own gets a pooler of random numbers when it is loaded.
    """
    from transformers import ViTForImageClassification

    from suite.models.quiet import quiet

    told = model.pretrained_cfg
    twin = vit(model)
    size = twin.config.image_size
    twin.config.num_labels = 0
    with torch.device("meta"):
        whole = ViTForImageClassification(twin.config)
    whole.vit = twin
    with quiet():
        whole.save_pretrained(folder)
    prepared = {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": size, "width": size},
        "image_mean": list(told["mean"]),
        "image_std": list(told["std"]),
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(prepared, indent=2) + "\n", encoding="utf-8")


def create(name: str) -> Any:
    """The pre-trained model that timm has by that name; it may download. UsageError where timm is missing."""
    try:
        timm = importlib.import_module("timm")
    except ImportError as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"{name} is a model of timm, which cannot be imported ({reason}): pip install 'timm>=1.0'"
        ) from None
    try:
        return timm.create_model(name, pretrained=True)
    except (RuntimeError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"timm gives no pre-trained model {name}: {reason}") from None


def _other(why: str) -> UsageError:
    return UsageError(
        f"this timm model cannot be made a ViTModel: {why}; choose a plain one with a class token"
    )


@click.command(help="Make a folder that --base-model takes of a ViT of timm.")
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def main(name: str, folder: Path) -> None:
    """See the module."""
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty; give a new folder")
        write(create(name), folder)
    except SuiteError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    click.echo(f"wrote {folder}; use it: suite run --base-model {folder}")


if __name__ == "__main__":
    main()
