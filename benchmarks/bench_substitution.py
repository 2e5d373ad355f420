"""CompSub's draws on COGS: components indexed once, beside a plain way that scans the pool for each draw.

    python benchmarks/bench_substitution.py

Budget: at least 20 times as many draws a second, over a pool of 24,000 generated sentences, one round of
"all" exchanges, same hosts. A test has both make the same sentences equally often. Also printed: the time to
read the lines, build the pool and make examples over two rounds, and the memory that these take.
"""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Iterator, Sequence

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from methods.compositional.cogs_components import Component, Cut, Grain, component, cuts, substitute
from methods.compositional.cogs_draws import Entry, Host, Pool, augment, draws
from methods.compositional.cogs_sentences import Sentence, sentences
from tasks.compositional.cogs.generator import generate
from tasks.compositional.contract import Example

SENTENCES = 24_000
DRAWS = 20_000
PLAIN = 400
MADE = 100_000


def plain(
    rng: random.Random, hosts: Sequence[Host], pool: Sequence[Entry], count: int
) -> Iterator[tuple[Sentence, Cut, Component]]:
    """What `count` draws make, by the description of the procedure: nothing is prepared or remembered."""
    for _ in range(count):
        leaves, enters = _exchange(rng)
        host = rng.choice(hosts).sentence
        found = cuts(host)
        if leaves == "tree" and all(cut.signature.grain != "span" for cut in found):
            leaves, enters = "word", "word"
        for _ in range(4):
            cut = _leaving(rng, host, leaves)
            if cut is None:
                break
            wanted = cut.signature._replace(grain=enters)
            members: dict[tuple[str, ...], Component] = {}
            for entry in pool:
                if entry.signature == wanted:
                    members.setdefault(entry.component.words, entry.component)
            if members:
                shape = rng.choice(list(dict.fromkeys(new.shape for new in members.values())))
                new = rng.choice([new for new in members.values() if new.shape == shape])
                yield substitute(host, cut, new), cut, new
                break


def _exchange(rng: random.Random) -> tuple[Grain, Grain]:
    value = rng.random()
    if value < 0.3:
        return "tree", "tree"
    if value < 0.6:
        return "word", "word"
    return ("span", "span") if value < 0.7 else ("word", "span")


def _leaving(rng: random.Random, host: Sentence, grain: Grain) -> Cut | None:
    found = [cut for cut in cuts(host) if cut.signature.grain == grain]
    shapes = [component(host, cut).shape for cut in found]
    if not found:
        return None
    shape = rng.choice(list(dict.fromkeys(shapes)))
    return rng.choice([cut for cut, other in zip(found, shapes, strict=True) if other == shape])


def main() -> None:
    """Time both ways of drawing, then the whole of `augment`, in seconds of the processor."""
    train = [Example(row.sentence, row.form) for row in generate(0, SENTENCES, 0, 0, 0).train]
    start = time.process_time()
    read = sentences(train, "cogs")
    pool = Pool(train, read)
    built = time.process_time() - start
    print(f"pool: {len(pool.entries):,} components of {len(train):,} lines in {built:.1f} s")
    hosts = [Host(sentence, line, "") for line, sentence in read.items()]
    start = time.process_time()
    n = sum(1 for _ in draws(random.Random(0), hosts, pool, DRAWS))
    fast = DRAWS / (time.process_time() - start)
    print(f"indexed: {fast:,.0f} draws/s, {n / DRAWS:.0%} of which find something")
    start = time.process_time()
    n = sum(1 for _ in plain(random.Random(0), hosts, pool.entries, PLAIN))
    slow = PLAIN / (time.process_time() - start)
    print(f"scanning the pool for each: {slow:,.0f} draws/s, {n / PLAIN:.0%} of which find something")
    print(f"ratio: {fast / slow:.0f} (budget 20)")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    made = augment(train, "cogs", np.random.default_rng(0), n=MADE, rounds=2)
    seconds = time.process_time() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"augment: {len(made):,} examples in {seconds:.1f} s, pool and all, and {grown:,.0f} MiB")


if __name__ == "__main__":
    main()
