"""Frozen backbones and kept features: the same numbers by every way, computed once, resumed after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from suite.errors import UsageError
from suite.models import load
from suite.models.features import PART
from suite.models.registry import Images
from tasks.cldyb import features
from tasks.cldyb.features import Encoder, FrozenBackbone, backbone, pool_features
from tasks.cldyb.pool import SPLITS, Pool, PoolClass


class Mean(nn.Module):
    """Three features, the weighted mean of each channel; counts the pictures it has been shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.unused = nn.Parameter(torch.ones(2))
        self.shown = 0

    def features(self, x: Tensor) -> Tensor:
        self.shown += len(x)
        return x.mean((2, 3)) * self.weight


def mean_backbone() -> FrozenBackbone:
    images = Images(4, (0.5, 0.5, 0.0), (0.5, 1.0, 1.0))
    return FrozenBackbone("mean", Encoder(Mean(), images).requires_grad_(False).eval(), 3)


def noise(n: int, px: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, px, px, 3), np.uint8)


def pool(train: int = 3, px: int = 4) -> Pool:
    return Pool(
        "two",
        tuple(
            PoolClass(name, "a", f"a/{i}", noise(train + i, px, i), noise(2, px, 9 + i), noise(1, px, 20 + i))
            for i, name in enumerate("xy")
        ),
    )


def test_pictures_are_prepared_as_the_model_was_trained() -> None:
    images = noise(2, 4)
    channels = images.reshape(2, 16, 3).mean(1) / 255
    by_hand = (channels - [0.5, 0.5, 0.0]) / [0.5, 1.0, 1.0]
    np.testing.assert_allclose(mean_backbone().features(images), by_hand, atol=1e-6)
    flat = np.full((1, 7, 7, 3), 51, np.uint8)  # 0.2 of 255, at whatever size
    np.testing.assert_allclose(mean_backbone().features(flat), [[-0.6, -0.3, 0.2]], atol=1e-6)


@pytest.mark.parametrize("wrong", [noise(1, 4).astype(float), noise(1, 4)[0], noise(1, 4)[:0]])
def test_what_is_no_picture(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="not uint8"):
        mean_backbone().features(wrong)


def test_a_fresh_copy_learns_and_the_frozen_one_does_not_change() -> None:
    frozen = mean_backbone()
    images = noise(3, 4)
    before, own = frozen.features(images), frozen.fresh()
    assert torch.equal(own(torch.from_numpy(images)), before)
    assert {name for name, p in own.named_parameters() if p.requires_grad} == {"body.weight"}
    assert all(p.grad is None for p in own.parameters())
    own(torch.from_numpy(images)).sum().backward()
    with torch.no_grad():
        own.body.weight -= own.body.weight.grad
    assert not torch.allclose(own(torch.from_numpy(images)), before)
    assert torch.equal(frozen.features(images), before)
    assert torch.equal(frozen.fresh()(torch.from_numpy(images)), before)


def test_features_of_a_pool_are_those_of_its_pictures(tmp_path: Path) -> None:
    frozen, held = mean_backbone(), pool()
    for kept in (pool_features(held, frozen), pool_features(held, frozen, tmp_path)):
        for split in SPLITS:
            for c, own in enumerate(held.classes):
                found = kept.split(split)[c]
                assert found.dtype == np.float32
                np.testing.assert_array_equal(found, frozen.features(own.split(split)))
    shown = kept.examples([1, 0], "val")
    assert shown.y.tolist() == [1, 1, 0, 0]
    assert torch.equal(shown.x[:2], frozen.features(held.classes[1].val))
    task = kept.task([1, 0])
    assert task.classes == (1, 0) and task.y.tolist() == [1] * 4 + [0] * 3
    means = np.stack([part.astype(float).mean(0) for part in kept.train])
    np.testing.assert_allclose(kept.prototypes() * np.linalg.norm(means, axis=1, keepdims=True), means)


