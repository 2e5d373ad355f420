"""Errors of layers and outliers by stage, against models whose errors are known."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import tiny_lms
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from suite.api import Context, Score
from suite.errors import MethodError
from suite.models.llama_like import fuse_gains, llama_like, rescale, rotate_stream
from suite.plan import plan
from suite.runner import validated
from tasks.quantization.contract import Calibration, Precision, Quantized, Quantizer
from tasks.quantization.layer_error import LayerError, layer_scores
from tasks.quantization.layers import errors, stream_basis
from tasks.quantization.stages import measures, statistics
from tasks.quantization.statistics import input_statistics

IDS = torch.randint(2, 320, (5, 11), generator=torch.Generator().manual_seed(1))
KINDS = ("llama", "qwen2", "gemma3")


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_has_no_error_against_itself(kind: str) -> None:
    model = tiny_lms.model(kind)
    found = errors(model, copy.deepcopy(model), IDS, 2)
    assert found == ((0.0, 0.0),) * 3 + (0.0,)


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_an_error_is_that_of_the_half_it_was_made_in(kind: str) -> None:
    model = tiny_lms.model(kind)
    changed = copy.deepcopy(model)
    layers = changed.model.layers
    with torch.no_grad():
        layers[0].self_attn.o_proj.weight.mul_(0.75)
        layers[1].mlp.down_proj.weight.mul_(1.5)
    found = errors(model, changed, IDS, 2)
    # what a half adds is linear in its last map
    assert found.attention == pytest.approx((0.25, 0), abs=1e-6)
    assert found.ffn == pytest.approx((0, 0.5), abs=1e-6)
    assert found.stream[0] > 0 and found.stream[1] > 0 and found.kl > 0


def test_the_stream_and_the_divergence_by_hand() -> None:
    model = tiny_lms.model("llama")
    changed = copy.deepcopy(model)
    with torch.no_grad():
        changed.model.layers[0].mlp.down_proj.weight.mul_(1.5)
        one, other = (m(IDS, output_hidden_states=True) for m in (model, changed))
    found = errors(model, changed, IDS, 3)
    difference = (other.hidden_states[1] - one.hidden_states[1]).norm() / one.hidden_states[1].norm()
    assert found.stream[0] == pytest.approx(float(difference), rel=1e-4)
    p, q = one.logits.log_softmax(-1), other.logits.log_softmax(-1)
    kl = nn.functional.kl_div(q, p, log_target=True, reduction="sum") / IDS.numel()
    assert found.kl == pytest.approx(float(kl), rel=1e-4)


def test_a_rotated_stream_is_compared_in_its_own_basis() -> None:
    model = tiny_lms.model("llama")
    other, rotation = turned(model)
    basis = stream_basis(model, other)
    assert basis is not None
    torch.testing.assert_close(basis, rotation, atol=1e-5, rtol=0)
    found = errors(model, other, IDS, 2)
    assert max(*found.attention, *found.ffn, *found.stream, found.kl) < 1e-4
    with torch.no_grad():
        other.model.layers[1].mlp.down_proj.weight.mul_(0.5)
    assert errors(model, other, IDS, 2).ffn == pytest.approx((0, 0.5), abs=1e-4)


def few_tokens(vocabulary: int) -> Any:
    """A Llama of 32 channels with untied embeddings, its last norm's gains not alike."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config).eval()
        with torch.no_grad():
            model.model.norm.weight.uniform_(0.5, 2)
    return model


def turned(model: Any) -> tuple[Any, torch.Tensor]:
    """The model with its stream in a random orthonormal basis, and the basis."""
    rotation = torch.linalg.qr(torch.randn(32, 32, generator=torch.Generator().manual_seed(3)).double()).Q
    other = copy.deepcopy(model)
    llama = llama_like(other)
    fuse_gains(llama)
    rotate_stream(llama, rotation)
    return other, rotation


def test_with_fewer_tokens_than_channels_the_map_to_the_vocabulary_tells_the_basis() -> None:
    model = few_tokens(20)  # 20 and 20 rows, 32 channels
    other, rotation = turned(model)
    basis = stream_basis(model, other)
    assert basis is not None
    torch.testing.assert_close(basis, rotation, atol=1e-4, rtol=0)
    found = errors(model, other, IDS % 20, 2)
    assert max(*found.attention, *found.ffn, *found.stream, found.kl) < 1e-4


