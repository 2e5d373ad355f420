"""The policy of LCS: which component leaves a sentence and which one enters ("Learning to Substitute
Components").

    c   = [h_1; h_T]                                     a biLSTM's reading of the sentence
    l^o = k cos(g(s_i), c)                               over the components of the sentence
    q   = W [c; sum_i z^o_i g(s_i)] + b
    l^i = k cos(f(s_j), q)                               over the pool, what may not enter masked

with k = 2, so that no component is more than e^4 times as likely as another. Choices are drawn with
straight-through Gumbel-softmax.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.compositional.vocabulary import PAD

MASKED = -1e4
K = 2.0
ELEMENTWISE = 256
"""Up to so many pieces cosines are taken element by element (SCAN has about a hundred, and its results are
kept to the bit); of more, as a product of unit vectors, which never holds (B, M, width)."""


@dataclass(frozen=True)
class Choices:
    """T draws for each of B sentences.

    out (T, B): place in the sentence's candidate list; into (T, B): pool index. z_out (T, B, N) and z_in
    (T, B, M): straight-through one-hots. log_q (T, B): log-probability of the pair drawn.
    """

    out: Tensor
    into: Tensor
    z_out: Tensor
    z_in: Tensor
    log_q: Tensor


class Policy(nn.Module):
    """Distribution over substitutions, for sentences of a vocabulary.

    sizes: of the table of components that may leave, and of the pool of M pieces that may enter.
    """

    def __init__(
        self, vocabulary: int, sizes: tuple[int, int], *, embed: int, hidden: int, width: int, dropout: float
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, embed, padding_idx=PAD)
        self.dropout = nn.Dropout(dropout)
        self.reader = nn.LSTM(embed, hidden, 2, batch_first=True, bidirectional=True, dropout=dropout)
        context = 4 * hidden  # [h_1; h_T], each of both directions
        self.outgoing = nn.Embedding(sizes[0], context)
        self.incoming = nn.Embedding(sizes[1], width)
        self.query = nn.Linear(2 * context, width)

    def read(self, source: Tensor) -> Tensor:
        """c (B, 4 hidden) of source ids (B, S)."""
        lengths = (source != PAD).sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(
            self.dropout(self.words(source)), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        states, _ = nn.utils.rnn.pad_packed_sequence(self.reader(packed)[0], batch_first=True)
        last = states.gather(1, (lengths - 1)[:, None, None].expand(-1, 1, states.shape[2]))[:, 0]
        return torch.cat([states[:, 0], last], 1)

    def out_logits(self, context: Tensor, candidates: Tensor) -> Tensor:
        """(B, N) for candidates (B, N), numbers of components, -1 where a sentence has fewer."""
        g = self.outgoing(candidates.clamp(min=0))
        scores = K * F.cosine_similarity(g, context[:, None], dim=-1)
        return scores.masked_fill(candidates < 0, MASKED)

    def in_logits(self, context: Tensor, leaving: Tensor, allowed: Tensor) -> Tensor:
        """(B, M) given the leaving component's embedding (B, context); `allowed` (B, M) may enter."""
        q = self.query(torch.cat([context, leaving], 1))
        pieces = self.incoming.weight
        if len(pieces) <= ELEMENTWISE:
            cosines = F.cosine_similarity(pieces[None], q[:, None], dim=-1)
        else:
            cosines = F.normalize(q, dim=-1) @ F.normalize(pieces, dim=-1).T
        return (K * cosines).masked_fill(~allowed, MASKED)

    def draw(
        self,
        source: Tensor,
        candidates: Tensor,
        kinds: Tensor,
        allowed: Tensor,
        draws: int,
        *,
        through: bool = True,
    ) -> Choices:
        """`draws` substitutions a sentence of source ids (B, S).

        candidates (B, N): components that may leave, -1 where a sentence has fewer. kinds (B, N): the row of
        each in `allowed` (K, M), which says what may enter. through: the choice of what enters teaches the
        choice of what leaves, straight through; a score function is without bias only where it does not.
        """
        context = self.read(source)
        logits = self.out_logits(context, candidates).expand(draws, -1, -1)
        z_out = F.gumbel_softmax(logits, tau=1.0, hard=True)
        out = z_out.argmax(-1)
        g = self.outgoing(candidates.clamp(min=0))
        picked = kinds.expand(draws, -1, -1).gather(2, out[..., None])[..., 0]
        rows = []
        for t in range(draws):
            chosen = z_out[t] if through else z_out[t].detach()
            leaving = (chosen[..., None] * g).sum(1)
            rows.append(self.in_logits(context, leaving, allowed[picked[t]]))
        into_logits = torch.stack(rows)
        z_in = F.gumbel_softmax(into_logits, tau=1.0, hard=True)
        into = z_in.argmax(-1)
        log_q = logits.log_softmax(-1).gather(2, out[..., None])[..., 0]
        log_q = log_q + into_logits.log_softmax(-1).gather(2, into[..., None])[..., 0]
        return Choices(out, into, z_out, z_in, log_q)


def straight_through_loss(choices: Choices, losses: Tensor) -> Tensor:
    """-mean_b sum_t (L_t - mean_t L) z^o_t[out] z^i_t[in]: raises the chance of what the parser finds hard.

    losses (T, B) are the parser's, detached; T must be at least 2 (one draw is its own baseline).
    """
    chosen = choices.z_out.gather(2, choices.out[..., None]) * choices.z_in.gather(2, choices.into[..., None])
    return -(_advantage(losses) * chosen[..., 0]).sum(0).mean()


def score_function_loss(choices: Choices, losses: Tensor) -> Tensor:
    """The leave-one-out score-function estimator of the gradient of -E[L]: unbiased for T >= 2, of choices
    drawn without `through`."""
    return -(_advantage(losses) * choices.log_q).sum(0).mean() / (len(losses) - 1)


def _advantage(losses: Tensor) -> Tensor:
    """L_t less the mean over the draws of the same sentence (T, B)."""
    if len(losses) < 2:
        raise ValueError("at least two draws a sentence are needed: one draw is its own baseline")
    return (losses - losses.mean(0)).detach()
