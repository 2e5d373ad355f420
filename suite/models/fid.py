"""Fréchet and kernel distances between sets of small images, by one fixed feature network.

The network is the zoo's `fid-net`, trained on the labels of the image pool: a distance says how far apart two
sets look to it. It is not the Inception network of Heusel et al. (2017), so values compare with each other
and with no published FID.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from suite.errors import DataError, UsageError

NAME = "fid-net"
ARCHITECTURE = "suite.models.fid:FeatureNet"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
PIXELS = 32
FEATURES = 64
CLASSES = 347
"""Labelled classes of the image pool, over all its sources."""

MEAN = STD = 0.5
"""Of inputs in [0, 1], the same for every channel."""

BATCH = 200


class Conv(nn.Module):
    """A convolution without bias, batch norm, ReLU."""

    def __init__(self, wide_in: int, wide_out: int, stride: int = 1, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(wide_in, wide_out, kernel, stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(wide_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H / stride, W / stride)."""
        return F.relu(self.norm(self.conv(x)))


class FeatureNet(nn.Module):
    """Six convolutions; images (B, 3, 32, 32) normalised by MEAN and STD.

    The features are batch-normed, so that over the training pictures each has mean 0 and variance 1.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = Conv(3, 32, stride=2, kernel=4)
        self.fine = Conv(32, 64)
        self.down = Conv(64, 96, stride=2)
        self.middle = nn.Sequential(Conv(96, 96), Conv(96, 96))
        self.last = Conv(96, 128, stride=2)
        self.project = nn.Linear(128, FEATURES, bias=False)
        self.norm = nn.BatchNorm1d(FEATURES, affine=False)
        self.classifier = nn.Linear(FEATURES, classes)

    def features(self, pixels: Tensor) -> Tensor:
        """(B, 3, 32, 32) to (B, 64)."""
        x = self.down(self.fine(self.stem(pixels)))
        x = self.last(x + self.middle(x))
        out: Tensor = self.norm(self.project(x.mean((2, 3))))
        return out

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, 32, 32) to logits (B, classes)."""
        logits: Tensor = self.classifier(self.features(pixels))
        return logits


def build() -> FeatureNet:
    """The network with untrained weights, of the size that the zoo keeps."""
    net = FeatureNet(CLASSES)
    net.eval()
    return net


def normalise(images: Tensor) -> Tensor:
    """uint8 (B, 3, 32, 32) to what the network was trained on."""
    return (images.float() / 255 - MEAN) / STD


def save(net: FeatureNet, labels: list[str], folder: Path) -> None:
    """Write config.json and the weights in float16, class i named labels[i]."""
    tensors = {
        key: value.half() if value.is_floating_point() else value for key, value in net.state_dict().items()
    }
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / WEIGHTS)
    about = {"architecture": ARCHITECTURE, "pixels": PIXELS, "features": FEATURES, "mean": MEAN, "std": STD}
    (folder / CONFIG).write_text(json.dumps({**about, "labels": labels}, indent=2) + "\n")


def read(folder: Path) -> FeatureNet:
    """The network of a folder that `save` wrote, in float32 and evaluation mode.

    DataError where a file is missing, damaged or another model's.
    """
    try:
        config = json.loads((folder / CONFIG).read_text())
        if config["architecture"] != ARCHITECTURE:
            raise DataError(f"{folder} holds {config['architecture']!r}, not {ARCHITECTURE!r}")
        net = FeatureNet(len(config["labels"]))
        net.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"no feature network can be read from {folder}: {reason}") from None
    net.eval()
    return net


