"""Tiny ViTs of transformers as backbones, and tasks of small pictures, for the tests of prompt learners."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DeiTConfig, DeiTModel, Dinov2Config, Dinov2Model, ViTConfig, ViTModel

from methods.cldyb.gradient import Lesson
from suite.models.conv_vit import ConvViTConfig, ConvViTForImageClassification
from suite.models.registry import Images
from suite.models.training import Streams
from tasks.cldyb.contract import TaskData
from tasks.cldyb.features import Encoder, FrozenBackbone

WIDTH = 16
PIXELS = 8


def body(kind: str = "vit", layers: int = 5, attention: str = "sdpa") -> Any:
    """A model with random weights, large enough to matter; 5 tokens of 16 dimensions (DeiT has 6)."""
    sizes: dict[str, Any] = {
        "hidden_size": WIDTH,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "image_size": PIXELS,
        "patch_size": 4,
        "initializer_range": 0.3,
        "attn_implementation": attention,
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "deit":
            return DeiTModel(DeiTConfig(**sizes), add_pooling_layer=False)
        if kind == "dinov2":
            return Dinov2Model(Dinov2Config(**sizes))
        if kind == "conv":
            return ConvViTForImageClassification(ConvViTConfig(num_labels=2, **sizes)).base_model
        return ViTModel(ViTConfig(**sizes), add_pooling_layer=False)


@cache
def backbone(kind: str = "vit", layers: int = 5, attention: str = "sdpa") -> FrozenBackbone:
    images = Images(PIXELS, (0.5, 0.5, 0.5), (0.3, 0.3, 0.3))
    encoder = Encoder(body(kind, layers, attention), images).requires_grad_(False).eval()
    return FrozenBackbone(kind, encoder, WIDTH)


def task(*classes: int, n: int = 6) -> TaskData:
    """Noisy pictures around one of its own for every class."""
    rng = np.random.default_rng(classes)
    y = np.repeat(classes, n)
    centres = np.random.default_rng(1).integers(0, 200, (12, PIXELS, PIXELS, 3))
    x = centres[y] + rng.integers(0, 55, (len(y), PIXELS, PIXELS, 3))
    return TaskData(torch.tensor(x, dtype=torch.uint8), torch.tensor(y), classes)


def value(tensor: Tensor) -> float:
    return float(tensor.detach())


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def begun(method: Any, layers: int = 5) -> Any:
    return method.begin(backbone("vit", layers), 3)


def opened(learner: Any, lesson: TaskData, old: tuple[int, ...] = (), seed: int = 5) -> Lesson:
    """A lesson as it is just before its first step."""
    made: Lesson = learner.prepare(lesson, (*old, *lesson.classes), Streams(seed))
    learner.start(made)
    return made
