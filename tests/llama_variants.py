"""Small language models built like Llama, of any shape, with gains and biases of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

VOCABULARY = 97


def model(
    kind: str = "llama",
    *,
    heads: int = 4,
    kv_heads: int = 2,
    head_dim: int = 8,
    width: int = 32,
    neurons: int = 48,
    layers: int = 2,
    bias: bool = False,
    tied: bool = False,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Any:
    """A model of random weights in evaluation mode; sliding windows, where the kind has them, are 8 wide."""
    import transformers as hf

    shared = {
        "vocab_size": VOCABULARY,
        "hidden_size": width,
        "intermediate_size": neurons,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        "max_position_embeddings": 128,
        "tie_word_embeddings": tied,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
    }
    kinds = ["sliding_attention", "full_attention"]
    window = {"sliding_window": 8}
    layered = window | {"layer_types": [kinds[i % 2] for i in range(layers)]}
    made = {
        "llama": lambda: hf.LlamaForCausalLM(
            hf.LlamaConfig(**shared, attention_bias=bias, mlp_bias=bias),
        ),
        "qwen2": lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(**shared)),
        "qwen3": lambda: hf.Qwen3ForCausalLM(hf.Qwen3Config(**shared, attention_bias=bias)),
        "mistral": lambda: hf.MistralForCausalLM(hf.MistralConfig(**shared, **window)),
        "gemma": lambda: hf.GemmaForCausalLM(hf.GemmaConfig(**shared)),
        "gemma2": lambda: hf.Gemma2ForCausalLM(hf.Gemma2Config(**shared, **layered)),
        "gemma3": lambda: hf.Gemma3ForCausalLM(hf.Gemma3TextConfig(**shared, **layered)),
    }
    torch.manual_seed(seed)
    built = made[kind]().eval()
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            if parameter.ndim == 2:
                parameter.mul_(6.0)
            else:
                noise = 0.3 * torch.randn_like(parameter)
                gain_of_llama = "norm" in name and not kind.startswith("gemma")
                parameter.copy_(noise + float(gain_of_llama))
    return built.to(dtype)


def tokens(rows: int = 3, length: int = 13, seed: int = 1) -> Tensor:
    """Token ids (rows, length)."""
    return torch.randint(0, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(seed))


def logits(model: Any, ids: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(input_ids=ids, use_cache=False).logits
    return found


def difference(found: Tensor, expected: Tensor) -> float:
    """The largest difference, relative to the largest magnitude."""
    return float((found - expected).abs().max() / expected.abs().max())


@contextmanager
def norms_in_float64() -> Iterator[None]:
    """Llama's norms computed as they are defined: transformers takes every stream to float32 in them."""
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    def forward(self: Any, x: Tensor) -> Tensor:
        found: Tensor = self.weight * x * (x.square().mean(-1, keepdim=True) + self.variance_epsilon).rsqrt()
        return found

    original = LlamaRMSNorm.forward
    LlamaRMSNorm.forward = forward
    try:
        yield
    finally:
        LlamaRMSNorm.forward = original