def features(images: np.ndarray, net: FeatureNet | None = None) -> np.ndarray:
    """float64 (N, 64) of uint8 images (N, 32, 32, 3); `net` is by default the zoo's own.

    UsageError for images of another size or type: how they are made smaller would change every distance.
    """
    if images.dtype != np.uint8 or images.shape[1:] != (PIXELS, PIXELS, 3):
        raise UsageError(
            f"features are of uint8 images (N, {PIXELS}, {PIXELS}, 3), not of {images.dtype} {images.shape}; "
            "resize them first"
        )
    net = _of_the_zoo() if net is None else net
    parts = [np.empty((0, FEATURES))]
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            pixels = torch.from_numpy(np.ascontiguousarray(images[start : start + BATCH])).permute(0, 3, 1, 2)
            parts.append(net.features(normalise(pixels)).double().numpy())
    return np.concatenate(parts)


def _of_the_zoo() -> FeatureNet:
    from suite.models import load

    net: FeatureNet = load(NAME).model
    return net


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and covariance (D, D) of features (N, D), in float64, divided by N - 1.

    UsageError unless N > D: the covariance of fewer samples is singular and the distance mostly bias.
    """
    samples, dimensions = _checked(values).shape
    if samples <= dimensions:
        raise UsageError(
            f"a Fréchet distance on {dimensions} features needs more than {dimensions} images a side, not "
            f"{samples}; give more images, or take the kernel distance, which has no bias"
        )
    values = values.astype(np.float64)
    mean = values.mean(0)
    centred = values - mean
    return mean, centred.T @ centred / (samples - 1)


def frechet_distance(mu1: np.ndarray, sigma1: np.ndarray, mu2: np.ndarray, sigma2: np.ndarray) -> float:
    """|mu1 - mu2|^2 + tr(sigma1 + sigma2 - 2 (sigma1 sigma2)^(1/2)), the squared 2-Wasserstein distance of
    two Gaussians (Dowson and Landau, 1982; Heusel et al., 2017, eq. 6).

    The root's trace is the sum of the roots of the eigenvalues of sigma1^(1/2) sigma2 sigma1^(1/2), which is
    symmetric: no complex root, no jitter on the diagonal.
    """
    if not mu1.shape == mu2.shape or not sigma1.shape == sigma2.shape == (*mu1.shape, *mu1.shape):
        raise UsageError(
            f"means (D,) and covariances (D, D) of one size, not {mu1.shape}, {sigma1.shape}, {mu2.shape}, "
            f"{sigma2.shape}"
        )
    first, second = _checked(sigma1).astype(np.float64), _checked(sigma2).astype(np.float64)
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    inner = root @ second @ root
    between = np.sqrt(np.linalg.eigvalsh((inner + inner.T) / 2).clip(0)).sum()
    apart = mu1.astype(np.float64) - mu2.astype(np.float64)
    return max(0.0, float(apart @ apart + np.trace(first) + np.trace(second) - 2 * between))


def fid(first: np.ndarray, second: np.ndarray) -> float:
    """The Fréchet distance of two sets of features (N, D) and (M, D)."""
    return frechet_distance(*moments(first), *moments(second))


def kernel_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Squared maximum mean discrepancy of features (N, D) and (M, D), unbiased, so it can be below 0 (KID,
    Binkowski et al., 2018): kernel (x.y / D + 1)^3, pairs of a sample with itself left out.
    """
    for values in (first, second):
        if len(_checked(values)) < 2:
            raise UsageError(f"a kernel distance needs at least 2 images a side, not {len(values)}")
    x, y = first.astype(np.float64), second.astype(np.float64)
    if x.shape[1] != y.shape[1]:
        raise UsageError(f"features of one size, not of {x.shape[1]} and {y.shape[1]}")

    def within(values: np.ndarray) -> float:
        kernel = _kernel(values, values)
        n = len(values)
        return float((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))

    return within(x) + within(y) - 2 * float(_kernel(x, y).mean())


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    out: np.ndarray = (x @ y.T / x.shape[1] + 1) ** 3
    return out


def _checked(values: np.ndarray) -> np.ndarray:
    if values.ndim != 2:
        raise UsageError(f"a matrix (N, D), not an array of shape {values.shape}")
    if not np.isfinite(values).all():
        raise UsageError("features or covariances with infinite or undefined values")
    return values
