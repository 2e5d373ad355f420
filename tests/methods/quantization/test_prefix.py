"""PrefixQuant: a float prefix that is found by hand's rule and that acts as if its tokens stood there."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import tiny_lms
import torch
from torch import Tensor

from methods.quantization.cache import CacheRule
from methods.quantization.grids import fake, fit
from methods.quantization.prefix import PrefixQuant, down_peaks, outlier_tokens
from methods.quantization.prefixed import Prefixed, keys_and_values
from suite.api import Context
from suite.errors import Skip, UsageError
from suite.models.llama_like import llama_like
from tasks.quantization.contract import Calibration, Precision, Quantized

IDS = torch.randint(2, 320, (4, 21), generator=torch.Generator().manual_seed(1))
PREFIX = torch.tensor([17, 5, 0])
KINDS = ["llama", "qwen2", "gemma3", "mistral"]


def quantized(method: PrefixQuant, of: Any, precision: str, ids: Tensor = IDS) -> Quantized:
    calibration = Calibration(ids, tiny_lms.tokenizer())
    return method.quantize(copy.deepcopy(of), calibration, Precision.parse(precision), Context(seed=0))


def logits(of: Any, ids: Tensor, **inputs: Any) -> Tensor:
    with torch.no_grad():
        found: Tensor = of(input_ids=ids, use_cache=False, **inputs).logits
    return found


def behind(ids: Tensor, prefix: Tensor = PREFIX) -> Tensor:
    """The ids with the prefix written out before every row."""
    return torch.cat([prefix.expand(len(ids), -1), ids], 1)


def prefixed(kind: str, **sizes: Any) -> tuple[Any, Prefixed]:
    """A float model, and the same behind the prefix."""
    model = tiny_lms.model(kind, **sizes)
    return model, Prefixed(model, PREFIX, keys_and_values(llama_like(model), PREFIX))


@pytest.mark.parametrize("kind", KINDS)
def test_it_computes_what_the_model_computes_behind_the_written_out_prefix(kind: str) -> None:
    model, found = prefixed(kind)
    wanted = logits(model, behind(IDS))[:, 3:]
    assert torch.allclose(logits(found, IDS), wanted, atol=1e-5 * float(wanted.abs().max()))
    again = logits(found, IDS[:1, :5])
    assert torch.allclose(again, wanted[:1, :5], atol=1e-5 * float(wanted.abs().max()))


@pytest.mark.parametrize("kind", ["llama", "gemma3"])
def test_padding_on_the_left_and_given_positions(kind: str) -> None:
    model, found = prefixed(kind)
    long = 6 if kind == "llama" else 3  # as padding takes room in windows of 8
    padded = torch.cat([torch.zeros(4, 2, dtype=torch.long), IDS[:, :6]], 1)
    mask = torch.tensor([0, 0, 1, 1, 1, 1, 1, 1]).expand(4, -1)
    positions = torch.tensor([0, 0, 0, 1, 2, 3, 4, 5]).expand(4, -1)
    got = logits(found, padded, attention_mask=mask, position_ids=positions)[:, 2 : 2 + long]
    wanted = logits(model, behind(IDS[:, :long]))[:, 3:]
    assert torch.allclose(got, wanted, atol=1e-5 * float(wanted.abs().max()))


@pytest.mark.parametrize("kind", ["llama", "gemma3"])
def test_a_cache_goes_on_where_it_was(kind: str) -> None:
    model, found = prefixed(kind)
    with torch.no_grad():
        first = found(input_ids=IDS[:, :15], use_cache=True)
        second = found(input_ids=IDS[:, 15:], past_key_values=first.past_key_values, use_cache=True)
    wanted = logits(model, behind(IDS))[:, 3:]
    got = torch.cat([first.logits, second.logits], 1)
    assert torch.allclose(got, wanted, atol=1e-5 * float(wanted.abs().max()))


@pytest.mark.parametrize("kind", ["llama", "gemma3"])
def test_it_generates_what_the_model_generates_behind_the_prefix(kind: str) -> None:
    model, found = prefixed(kind)
    settings = {"do_sample": False, "eos_token_id": None, "pad_token_id": 1}
    wanted = model.generate(behind(IDS), max_new_tokens=12, **settings)[:, 3:]
    assert torch.equal(found.generate(IDS, max_new_tokens=12, **settings), wanted)
    assert torch.equal(found.generate(IDS, max_length=33, **settings), wanted)
    with pytest.raises(UsageError, match="without beams"):
        found.generate(IDS, num_beams=2)


TWICE = torch.cat([torch.tensor([[0], [0], [9], [0]]), IDS], 1)
"""Texts of which three begin with the prefix's last token."""


