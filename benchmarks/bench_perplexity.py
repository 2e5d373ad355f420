"""Perplexity: ours beside lm-evaluation-harness's rolling log-likelihood, same model, windows and numbers.

    SUITE_DATA_DIR=... python benchmarks/bench_perplexity.py [--windows 24] [--length 256] [--check]

stories260k on stories of its own, cut into windows of `length` scored tokens, each seen with the token before
it, as lm-eval cuts them. One thread, float32, CPU seconds, best of the rounds, all variants in turn. lm-eval
runs at its own default, one window at a time, and at our batch size. The perplexities must agree to 1e-3.
`--check` exits 1 below 1.5 times the tokens a second of lm-eval at its default. At equal batches almost all
of the time is the model's own, so that little can be gained; that ratio is printed and not judged.
"""

from __future__ import annotations

import argparse
import copy
import io
import logging
import math
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

import torch  # noqa: E402
from bench_models import best, stories  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402

from tasks.quantization.perplexity import perplexity  # noqa: E402

BUDGET = 1.5
SIZE = 4
OURS, ALONE, SAME = "ours", "lm-eval, its default", "lm-eval, our batch size"


def sampled(model: Any, tokenizer: Any, count: int, length: int) -> list[int]:
    """count * length token ids of stories that the model tells."""
    torch.manual_seed(0)
    start = torch.full((8, 1), tokenizer.bos_token_id)
    told = model.generate(start, do_sample=True, max_new_tokens=200, min_new_tokens=200, pad_token_id=0)
    ids = [i for row in told[:, 1:].tolist() for i in row]
    return (ids * (count * length // len(ids) + 1))[: count * length]


def peer(model: Any, tokenizer: Any, ids: list[int], length: int, size: int) -> Callable[[], float]:
    """Perplexity by lm-eval; it is given the token ids, so that tokenization is in no variant."""
    lm: Any = HFLM(pretrained=model, tokenizer=copy.deepcopy(tokenizer), batch_size=size, max_length=length)
    lm.tok_encode = lambda text, **_: ids

    def run() -> float:
        # Its progress bar has no switch here.
        with redirect_stderr(io.StringIO()):
            found = lm.loglikelihood_rolling([SimpleNamespace(args=("",))], disable_tqdm=True)
        return math.exp(-found[0] / len(ids))

    return run


def main() -> int:
    """Measure, print, and judge where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--windows", type=int, default=24)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    if (real := stories()) is None:
        print("stories260k-llama is not in SUITE_DATA_DIR; nothing was measured")
        return 2
    model, tokenizer = real
    ids = sampled(model, tokenizer, chosen.windows, chosen.length)
    rows = [tokenizer.bos_token_id, *ids]
    windows = [rows[k : k + chosen.length + 1] for k in range(0, len(ids), chosen.length)]
    seconds, values = best(
        {
            OURS: lambda: perplexity(model, windows, SIZE).value,
            ALONE: peer(model, tokenizer, ids, chosen.length, 1),
            SAME: peer(model, tokenizer, ids, chosen.length, SIZE),
        },
        chosen.rounds,
    )
    print(f"torch {torch.__version__}, 1 thread; {len(windows)} windows of {chosen.length}, {SIZE} at a time")
    print(f"{'':26}{'CPU s':>8}{'tokens/s':>10}{'ours is':>9}{'perplexity':>13}")
    for name, spent in seconds.items():
        gain = f"{spent / seconds[OURS]:8.2f}x"
        print(f"{name:26}{spent:8.2f}{len(ids) / spent:10.0f}{gain}{values[name]:13.5f}")
        assert abs(values[name] - values[OURS]) < 1e-3, f"{name} and {OURS} do not agree"
    return int(chosen.check and seconds[ALONE] / seconds[OURS] < BUDGET)


if __name__ == "__main__":
    raise SystemExit(main())
