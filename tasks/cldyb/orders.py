"""Sequences that nobody searched for: fixed ones as static benchmarks have them, and random ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from suite.errors import UsageError
from tasks.cldyb.mdp import History

if TYPE_CHECKING:
    import numpy as np


def class_order(classes: Sequence[int], size: int, horizon: int) -> History:
    """The static order: the first `size` classes, then the next, as fixed benchmarks have it."""
    if size * horizon > len(classes):
        raise UsageError(f"{horizon} tasks of {size} classes need more than the {len(classes)} of the pool")
    return tuple(tuple(sorted(classes[t * size : (t + 1) * size])) for t in range(horizon))


def random_order(classes: Sequence[int], size: int, horizon: int, rng: np.random.Generator) -> History:
    """A random sequence from the whole pool: what found sequences are compared with."""
    return class_order([int(number) for number in rng.permutation(classes)], size, horizon)


def domain_order(domains: Sequence[str], size: int, horizon: int, rng: np.random.Generator) -> History:
    """A static benchmark's sequence: every task is of one domain, no domain twice before all have served.

    domains: of every class of the pool. Domains and the classes of each come in random order; a domain with
    fewer than `size` classes left gives no task. UsageError where there are not enough.
    """
    left = {
        name: rng.permutation([c for c, own in enumerate(domains) if own == name]).tolist()
        for name in dict.fromkeys(domains)
    }
    tasks: list[tuple[int, ...]] = []
    while len(tasks) < horizon:
        ready = [name for name, classes in left.items() if len(classes) >= size]
        if not ready:
            raise UsageError(f"{horizon} tasks of {size} classes of one domain: the pool has {len(tasks)}")
        for i in rng.permutation(len(ready))[: horizon - len(tasks)]:
            name = ready[int(i)]
            tasks.append(tuple(sorted(left[name][:size])))
            left[name] = left[name][size:]
    return tuple(tasks)
