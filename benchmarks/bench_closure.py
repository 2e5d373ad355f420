"""CompSub's full depth-1 closure of scan-jump (7,706 new commands), beside a plain way of making it.

    python benchmarks/bench_closure.py

Budget: under 2 s. The plain one goes through the pool again for every candidate of every host; it is timed
on a part of the hosts and must make the same examples of them.
"""

from __future__ import annotations

import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

from methods.compositional.compsub import closure
from methods.compositional.scan_components import candidates, exchangeable, pool, substitute
from tasks.compositional.contract import Example
from tasks.compositional.scan import splits

HOSTS = 400


def plain(train: list[Example], hosts: list[Example]) -> set[Example]:
    """New examples made of `hosts`, the pool re-scanned for each candidate."""
    known = {e.x for e in train}
    components = pool(train)
    made = set()
    for x, y in hosts:
        for candidate in candidates(x, y, components.lexicon):
            for component in components.components:
                if exchangeable(candidate, component):
                    new = substitute(x, y, candidate, component)
                    if new.x not in known:
                        made.add(new)
    return made


def main() -> None:
    """Time both and print examples a second of host lines."""
    train = splits.examples(splits.published("addprim_jump").train)
    start = time.perf_counter()
    whole = closure(train, 1, pool(train))
    seconds = time.perf_counter() - start
    hosts = list(dict.fromkeys(train))
    step = max(1, len(hosts) // HOSTS)
    start = time.perf_counter()
    part = plain(train, hosts[::step])
    slow = (time.perf_counter() - start) * len(hosts) / len(hosts[::step])
    assert part <= {a.example for a in whole}, "the closure misses an example"
    print(f"closure: {len(whole):,} new commands in {seconds:.2f} s (budget 2 s)")
    print(f"re-scanning the pool: about {slow:.1f} s, {slow / seconds:.1f} times as long")


if __name__ == "__main__":
    main()
