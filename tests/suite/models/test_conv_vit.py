"""The ViT with a convolutional stem, against the same sums written out and through the Auto classes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from transformers import AutoModelForImageClassification

from suite.models.anatomy import anatomy
from suite.models.conv_vit import ConvViTConfig, ConvViTForImageClassification, Stem


def model(**more: int) -> ConvViTForImageClassification:
    torch.manual_seed(0)
    sizes = {"image_size": 16, "patch_size": 4, "hidden_size": 12, "num_hidden_layers": 2, "num_labels": 3}
    heads = {"num_attention_heads": 3, "intermediate_size": 24}
    return ConvViTForImageClassification(ConvViTConfig(**(sizes | heads | more))).eval()


@pytest.mark.parametrize(("patch", "kernel", "stride", "padding"), [(4, 4, 2, 1), (8, 8, 4, 2)])
def test_the_stem_is_four_convolutions_and_a_map(patch: int, kernel: int, stride: int, padding: int) -> None:
    torch.manual_seed(0)
    stem = Stem(patch, 12)
    x = torch.rand(5, 3, 16, 16)
    got = stem.train()(x)
    convolutions = [m.weight for m in stem if isinstance(m, torch.nn.Conv2d)]
    assert convolutions[0].shape == (32, 3, kernel, kernel)
    y = x
    for weight, (s, p) in zip(convolutions, [(stride, padding), (1, 1), (2, 1), (1, 1)], strict=False):
        y = F.conv2d(y, weight, stride=s, padding=p)
        mean, variance = y.mean((0, 2, 3), keepdim=True), y.var((0, 2, 3), correction=0, keepdim=True)
        y = ((y - mean) / (variance + 1e-5).sqrt()).clamp(min=0)
    expected = torch.einsum("bchw,dc->bdhw", y, convolutions[-1][:, :, 0, 0]) + stem[-1].bias[:, None, None]
    assert got.shape == (5, 12, 16 // patch, 16 // patch)
    assert torch.allclose(got, expected, atol=1e-4)


def test_what_is_saved_loads_through_the_auto_class(tmp_path: Path) -> None:
    made = model()
    made.save_pretrained(tmp_path)
    again = AutoModelForImageClassification.from_pretrained(tmp_path)
    x = torch.rand(2, 3, 16, 16)
    assert isinstance(again, ConvViTForImageClassification)
    assert torch.equal(again(x).logits, made(x).logits)


def test_hooks_find_its_heads_and_neurons() -> None:
    found = anatomy(model())
    assert (len(found.layers), found.heads, found.head_dim, found.neurons) == (2, 3, 4, 24)


def test_an_image_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="doesn't match model"):
        model()(torch.rand(1, 3, 20, 20))
