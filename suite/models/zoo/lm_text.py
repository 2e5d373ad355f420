"""How the language model's episodes become text and tokens: one token a character, a line an example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from suite.models.zoo.lm_tasks import Example

PAD, BOS, EOS, UNKNOWN = "<pad>", "<bos>", "<eos>", "<unk>"
END = "\n"
CHARACTERS = END + "".join(chr(code) for code in range(32, 127))
VOCABULARY = {token: i for i, token in enumerate((PAD, BOS, EOS, UNKNOWN, *CHARACTERS))}
IGNORED = -100
"""Where nothing is to predict."""


@dataclass(frozen=True)
class Row:
    """Token ids of an episode and, at the same places, the ids to predict (IGNORED where none is)."""

    ids: list[int]
    goal: list[int]


def prompt(examples: Sequence[Example], question: str, instruction: str = "") -> str:
    """What the model reads before it answers: 'reverse: abc>cba', a line for each further example, the
    question.
    """
    head = f"{instruction}: " if instruction else ""
    shots = "".join(f"{e.question}>{e.answer}{END}" for e in examples)
    return f"{head}{shots}{question}>"


def row(examples: Sequence[Example], instruction: str = "", only_last: bool = False) -> Row:
    """An episode as tokens; answers that the context determines, with the line's end, are predicted.

    only_last: predict the last answer alone, known or not.
    """
    ids = [VOCABULARY[BOS], *encode(f"{instruction}: " if instruction else "")]
    goal = [IGNORED] * len(ids)
    for i, example in enumerate(examples):
        question, answer = encode(f"{example.question}>"), encode(f"{example.answer}{END}")
        wanted = i == len(examples) - 1 if only_last else example.known
        ids += question + answer
        goal += [IGNORED] * len(question) + (answer if wanted else [IGNORED] * len(answer))
    return Row(ids, goal)


def encode(text: str) -> list[int]:
    """One id a character."""
    return [VOCABULARY[c] for c in text]


def padded(rows: Sequence[Row], length: int | None = None) -> tuple[Tensor, Tensor]:
    """Ids and goals, (B, length), filled up on the right; goals stand where their token is predicted, one
    place early.
    """
    length = length or max(len(r.ids) for r in rows)
    ids = torch.full((len(rows), length), VOCABULARY[PAD])
    goal = torch.full((len(rows), length), IGNORED)
    for i, r in enumerate(rows):
        ids[i, : len(r.ids)] = torch.tensor(r.ids)
        goal[i, : len(r.goal) - 1] = torch.tensor(r.goal[1:])
    return ids, goal


def tokenizer() -> Any:
    """One token a character, <bos> in front; decoding gives the text back."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel(VOCABULARY, unk_token=UNKNOWN))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    made.decoder = decoders.Fuse()
    made.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, VOCABULARY[BOS])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
    )
