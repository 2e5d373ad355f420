"""Makes the packaged lm-eval tasks: short things that a model of children's stories can or cannot do."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

SEED = 20250701
FOLDER = Path(__file__).parent / "mini"
AGREEMENT, COPY = 64, 32
NAMES = {"girl": ("Lily", "Mia", "Anna", "Sue"), "boy": ("Tim", "Ben", "Tom", "Max")}
PRONOUNS = {"girl": "She", "boy": "He"}
ANIMALS = ("dogs", "cats", "birds", "bears")
ADJECTIVES = ("happy", "sad", "small", "kind", "tired", "brave")
FORMS = ("was", "were", "am", "be")
WORDS = ("red", "blue", "cat", "dog", "sun", "tree", "ball", "fish", "bird", "cake")


def documents() -> dict[str, list[dict[str, Any]]]:
    """The documents of each file."""
    rng = random.Random(SEED)
    return {
        "agreement.jsonl": [_agreement(rng, plural=bool(k % 2)) for k in range(AGREEMENT)],
        "copy.jsonl": [_copy(rng) for _ in range(COPY)],
    }


def _agreement(rng: random.Random, *, plural: bool) -> dict[str, Any]:
    """A story's beginning that ends in a pronoun, and four verb phrases of which one agrees with it."""
    if plural:
        text = f"Once upon a time, there were two little {rng.choice(ANIMALS)}. They"
    else:
        child = rng.choice(sorted(NAMES))
        name = rng.choice(NAMES[child])
        text = f"Once upon a time, there was a little {child} named {name}. {PRONOUNS[child]}"
    forms, adjective = rng.sample(FORMS, len(FORMS)), rng.choice(ADJECTIVES)
    return {
        "text": text,
        "choices": [f"{form} very {adjective}" for form in forms],
        "label": forms.index("were" if plural else "was"),
    }


def _copy(rng: random.Random) -> dict[str, Any]:
    """Two words in turn, and the one whose turn it is."""
    a, b = rng.sample(WORDS, 2)
    return {"text": " ".join([a, b] * 4 + [a]), "answer": b}


def write(folder: Path = FOLDER) -> None:
    """Write the files of documents, one JSON object a line."""
    for name, rows in documents().items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    write()
