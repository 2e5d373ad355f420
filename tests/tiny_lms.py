"""Language models of a few thousand random weights, and a byte-level tokenizer trained on a few lines."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import pytest
import torch

TEXT = [
    "The cat sat on the mat and the dog sat on the log.",
    "Where is the cat? The cat is on the mat, the dog is under the tree.",
    "Größe, Übermut und Äpfel: naïve café, 東京 and Москва, 🙂 and 🎉.",
    "one two three four five six seven eight nine ten 1 2 3 4 5 6 7 8 9 10",
]
KINDS = ("llama", "gpt2", "gemma3", "qwen2", "mistral")


@functools.cache
def tokenizer() -> Any:
    """Byte-level BPE of 320 tokens with <s> and </s>; it adds no special tokens by itself."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(TEXT, vocab_size=320, special_tokens=["<s>", "</s>"], show_progress=False)
    return PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, bos_token="<s>", eos_token="</s>")


def model(kind: str, *, seed: int = 0, heads: int = 4, kv_heads: int = 2, tied: bool = False) -> Any:
    """Two layers of width 32, evaluation mode; the windows of gemma3 and mistral are 8 tokens wide."""
    import transformers as hf

    shared = {"vocab_size": 320, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": heads}
    shared |= {"max_position_embeddings": 128, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": None}
    modern = {"num_key_value_heads": kv_heads, "intermediate_size": 48, "tie_word_embeddings": tied}
    window = {"sliding_window": 8, "head_dim": 8}
    layers = {"layer_types": ["sliding_attention", "full_attention"]}
    made = {
        "llama": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**shared, **modern)),
        "gpt2": lambda: hf.GPT2LMHeadModel(hf.GPT2Config(**shared, tie_word_embeddings=tied)),
        "gemma3": lambda: hf.Gemma3ForCausalLM(hf.Gemma3TextConfig(**shared, **modern, **window, **layers)),
        "qwen2": lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(**shared, **modern)),
        "mistral": lambda: hf.MistralForCausalLM(hf.MistralConfig(**shared, **modern, **window)),
    }
    torch.manual_seed(seed)
    built = made[kind]().eval()
    with torch.no_grad():  # far apart enough that a text is not one token for ever
        for parameter in built.parameters():
            if parameter.ndim == 2:
                parameter.mul_(6.0)
    return built


@functools.cache
def stories() -> tuple[Any, Any]:
    """The real Llama of 260,000 parameters and its tokenizer; the test is skipped where it is not at hand."""
    folder = Path(os.environ.get("SUITE_DATA_DIR", "")) / "stories260k-llama"
    if not os.environ.get("SUITE_DATA_DIR") or not folder.is_dir():
        pytest.skip("stories260k-llama is not in SUITE_DATA_DIR")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from suite.models.quiet import quiet

    with quiet():
        return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
