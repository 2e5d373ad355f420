"""Augmentation and loss of the small ViTs, against loops and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import ViTConfig, ViTModel

from suite.models.conv_vit import ConvViTConfig, ConvViTForImageClassification
from suite.models.training import Streams
from suite.models.zoo import distill, vit
from suite.models.zoo.distill import Targets


def images(n: int = 3, side: int = 8) -> Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0))


def targets(n: int = 3) -> Targets:
    return Targets(torch.arange(float(n))[:, None], torch.eye(n))


def test_a_mirrored_image_reads_right_to_left() -> None:
    x = images()
    y = distill.mirror(x, torch.tensor([True, False, True]))
    assert torch.equal(y[0], x[0].flip(-1))
    assert torch.equal(y[1], x[1])


def test_a_shift_repeats_the_border() -> None:
    x = images()
    down, right = torch.tensor([2, -3, 0]), torch.tensor([-1, 0, 4])
    y = distill.shift(x, down, right)
    for b, row, column in np.ndindex(3, 8, 8):
        source = x[b, :, min(max(row - int(down[b]), 0), 7), min(max(column - int(right[b]), 0), 7)]
        assert torch.equal(y[b, :, row, column], source)


def test_a_box_covers_the_share_that_is_not_kept() -> None:
    rng = np.random.default_rng(0)
    sizes = []
    for _ in range(2000):
        rows, columns = distill.box(64, 0.75, rng)
        assert 0 <= rows.start <= rows.stop <= 64
        sizes.append((rows.stop - rows.start, columns.stop - columns.start))
    # an uncut box is a square of half the side
    assert max(sizes) == (32, 32)


def test_mixed_targets_follow_the_covered_area() -> None:
    x = images(16)
    mixed, goal = distill.augment(
        x, torch.zeros(16, dtype=torch.bool), Targets(torch.eye(16), torch.eye(16)), Streams(1), 4, cutmix=1.0
    )
    plain, same = distill.augment(
        x, torch.zeros(16, dtype=torch.bool), Targets(torch.eye(16), torch.eye(16)), Streams(1), 4, cutmix=0.0
    )
    changed = (mixed != plain).any(1).float().mean((1, 2))
    own = goal.classes.diagonal()
    assert torch.equal(same.classes, torch.eye(16))
    assert torch.allclose(goal.classes.sum(1), torch.ones(16))
    assert torch.allclose(goal.features, goal.classes)
    moved = own < 1
    assert moved.any()
    assert torch.allclose(changed[moved], 1 - own[moved], atol=0.02)


def test_augmentation_stays_in_range_and_repeats() -> None:
    first, again = (
        distill.augment(images(), torch.ones(3, dtype=torch.bool), targets(), Streams(1), 9, 0.5)[0]
        for _ in range(2)
    )
    assert torch.equal(first, again)
    assert first.min() >= 0
    assert first.max() <= 1


def test_standardised_features_have_mean_zero_and_variance_one() -> None:
    values = np.random.default_rng(0).normal(3, 5, (50, 2, 4)).astype(np.float16)
    scaled = distill.standardise(values)
    assert scaled.mean((0, 1)) == pytest.approx(np.zeros(4), abs=1e-5)
    assert scaled.std((0, 1)) == pytest.approx(np.ones(4), abs=1e-4)


def tiny(pixels: int = 16, patch: int = 4, kind: type[ViTConfig] = ViTConfig, **more: object) -> ViTConfig:
    return kind(
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=24,
        image_size=pixels,
        patch_size=patch,
        **more,
    )


def test_all_patches_give_what_transformers_gives() -> None:
    model = ViTModel(tiny(), add_pooling_layer=False).eval()
    x = images(2, 16)
    expected = model(x).last_hidden_state[:, 0]
    assert torch.allclose(distill.encode(model, x), expected, atol=1e-6)
    assert torch.allclose(distill.encode(model, x, torch.arange(16)), expected, atol=1e-6)


def test_dropped_patches_do_not_matter() -> None:
    model = ViTModel(tiny(), add_pooling_layer=False).eval()
    x = images(2, 16)
    changed = x.clone()
    changed[:, :, :4, :4] = 0.5  # the first patch
    kept = torch.arange(1, 16)
    assert torch.equal(distill.encode(model, x, kept), distill.encode(model, changed, kept))
    assert not torch.equal(distill.encode(model, x), distill.encode(model, changed))


def test_the_loss_by_hand() -> None:
    heads = nn.ModuleDict({"features": nn.Identity(), "classes": nn.Identity()})
    token = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    goal = Targets(torch.tensor([[0.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    squares = (1 + 4) / 4
    entropy = math.log(1 + math.exp(-1))
    assert distill.loss(token, heads, goal, 0.5).item() == pytest.approx(squares + 0.5 * entropy, abs=1e-6)


def test_a_batch_without_labels_has_no_label_loss() -> None:
    heads = nn.ModuleDict({"features": nn.Identity(), "classes": nn.Identity()})
    goal = Targets(torch.zeros(2, 2), torch.zeros(2, 2))
    assert distill.loss(torch.zeros(2, 2), heads, goal, 0.5).item() == 0.0


def test_a_grown_model_sees_in_an_enlarged_image_what_the_small_one_sees() -> None:
    small = ConvViTForImageClassification(tiny(16, 4, ConvViTConfig, num_labels=5))
    large = ConvViTForImageClassification(tiny(32, 8, ConvViTConfig, num_labels=5)).eval()
    small.train()(images(8, 16))  # gives the batch norms statistics of their own
    small.eval()
    vit.grow(small, large)
    x = images(2, 16)
    enlarged = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.allclose(large(enlarged).logits, small(x).logits, atol=1e-5)
