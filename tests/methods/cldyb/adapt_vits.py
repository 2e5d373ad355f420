"""Tiny vision transformers, and pictures of classes that differ in colour, for the tests of adapters."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model, ViTConfig, ViTModel

from tasks.cldyb.contract import TaskData

WIDTH, PIXELS = 16, 8
SIZES: dict[str, Any] = {
    "hidden_size": WIDTH,
    "num_attention_heads": 2,
    "image_size": PIXELS,
    "patch_size": 4,
    "attention_probs_dropout_prob": 0.0,
}


class Encoder(nn.Module):
    """Pictures (n, 8, 8, 3) of 0 to 255 to class tokens, with a batch norm as the zoo's ViTs have one."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.body = body

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.norm(pictures.permute(0, 3, 1, 2).float() / 127.5 - 1)
        token: Tensor = self.body(x).last_hidden_state[:, 0]
        return token


def vit(layers: int = 3, attention: str = "sdpa", kind: str = "vit") -> Encoder:
    """Weights large enough that attention and MLP matter; always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if kind == "dinov2":
            body: Any = Dinov2Model(
                Dinov2Config(**SIZES, num_hidden_layers=layers, mlp_ratio=2, attn_implementation=attention)
            )
        else:
            config = ViTConfig(
                **SIZES, num_hidden_layers=layers, intermediate_size=32, attn_implementation=attention
            )
            body = ViTModel(config, add_pooling_layer=False)
        encoder = Encoder(body)
        with torch.no_grad():
            for parameter in body.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return encoder.eval()


PLAIN = vit()
BACKBONE: Any = SimpleNamespace(width=WIDTH, fresh=lambda: copy.deepcopy(PLAIN))


def task(*classes: int, n: int = 6) -> TaskData:
    """n pictures of each class: its own colours and noise."""
    rng = np.random.default_rng(classes)
    y = np.repeat(classes, n)
    colours = np.random.default_rng(5).integers(30, 220, (10, 1, 1, 3))
    pixels = colours[y] + rng.integers(-30, 30, (len(y), PIXELS, PIXELS, 3))
    return TaskData(torch.tensor(pixels.clip(0, 255), dtype=torch.uint8), torch.tensor(y), classes)


def taught(method: Any, *tasks: TaskData) -> Any:
    learner = method.begin(BACKBONE, 11)
    for number, one in enumerate(tasks):
        learner.learn(one, number)
    return learner


def shaken(parts: nn.ModuleDict, seed: int = 0, size: float = 0.3) -> nn.ModuleDict:
    """Parts that add something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in parts.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * size)
    return parts
