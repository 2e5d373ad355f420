"""An LSTM sequence-to-sequence parser with attention, and copying or a learned lexicon on top.

The encoder is bidirectional, the decoder attends with a bilinear score (Luong et al. 2015, "general",
without input feeding, so that teacher forcing is one call over all steps). With a translation table P
(source words by target words) the decoder may also write what the table gives for the word it attends
to (Akyürek and Andreas 2021, eq. 3): p(w) = p_write(w) + p_write(copy) sum_j alpha_j P[x_j, w].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.compositional.vocabulary import BOS, PAD

TINY = 1e-7


class LSTMParser(nn.Module):
    """Source ids (B, S) and target ids (B, T) to log-probabilities (B, T, V).

    table: initial logits (source words, target words) of the translation table, or None; softmaxed over
    target words. `learn_table` says whether training changes it.
    """

    def __init__(
        self,
        sizes: tuple[int, int],
        *,
        embed: int,
        hidden: int,
        layers: int,
        dropout: float,
        table: Tensor | None = None,
        learn_table: bool = False,
    ) -> None:
        super().__init__()
        n_source, n_target = sizes
        self.dropout = nn.Dropout(dropout)
        self.source = nn.Embedding(n_source, embed, padding_idx=PAD)
        self.target = nn.Embedding(n_target, embed, padding_idx=PAD)
        drop = dropout if layers > 1 else 0.0
        self.forwards = nn.LSTM(embed, hidden, layers, batch_first=True, dropout=drop)
        self.backwards = nn.LSTM(embed, hidden, layers, batch_first=True, dropout=drop)
        self.bridge = nn.Linear(2 * hidden, 2 * layers * hidden)
        self.decoder = nn.LSTM(embed, hidden, layers, batch_first=True, dropout=drop)
        self.key = nn.Linear(2 * hidden, hidden, bias=False)
        self.mix = nn.Linear(3 * hidden, hidden)
        self.write = nn.Linear(hidden, n_target + (table is not None))
        self.layers = layers
        self.table = None if table is None else nn.Parameter(table.clone(), requires_grad=learn_table)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """log p(target[t] | target[<t], source) over the vocabulary, for every t."""
        memory = self.encode(self.source(source), source)
        shifted = torch.cat([torch.full_like(target[:, :1], BOS), target[:, :-1]], 1)
        return self.decode(shifted, memory)[0]

    def encode(self, embedded: Tensor, source: Tensor) -> dict[str, Tensor]:
        """Read the source; `embedded` (B, S, E) stands apart so that soft inputs can be spliced in.

        Padding is on the right and the backward reader gets each row reversed within its own length, so
        no padding is ever read before a word and a row's result does not depend on its batch.
        """
        length = (source != PAD).sum(1)
        steps = torch.arange(source.shape[1], device=source.device)
        mirror = (length[:, None] - 1 - steps).clamp(min=0)
        x = self.dropout(embedded)
        ahead = self.forwards(x)[0]
        back = self.backwards(x.gather(1, mirror[..., None].expand_as(x)))[0]
        last = (length - 1)[:, None, None].expand(-1, 1, ahead.shape[2])
        ends = torch.cat([ahead.gather(1, last), back.gather(1, last)], 2).squeeze(1)
        states = torch.cat([ahead, back.gather(1, mirror[..., None].expand_as(back))], 2)
        h, c = self.bridge(ends).tanh().view(len(source), 2, self.layers, -1).permute(1, 2, 0, 3)
        memory = {"states": states, "keys": self.key(states), "mask": source == PAD}
        memory |= {"h": h.contiguous(), "c": c.contiguous()}
        if self.table is not None:
            memory["words"] = self.table.softmax(-1)[source]
        return memory

    def decode(self, target: Tensor, memory: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Log-probabilities (B, T, V) after each of the given target tokens, and the memory moved on."""
        out, (h, c) = self.decoder(self.dropout(self.target(target)), (memory["h"], memory["c"]))
        scores = out @ memory["keys"].transpose(1, 2)
        attention = scores.float().masked_fill(memory["mask"][:, None], -1e9).softmax(-1)
        seen = attention.to(out.dtype) @ memory["states"]
        mixed = self.dropout(self.mix(torch.cat([out, seen], 2)).tanh())
        logits = self.write(mixed).float()
        moved = memory | {"h": h, "c": c}
        if self.table is None:
            return F.log_softmax(logits, -1), moved
        p = logits.softmax(-1)
        p = p[..., :-1] + p[..., -1:] * (attention @ memory["words"].float())
        return p.clamp(min=TINY).log(), moved
