"""Translation tables: logits over target words for every source word."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from methods.compositional.vocabulary import SPECIAL, Vocabulary

FLOOR = 1e-7


def copy_table(vocabularies: tuple[Vocabulary, Vocabulary]) -> Tensor | None:
    """The table that copies: each shared token gives itself. None where no token is shared."""
    source, target = vocabularies
    shared = {token: {token: 1} for token in source.tokens[len(SPECIAL) :] if token in target.ids}
    return lexicon_table(shared, vocabularies) if shared else None


def lexicon_table(
    lexicon: Mapping[str, Mapping[str, int]], vocabularies: tuple[Vocabulary, Vocabulary]
) -> Tensor:
    """log(softmax(counts) + 1e-7) of each source word's translations (Akyürek and Andreas 2021, sec. 3.2).

    A word without an entry gives every target word alike, so that it says nothing.
    """
    source, target = vocabularies
    counts = torch.zeros(len(source), len(target))
    for word, images in lexicon.items():
        if word not in source.ids:
            continue
        counts[source.ids[word]] = -torch.inf
        for image, count in images.items():
            counts[source.ids[word], target.ids[image]] = float(count)
    return (counts.softmax(-1) + FLOOR).log()
