"""The policy's objective through the parser's input: soft embeddings of what enters are spliced in.

Where a component leaves, position p of the incoming one gets sum_j z^i_j E(s_j)[p], with z^i the
straight-through one-hot over the pool: its value is the drawn component's embedding, its gradient tells
every admitted component how its embedding there would change the parser's loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from methods.compositional import training
from methods.compositional.actions import Actions
from methods.compositional.neural import Session
from methods.compositional.policy import Choices
from methods.compositional.vocabulary import BOS, PAD, UNK, Vocabulary, pad
from tasks.compositional.contract import Example


def spliced_loss(parser: Any, actions: Actions, hosts: Any, choices: Choices, session: Session) -> Tensor:
    """-mean over draws and sentences of the parser's loss on softly spliced inputs; parser gradients are
    not kept. Only the entering component's choice gets a gradient through the input; the leaving one
    gets it through the query that chooses what enters."""
    device = session.ctx.device
    pool = pool_ids(actions, session.vocabularies[0]).to(device)
    wanted = [(p, p.requires_grad) for p in parser.parameters()]
    for p, _ in wanted:
        p.requires_grad_(False)
    try:
        total = torch.zeros((), device=device)
        for t in range(len(choices.out)):
            picks = list(zip(hosts, choices.out[t].tolist(), choices.into[t].tolist(), strict=True))
            pairs = [actions.make(*pick) for pick in picks]
            batch = training.collate(training.encode_pairs(pairs, session.vocabularies), device)
            places = entering(actions, picks, pairs).to(device)
            embedded = splice(parser.source, batch.source, places, choices.z_in[t], pool)
            # cuDNN's LSTM gives no gradient in evaluation mode, which the parser is in
            with torch.backends.cudnn.flags(enabled=False):
                log_p = teacher_forced(parser, embedded, batch)
            total = total - training.token_nll(log_p, batch.target).mean()
        return total / len(choices.out)
    finally:
        for p, flag in wanted:
            p.requires_grad_(flag)


def teacher_forced(parser: Any, embedded: Tensor, batch: training.Batch) -> Tensor:
    """Log-probabilities of the target given embedded inputs."""
    shifted = torch.cat([torch.full_like(batch.target[:, :1], BOS), batch.target[:, :-1]], 1)
    log_p: Tensor = parser.decode(shifted, parser.encode(embedded, batch.source))[0]
    return log_p


def pool_ids(actions: Actions, words: Vocabulary) -> Tensor:
    """Token ids of every pool component (M, longest), padded."""
    return torch.from_numpy(pad([[words.ids.get(w, UNK) for w in p.x.split()] for p in actions.pieces]))


def entering(actions: Actions, picks: Sequence[tuple[int, int, int]], pairs: Sequence[Example]) -> Tensor:
    """(B, S): at each place of a made input the position within the component that entered, or -1.

    picks: line, candidate and piece of each pair. S is one more than the longest input has words (EOS). A
    word that changed as it entered (a capital at the start of a sentence) counts as not entered, so that
    splicing leaves every value as it is.
    """
    made = [pair.x.split() for pair in pairs]
    places = torch.full((len(pairs), max(map(len, made)) + 1), -1, dtype=torch.long)
    for row, (line, out, into) in enumerate(picks):
        new, shift = actions.pieces[into].x.split(), 0
        for start, end in leaving_places(actions, line, out):
            for position, word in enumerate(new):
                at = start + shift + position
                if made[row][at : at + 1] == [word]:
                    places[row, at] = position
            shift += len(new) - (end - start)
    return places


def leaving_places(actions: Actions, line: int, out: int) -> list[tuple[int, int]]:
    """Where a candidate leaves its line, as [start, end) in words: its own place, or every place of the
    same words, whichever tells what another piece makes of the line."""
    slot = actions.leaving[line][out]
    words, gap = actions.train[line].x.split(), slot.x.split()
    own = [(slot.start, slot.end)]
    every = [(k, k + len(gap)) for k in range(len(words)) if words[k : k + len(gap)] == gap]
    if len(every) < 2:
        return own
    pieces = actions.entering[int(actions.kinds[line, out])]
    other = next((int(j) for j in pieces if actions.pieces[j].x != slot.x), None)
    if other is None:
        return own
    made = actions.make(line, out, other).x.split()
    return every if made == _filled(words, every, actions.pieces[other].x.split()) else own


def _filled(words: Sequence[str], places: Sequence[tuple[int, int]], new: Sequence[str]) -> list[str]:
    """The words with `new` in each of the places (ascending)."""
    filled, last = [], 0
    for start, end in places:
        filled += [*words[last:start], *new]
        last = end
    return [*filled, *words[last:]]


def splice(embedding: Any, source: Tensor, places: Tensor, z: Tensor, pool: Tensor) -> Tensor:
    """Embedded inputs (B, S, E) with the soft mixture over the pool where a component entered."""
    components = embedding(pool) * (pool != PAD)[..., None]
    mixture = torch.einsum("bm,mpe->bpe", z, components)
    index = places.clamp(min=0)[..., None].expand(-1, -1, mixture.shape[2])
    return torch.where((places >= 0)[..., None], mixture.gather(1, index), embedding(source))
