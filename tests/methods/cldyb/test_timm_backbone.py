"""A timm ViT, converted, is a backbone like any other: its parts are found by their names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from timm_vits import LAYERS, MEAN, PIXELS, STD, WIDTH, TimmViT

from methods.cldyb.adapted import Host, blocks
from methods.cldyb.prompted import PromptedEncoder
from suite.models.timm_vit import write
from tasks.cldyb.features import FrozenBackbone, backbone

PICTURES = np.random.default_rng(4).integers(0, 256, (3, PIXELS, PIXELS, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> FrozenBackbone:
    folder = tmp_path_factory.mktemp("models") / "vit"
    write(TimmViT(), folder)
    return backbone(str(folder))


@torch.no_grad()
def test_its_features_are_timms_class_token_of_prepared_pictures(frozen: FrozenBackbone) -> None:
    x = (torch.from_numpy(PICTURES).double() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    truth = TimmViT().forward_features(x.permute(0, 3, 1, 2).float())[:, 0]
    assert frozen.width == WIDTH
    torch.testing.assert_close(frozen.features(PICTURES), truth, rtol=1e-5, atol=1e-5)


def test_it_is_the_same_backbone_each_time_it_is_loaded(frozen: FrozenBackbone) -> None:
    assert backbone(frozen.name).fingerprint == frozen.fingerprint


def test_every_weight_of_it_can_be_trained(frozen: FrozenBackbone) -> None:
    assert all(parameter.requires_grad for parameter in frozen.fresh().parameters())


def test_adapters_find_its_blocks_and_their_maps(frozen: FrozenBackbone) -> None:
    found = blocks(frozen.fresh())
    weights = TimmViT().blocks[1].attn.qkv.weight.detach()
    assert len(found) == LAYERS
    for place, piece in zip((found[1].query, found[1].key, found[1].value), weights.chunk(3), strict=True):
        assert torch.equal(place.weight, piece)
    host = Host(frozen.fresh(), ["mlp", "attention", "value"])
    assert len(host.places) == 3 * LAYERS


@torch.no_grad()
def test_prompts_find_what_they_need(frozen: FrozenBackbone) -> None:
    prompted = PromptedEncoder(frozen.fresh(), WIDTH)
    pictures = torch.from_numpy(PICTURES)
    assert prompted.depth == LAYERS
    torch.testing.assert_close(
        prompted.outputs(prompted.tokens(pictures))[:, 0], frozen.features(PICTURES), rtol=1e-5, atol=1e-5
    )