def test_features_are_computed_once_for_a_pool_and_weights(tmp_path: Path) -> None:
    frozen, held = mean_backbone(), pool()
    first = pool_features(held, frozen, tmp_path)
    assert frozen.encoder.body.shown == 7 + 4 + 2
    again = pool_features(held, frozen, tmp_path)
    assert frozen.encoder.body.shown == 13
    np.testing.assert_array_equal(first.test[1], again.test[1])
    pool_features(pool(train=4), frozen, tmp_path)
    assert frozen.encoder.body.shown == 13 + 15
    changed = mean_backbone()
    with torch.no_grad():
        changed.encoder.body.weight.fill_(2.0)
    np.testing.assert_allclose(
        pool_features(held, changed, tmp_path).val[0], 2 * np.asarray(first.val[0]), rtol=1e-6
    )
    other = FrozenBackbone("mean", Encoder(Mean(), Images(4, (0.0,) * 3, (1.0,) * 3)).eval(), 3)
    assert (pool_features(held, other, tmp_path).val[0] >= 0).all()


def test_a_kill_costs_the_part_in_flight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Pool("long", (PoolClass("x", "a", "a/0", noise(PART + 5, 2), noise(1, 2), noise(1, 2, 1)),))
    whole = pool_features(held, mean_backbone()).train[0]
    frozen = mean_backbone()
    real = Mean.features

    def killed(self: Any, x: Tensor) -> Tensor:
        if self.shown >= PART:
            raise KeyboardInterrupt
        return real(self, x)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Mean, "features", killed)
        pool_features(held, frozen, tmp_path)
    resumed = mean_backbone()
    np.testing.assert_array_equal(pool_features(held, resumed, tmp_path).train[0], whole)
    assert resumed.encoder.body.shown == 5 + 2


def test_a_vision_transformer_of_the_zoo() -> None:
    frozen, images = backbone("vit-32-clean"), noise(2, 32)
    assert frozen.width == 192 and frozen.encoder.size == 32
    model = load("vit-32-clean").model
    x = (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    with torch.inference_mode():
        theirs = model.vit(x).last_hidden_state[:, 0]
        logits = model(x).logits
    found = frozen.features(images)
    torch.testing.assert_close(found, theirs, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model.classifier(found), logits, atol=1e-4, rtol=1e-4)
    own = frozen.fresh()
    torch.testing.assert_close(own(torch.from_numpy(images)), found, atol=1e-5, rtol=1e-5)
    assert all(p.requires_grad for p in own.parameters()) and not own.training
    assert not any(p.requires_grad for p in frozen.encoder.parameters())


def test_a_backbone_is_told_its_size_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from suite.models.efficientnet import build
    from suite.models.loading import Loaded

    torch.manual_seed(0)
    model = build()
    entry = Images(224, (127 / 255,) * 3, (128 / 255,) * 3)
    made = Loaded("efficientnet-lite0", model, None, entry, None, "made", Path())
    monkeypatch.setattr("suite.models.loading.load", lambda name, **_: made)
    assert backbone("efficientnet-lite0").encoder.size == features.SIZES["efficientnet-lite0"]
    frozen, images = backbone("efficientnet-lite0", size=32), noise(2, 32)
    assert frozen.width == 1280 and frozen.encoder.size == 32
    with torch.inference_mode():
        theirs = model.features((torch.from_numpy(images).permute(0, 3, 1, 2) - 127.0) / 128.0)
    torch.testing.assert_close(frozen.features(images), theirs, atol=1e-4, rtol=1e-4)
    trained = {name for name, p in frozen.fresh().named_parameters() if p.requires_grad}
    assert trained and not any("_fc" in name for name in trained)


def test_a_language_model_is_no_backbone() -> None:
    with pytest.raises(UsageError, match="model 'lm-icl' reads no pictures"):
        backbone("lm-icl")
