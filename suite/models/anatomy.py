"""Where the attention heads and the FFN neurons of a transformer are, found by the names of its parts.

A stack is a list of blocks that all hold the same two linear maps: the one that reads the concatenated heads
and the one that reads the neurons. Which class the model is does not matter, so that a quantized, adapted or
home-made model with the usual names is understood as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from suite.errors import UsageError

PARTS = (
    ("self_attn.o_proj", "mlp.down_proj"),  # Llama, Mistral, Qwen2 and 3, Gemma 1 to 3
    ("self_attn.dense", "mlp.fc2"),  # Phi
    ("self_attn.out_proj", "fc2"),  # OPT
    ("self_attn.out_proj", "mlp.fc2"),  # CLIP
    ("attn.c_proj", "mlp.c_proj"),  # GPT-2
    ("attention.dense", "mlp.dense_4h_to_h"),  # GPT-NeoX
    ("attention.o_proj", "mlp.fc2"),  # ViT, DINOv2
    ("attention.o_proj", "mlp.weights_out"),  # DINOv2 giant
    ("attention.output.dense", "output.dense"),  # BERT, MiniLM
    ("attention.output.dense", "mlp.fc2"),  # DINOv2 in its older naming
    ("layer.0.SelfAttention.o", "layer.1.DenseReluDense.wo"),  # T5 encoder
    ("layer.0.SelfAttention.o", "layer.2.DenseReluDense.wo"),  # T5 decoder
)
"""In a block: the map whose input is the heads side by side, the map whose input is the neurons."""


@dataclass(frozen=True)
class Layer:
    """One block: its output is the residual stream after it, (B, T, width).

    attention_out: its input is the heads side by side, (B, T, heads * head_dim). ffn_out: its input is the
    neurons after the activation (and after the gate, where there is one), (B, T, neurons).
    """

    block: nn.Module
    attention_out: nn.Module
    ffn_out: nn.Module


@dataclass(frozen=True)
class Anatomy:
    """The blocks of one stack in order, and the sizes of their parts.

    heads counts query heads, also where several of them share keys and values. owners are the modules around
    the stack, outermost first; encoder_decoder says that the model has two stacks with masks of their own.
    """

    layers: tuple[Layer, ...]
    heads: int
    head_dim: int
    neurons: int
    owners: tuple[nn.Module, ...]
    encoder_decoder: bool = False


def anatomy(model: nn.Module, *, within: str = "") -> Anatomy:
    """The anatomy of a transformer; `within` names the part of it to look in ("decoder" of a T5).

    Raises UsageError where no stack is found, where several are, and where the sizes disagree.
    """
    stacks = [
        (name, module, parts)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and (parts := _parts(module)) and _is_within(name, within)
    ]
    if len(stacks) != 1:
        raise UsageError(_not_one(model, [name for name, _, _ in stacks], within))
    name, stack, (heads_path, neurons_path) = stacks[0]
    layers = tuple(
        Layer(block, block.get_submodule(heads_path), block.get_submodule(neurons_path)) for block in stack
    )
    config = _config(model)
    heads = int(config.num_attention_heads)
    width = _width_in(layers[0].attention_out)
    if width is None:
        width = heads * int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    if width % heads:
        raise UsageError(f"{heads} heads do not divide the {width} inputs of {name}.0.{heads_path}")
    neurons = _width_in(layers[0].ffn_out)
    if neurons is None:
        neurons = int(config.intermediate_size)
    owners = _owners(model, name)
    return Anatomy(layers, heads, width // heads, neurons, owners, _encoder_decoder(model))


def _encoder_decoder(model: nn.Module) -> bool:
    return bool(getattr(getattr(model, "config", None), "is_encoder_decoder", False))


def _parts(stack: nn.ModuleList) -> tuple[str, str] | None:
    """The two paths that every block of the stack has."""
    for paths in PARTS:
        if len(stack) and all(_has(block, path) for block in stack for path in paths):
            return paths
    return None


def _has(block: nn.Module, path: str) -> bool:
    try:
        block.get_submodule(path)
    except AttributeError:
        return False
    return True


def _is_within(name: str, within: str) -> bool:
    return f".{within}." in f".{name}." if within else True


def _not_one(model: nn.Module, found: list[str], within: str) -> str:
    kind = type(model).__name__
    place = f" within '{within}'" if within else ""
    if found:
        return f"{kind} has {len(found)} stacks{place} ({', '.join(found)}); say which with within=NAME"
    return (
        f"{kind}: no stack of blocks with known attention and FFN names{place}; "
        "add its two names to PARTS in suite/models/anatomy.py"
    )


def _config(model: nn.Module) -> Any:
    config: Any = getattr(model, "config", None)
    if config is None:
        raise UsageError(f"{type(model).__name__} has no config that says how many heads it has")
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    if not getattr(config, "num_attention_heads", None):
        raise UsageError(f"the config of {type(model).__name__} has no num_attention_heads")
    return config


def _width_in(linear: nn.Module) -> int | None:
    """The number of inputs of a linear map: nn.Linear and its kin, or GPT-2's Conv1D, whose weight lies
    the other way round; None where it does not say.
    """
    if hasattr(linear, "in_features"):
        return int(linear.in_features)
    if hasattr(linear, "nf") and hasattr(linear, "weight"):
        return int(linear.weight.shape[0])
    return None


def _owners(model: nn.Module, name: str) -> tuple[nn.Module, ...]:
    parents = name.split(".")[:-1]
    return (model, *(model.get_submodule(".".join(parents[: i + 1])) for i in range(len(parents))))
