"""The plan for Llama-2-7B against figures worked out by hand, and what the command says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import llama_variants
import pytest
import transformers as hf
from click.testing import CliRunner

from methods.quantization.plain import Rtn
from methods.quantization.plan import main, plan
from suite.api import Context
from suite.errors import UsageError
from tasks.quantization.contract import Calibration, Precision

D, FFN, LAYERS, VOCABULARY = 4096, 11008, 32, 32000
TOKENS = 128 * 2048


def llama_2_7b() -> Any:
    return hf.LlamaConfig(
        hidden_size=D,
        intermediate_size=FFN,
        num_hidden_layers=LAYERS,
        num_attention_heads=32,
        num_key_value_heads=32,
        vocab_size=VOCABULARY,
        max_position_embeddings=4096,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
    )


def test_every_map_of_llama_2_7b() -> None:
    found = plan(llama_2_7b(), Precision(4, 4, 4))
    assert found.parameters == 6_738_415_616
    assert {(m.path, m.rows, m.width, m.block, m.count) for m in found.maps} == {
        ("self_attn.q_proj", D, D, 128, LAYERS),
        ("self_attn.k_proj", D, D, 128, LAYERS),
        ("self_attn.v_proj", D, D, 128, LAYERS),
        ("self_attn.o_proj", D, D, 128, LAYERS),
        ("mlp.gate_proj", FFN, D, 128, LAYERS),
        ("mlp.up_proj", FFN, D, 128, LAYERS),
        ("mlp.down_proj", D, FFN, 128, LAYERS),
    }


def test_bytes_of_llama_2_7b() -> None:
    found = plan(llama_2_7b(), Precision(4, 4, 4))
    a_layer = 4 * D * D + 3 * D * FFN
    assert a_layer == 202_375_168
    rows = 4 * D + 2 * FFN + D
    others = 2 * VOCABULARY * D + D + LAYERS * 2 * D
    assert found.stored == LAYERS * (a_layer * 4 + rows * 20) / 8 + 2 * others
    assert round(found.stored / 1e9, 2) == 3.77
    assert (found.layer, found.stream) == (4 * (a_layer + 2 * D), 4 * TOKENS * D)
    assert found.sites == 3 * 4 * 65536 * (3 * D + FFN) == 18_320_719_872
    assert found.peak == 2 * (809_533_440 + 4_294_967_296) + 18_320_719_872
    assert found.peak_whole == 4 * 6_738_415_616 + 809_533_440 + 2 * 4_294_967_296 + 18_320_719_872 < 80e9


def test_operations_of_llama_2_7b() -> None:
    found = plan(llama_2_7b(), Precision(4, 4, 4))
    a_token = LAYERS * (2 * 202_375_168 + 4 * D * 1024.5)
    assert found.calibration == pytest.approx(2 * TOKENS * a_token)
    assert found.evaluation == pytest.approx(341_469 * (a_token + 2 * VOCABULARY * D))


def test_groups_and_hessians() -> None:
    found = plan(llama_2_7b(), Precision(3, 16, 16, 128), hessian=True)
    a_layer = 202_375_168
    others = found.parameters - LAYERS * a_layer
    assert found.stored == LAYERS * a_layer * (3 + 19 / 128) / 8 + 2 * others
    assert found.sites == 3 * 4 * 65536 * (3 * D + FFN) + 8 * (3 * D * D + FFN * FFN)
    assert plan(llama_2_7b(), Precision(16, 4)).stored == 2 * found.parameters
    with pytest.raises(UsageError, match="groups of 100 do not divide the 4096 inputs"):
        plan(llama_2_7b(), Precision(4, 16, 16, 100))


@pytest.mark.parametrize("kind", ["llama", "gemma3", "qwen3"])
def test_bits_are_those_of_a_model_that_was_quantized(kind: str) -> None:
    model = llama_variants.model(kind)
    config, precision = model.config, Precision(4, 8, 16, 16)
    found = plan(config, precision, windows=3, length=13)
    weights = sum(m.weights for m in found.maps)
    others = 2 * (found.parameters - weights)
    calibration = Calibration(llama_variants.tokens(), None)
    real = Rtn().quantize(model, calibration, precision, Context(seed=0))
    assert (found.stored - others) * 8 / weights == pytest.approx(real.weight_bits)
    assert found.stream == 4 * 3 * 13 * 32 and {m.block for m in found.maps} == {32, 16}


def test_few_tokens_are_all_kept_and_other_models_are_refused() -> None:
    found = plan(llama_2_7b(), Precision(), windows=2, length=100)
    assert found.sites == 4 * 400 * (3 * D + FFN)
    with pytest.raises(UsageError, match="needs a model like Llama"):
        plan(hf.GPT2Config(n_layer=1, n_embd=16, n_head=2), Precision())
    with pytest.raises(UsageError, match="0 windows of 9 tokens"):
        plan(llama_2_7b(), Precision(), windows=0, length=9)


def command(path: Path, *more: str) -> Any:
    return CliRunner().invoke(main, ["--config", str(path), "--precision", "W4A4KV4", *more])


def test_the_command(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(llama_2_7b().to_json_string(use_diff=False))
    for given in (path, tmp_path):
        found = command(given)
        assert found.exit_code == 0, found.output
        assert "6,738,415,616; 13.48 GB in 16 bits, 3.77 GB at W4A4KV4" in found.output
        assert "28.53 GB with one layer there: fits in 80 GB" in found.output
        assert "mlp.down_proj           4096x11008     32    128" in found.output
    assert "does not fit in 8 GB" in command(path, "--memory-gb", "8").output


@pytest.mark.parametrize(
    ("text", "more", "words"),
    [
        ("{", [], "is no model's configuration"),
        (json.dumps({"model_type": "bark?"}), [], "is no model's configuration"),
        (json.dumps({"model_type": "llama"}), ["--precision", "4"], "write it like W4A4KV4"),
        (json.dumps({"model_type": "llama"}), ["--tflops", "0"], "--tflops 0.0: more than 0"),
    ],
)
def test_the_command_says_what_is_wrong(text: str, more: list[str], words: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    found = command(tmp_path, *more)
    assert found.exit_code == 2 and words in found.stderr and found.stderr.count("\n") == 1
