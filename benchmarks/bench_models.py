"""What the model benchmarks share: a random Llama of 5 million parameters with a tokenizer trained here, the
real stories260k where it is at hand, and CPU seconds as the best of a few interleaved rounds.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

VOCABULARY = (
    "the a cat dog house river green old small runs sees finds under over near with story people water city "
    "light stone walked morning because never always some many seven again behind question answer garden"
)


def sentence(pick: random.Random, words: int) -> str:
    """Random words; the same ones for the same generator."""
    return " ".join(pick.choices(VOCABULARY.split(), k=words))


def random_llama() -> tuple[Any, Any]:
    """Four layers of width 256, vocabulary 4096, float32, and a byte-level BPE tokenizer."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    pick = random.Random(0)
    trained = ByteLevelBPETokenizer()
    lines = (sentence(pick, 20) for _ in range(500))
    trained.train_from_iterator(lines, vocab_size=4096, special_tokens=["<s>", "</s>"], show_progress=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer, bos_token="<s>", eos_token="</s>"
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=4096, hidden_size=256, intermediate_size=688, num_hidden_layers=4, num_attention_heads=8,
        num_key_value_heads=4, max_position_embeddings=1024, bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval(), tokenizer


def stories() -> tuple[Any, Any] | None:
    """The real model of 260,000 parameters in SUITE_DATA_DIR; None where it is not there."""
    folder = Path(os.environ.get("SUITE_DATA_DIR", "/nowhere")) / "stories260k-llama"
    if not folder.is_dir():
        return None
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def best(variants: dict[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Least CPU seconds and last result of each; every round runs all of them, the first one warms up."""
    seconds: dict[str, float] = {}
    results: dict[str, Any] = {}
    for turn in range(rounds + 1):
        for name, run in variants.items():
            start = time.process_time()
            results[name] = run()
            spent = time.process_time() - start
            if turn:
                seconds[name] = min(spent, seconds.get(name, spent))
    return seconds, results
