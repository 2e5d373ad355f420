"""The prompt: an instruction, the demonstrations, the query; and the answer cut from what follows it."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.compositional.contract import Example

INSTRUCTION = "Translate each input into its output, in the way of the examples."
IN, OUT = "Input:", "Output:"
STOP = "\n"


def prompt(demonstrations: Sequence[Example], query: str) -> str:
    """The text up to where the query's output begins; blanks are single, so that it can be read back."""
    blocks = [f"{IN} {_line(x)}\n{OUT} {_line(y)}\n\n" for x, y in demonstrations]
    return f"{INSTRUCTION}\n\n{''.join(blocks)}{IN} {_line(query)}\n{OUT}"


def read_prompt(text: str) -> tuple[list[Example], str]:
    """The demonstrations and the query of a prompt; ValueError for a text that `prompt` does not make."""
    first, *blocks = text.split("\n\n")
    if first != INSTRUCTION or not blocks:
        raise ValueError("this text is no prompt: it does not begin with the instruction and a block")
    pairs = [_read(block) for block in blocks]
    if pairs[-1].y:
        raise ValueError("this text is no prompt: its last block has an output")
    return pairs[:-1], pairs[-1].x


def answer(text: str) -> str:
    """What a reader answered: up to the end of the line, blanks made single."""
    return _line(text.partition(STOP)[0])


def _read(block: str) -> Example:
    x, _, y = block.partition("\n")
    if not x.startswith(IN) or not y.startswith(OUT):
        raise ValueError(f"this text is no prompt: '{block[:60]}' is no input with its output")
    return Example(x.removeprefix(IN).strip(), y.removeprefix(OUT).strip())


def _line(text: str) -> str:
    return " ".join(text.split())
