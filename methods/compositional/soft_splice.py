"""The policy's objective through the parser's input: soft embeddings of what enters are spliced in.

Where a component leaves, position p of the incoming one gets sum_j z^i_j E(s_j)[p], with z^i the
straight-through one-hot over the pool: its value is the drawn component's embedding, its gradient tells
every exchangeable component how its embedding there would change the parser's loss.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from methods.compositional import training
from methods.compositional.actions import Actions
from methods.compositional.neural import Session
from methods.compositional.policy import Choices
from methods.compositional.vocabulary import PAD, Vocabulary, pad


def spliced_loss(parser: Any, actions: Actions, hosts: Any, choices: Choices, session: Session) -> Tensor:
    """-mean over draws and sentences of the parser's loss on softly spliced inputs; parser gradients are
    not kept. Only the entering component's choice gets a gradient through the input; the leaving one
    gets it through the query that chooses what enters."""
    source_words = session.vocabularies[0]
    pool = pool_ids(actions, source_words)
    wanted = [(p, p.requires_grad) for p in parser.parameters()]
    for p, _ in wanted:
        p.requires_grad_(False)
    try:
        total = torch.zeros((), device=session.ctx.device)
        for t in range(len(choices.out)):
            outs, intos = choices.out[t].tolist(), choices.into[t].tolist()
            pairs = [actions.make(h, o, i) for h, o, i in zip(hosts, outs, intos, strict=True)]
            batch = training.collate(training.encode_pairs(pairs, session.vocabularies), session.ctx.device)
            places = entering(actions, hosts, outs, intos, batch.source.shape[1]).to(batch.source.device)
            embedded = splice(
                parser.source, batch.source, places, choices.z_in[t], pool.to(batch.source.device)
            )
            log_p = teacher_forced(parser, embedded, batch)
            total = total - training.token_nll(log_p, batch.target).mean()
        return total / len(choices.out)
    finally:
        for p, flag in wanted:
            p.requires_grad_(flag)


def teacher_forced(parser: Any, embedded: Tensor, batch: training.Batch) -> Tensor:
    """Log-probabilities of the target given embedded inputs."""
    from methods.compositional.vocabulary import BOS

    shifted = torch.cat([torch.full_like(batch.target[:, :1], BOS), batch.target[:, :-1]], 1)
    log_p: Tensor = parser.decode(shifted, parser.encode(embedded, batch.source))[0]
    return log_p


def pool_ids(actions: Actions, words: Vocabulary) -> Tensor:
    """Token ids of every pool component (M, longest), padded."""
    return torch.from_numpy(pad([[words.ids[w] for w in c.x.split()] for c in actions.components]))


def entering(actions: Actions, hosts: Any, outs: list[int], intos: list[int], width: int) -> Tensor:
    """(B, S): at each place of a made input the position within the component that entered, or -1."""
    places = torch.full((len(outs), width), -1, dtype=torch.long)
    for row, (host, out, into) in enumerate(zip(hosts, outs, intos, strict=True)):
        length = len(actions.components[into].x.split())
        shift = 0
        for start, end in actions.leaving[host][out].spans:
            places[row, start + shift : start + shift + length] = torch.arange(length)
            shift += length - (end - start)
    return places


def splice(embedding: Any, source: Tensor, places: Tensor, z: Tensor, pool: Tensor) -> Tensor:
    """Embedded inputs (B, S, E) with the soft mixture over the pool where a component entered."""
    components = embedding(pool) * (pool != PAD)[..., None]
    mixture = torch.einsum("bm,mpe->bpe", z, components)
    index = places.clamp(min=0)[..., None].expand(-1, -1, mixture.shape[2])
    return torch.where((places >= 0)[..., None], mixture.gather(1, index), embedding(source))
