"""A pre-norm Transformer sequence-to-sequence parser with cached decoding.

Same interface as the LSTM: forward over whole targets, `encode`, and `decode` that moves a memory on.
Positions are sinusoidal (Vaswani et al. 2017, section 3.5).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.compositional.vocabulary import BOS, PAD


class Attention(nn.Module):
    """Multi-head attention: queries from one side, keys and values from a projected other side."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of `x` (B, S, D), each (B, heads, S, D / heads)."""
        key, value = self.key_value(x).chunk(2, -1)
        return self.split(key), self.split(value)

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None) -> Tensor:
        out = F.scaled_dot_product_attention(self.split(self.query(x)), key, value, attn_mask=allowed)
        return self.out(out.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Self-attention, attention to the source where `cross`, and a feed-forward net, all residual."""

    def __init__(self, width: int, heads: int, dropout: float, cross: bool) -> None:
        super().__init__()
        self.self_norm, self.self_attention = nn.LayerNorm(width), Attention(width, heads)
        self.cross_norm = nn.LayerNorm(width) if cross else None
        self.cross_attention = Attention(width, heads) if cross else None
        self.feed = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        allowed: Tensor | None,
        past: tuple[Tensor, Tensor] | None = None,
        source: tuple[Tensor, Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """`past`: cached keys and values before `x`; `source`: keys, values and mask of the encoder."""
        normed = self.self_norm(x)
        key, value = self.self_attention.project(normed)
        if past is not None:
            key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        x = x + self.dropout(self.self_attention(normed, key, value, allowed))
        if source is not None and self.cross_attention is not None and self.cross_norm is not None:
            x = x + self.dropout(self.cross_attention(self.cross_norm(x), *source))
        return x + self.dropout(self.feed(x)), (key, value)


class TransformerParser(nn.Module):
    """Source ids (B, S) and target ids (B, T) to log-probabilities (B, T, V)."""

    def __init__(
        self, sizes: tuple[int, int], *, hidden: int, layers: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        n_source, n_target = sizes
        self.width = hidden
        self.source = nn.Embedding(n_source, hidden, padding_idx=PAD)
        self.target = nn.Embedding(n_target, hidden, padding_idx=PAD)
        for table in (self.source, self.target):
            nn.init.normal_(table.weight, std=hidden**-0.5)
        self.encoder = nn.ModuleList(Layer(hidden, heads, dropout, cross=False) for _ in range(layers))
        self.decoder = nn.ModuleList(Layer(hidden, heads, dropout, cross=True) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(dropout)
        self.write = nn.Linear(hidden, n_target)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """log p(target[t] | target[<t], source) over the vocabulary, for every t."""
        memory = self.encode(self.source(source), source)
        shifted = torch.cat([torch.full_like(target[:, :1], BOS), target[:, :-1]], 1)
        return self.decode(shifted, memory)[0]

    def encode(self, embedded: Tensor, source: Tensor) -> dict[str, Tensor]:
        """Read the source; returns each decoder layer's keys and values of it, and its mask."""
        allowed = (source != PAD)[:, None, None]
        x = self.dropout(embedded * math.sqrt(self.width) + self.positions(source.shape[1], 0, embedded))
        for layer in self.encoder:
            x, _ = layer(x, allowed)
        x = self.encoder_norm(x)
        memory = {"allowed": allowed}
        for i, layer in enumerate(self.decoder):
            memory[f"key{i}"], memory[f"value{i}"] = layer.cross_attention.project(x)
        return memory

    def decode(self, target: Tensor, memory: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Log-probabilities (B, T, V) after each of the given target tokens, and the memory moved on."""
        past = memory["past_key0"].shape[2] if "past_key0" in memory else 0
        steps = target.shape[1]
        embedded = self.target(target)
        x = self.dropout(embedded * math.sqrt(self.width) + self.positions(steps, past, embedded))
        allowed = torch.ones(steps, past + steps, dtype=torch.bool, device=x.device).tril(past)
        moved = dict(memory)
        for i, layer in enumerate(self.decoder):
            before = (memory[f"past_key{i}"], memory[f"past_value{i}"]) if past else None
            source = (memory[f"key{i}"], memory[f"value{i}"], memory["allowed"])
            x, (moved[f"past_key{i}"], moved[f"past_value{i}"]) = layer(x, allowed, before, source)
        return F.log_softmax(self.write(self.decoder_norm(x)).float(), -1), moved

    def positions(self, steps: int, start: int, like: Tensor) -> Tensor:
        """Sinusoids (steps, D) of the positions from `start` on."""
        place = torch.arange(start, start + steps, device=like.device, dtype=torch.float32)[:, None]
        rate = torch.exp(torch.arange(0, self.width, 2, device=like.device) * (-math.log(1e4) / self.width))
        angle = place * rate
        return torch.stack([angle.sin(), angle.cos()], -1).flatten(1).to(like.dtype)
