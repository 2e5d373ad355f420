"""EfficientNet-Lite0: the published size, TensorFlow's padding, and the published accuracy on real
photographs.
"""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from suite.models import efficientnet


def test_it_has_the_published_number_of_parameters() -> None:
    assert sum(p.numel() for p in efficientnet.build().parameters()) == 4_652_008


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "before", "after"), [(8, 3, 2, 0, 1), (9, 3, 2, 1, 1), (7, 5, 1, 2, 2)]
)
def test_the_odd_pixel_of_padding_lies_below_and_to_the_right(
    size: int, kernel: int, stride: int, before: int, after: int
) -> None:
    x = torch.rand(1, 2, size, size)
    conv = efficientnet.SameConv(2, 3, kernel, stride)
    expected = F.conv2d(F.pad(x, [before, after, before, after]), conv.weight, stride=stride)
    out = conv(x)
    assert out.shape[2] == -(-size // stride)
    assert torch.allclose(out, expected, atol=1e-6)


def test_bytes_are_normalised_as_tensorflow_does() -> None:
    pixels = torch.tensor([0, 127, 255], dtype=torch.uint8).reshape(1, 3, 1, 1)
    assert efficientnet.normalise(pixels).ravel().tolist() == pytest.approx([-127 / 128, 0.0, 1.0], abs=1e-6)
    assert torch.allclose(efficientnet.normalise(pixels), efficientnet.normalise(pixels.float() / 255))


def test_features_and_logits_belong_together() -> None:
    model = efficientnet.build()
    x = torch.rand(2, 3, 40, 40)
    assert torch.allclose(model(x), model._fc(model.features(x)))
