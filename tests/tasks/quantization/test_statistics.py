"""Statistics of activations against numpy on the whole tensors at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
import tiny_lms
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from suite.errors import UsageError
from tasks.quantization.statistics import (
    block_variance,
    input_statistics,
    linears,
    max_median,
    relative_error,
    token_errors,
)

VALUES = st.lists(st.floats(0, 100, width=32), min_size=1, max_size=24)
IDS = torch.randint(0, 320, (5, 11), generator=torch.Generator().manual_seed(0))


def recorded(model: Any, name: str) -> np.ndarray[Any, Any]:
    """All inputs of one map, (tokens, d)."""
    seen: list[Tensor] = []
    handle = model.get_submodule(name).register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        model(input_ids=IDS, use_cache=False)
    handle.remove()
    return torch.cat([x.flatten(0, 1) for x in seen]).double().numpy()


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_statistics_are_those_of_all_tokens_together(batch: int) -> None:
    model = tiny_lms.model("llama")
    found = input_statistics(model, IDS, batch=batch)
    assert len(found) == 2 * 7
    for name, one in found.items():
        x = recorded(model, name)
        assert one.tokens == len(x) == 55
        largest = np.abs(x).max(0)
        assert one.channel_max.numpy() == pytest.approx(largest, rel=1e-5)
        assert one.channel_mean.numpy() == pytest.approx(np.abs(x).mean(0), rel=1e-5)
        assert one.kurtosis == pytest.approx(scipy.stats.kurtosis(x.ravel(), fisher=False), rel=1e-4)
        assert one.max_median == pytest.approx(largest.max() / np.median(largest), rel=1e-5)
        assert one.block_variance(8) == pytest.approx(largest.reshape(-1, 8).mean(1).var(), rel=1e-4)


def test_only_maps_inside_layers_are_looked_at_and_a_wrapper_once() -> None:
    model = tiny_lms.model("qwen2")
    plain = list(linears(model))
    attention = [f"self_attn.{part}_proj" for part in "qkvo"]
    ffn = [f"mlp.{part}_proj" for part in ("gate", "up", "down")]
    assert plain == [f"model.layers.{k}.{part}" for k in range(2) for part in attention + ffn]
    before = input_statistics(model, IDS)

    class Wrapper(nn.Module):
        def __init__(self, inner: nn.Linear) -> None:
            super().__init__()
            self.inner, self.in_features = inner, inner.in_features

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x)

    attention_of_first = model.model.layers[0].self_attn
    attention_of_first.q_proj = Wrapper(attention_of_first.q_proj)
    assert sorted(linears(model)) == sorted(plain)
    after = input_statistics(model, IDS)
    assert all(torch.equal(after[name].channel_max, before[name].channel_max) for name in plain)


def test_chosen_maps_go_by_the_names_that_they_are_given() -> None:
    model = tiny_lms.model("llama")
    found = input_statistics(model, IDS, modules={"last": model.lm_head})
    assert list(found) == ["last"]
    assert found["last"].channel_max.numpy() == pytest.approx(np.abs(recorded(model, "lm_head")).max(0))


def test_hooks_are_gone_afterwards_and_unmet_maps_are_named() -> None:
    model = tiny_lms.model("llama")
    with pytest.raises(ValueError, match="spare was never called"):
        input_statistics(model, IDS, modules={"spare": nn.Linear(2, 2), "q": model.lm_head})
    with pytest.raises(ValueError, match="windows are"):
        input_statistics(model, IDS[:0])
    assert not any(module._forward_pre_hooks for module in model.modules())
    with pytest.raises(UsageError):
        linears(nn.Linear(2, 2))


class OneMap(nn.Module):
    """A table of inputs in front of one linear map."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table = nn.Parameter(table)
        self.linear = nn.Linear(table.shape[1], 1)

    def forward(self, input_ids: Tensor, use_cache: bool) -> Tensor:
        return self.linear(self.table[input_ids])


def test_by_hand() -> None:
    model = OneMap(torch.tensor([[1.0, -2.0], [1.0, 6.0]]))
    one = input_statistics(model, torch.tensor([[0, 1]]), batch=1, modules={"a": model.linear})["a"]
    assert one.channel_max.tolist() == [1.0, 6.0]
    assert one.channel_mean.tolist() == [1.0, 4.0]
    # entries 1, -2, 1, 6: mean 1.5, deviations -.5, -3.5, -.5, 4.5; second and fourth powers average
    # 8.25 and (0.0625 + 150.0625 + 0.0625 + 410.0625) / 4 = 140.0625
    assert one.kurtosis == pytest.approx(140.0625 / 8.25**2, rel=1e-12)
    assert one.max_median == pytest.approx(6 / 3.5)
    assert one.block_variance(1) == pytest.approx(6.25)
    assert one.block_variance(2) == 0.0


def test_kurtosis_survives_a_large_mean_and_is_no_number_for_constants() -> None:
    noise = torch.randn(400, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    model = OneMap(noise + 1e6).double()
    ids = torch.arange(400).view(20, 20)
    found = input_statistics(model, ids, batch=3, modules={"a": model.linear})["a"]
    assert found.kurtosis == pytest.approx(scipy.stats.kurtosis(noise.ravel(), fisher=False), rel=1e-6)
    model = OneMap(torch.full((4, 3), 0.5))
    constant = input_statistics(model, torch.arange(4).view(2, 2), modules={"a": model.linear})["a"]
    assert math.isnan(constant.kurtosis) and constant.max_median == 1.0


@given(VALUES)
@settings(max_examples=40, deadline=None)
def test_max_over_median_is_numpys(values: list[float]) -> None:
    found, median = max_median(torch.tensor(values)), float(np.median(values))
    if median:
        assert found == pytest.approx(max(values) / median, rel=1e-5)
    else:
        assert found == math.inf if max(values) else math.isnan(found)


@given(VALUES, st.integers(1, 24))
@settings(max_examples=40, deadline=None)
def test_block_variance_is_numpys(values: list[float], block: int) -> None:
    if len(values) % block:
        with pytest.raises(ValueError, match="do not divide"):
            block_variance(torch.tensor(values), block)
    else:
        expected = np.var(np.array(values).reshape(-1, block).mean(1))
        assert block_variance(torch.tensor(values), block) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_relative_errors() -> None:
    reference = torch.tensor([[3.0, 4.0], [0.0, 12.0]])
    output = torch.tensor([[3.0, 4.5], [5.0, 12.0]])
    assert token_errors(output, reference).tolist() == pytest.approx([0.5 / 5, 5 / 12])
    assert relative_error(output, reference) == pytest.approx(math.sqrt(25.25 / 169))
    assert relative_error(reference, reference) == 0.0
    assert token_errors(output[None], reference[None]).shape == (1, 2)
    x = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    y = x + 0.1 * x.roll(1, 0)
    by_numpy = np.linalg.norm((y - x).double().numpy()) / np.linalg.norm(x.double().numpy())
    assert relative_error(y, x) == pytest.approx(by_numpy, rel=1e-6)
    assert relative_error(y.half(), x) == pytest.approx(by_numpy, rel=1e-2)


def test_errors_without_a_meaning_are_refused() -> None:
    with pytest.raises(ValueError, match="zero throughout"):
        relative_error(torch.ones(2, 2), torch.zeros(2, 2))
    with pytest.raises(ValueError, match="differ in shape"):
        token_errors(torch.ones(2, 3), torch.ones(2, 2))
    found = token_errors(torch.tensor([[1.0], [0.0]]), torch.zeros(2, 1)).tolist()
    assert found[0] == math.inf and math.isnan(found[1])
