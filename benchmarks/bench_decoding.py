"""Decoding: examples a second in sorted batches against one by one, same weights, same inputs, one thread.

    python benchmarks/bench_decoding.py

Budget: at least 5 times. The outputs are checked to be the same.
"""

from __future__ import annotations

import os
import random
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

from methods.compositional.decoding import translate
from methods.compositional.neural import Neural
from suite.api import Context
from tasks.compositional.contract import Problem
from tasks.compositional.scan import splits
from tasks.compositional.scan.grammar import commands, interpret

N = 600


def main() -> None:
    """Train a parser for a moment (untrained ones never stop writing), then time both ways."""
    train = splits.examples(splits.sample(commands(), 4000, 0))
    inputs = random.Random(1).sample(commands(), N)
    print(f"{'parser':<12} {'one by one':>12} {'batched':>12} {'ratio':>7}")
    for parser in ("lstm", "transformer"):
        method = Neural(parser=parser, hidden=64, embed=64, dropout=0.0, batch=64, steps=300, lr=3e-3)  # type: ignore[arg-type]
        fitted = method.fit(Problem("scan", train, (), frozenset(), interpret, 53), Context(seed=0))

        def decode(texts: list[str], fitted: object = fitted) -> list[str]:
            return translate(fitted.model, texts, fitted.vocabularies, 54)  # type: ignore[attr-defined]

        decode(inputs[:8])
        start = time.perf_counter()
        alone = [decode([text])[0] for text in inputs]
        middle = time.perf_counter()
        together = decode(inputs)
        end = time.perf_counter()
        assert alone == together, "a batch changed an output"
        slow, fast = N / (middle - start), N / (end - middle)
        print(f"{parser:<12} {slow:>10.0f}/s {fast:>10.0f}/s {fast / slow:>6.1f}x")


if __name__ == "__main__":
    main()
