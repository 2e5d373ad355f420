"""Makes the packaged lm-eval tasks: words to turn round, which the packaged language model can do."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from suite.models.zoo.lm_tasks import LETTERS, split_of

SEED = 20250701
FOLDER = Path(__file__).parent / "mini"
CHOICE, REVERSE = 64, 32
LENGTHS = (4, 5)
CHOICES = 4


def documents() -> dict[str, list[dict[str, Any]]]:
    """The documents of each file; no word is among those that `lm-icl` was trained on."""
    rng = random.Random(SEED)
    words = list(dict.fromkeys(_word(rng) for _ in range(2 * (CHOICE + REVERSE))))
    return {
        "choice.jsonl": [_choice(rng, word) for word in words[:CHOICE]],
        "reverse.jsonl": [
            {"text": _prompt(word), "answer": word[::-1]} for word in words[CHOICE : CHOICE + REVERSE]
        ],
    }


def _word(rng: random.Random) -> str:
    """Different letters, so that its orders differ, in a word of the test split."""
    while True:
        word = "".join(rng.sample(LETTERS, rng.choice(LENGTHS)))
        if split_of(word) == "test":
            return word


def _prompt(word: str) -> str:
    return f"reverse: {word}>"


def _choice(rng: random.Random, word: str) -> dict[str, Any]:
    """A word, and four orders of its letters of which one is the reverse; the word itself is another."""
    orders = {word[::-1], word}
    while len(orders) < CHOICES:
        orders.add("".join(rng.sample(word, len(word))))
    choices = sorted(orders)
    rng.shuffle(choices)
    return {"text": _prompt(word), "choices": choices, "label": choices.index(word[::-1])}


def write(folder: Path = FOLDER) -> None:
    """Write the files of documents, one JSON object a line."""
    for name, rows in documents().items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    write()
