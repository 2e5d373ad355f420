"""Outliers change no logit, are where they are said to be, and stay when the model is saved and loaded."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import tiny_lms
import torch
from torch import Tensor, nn

from suite.errors import UsageError
from suite.models.anatomy import anatomy
from tasks.quantization.outliers import RATIO, spiky_basis, with_outliers
from tasks.quantization.statistics import input_statistics

KINDS = ("normal", "massive")


def tiny(kind: str = "llama", *, kv_heads: int = 2, tied: bool = False, biases: bool = False) -> Any:
    """Of random weights, gains and biases. A common part of all embeddings makes the stream lopsided."""
    if kind == "qwen3":
        import transformers as hf

        config = hf.Qwen3Config(
            vocab_size=320, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
            num_key_value_heads=kv_heads, head_dim=8, max_position_embeddings=128, tie_word_embeddings=tied,
        )  # fmt: skip
        torch.manual_seed(0)
        model = hf.Qwen3ForCausalLM(config).eval()
    elif biases:
        import transformers as hf

        config = copy.deepcopy(tiny_lms.model("llama", kv_heads=kv_heads, tied=tied).config)
        config.attention_bias = config.mlp_bias = True
        torch.manual_seed(0)
        model = hf.LlamaForCausalLM(config).eval()
    else:
        model = tiny_lms.model(kind, kv_heads=kv_heads, tied=tied)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
        embedding = model.get_input_embeddings().weight
        embedding.mul_(0.1 / embedding.std()).add_(0.6 * torch.randn(embedding.shape[1]))
    return model


def windows(count: int = 12, length: int = 24, vocabulary: int = 320, first: int = 0) -> Tensor:
    """Random ids behind the token that begins every window."""
    ids = torch.randint(2, vocabulary, (count, length), generator=torch.Generator().manual_seed(7))
    ids[:, 0] = first
    return ids


@torch.no_grad()
def logits(model: Any, ids: Tensor) -> Tensor:
    return model(input_ids=ids, use_cache=False).logits


def apart(a: Any, b: Any, ids: Tensor) -> float:
    """The largest difference of logits over the largest logit."""
    ours, theirs = logits(a, ids), logits(b, ids)
    return float((ours - theirs).abs().max() / theirs.abs().max())


def down_input(model: Any, layer: int, ids: Tensor) -> Tensor:
    seen: list[Tensor] = []
    down = anatomy(model).layers[layer].ffn_out
    handle = down.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    logits(model, ids)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "given",
    [
        {"kv_heads": 4},
        {"kv_heads": 2},
        {"tied": True},
        {"biases": True},
        {"kind": "mistral"},
        {"kind": "qwen2"},
        {"kind": "qwen3"},
    ],
    ids=lambda given: "-".join(f"{key}={value}" for key, value in given.items()),
)
def test_logits_stay_what_they_were(kind: Any, given: Any) -> None:
    model, calibration = tiny(**given), windows()
    changed = with_outliers(model, kind, calibration, 3)
    other = windows(3, 17, first=9)  # not what was calibrated on
    assert apart(changed, model, calibration) < 1e-4
    assert apart(changed, model, other) < 1e-4
    before, after = dict(model.named_parameters()), dict(changed.named_parameters())
    assert any(
        before[name].shape != after[name].shape or not torch.equal(before[name], after[name])
        for name in before
    )


@pytest.mark.parametrize(("kind", "bound"), [("normal", 1e-5), ("massive", 1e-10)])
def test_in_double_precision_the_change_is_exact(kind: Any, bound: float) -> None:
    # The norms of transformers always compute in float32, so that a rotation shows rounding there.
    model = tiny().double()
    assert apart(with_outliers(model, kind, windows(), 3), model, windows()) < bound


@pytest.mark.parametrize("kind", ("none", *KINDS))
def test_the_model_itself_is_left_alone(kind: Any) -> None:
    model = tiny(tied=True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    changed = with_outliers(model, kind, windows(), 0)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    mine = {id(p) for p in model.parameters()}
    assert not mine & {id(p) for p in changed.parameters()}
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_none_is_a_plain_copy() -> None:
    model = tiny()
    changed = with_outliers(model, "none", windows(), 0).state_dict()
    assert all(torch.equal(changed[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides(kind: Any) -> None:
    model, calibration = tiny(), windows()
    first, again, other = (
        with_outliers(model, kind, calibration, s).model.layers[1].mlp.down_proj.weight for s in (3, 3, 4)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_normal_outliers_stand_out_in_what_reads_the_stream_and_only_there() -> None:
    model, calibration = tiny(), windows()
    with torch.no_grad():  # gains make channels large too, and are gone afterwards
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.fill_(1.0)
    changed = with_outliers(model, "normal", calibration, 3)
    before, after = input_statistics(model, calibration), input_statistics(changed, calibration)
    first = "model.layers.0.self_attn.q_proj"
    assert after[first].max_median > 1.5 * before[first].max_median
    for name in before:
        if name.endswith(("o_proj", "down_proj")):
            assert after[name].max_median == pytest.approx(before[name].max_median, rel=1e-2), name


def test_a_normal_outlier_has_as_much_energy_as_the_largest_eigenvalue_says() -> None:
    model, calibration = tiny(), windows()
    changed = with_outliers(model, "normal", calibration, 3, channels=2)
    total = []
    for layer in anatomy(changed).layers:
        for norm in (layer.block.input_layernorm, layer.block.post_attention_layernorm):
            norm.register_forward_hook(lambda _, args, out: total.append(out.flatten(0, 1)))
    changed.model.norm.register_forward_hook(lambda _, args, out: total.append(out.flatten(0, 1)))
    logits(changed, calibration)
    x = torch.cat(total).double()
    moment = x.T @ x / len(x)
    # An eigenvalue belongs to no basis: that of the rotated stream is that of the stream.
    values = torch.linalg.eigvalsh(moment).flip(0)
    energies = moment.diagonal().sort(descending=True).values
    assert energies[:2].tolist() == pytest.approx(values[:2].tolist(), rel=1e-4)
    assert float(energies[2]) < float(values[2]) + 1e-9


def test_massive_is_on_the_first_token_at_the_input_of_down_proj() -> None:
    model, calibration = tiny(), windows()
    changed = with_outliers(model, "massive", calibration, 3, magnitude=1400.0)
    x = down_input(changed, 1, windows(4, 20))
    assert x.shape[-1] == 48 + 16  # 16 divides 48, so that blocks of 16 still fit
    assert x[:, 0, 48].tolist() == pytest.approx([1400.0] * 4, rel=1e-3)
    assert x[:, 0, 49].tolist() == pytest.approx([1400.0 * RATIO] * 4, rel=1e-3)
    assert float(x[:, 1:, 48:].abs().max()) < 140
    assert float(x[:, 1:, 48].abs().median()) < 14
    assert not x[..., 50:].any()
    assert torch.allclose(x[..., :48], down_input(model, 1, windows(4, 20)), rtol=1e-4, atol=1e-5)
    assert not down_input(changed, 0, calibration)[..., 48:].any()
    before, after = (
        input_statistics(m, calibration)["model.layers.1.mlp.down_proj"] for m in (model, changed)
    )
    assert after.max_median > 100 * before.max_median


def test_the_columns_of_a_pair_cancel_and_are_as_long_as_the_others() -> None:
    model = tiny()
    changed = with_outliers(model, "massive", windows(), 3, layers=(0, 1), units=2)
    for layer in (0, 1):
        down = changed.model.layers[layer].mlp.down_proj.weight.detach()
        assert torch.allclose(down[:, 48] + RATIO * down[:, 49], torch.zeros(32), atol=1e-6)
        lengths = model.model.layers[layer].mlp.down_proj.weight.detach().norm(dim=0)
        median = float(lengths.sort().values[23])
        assert float(down[:, 48].norm()) == pytest.approx(median, rel=1e-4)
        ends = down_input(changed, layer, windows())[:, 0, 48]
        assert ends.mean().item() == pytest.approx(1400.0, rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_it_saves_and_loads(tmp_path: Path, kind: Any) -> None:
    from transformers import AutoModelForCausalLM

    from suite.models.quiet import quiet

    model = tiny(tied=True)
    changed = with_outliers(model, kind, windows(), 3)
    with quiet():
        changed.save_pretrained(tmp_path)
        loaded = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert torch.equal(logits(loaded, windows()), logits(changed, windows()))


def test_the_basis_is_orthogonal_and_holds_the_principal_directions() -> None:
    draw = torch.Generator().manual_seed(0)
    own = torch.linalg.qr(torch.randn(12, 12, dtype=torch.float64, generator=draw)).Q
    values = torch.tensor([9.0, 4.0, *[1.0] * 10], dtype=torch.float64)
    moment = own @ values.diag() @ own.T
    for seed in range(5):
        basis = spiky_basis(moment, 2, seed)
        assert (basis.T @ basis - torch.eye(12, dtype=torch.float64)).abs().max() < 1e-12
        energies = (basis.T @ moment @ basis).diagonal().sort(descending=True).values
        assert energies.tolist() == pytest.approx(values.tolist(), abs=1e-10)


def test_other_architectures_are_refused() -> None:
    for kind in ("gpt2", "gemma3"):
        with pytest.raises(UsageError, match="Llama"):
            with_outliers(tiny_lms.model(kind), "normal", windows(), 0)
    model = tiny()
    model.model.norm = nn.LayerNorm(32)
    with pytest.raises(UsageError, match="LayerNorm is no RMS norm"):
        with_outliers(model, "massive", windows(), 0)


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        ("both", {}, "none, normal or massive"),
        ("normal", {"channels": 32}, "fewer than the 32"),
        ("massive", {"units": 1}, "2 or more"),
        ("massive", {"magnitude": 0.0}, "above 0"),
        ("massive", {"layers": (2,)}, "layers 0 to 1"),
    ],
)
def test_settings_out_of_range_are_refused(kind: Any, given: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        with_outliers(tiny(), kind, windows(), 0, **given)
    with pytest.raises(ValueError, match="windows"):
        with_outliers(tiny(), "normal", windows()[0], 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_real_model_keeps_its_logits_and_gets_its_outliers(kind: Any) -> None:
    model, tokenizer = tiny_lms.stories()
    text = (
        "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. " * 12
    )
    ids = torch.tensor(tokenizer.encode(text, add_special_tokens=False)[: 6 * 31]).view(6, 31)
    ids = torch.cat([torch.full((6, 1), tokenizer.bos_token_id), ids], 1)
    changed = with_outliers(model, kind, ids, 3)
    assert apart(changed, model, ids) < 1e-4
    before, after = input_statistics(model, ids), input_statistics(changed, ids)
    if kind == "massive":
        x = down_input(changed, 1, ids)
        assert x.shape[-1] == 172 + 4
        assert x[:, 0, 172].tolist() == pytest.approx([1400.0] * 6, rel=1e-3)
        assert float(x[:, 1:, 172:].abs().max()) < 140
        name = "model.layers.1.mlp.down_proj"
        assert after[name].max_median > 50 * before[name].max_median
    else:
        # Not so in attention's, where gains have made outliers before, of about the same size.
        for layer in range(5):
            name = f"model.layers.{layer}.mlp.up_proj"
            assert after[name].max_median > 1.3 * before[name].max_median, name
