"""The residual networks for CIFAR of He et al., Deep Residual Learning, CVPR 2016, section 4.2.

Shortcuts are of option A: where the resolution halves, every other pixel is taken and the new channels are
filled with zeros, half of them before and half after the old ones, so a shortcut has no parameters. Names are
those of the published weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of inputs in [0, 1]: ImageNet's, with which these weights were trained."""

WIDTHS = (16, 32, 64)
CLASSES = 10


class Block(nn.Module):
    """Two 3 x 3 convolutions around a shortcut."""

    def __init__(self, wide_in: int, wide_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(wide_in, wide_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide_out)
        self.conv2 = nn.Conv2d(wide_out, wide_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(wide_out)
        self.stride, self.added = stride, (wide_out - wide_in) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        shortcut = x[:, :, :: self.stride, :: self.stride]
        return F.relu(y + F.pad(shortcut, (0, 0, 0, 0, self.added, self.added)))


class ResNet(nn.Module):
    """6n + 2 layers for images (B, 3, 32, 32) normalised by MEAN and STD."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.layer1 = _stage(WIDTHS[0], WIDTHS[0], n, 1)
        self.layer2 = _stage(WIDTHS[0], WIDTHS[1], n, 2)
        self.layer3 = _stage(WIDTHS[1], WIDTHS[2], n, 2)
        self.linear = nn.Linear(WIDTHS[2], CLASSES)

    def features(self, pixels: Tensor) -> Tensor:
        """(B, 3, 32, 32) to pooled features (B, 64)."""
        x = F.relu(self.bn1(self.conv1(pixels)))
        pooled: Tensor = self.layer3(self.layer2(self.layer1(x))).mean((2, 3))
        return pooled

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, 32, 32) to CIFAR-10 logits (B, 10)."""
        logits: Tensor = self.linear(self.features(pixels))
        return logits


def _stage(wide_in: int, wide_out: int, n: int, stride: int) -> nn.Sequential:
    first = Block(wide_in, wide_out, stride)
    return nn.Sequential(first, *(Block(wide_out, wide_out, 1) for _ in range(n - 1)))


def resnet20() -> ResNet:
    """The network of 20 layers with untrained weights, in evaluation mode."""
    network: ResNet = ResNet(3).eval()
    return network


def resnet32() -> ResNet:
    """The network of 32 layers with untrained weights, in evaluation mode."""
    network: ResNet = ResNet(5).eval()
    return network


def normalise(images: Tensor) -> Tensor:
    """uint8 (B, 3, 32, 32) or floats in [0, 1] to what the networks were trained on."""
    if images.dtype == torch.uint8:
        images = images.float() / 255
    mean, std = (torch.tensor(v, device=images.device).view(3, 1, 1) for v in (MEAN, STD))
    return (images - mean) / std
