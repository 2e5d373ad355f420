"""Greedy generation: our batches beside a loop without a cache and beside transformers' generate.

    python benchmarks/bench_generation.py [--rounds 2] [--tokens 64] [--check]

32 prompts of 4 to 40 words, one thread, float32, CPU seconds, best of the rounds, all variants in turn; how
many rows each wrote as the loop did stands beside. Our batches must write what they write one by one.
`--check` exits 1 when the budget is missed: 5 times the loop without a cache.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

import torch  # noqa: E402
from bench_models import best, random_llama, sentence, stories  # noqa: E402

from suite.models.generation import generate  # noqa: E402

BUDGET = 5.0
OURS, LOOP = "ours, batches of 32", "one by one, no cache"


def loop(model: Any, prompts: list[list[int]], count: int) -> list[list[int]]:
    """Every token from a forward pass over everything before it."""
    written = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        for _ in range(count):
            with torch.no_grad():
                token = model(ids, use_cache=False, logits_to_keep=1).logits[:, -1].argmax(-1)
            ids = torch.cat([ids, token[:, None]], 1)
        written.append(ids[0, len(prompt) :].tolist())
    return written


def rival(model: Any, prompts: list[list[int]], count: int, size: int) -> list[list[int]]:
    """transformers' generate in batches padded on the left."""
    written = []
    for start in range(0, len(prompts), size):
        some = prompts[start : start + size]
        width = max(map(len, some))
        ids = torch.tensor([[0] * (width - len(p)) + p for p in some])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in some])
        out = model.generate(
            ids, attention_mask=mask, do_sample=False, max_new_tokens=count, eos_token_id=None, pad_token_id=0
        )
        written += out[:, width:].tolist()
    return written


def report(name: str, pair: tuple[Any, Any], count: int, rounds: int) -> float:
    """Prints the table of one model; the gain over the loop without a cache."""
    model, tokenizer = pair
    pick = random.Random(1)
    prompts = [tokenizer.encode(sentence(pick, pick.randint(4, 40))) for _ in range(32)]

    def ours(size: int) -> list[list[int]]:
        got = generate(model, tokenizer, prompts, max_new_tokens=count, batch_size=size, eos=[])
        return [list(g.ids) for g in got]

    seconds, texts = best(
        {
            LOOP: lambda: loop(model, prompts, count),
            "transformers, one by one": lambda: rival(model, prompts, count, 1),
            "transformers, one batch": lambda: rival(model, prompts, count, 32),
            "ours, one by one": lambda: ours(1),
            OURS: lambda: ours(32),
        },
        rounds,
    )
    print(f"\n{name}: 32 prompts, {sum(map(len, prompts)) / 32:.0f} tokens each, {count} new tokens")
    print(f"{'':28}{'CPU s':>8}{'tokens/s':>10}{'x loop':>8}  rows as the loop wrote them")
    for variant, spent in seconds.items():
        same = sum(a == b for a, b in zip(texts[variant], texts[LOOP], strict=True))
        print(f"{variant:28}{spent:8.2f}{32 * count / spent:10.0f}{seconds[LOOP] / spent:8.1f}  {same} of 32")
    assert texts[OURS] == texts["ours, one by one"], "a batch changed a text"
    return seconds[LOOP] / seconds[OURS]


def main() -> int:
    """Measure, print, and judge where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{torch.get_num_threads()} thread, torch {torch.__version__}, float32")
    gains = [report("random Llama, 4 layers of 256", random_llama(), chosen.tokens, chosen.rounds)]
    if (real := stories()) is not None:
        gains.append(report("stories260k", real, chosen.tokens, chosen.rounds))
    return int(chosen.check and min(gains) < BUDGET)


if __name__ == "__main__":
    raise SystemExit(main())
