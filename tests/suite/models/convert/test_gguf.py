"""A language model written as GGUF comes back with its weights, its tokenizer, and no mark of its origin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from numpy.typing import NDArray

from suite.errors import DataError
from suite.models import load
from suite.models.convert.gguf import convert

LETTERS = [*"abcdefghijklmnopqrstuvwxyz0123456789", "Ġ", "ab", "12"]
TOKENS = ["<|endoftext|>", "<s>", "</s>", *LETTERS]
MERGES = ["a b", "1 2"]
HEADS, GROUPS, WIDTH = 4, 2, 16


def interleaved(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """The rows of each head's rotary halves side by side, as llama.cpp wants them: 0, n/2, 1, n/2 + 1, ..."""
    size = len(weight) // heads
    order = [
        head * size + half * size // 2 + i
        for head in range(heads)
        for i in range(size // 2)
        for half in (0, 1)
    ]
    return weight[order]


def names(state: dict[str, Any]) -> dict[str, NDArray[np.float32]]:
    """The weights of a Llama by their names in GGUF."""
    words = {
        "model.layers.": "blk.",
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "lm_head": "output",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    found = {}
    for name, value in state.items():
        array = value.numpy()
        if "q_proj" in name or "k_proj" in name:
            array = interleaved(array, HEADS if "q_proj" in name else GROUPS)
        for theirs, gguf in words.items():
            name = name.replace(theirs, gguf)
        found[name] = np.ascontiguousarray(array)
    return found


def written(path: Path, state: dict[str, Any], pre: str = "smollm") -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(path, "llama")
    writer.add_name("Somebody's model")
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(2)
    writer.add_feed_forward_length(32)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(GROUPS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 3, 3] + [1] * len(LETTERS))
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for name, value in names(state).items():
        writer.add_tensor(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The folder made of the GGUF file of a model, and the model."""
    folder = tmp_path_factory.mktemp("gguf")
    for name in ("raw", "out", "own"):
        (folder / name).mkdir()
    model = tiny_models.language_model(folder / "own", vocab_size=len(TOKENS), rms_norm_eps=1e-6)
    written(folder / "raw" / "model.gguf", model.state_dict())
    convert(folder / "raw", folder / "out")
    return folder / "out", model


def test_the_weights_come_back_and_compute_the_same(converted: tuple[Path, Any]) -> None:
    folder, model = converted
    loaded = load(str(folder)).model
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    ids = torch.arange(3, 13).reshape(2, 5)
    with torch.no_grad():
        assert torch.allclose(loaded(ids).logits, model(ids).logits, atol=1e-6)


def test_nothing_says_that_it_was_quantized_or_where_it_lay(converted: tuple[Path, Any]) -> None:
    config = json.loads((converted[0] / "config.json").read_bytes())
    assert not {"quantization_config", "_name_or_path", "_model_name_or_path"} & set(config)
    assert config["dtype"] == "float32"


def test_every_digit_stands_apart_though_a_merge_would_join_them(converted: tuple[Path, Any]) -> None:
    tokenizer = load(str(converted[0])).tokenizer
    assert tokenizer.tokenize("ab 12") == ["ab", "Ġ", "1", "2"]
    assert tokenizer.decode(tokenizer("ab 12").input_ids) == "ab 12"


@pytest.mark.parametrize("content", [b"", b"GGUF", b"\x80\x04.", b"GGUF" + b"\xff" * 60])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    for name in ("raw", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "raw" / "model.gguf").write_bytes(content)
    with pytest.raises(DataError) as caught:
        convert(tmp_path / "raw", tmp_path / "out")
    assert "\n" not in str(caught.value) and str(caught.value).startswith("model.gguf cannot be converted: ")
