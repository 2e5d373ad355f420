"""EfficientNet-Lite0: the ImageNet classifier from which the small vision models learn.

Tan and Le, EfficientNet, ICML 2019; the Lite form leaves out squeeze-and-excitation and uses ReLU6. Padding
is TensorFlow's "same", which puts the odd pixel below and to the right. Parameter names are those of the
published PyTorch conversion, so that its weights load as they are.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MEAN, STD = 127 / 255, 128 / 255
"""Of inputs in [0, 1], the same for every channel."""

FEATURES, CLASSES = 1280, 1000
BATCH_NORM_EPS = 1e-3


class Stage(NamedTuple):
    """Blocks of one resolution (EfficientNet, table 1)."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    width: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
STEM = 32


def _same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad (B, C, H, W) so that the output has ceil(size / stride) places a side."""
    pads: list[int] = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads) if any(pads) else x


class SameConv(nn.Conv2d):
    """A convolution without bias and with TensorFlow's "same" padding."""

    def __init__(self, wide_in: int, wide_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(wide_in, wide_out, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = super().forward(_same(x, self.kernel_size[0], self.stride[0]))
        return out


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=BATCH_NORM_EPS)


class Block(nn.Module):
    """An inverted bottleneck: expand, filter each channel, project; added to its input where shapes allow."""

    def __init__(self, wide_in: int, wide_out: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        middle = wide_in * expand
        if expand > 1:
            self._expand_conv = SameConv(wide_in, middle, 1)
            self._bn0 = _norm(middle)
        self.expands = expand > 1
        self._depthwise_conv = SameConv(middle, middle, kernel, stride, groups=middle)
        self._bn1 = _norm(middle)
        self._project_conv = SameConv(middle, wide_out, 1)
        self._bn2 = _norm(wide_out)
        self.adds = stride == 1 and wide_in == wide_out

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    """4.65 million parameters; images (B, 3, H, W) normalised by MEAN and STD, published at 224 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, STEM, 3, 2)
        self._bn0 = _norm(STEM)
        blocks: list[nn.Module] = []
        width = STEM
        for stage in STAGES:
            for i in range(stage.repeats):
                stride = stage.stride if i == 0 else 1
                blocks.append(Block(width, stage.width, stage.kernel, stride, stage.expand))
                width = stage.width
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv(width, FEATURES, 1)
        self._bn1 = _norm(FEATURES)
        self._fc = nn.Linear(FEATURES, CLASSES)

    def features(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) to pooled features (B, 1280)."""
        x = F.relu6(self._bn0(self._conv_stem(pixels)))
        for block in self._blocks:
            x = block(x)
        return F.relu6(self._bn1(self._conv_head(x))).mean((2, 3))

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) to ImageNet logits (B, 1000)."""
        logits: Tensor = self._fc(self.features(pixels))
        return logits


def build() -> EfficientNetLite0:
    """The network with untrained weights, in evaluation mode."""
    network: EfficientNetLite0 = EfficientNetLite0().eval()
    return network


def normalise(images: Tensor) -> Tensor:
    """uint8 (B, 3, H, W) or floats in [0, 1] to what the network was trained on."""
    if images.dtype == torch.uint8:
        images = images.float() / 255
    return (images - MEAN) / STD