def once(model: Any, ids: Tensor) -> list[Tensor]:
    """The float logits of each row with its first token written once between prefix and text."""
    rows = [torch.cat([PREFIX[:-1] if row[0] == 0 else PREFIX, row])[None] for row in ids]
    return [logits(model, row)[0, row.shape[1] - ids.shape[1] :] for row in rows]


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_a_first_token_that_ends_the_prefix_counts_once(kind: str) -> None:
    """It would be as great an outlier as the one in the prefix, and rounded."""
    model, found = prefixed(kind)
    wanted = torch.stack(once(model, TWICE))
    near = 1e-5 * float(wanted.abs().max())
    assert torch.allclose(logits(found, TWICE), wanted, atol=near)
    assert torch.allclose(logits(found, TWICE[:, :1]), wanted[:, :1], atol=near)
    assert torch.allclose(logits(found, TWICE, logits_to_keep=1), wanted[:, -1:], atol=near)
    padded = torch.cat([torch.full((4, 2), 7), TWICE], 1)
    mask = torch.ones_like(padded)
    mask[:, :2] = 0
    places = {"attention_mask": mask, "position_ids": (mask.cumsum(1) - 1).clamp_min(0)}
    assert torch.allclose(logits(found, padded, **places)[:, 2:], wanted, atol=near)
    with torch.no_grad():
        first = found(input_ids=TWICE[:, :9], use_cache=True)
        second = found(input_ids=TWICE[:, 9:], past_key_values=first.past_key_values, use_cache=True)
    assert torch.allclose(torch.cat([first.logits, second.logits], 1), wanted, atol=near)


def test_rounding_does_not_reach_the_text_through_a_first_token_of_the_prefix() -> None:
    model, found = prefixed("llama")
    wanted = torch.stack(once(model, TWICE))
    handle = model.model.layers[0].register_forward_hook(lambda _, __, out: _spoiled(out))
    got = logits(found, TWICE)[[0, 1, 3]]
    handle.remove()
    assert torch.allclose(got, wanted[[0, 1, 3]], atol=1e-5 * float(wanted.abs().max()))


def _spoiled(out: Tensor) -> Tensor:
    """What a layer gives, the first token's made something else."""
    return torch.cat([out[:, :1] + 100, out[:, 1:]], 1)


def test_it_generates_behind_a_first_token_that_ends_the_prefix() -> None:
    model, found = prefixed("llama")
    settings = {"do_sample": False, "eos_token_id": None, "pad_token_id": 1}
    for row, got in zip(TWICE, found.generate(TWICE, max_new_tokens=12, **settings), strict=True):
        written = torch.cat([PREFIX[:-1] if row[0] == 0 else PREFIX, row])[None]
        wanted = model.generate(written, max_new_tokens=12, **settings)[0, written.shape[1] - len(row) :]
        assert torch.equal(got, wanted)


def test_lm_eval_scores_it_like_the_model_behind_the_prefix() -> None:
    from lm_eval.models.huggingface import HFLM

    from suite.models.lmeval import _AsItIs

    model, found = prefixed("llama")
    lm: Any = HFLM(pretrained=_AsItIs(found), tokenizer=copy.deepcopy(tiny_lms.tokenizer()), batch_size=2)
    asked = [[4, 9, 30, 7], [11, 12], [8, 3, 200]], [[40, 6], [50], [7, 8, 9]]
    got = lm._loglikelihood_tokens([(("", ""), a, b) for a, b in zip(*asked, strict=True)], disable_tqdm=True)
    for (score, _), context, answer in zip(got, *asked, strict=True):
        row = torch.tensor([[*PREFIX.tolist(), *context, *answer]])
        of_text = logits(model, row)[0].log_softmax(-1)
        wanted = sum(float(of_text[3 + len(context) + i - 1, token]) for i, token in enumerate(answer))
        assert score == pytest.approx(wanted, abs=1e-3)


def test_it_looks_like_the_model() -> None:
    model, found = prefixed("llama")
    assert found.config is model.config
    assert found.device == model.device
    assert found.dtype == torch.float32
    assert found.get_output_embeddings() is model.lm_head
    assert len(llama_like(found).blocks) == 2
    with pytest.raises(UsageError, match=r"masks \(B, T\)"):
        found(input_ids=IDS, attention_mask=torch.ones(4, 1, 21, 21))


def test_the_first_keys_and_values_are_exact_and_the_others_rounded() -> None:
    random = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, 7, 8, generator=random) for _ in range(3))
    _, k, v = CacheRule(4, 0.9, 0.8, exact=2)(query, key, value)
    assert torch.equal(k[:, :, :2], key[:, :, :2])
    assert torch.equal(v[:, :, :2], value[:, :, :2])
    assert torch.equal(k[:, :, 2:], fake(key[:, :, 2:], fit(key[:, :, 2:], 4, 0.9)))
    assert torch.equal(v[:, :, 2:], fake(value[:, :, 2:], fit(value[:, :, 2:], 4, 0.8)))


