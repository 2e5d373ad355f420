"""The walk along the residual stream sees what the model itself computes, layer by layer."""

from __future__ import annotations

from typing import Any

import llama_variants
import pytest
import torch
from torch import Tensor

from methods.quantization import calibrate
from methods.quantization.calibrate import Seen
from suite.models.llama_like import READERS, llama_like
from tasks.quantization.contract import Calibration

KINDS = ("llama", "qwen3", "gemma3", "mistral", "gemma", "qwen2")
WANTS = frozenset({"hessian", "rows"})


def site_inputs(model: Any, ids: Tensor) -> dict[tuple[int, str], Tensor]:
    """The input of every site in one pass over all windows, (tokens, d)."""
    found: dict[tuple[int, str], Tensor] = {}
    handles = []
    for block in llama_like(model).blocks:
        for site, paths in READERS.items():

            def keep(_: Any, args: Any, key: Any = (block.index, site)) -> None:
                found[key] = args[0].flatten(0, 1)

            handles.append(block.linear(paths[0]).register_forward_pre_hook(keep))
    llama_variants.logits(model, ids)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_stream_is_the_models_own_hidden_states(kind: str, attention: str) -> None:
    model = llama_variants.model(kind, layers=3)
    model.set_attn_implementation(attention)
    ids = llama_variants.tokens(calibrate.BATCH + 2, 19)  # more than a batch, longer than a sliding window
    seen: list[Tensor] = []
    for layer in model.model.layers:
        layer.register_forward_hook(
            lambda _, args, out: seen.append(out[0] if isinstance(out, tuple) else out)
        )
    with torch.no_grad():
        states = model(input_ids=ids, use_cache=False, output_hidden_states=True).hidden_states
    after = seen[-1]
    llama, now = llama_like(model), calibrate.stream(llama_like(model), ids)
    for i, block in enumerate(llama.blocks):
        assert llama_variants.difference(now.hidden, states[i]) < 1e-5
        now.through(block)
    assert llama_variants.difference(now.hidden, after) < 1e-5
    with torch.no_grad():
        assert llama_variants.difference(llama.last_norm(now.hidden), states[-1]) < 1e-5


@pytest.mark.parametrize("kind", ["llama", "gemma3"])
def test_sites_see_what_their_maps_are_called_with(kind: str) -> None:
    model, ids = llama_variants.model(kind), llama_variants.tokens(calibrate.BATCH + 1, 9)
    expected = site_inputs(model, ids)
    llama, now = llama_like(model), calibrate.stream(llama_like(model), ids)
    whole = calibrate.float_inputs(llama, Calibration(ids, None))
    for block in llama.blocks:
        seen = calibrate.observe(block, now, WANTS)
        now.through(block)
        for site, found in seen.items():
            x = expected[block.index, site].double()
            of_float = whole[block.index][site]
            assert (found.tokens, of_float.hessian, of_float.rows) == (len(x), None, None)
            assert found.rows is not None and torch.allclose(found.rows.double(), x, atol=1e-5)
            assert torch.allclose(found.hessian, x.T @ x / len(x), rtol=1e-4, atol=1e-4)
            for one in (found, of_float):
                assert torch.allclose(one.absmax.double(), x.abs().amax(0), rtol=1e-4, atol=1e-5)
                assert torch.allclose(one.absmean.double(), x.abs().mean(0), rtol=1e-4, atol=1e-5)


def test_only_what_is_asked_for_is_kept_and_no_hook_stays() -> None:
    llama = llama_like(llama_variants.model())
    now = calibrate.stream(llama, llama_variants.tokens())
    before = now.hidden.clone()
    for wants in (frozenset(), frozenset({"rows"}), frozenset({"hessian"})):
        seen = calibrate.observe(llama.blocks[0], now, wants)["down"]
        assert ((seen.rows is not None), (seen.hessian is not None)) == ("rows" in wants, "hessian" in wants)
    assert torch.equal(now.hidden, before)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in llama.model.modules())


def test_a_failure_leaves_no_hook() -> None:
    llama = llama_like(llama_variants.model())
    with pytest.raises(IndexError):
        calibrate.stream(llama, torch.full((1, 4), 10**6))
    now = calibrate.stream(llama, llama_variants.tokens())
    now.calls[0]["position_embeddings"] = None
    with pytest.raises(TypeError):
        calibrate.observe(llama.blocks[0], now)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in llama.model.modules())


def test_a_model_in_training_mode_is_left_in_it() -> None:
    model = llama_variants.model().train()
    calibrate.stream(llama_like(model), llama_variants.tokens())
    assert model.training and all(m.training for m in model.modules())


def test_of_too_many_tokens_those_with_the_largest_entries_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "MAX_ROWS", 3)
    rows = torch.tensor([[1.0, 2], [-9, 0], [0, 0], [4, 4], [3, -5]])
    assert torch.equal(calibrate._largest(rows), rows[[1, 3, 4]])
    assert torch.equal(calibrate._largest(rows[:3]), rows[:3])
    gather = calibrate._Gather(WANTS)
    for row in torch.cat([rows, -2 * rows, 0.5 * rows]):
        gather.add(row[None, None])
        assert len(gather.rows) < 6
    assert gather.seen().rows.tolist() == [[-9, 0], [18, 0], [-6, 10]]


def test_statistics_of_a_divided_activation() -> None:
    x, s = torch.randn(20, 6), torch.rand(6) + 0.5
    seen = Seen(x.abs().amax(0), x.abs().mean(0), 20, (x.T @ x).double() / 20, x)
    y, over = x / s, seen.over(s)
    assert torch.allclose(over.absmax, y.abs().amax(0)) and torch.allclose(over.absmean, y.abs().mean(0))
    assert over.hessian is not None and torch.allclose(over.hessian, (y.T @ y).double() / 20, rtol=1e-5)
    assert over.rows is not None and torch.allclose(over.rows, y) and over.tokens == 20
