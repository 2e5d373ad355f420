"""What patterns a SCAN command shows, as names of the slices in which its score is also reported."""

from __future__ import annotations

from tasks.compositional.scan.grammar import CONJUNCTIONS, LONGEST_OUTPUT, MODIFIERS, REPEATS

LENGTHS = ((1, 8), (9, 16), (17, 24), (25, 32), (33, LONGEST_OUTPUT))


def patterns(x: str, y: str) -> list[str]:
    """Slices of the command `x` with actions `y`: conjunction, modifiers, quantifiers, output length.

    A command of two phrases may be in two slices of a kind ("quant=twice" and "quant=thrice"); one that
    has no word of a kind is in its "none" slice.
    """
    words = set(x.split())
    return [
        "conj=" + next((word for word in CONJUNCTIONS if word in words), "single"),
        *_of_kind("mod", MODIFIERS, words),
        *_of_kind("quant", tuple(REPEATS), words),
        _length_slice(len(y.split())),
    ]


def _of_kind(kind: str, members: tuple[str, ...], words: set[str]) -> list[str]:
    return [f"{kind}={word}" for word in members if word in words] or [f"{kind}=none"]


def _length_slice(n: int) -> str:
    low, high = next((low, high) for low, high in LENGTHS if low <= n <= high)
    return f"len={low}-{high}"