def test_peaks_are_those_of_the_down_projections_inputs() -> None:
    model = tiny_lms.model("llama")
    layer, seen = model.model.layers[1], []
    handle = layer.mlp.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    logits(model, IDS)
    handle.remove()
    mlp = layer.mlp
    with torch.no_grad():
        neurons = torch.nn.functional.silu(mlp.gate_proj(seen[0])) * mlp.up_proj(seen[0])
    found = down_peaks(llama_like(model), IDS)
    assert found.shape == (2, 4, 21)
    assert torch.allclose(found[1], neurons.abs().amax(-1), rtol=1e-5)


def test_tokens_by_hand() -> None:
    """Two windows; beside each first token, 7 is an outlier three times, 9 twice and 4 once: 8 in all, 4 a
    window. Three places are left before BOS.
    """
    windows = torch.tensor([[7, 7, 9, 5, 7, 5, 5, 5], [9, 9, 7, 5, 4, 6, 6, 6]])
    peaks = torch.ones(2, 2, 8)
    peaks[0, :, 0] = 1000
    peaks[1, 0, [1, 2, 4]] = 65
    peaks[0, 1, [1, 2, 4]] = 64.5
    peaks[0, 0, 3] = 64  # just no outlier
    assert outlier_tokens(windows, peaks, 64, bos=1) == [7, 9, 4, 1]
    assert outlier_tokens(windows, peaks, 64, bos=9) == [7, 4, 9]
    assert outlier_tokens(windows, peaks, 500, bos=1) == [1]
    assert outlier_tokens(windows, torch.ones(2, 2, 8), 64, bos=1) == [1]


def spiky(token: int) -> Any:
    """A model with one channel of the stream for one token, and in its first layer a neuron that reads it."""
    model = tiny_lms.model("llama")
    layer, table = model.model.layers[0], model.get_input_embeddings().weight
    with torch.no_grad():
        table[:, 0] = 0
        table[token] = 0
        table[token, 0] = 50
        layer.self_attn.o_proj.weight[0] = 0
        for linear in (layer.mlp.gate_proj, layer.mlp.up_proj):
            linear.weight[0] = 0
            linear.weight[0, 0] = 100
    return model


def test_a_delimiter_that_draws_outliers_goes_into_the_prefix() -> None:
    """Twice a window, so that with BOS the prefix has two tokens."""
    ids = IDS.clone()
    ids[ids == 33] = 34
    ids[:, 4] = ids[:, 11] = 33
    model = spiky(33)
    found = quantized(PrefixQuant(), model, "W4A4KV4", ids)
    assert found.model.prefix_ids.tolist() == [33, tiny_lms.tokenizer().bos_token_id]
    peaks = down_peaks(llama_like(model), ids)[0]
    assert torch.equal((peaks > 64 * peaks.median()).nonzero()[:, 1], torch.tensor([4, 11] * 4))


@pytest.mark.parametrize("rotate", [True, False])
@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_nearly_exact_arithmetic_is_the_float_model_behind_the_prefix(kind: str, rotate: bool) -> None:
    model = tiny_lms.model(kind)
    found = quantized(PrefixQuant(rotate=rotate), model, "W12A12KV12")
    prefix = found.model.prefix_ids
    wanted, without = logits(model, behind(IDS, prefix))[:, len(prefix) :], logits(model, IDS)
    got = logits(found.model, IDS)
    assert float((got - wanted).norm()) < 0.05 * float((without - wanted).norm())
    assert bool(found.model.model.model.layers[0].self_attn.cache_rule.hadamard) == rotate


@pytest.mark.parametrize("rotate", [True, False])
@pytest.mark.parametrize("kind", ["llama", "qwen2", "gemma3"])
def test_at_sixteen_bits_the_float_model_does_not_notice(kind: str, rotate: bool) -> None:
    model = tiny_lms.model(kind)
    if kind == "gemma3" and rotate:
        with pytest.raises(Skip, match="norms behind"):
            quantized(PrefixQuant(), model, "W16A16")
        return
    found = quantized(PrefixQuant(rotate=rotate), model, "W16A16")
    wanted = logits(model, IDS)
    assert float((logits(found.model, IDS) - wanted).abs().max() / wanted.abs().max()) < 1e-4


def test_costs_by_hand() -> None:
    """As QuaRot's, and attention to one more token: 4 heads of 8, a product of queries and one of values."""
    found = quantized(PrefixQuant(), tiny_lms.model("llama"), "W4A4KV4")
    assert found.model.prefix_ids.tolist() == [0]
    assert found.online_flops == 2 * (64 + 192 + 144) + 2 * 4 * 32
    assert found.weight_bits == pytest.approx(4 + 20 * 224 / 7680)


def test_the_search_is_shared_by_precisions() -> None:
    model, calibration = tiny_lms.model("llama"), Calibration(IDS, tiny_lms.tokenizer())
    method = PrefixQuant()
    first = method.tokens(llama_like(model), calibration)
    assert method.tokens(llama_like(tiny_lms.model("llama", seed=3)), calibration) is first


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"threshold is 1\.0"):
        PrefixQuant(threshold=1.0)
    with pytest.raises(ValueError, match=r"cache_clip is 1\.5"):
        PrefixQuant(cache_clip=1.5)