def test_a_basis_that_nothing_tells_is_refused() -> None:
    model = few_tokens(12)
    with pytest.raises(MethodError, match="have rank 24, the stream has 32 channels"):
        stream_basis(model, turned(model)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_smoothing_in_the_neighbours_is_no_error(kind: str) -> None:
    model = tiny_lms.model(kind)
    smoothed = copy.deepcopy(model)
    llama = llama_like(smoothed)
    for block in llama.blocks:
        for site in ("qkv", "ffn", "down"):
            rescale(llama, block, site, torch.rand(llama.site_width(site)) + 0.5)
    found = errors(model, smoothed, IDS, 2)
    assert max(*found.attention, *found.ffn, *found.stream, found.kl) < 1e-5


def test_a_stream_that_is_no_linear_map_of_the_float_one_is_refused() -> None:
    model = tiny_lms.model("llama")
    with pytest.raises(MethodError, match="no linear map"):
        errors(model, tiny_lms.model("llama", seed=5), IDS)


def test_hooks_are_gone_afterwards() -> None:
    model = tiny_lms.model("llama")
    errors(model, copy.deepcopy(model), IDS)
    measures(model, model, IDS)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


class Twice(nn.Module):
    """x -> 2 x on the first half of the channels."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([2 * x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]], -1)


def with_transforms(model: Any, transforms: Sequence[nn.Module]) -> Any:
    """The model with `inputs.transforms` on the first map of every site; computing is left alone."""
    changed = copy.deepcopy(model)
    for block in llama_like(changed).blocks:
        for path in ("self_attn.q_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj"):
            block.linear(path).inputs = nn.Module()
            block.linear(path).inputs.transforms = nn.ModuleList(transforms)
    return changed


def test_stages_are_before_between_and_after_the_transforms() -> None:
    model = tiny_lms.model("llama")
    found = statistics(model, with_transforms(model, [Twice(), Twice()]), IDS, 2)
    assert [label for label, layer in found if layer == 0 and label.startswith("down")] == [
        *("down.before", "down.smoothed", "down.1", "down.after")
    ]
    plain = input_statistics(model, IDS)["model.layers.1.mlp.down_proj"].channel_max
    doubled = torch.cat([plain[:24] * 2, plain[24:]])
    assert torch.equal(found["down.before", 1].channel_max, plain)
    assert torch.equal(found["down.smoothed", 1].channel_max, plain)
    assert torch.equal(found["down.1", 1].channel_max, doubled)
    assert torch.equal(found["down.after", 1].channel_max, torch.cat([plain[:24] * 4, plain[24:]]))


def test_without_transforms_there_is_before_and_after() -> None:
    model = tiny_lms.model("llama")
    found = measures(model, copy.deepcopy(model), IDS)
    assert list(found)[:4] == ["qkv.before", "out.before", "ffn.before", "down.before"]
    assert set(found) == {f"{s}.{w}" for s in ("qkv", "out", "ffn", "down") for w in ("before", "after")}
    assert found["qkv.before"] == found["qkv.after"] and len(found["qkv.after"]) == 2


def test_the_measures_of_a_site() -> None:
    model = tiny_lms.model("llama")
    one = input_statistics(model, IDS)["model.layers.0.mlp.down_proj"]
    found = measures(model, model, IDS)["down.before"][0]
    level = one.channel_max / one.channel_max.mean()
    assert found["kurtosis"] == pytest.approx(one.kurtosis)
    assert found["max_median"] == pytest.approx(one.max_median)
    # 48 channels in blocks of 16
    assert found["block_variance"] == pytest.approx(float(level.view(3, 16).mean(1).var(correction=0)))


def test_what_is_not_finite_is_no_number() -> None:
    model = tiny_lms.model("llama")
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight.zero_()
    assert measures(model, model, IDS)["down.before"][0]["kurtosis"] is None


FOUND = {
    "attention": [0.1, 0.3],
    "ffn": [0.2, 0.6],
    "stream": [0.4, 0.5],
    "kl": 0.25,
    "tokens": 55,
    "stages": {
        "qkv.before": [
            {"max_median": 2.0, "kurtosis": 3.0, "block_variance": 0.5},
            {"max_median": 4.0, "kurtosis": None, "block_variance": 0.25},
        ]
    },
}


def test_scores_are_means_over_layers_and_each_layer() -> None:
    found = {(s.metric, s.slice): s for s in layer_scores(FOUND, "all")}
    assert found["error", "all"].value == pytest.approx(0.3)
    assert found["error", "ffn"].value == pytest.approx(0.4)
    assert found["error", "1.attention"].value == 0.3
    assert found["stream_error", "all"].value == found["stream_error", "1"].value == 0.5
    assert found["kurtosis", "qkv.before"] == Score("kurtosis", 3.0, 1, "qkv.before")
    assert found["max_median", "qkv.before"] == Score("max_median", 3.0, 2, "qkv.before")
    below = {s.slice for s in layer_scores(FOUND, "W8A8")}
    assert below == {"W8A8"} | {f"W8A8/{name}" for _, name in found if name != "all"}


@dataclass(frozen=True)
class Halved(Quantizer):
    """Every FFN adds half of what it should."""

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        with torch.no_grad():
            for layer in model.model.layers:
                layer.mlp.down_proj.weight.mul_(0.5)
        return Quantized(model, 4.0, 4.0, 0.0)


def test_the_task_on_a_method_with_a_known_error() -> None:
    planned = plan("layer-error", "rtn", "smoke")
    made: Any = planned.task_instance
    assert isinstance(made, LayerError)
    rows = list(validated(made.run(Halved(), Context(0)), planned.task_spec))  # type: ignore[arg-type]
    values = {(row.metric, row.slice): row.value for row in rows}
    assert values["error", "ffn"] == pytest.approx(0.5, abs=1e-5)
    assert values["error", "attention"] == pytest.approx(0, abs=1e-5)
    assert values["error", "all"] == pytest.approx(0.25, abs=1e-5)
    assert all(math.isfinite(value) for value in values.values())
