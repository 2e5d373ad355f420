"""Token ids for sequences of blank-separated tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

PAD, BOS, EOS, UNK = range(4)
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in id order, the four special ones first."""

    tokens: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Vocabulary:
        """The vocabulary of `texts`, tokens sorted so that it does not depend on their order."""
        return cls(SPECIAL + tuple(sorted({token for text in texts for token in text.split()})))

    @cached_property
    def ids(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """Ids of the tokens of `text`, closed by EOS; unseen tokens become UNK."""
        return [self.ids.get(token, UNK) for token in text.split()] + [EOS]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids` up to the first EOS."""
        words: list[str] = []
        for i in ids:
            if i == EOS:
                break
            words.append(self.tokens[i])
        return " ".join(words)


def pad(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Rows of ids as one int64 array (rows, longest), filled with PAD."""
    out = np.full((len(rows), max((len(r) for r in rows), default=0)), PAD, dtype=np.int64)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out
