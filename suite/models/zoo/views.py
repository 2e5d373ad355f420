"""Square views of the pool's pictures, and what EfficientNet-Lite0 sees in them; computed once and kept.

View 0 is the whole picture made square, every further view a random crop of it. Teacher and student see the
same crop, each at its own resolution, so that a feature of the teacher is a target for the student.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from suite.models.efficientnet import FEATURES, normalise
from suite.models.training import Streams
from suite.models.zoo.pool import Picture

SMALLEST_CROP = 0.4
"""Smallest part of a picture's area that a random crop keeps."""

TEACHER_PX = 128
CHUNK = 64
Report = Callable[[str, int, int], None]


def boxes(
    size: tuple[int, int], views: int, rng: np.random.Generator
) -> list[tuple[float, float, float, float]]:
    """Crop boxes (left, upper, right, lower) in pixels: the whole picture, then squares of a random area."""
    width, height = size
    found = [(0.0, 0.0, float(width), float(height))]
    for _ in range(views - 1):
        area = rng.uniform(SMALLEST_CROP, 1.0)
        wide, high = width * area**0.5, height * area**0.5
        left, upper = rng.uniform(0, width - wide), rng.uniform(0, height - high)
        found.append((left, upper, left + wide, upper + high))
    return found


def square(encoded: bytes, box: tuple[float, float, float, float] | None, px: int) -> np.ndarray:
    """The box of an encoded image (the whole of it for None) as uint8 (px, px, 3)."""
    from PIL import Image

    with Image.open(io.BytesIO(encoded), formats=("JPEG", "PNG")) as opened:
        image = opened.convert("RGB")
    return np.asarray(image.resize((px, px), Image.Resampling.BICUBIC, box=box))


def size_of(encoded: bytes) -> tuple[int, int]:
    """Width and height, read from the header."""
    from PIL import Image

    with Image.open(io.BytesIO(encoded), formats=("JPEG", "PNG")) as image:
        width, height = image.size
    return int(width), int(height)


def crops(pictures: Sequence[Picture], views: int, px: int, seed: int) -> np.ndarray:
    """uint8 (N, V, px, px, 3); the crops of a picture depend on the seed and its place alone, not on px."""
    out = np.empty((len(pictures), views, px, px, 3), np.uint8)
    streams = Streams(seed)
    for i, picture in enumerate(pictures):
        found = boxes(size_of(picture.encoded), views, streams.numpy("crops", i))
        for v, box in enumerate(found):
            out[i, v] = square(picture.encoded, box, px)
    return out


def teacher_features(
    pictures: Sequence[Picture],
    views: int,
    seed: int,
    teacher: Callable[[], Any],
    report: Report,
    keep: Path,
) -> np.ndarray:
    """float16 (N, V, 1280) of EfficientNet-Lite0 at TEACHER_PX.

    Kept in chunks in the folder `keep`, so that a kill costs one chunk; its name must say which pictures,
    views and seed it belongs to. `teacher` gives the network, asked for only when a chunk is missing.
    """
    out = np.empty((len(pictures), views, FEATURES), np.float16)
    keep.mkdir(parents=True, exist_ok=True)
    loaded = None
    for start in range(0, len(pictures), CHUNK):
        report("teacher", start, len(pictures))
        part = keep / f"{start:06d}.npy"
        rows = slice(start, start + CHUNK)
        if not part.is_file():
            loaded = loaded or teacher()
            _write(part, _features(pictures[rows], start, views, seed, loaded))
        out[rows] = np.load(part, allow_pickle=False)
    return out


def _features(pictures: Sequence[Picture], start: int, views: int, seed: int, teacher: Any) -> np.ndarray:
    streams = Streams(seed)
    found = []
    for i, picture in enumerate(pictures):
        windows = boxes(size_of(picture.encoded), views, streams.numpy("crops", start + i))
        found += [square(picture.encoded, box, TEACHER_PX) for box in windows]
    pixels = torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        values = teacher.features(normalise(pixels).contiguous(memory_format=torch.channels_last))
    half: np.ndarray = values.reshape(len(pictures), views, -1).half().numpy()
    return half


def _write(path: Path, array: np.ndarray) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-", suffix=".npy")
    os.close(handle)
    np.save(name, array, allow_pickle=False)
    os.replace(name, path)
