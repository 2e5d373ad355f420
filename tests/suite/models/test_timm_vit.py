"""Weights in timm's naming compute the same as a ViTModel, against a forward pass in plain functions."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner
from timm_vits import MEAN, PIXELS, SIDE, STD, WIDTH, TimmViT, plain
from torch import Tensor, nn

from suite.errors import UsageError
from suite.models import load
from suite.models.timm_vit import create, main, named, vit, write


class QuickGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


def pictures(n: int = 4) -> Tensor:
    return torch.randn((n, 3, PIXELS, PIXELS), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("heads", [1, 2, 4])
@torch.no_grad()
def test_every_token_is_that_of_timm(heads: int, bias: bool) -> None:
    model = TimmViT(heads, bias)
    truth = plain(model.state_dict(), pictures(), heads, nn.functional.gelu)
    torch.testing.assert_close(vit(model)(pictures()).last_hidden_state, truth, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("act", "name"),
    [
        (nn.GELU(), "gelu"),
        (nn.GELU("tanh"), "gelu_pytorch_tanh"),
        (QuickGELU(), "quick_gelu"),
        (nn.ReLU(), "relu"),
    ],
)
@torch.no_grad()
def test_the_activation_is_known_by_its_values(act: nn.Module, name: str) -> None:
    model = TimmViT(act=act)
    twin = vit(model)
    assert twin.config.hidden_act == name
    truth = plain(model.state_dict(), pictures(), 2, act)
    torch.testing.assert_close(twin(pictures()).last_hidden_state, truth, rtol=1e-5, atol=1e-5)


def test_the_map_to_queries_keys_and_values_is_cut_in_this_order() -> None:
    rows = torch.arange(6.0)[:, None].expand(6, 2)
    found = named({"blocks.3.attn.qkv.weight": rows, "head.weight": rows})
    cut = {name: value[:, 0].tolist() for name, value in found.items()}
    at = "encoder.layer.3.attention.attention"
    assert cut == {
        f"{at}.query.weight": [0, 1],
        f"{at}.key.weight": [2, 3],
        f"{at}.value.weight": [4, 5],
    }


def test_the_twin_shares_no_memory_and_torchs_generator_is_left_alone() -> None:
    model = TimmViT()
    before, state = model.norm.weight.clone(), torch.get_rng_state()
    twin = vit(model)
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(model.norm.weight, before) and bool(model.blocks[1].attn.qkv.weight.any())


def layer_scale(model: TimmViT) -> None:
    model.blocks[1].ls1 = nn.Module()
    model.blocks[1].ls1.gamma = nn.Parameter(torch.ones(WIDTH))


def registers(model: TimmViT) -> None:
    model.reg_token = nn.Parameter(torch.zeros(1, 4, WIDTH))


def query_norm(model: TimmViT) -> None:
    model.blocks[0].attn.q_norm = nn.LayerNorm(WIDTH)


def pooled(model: TimmViT) -> None:
    model.norm, model.fc_norm = nn.Identity(), model.norm


def no_class_position(model: TimmViT) -> None:
    model.pos_embed = nn.Parameter(torch.zeros(1, SIDE**2, WIDTH))


def odd_activation(model: TimmViT) -> None:
    model.blocks[0].mlp.act = nn.Tanh()


def half_a_block(model: TimmViT) -> None:
    del model.blocks[1].norm2


def another_pass(model: TimmViT) -> None:
    inner = model.forward_features
    model.forward_features = lambda x: 1.01 * inner(x)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (layer_scale, "no place for its blocks.1.ls1.gamma"),
        (registers, "no place for its reg_token"),
        (query_norm, "no place for its blocks.0.attn.q_norm.weight"),
        (pooled, "has no norm.weight"),
        (no_class_position, "8 positions"),
        (odd_activation, "Tanh is none of"),
        (half_a_block, "layernorm_after.*is missing"),
        (another_pass, "off by"),
    ],
)
def test_what_has_no_twin_is_refused_in_a_line(change: Callable[[TimmViT], None], said: str) -> None:
    model = TimmViT()
    change(model)
    with pytest.raises(UsageError, match=said) as error:
        vit(model)
    assert "\n" not in str(error.value)


@torch.no_grad()
def test_a_written_folder_is_a_model_like_any_other(tmp_path: Path) -> None:
    model = TimmViT()
    write(model, tmp_path / "vit")
    loaded = load(str(tmp_path / "vit"))
    assert loaded.images is not None
    assert (loaded.images.size, loaded.images.mean, loaded.images.std) == (PIXELS, MEAN, STD)
    truth = plain(model.state_dict(), pictures(), 2, nn.functional.gelu)
    found = loaded.model.base_model(pictures()).last_hidden_state
    torch.testing.assert_close(found, truth, rtol=1e-5, atol=1e-5)
    # Nothing in it is random: it is the same model each time.
    again = load(str(tmp_path / "vit")).model.state_dict()
    assert set(again) == set(loaded.model.state_dict())
    assert all(torch.equal(value, again[name]) for name, value in loaded.model.state_dict().items())


def test_without_timm_one_line_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(
        UsageError, match=r"timm, which cannot be imported .*pip install 'timm>=1.0'"
    ) as error:
        create("vit_tiny_patch16_224")
    assert "\n" not in str(error.value)
    answer = CliRunner().invoke(main, ["vit_tiny_patch16_224", str(tmp_path / "vit")])
    assert answer.exit_code == 2 and "error: vit_tiny_patch16_224 is a model of timm" in answer.stderr


def test_the_command_asks_timm_and_fills_a_new_folder_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []

    def create_model(name: str, pretrained: bool) -> TimmViT:
        asked.append((name, pretrained))
        if name == "unknown":
            raise RuntimeError("Unknown model (unknown)\nand more")
        return TimmViT()

    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=create_model))
    folder = str(tmp_path / "vit")
    assert CliRunner().invoke(main, ["vit_any", folder]).exit_code == 0
    assert asked == [("vit_any", True)] and load(folder).model.config.hidden_size == WIDTH
    again = CliRunner().invoke(main, ["vit_any", folder])
    assert again.exit_code == 2 and "is not empty" in again.stderr
    answer = CliRunner().invoke(main, ["unknown", str(tmp_path / "other")])
    assert answer.exit_code == 2 and "no pre-trained model unknown" in answer.stderr
