"""The greedy rotation search beside a literal one that reads every entry in every block at every step.

    OMP_NUM_THREADS=1 python benchmarks/bench_rotation.py [--rounds 3] [--check]

One layer of smollm2-135m's width: 1024 tokens, 576 channels, blocks of 64, 256 steps, float32, one thread.
"outliers" has what the method is for: a few loud channels and a few tokens with entries in the hundreds;
"gaussian" has no outliers, so that no row can be passed over. Both searches see the same data and start, and
their peaks, chosen step and rotation are compared. CPU seconds, the least of the rounds, so that a busy
machine does not decide. Budget, with --check the exit code is 1 beyond it: ten times faster on "outliers".

The literal search: a dense E S E, each block's product on its own, the largest and smallest entry over all
the activations, as in the released code (with the channel rule and the largest magnitude as the peak).

Measured on one of two busy cores: outliers 1.25 s and 0.08 s, 15.7 times; gaussian 1.2 s and 1.0 s, 1.2.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from methods.quantization import rotation  # noqa: E402
from methods.quantization.rotation import Rotation  # noqa: E402

TOKENS, WIDTH, SIZE, STEPS = 1024, 576, 64, 256
BUDGET = 10.0


def activations(kind: str, rng: np.random.Generator) -> Tensor:
    """(TOKENS, WIDTH): tokens of varying size; six loud channels; three tokens with two massive entries."""
    x = rng.standard_normal((TOKENS, WIDTH))
    if kind == "outliers":
        x *= np.exp(0.3 * rng.standard_normal((TOKENS, 1)))
        x[:, rng.choice(WIDTH, 6, replace=False)] *= 20
        tokens, channels = rng.choice(TOKENS, 3, replace=False), rng.choice(WIDTH, 2, replace=False)
        x[np.ix_(tokens, channels)] += 300
    return torch.from_numpy(x).float()


def literal(x: Tensor, start: Tensor, steps: int) -> Rotation:
    """The search as it is told: (B, B), (N + 1,) and n of one problem."""
    y, turned = x.clone(), torch.eye(SIZE, dtype=torch.float64)
    best, peaks, chosen = turned, [], 0
    for step in range(steps + 1):
        high, low = y.argmax().item(), y.argmin().item()
        top, bottom = y.flatten()[high].item(), y.flatten()[low].item()
        peaks.append(max(abs(top), abs(bottom)))
        if peaks[-1] < peaks[chosen]:
            best, chosen = turned, step
        column = (high if abs(top) > abs(bottom) else low) % WIDTH % SIZE
        exchange = torch.eye(SIZE, dtype=torch.float64)
        exchange[[0, column]] = exchange[[column, 0]]
        turn = exchange @ start @ exchange
        turned = turned @ turn
        for first in range(0, WIDTH, SIZE):
            y[:, first : first + SIZE] = y[:, first : first + SIZE] @ turn.float()
    return Rotation(best, torch.tensor(peaks), torch.tensor(chosen))


def least(search: Callable[[], Rotation], rounds: int) -> tuple[float, Rotation]:
    """(CPU seconds of the fastest round, what was found)."""
    taken: list[tuple[float, Any]] = []
    for _ in range(rounds):
        begin = time.process_time()
        found = search()
        taken.append((time.process_time() - begin, found))
    return min(taken, key=lambda pair: pair[0])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    begin = rotation.start(SIZE, np.random.default_rng(1))
    ratios = {}
    print(f"{'data':<10} {'literal':>10} {'ours':>10} {'ratio':>7}")
    for kind in ("outliers", "gaussian"):
        x = activations(kind, np.random.default_rng(0))
        rows = rotation.blocks(x, SIZE)[None]
        slow, expected = least(lambda x=x: literal(x, begin, STEPS), chosen.rounds)  # type: ignore[misc]
        fast, found = least(
            lambda rows=rows: rotation.greedy(rows, begin[None], STEPS),  # type: ignore[misc]
            chosen.rounds,
        )
        assert torch.allclose(found.peaks[0], expected.peaks, rtol=1e-4), "another path was taken"
        assert found.steps[0] == expected.steps, "another step was chosen"
        assert torch.allclose(found.matrix[0], expected.matrix.float(), atol=1e-6), "another rotation"
        ratios[kind] = slow / fast
        print(f"{kind:<10} {slow:>9.3f}s {fast:>9.3f}s {ratios[kind]:>6.1f}x")
    return int(chosen.check and ratios["outliers"] < BUDGET)


if __name__ == "__main__":
    sys.exit(main())
