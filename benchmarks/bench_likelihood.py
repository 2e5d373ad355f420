"""Log-likelihoods: ours beside plain loops and lm-evaluation-harness, same model, same run, same scores.

    python benchmarks/bench_likelihood.py [--rounds 3] [--documents 200] [--check]

Documents with 4 choices each, tokenization included, one thread, float32, CPU seconds, best of the rounds,
all variants in turn. All scores must agree to 1e-4. `--check` exits 1 when a budget is missed: 1.0 times the
sorted plain loop, and 2.5 times lm-evaluation-harness where the choices share their context.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

import torch  # noqa: E402
from bench_models import best, random_llama, sentence, stories  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402

from suite.models.choices import Item, score_choices, sharing  # noqa: E402
from suite.models.likelihood import log_likelihoods  # noqa: E402

LOOP_BUDGET, SHARED_BUDGET = 1.0, 2.5
LOOP, SCORED, PEER = "plain loop, sorted", "plain loop, scored places", "lm-eval HFLM"
OURS, SHARED = "ours", "ours, context shared"
SIZE = 32


def plain(model: Any, tokenizer: Any, pairs: list[tuple[str, str]], *, scored: bool) -> list[float]:
    """The loop that one writes by hand: sorted, padded on the right, all logits or those that are scored."""
    ids = []
    for context, continuation in pairs:
        start = tokenizer.encode(context)
        ids.append((tokenizer.encode(context + continuation), len(start)))
    order = sorted(range(len(ids)), key=lambda i: -len(ids[i][0]))
    out = [0.0] * len(ids)
    for first in range(0, len(order), SIZE):
        some = order[first : first + SIZE]
        width = len(ids[some[0]][0]) - 1
        batch = torch.zeros(len(some), width, dtype=torch.long)
        for row, i in enumerate(some):
            batch[row, : len(ids[i][0]) - 1] = torch.tensor(ids[i][0][:-1])
        with torch.no_grad():
            if scored:
                hidden = model.model(batch, use_cache=False).last_hidden_state
            else:
                logits = model(batch, use_cache=False).logits
            for row, i in enumerate(some):
                whole, n = ids[i]
                places = slice(n - 1, len(whole) - 1)
                own = model.lm_head(hidden[row, places]) if scored else logits[row, places]
                out[i] = float(own.log_softmax(-1).gather(-1, torch.tensor(whole[n:])[:, None]).sum())
    return out


def report(name: str, pair: tuple[Any, Any], documents: int, rounds: int) -> tuple[float, float]:
    """Prints the table of one model; the gains over the plain loop, and of shared contexts over the peer."""
    model, tokenizer = pair
    pick = random.Random(2)
    items = [
        Item(
            sentence(pick, pick.randint(30, 50)),
            [f" {sentence(pick, pick.randint(2, 7))}" for _ in range(4)],
        )
        for _ in range(documents)
    ]
    pairs = [(item.context, choice) for item in items for choice in item.choices]
    peer = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=SIZE)
    requests = [SimpleNamespace(args=p) for p in pairs]
    seconds, scores = best(
        {
            LOOP: lambda: plain(model, tokenizer, pairs, scored=False),
            SCORED: lambda: plain(model, tokenizer, pairs, scored=True),
            PEER: lambda: [s for s, _ in peer.loglikelihood(requests, disable_tqdm=True)],
            OURS: lambda: [s.total for s in log_likelihoods(model, tokenizer, pairs, batch_size=SIZE)],
            SHARED: lambda: [
                s.total for row in score_choices(model, tokenizer, items, batch_size=SIZE) for s in row
            ],
        },
        rounds,
    )
    length = sum(len(tokenizer.encode(a + b)) for a, b in pairs) / len(pairs)
    print(f"\n{name}: {documents} documents x 4 choices, {length:.0f} tokens each; sharing: {sharing(model)}")
    print(f"{'':28}{'CPU s':>8}{'requests/s':>12}{'x loop':>8}{'x lm-eval':>11}{'largest difference':>20}")
    for variant, spent in seconds.items():
        apart = max(abs(a - b) for a, b in zip(scores[variant], scores[PEER], strict=True))
        rate = len(pairs) / spent
        gains = f"{seconds[LOOP] / spent:8.2f}{seconds[PEER] / spent:11.2f}"
        print(f"{variant:28}{spent:8.2f}{rate:12.0f}{gains}{apart:20.1e}")
        assert apart < 1e-4, f"{variant} and {PEER} do not agree"
    return seconds[LOOP] / seconds[OURS], seconds[PEER] / seconds[SHARED]


def main() -> int:
    """Measure, print, and judge where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    print(f"{torch.get_num_threads()} thread, torch {torch.__version__}, float32, batches of {SIZE}")
    gains = [report("random Llama, 4 layers of 256", random_llama(), chosen.documents, chosen.rounds)]
    if (real := stories()) is not None:
        gains.append(report("stories260k", real, chosen.documents, chosen.rounds))
    met = all(loop >= LOOP_BUDGET and shared >= SHARED_BUDGET for loop, shared in gains)
    return int(chosen.check and not met)


if __name__ == "__main__":
    raise SystemExit(main())
