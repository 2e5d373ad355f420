"""A network with the names of timm's VisionTransformer, and its forward pass in plain functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, HEADS, LAYERS, HIDDEN, PATCH, SIDE = 8, 2, 2, 12, 2, 3
PIXELS = PATCH * SIDE
EPS = 1e-6
MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.5, 0.2)


def plain(state: Mapping[str, Tensor], x: Tensor, heads: int, act: Callable[[Tensor], Tensor]) -> Tensor:
    """(n, 3, H, W) to (n, tokens, width) after the last norm, from a state dict alone."""

    def norm(name: str, t: Tensor) -> Tensor:
        centred = t - t.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + EPS).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    def linear(name: str, t: Tensor) -> Tensor:
        out = t @ state[f"{name}.weight"].T
        return out + state[f"{name}.bias"] if f"{name}.bias" in state else out

    kernel = state["patch_embed.proj.weight"]
    patches = F.unfold(x, kernel.shape[-1], stride=kernel.shape[-1]).transpose(1, 2)
    t = patches @ kernel.flatten(1).T + state["patch_embed.proj.bias"]
    t = torch.cat([state["cls_token"].expand(len(x), -1, -1), t], 1) + state["pos_embed"]
    for i in range(sum(name.endswith("attn.qkv.weight") for name in state)):
        three = linear(f"blocks.{i}.attn.qkv", norm(f"blocks.{i}.norm1", t))
        q, k, v = three.reshape(*t.shape[:2], 3, heads, -1).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1)
        t = t + linear(f"blocks.{i}.attn.proj", (weights @ v).transpose(1, 2).reshape(t.shape))
        inner = act(linear(f"blocks.{i}.mlp.fc1", norm(f"blocks.{i}.norm2", t)))
        t = t + linear(f"blocks.{i}.mlp.fc2", inner)
    return norm("norm", t)


class Part(nn.Module):
    """Modules and values by name."""

    def __init__(self, **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)


class TimmViT(nn.Module):
    """Weights large enough that every part of it matters; always the same for the same settings."""

    def __init__(self, heads: int = HEADS, bias: bool = True, act: nn.Module | None = None) -> None:
        super().__init__()
        self.heads, self.act = heads, act or nn.GELU()
        self.pretrained_cfg = {"mean": MEAN, "std": STD, "input_size": (3, PIXELS, PIXELS)}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(heads)
            self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
            self.pos_embed = nn.Parameter(torch.zeros(1, 1 + SIDE**2, WIDTH))
            self.patch_embed = Part(proj=nn.Conv2d(3, WIDTH, PATCH, PATCH))
            self.blocks = nn.Sequential(*[self._block(bias) for _ in range(LAYERS)])
            self.norm = nn.LayerNorm(WIDTH, EPS)
            self.head = nn.Linear(WIDTH, 5)
            with torch.no_grad():
                for parameter in self.parameters():
                    parameter.add_(torch.randn_like(parameter) * 0.5)

    def _block(self, bias: bool) -> nn.Module:
        return Part(
            norm1=nn.LayerNorm(WIDTH, EPS),
            attn=Part(
                qkv=nn.Linear(WIDTH, 3 * WIDTH, bias=bias), proj=nn.Linear(WIDTH, WIDTH), num_heads=self.heads
            ),
            norm2=nn.LayerNorm(WIDTH, EPS),
            mlp=Part(fc1=nn.Linear(WIDTH, HIDDEN), act=self.act, fc2=nn.Linear(HIDDEN, WIDTH)),
        )

    def forward_features(self, x: Tensor) -> Tensor:
        return plain(self.state_dict(), x, self.heads, self.act)
