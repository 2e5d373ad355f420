"""How many threads compute: one for each of several workers, more only for a process that is alone.

Two processes of two threads each on two cores were measured ten times slower than two of one, and a single
process of two threads beside a busy neighbour thirty times, since every parallel loop waits for its slowest
thread. So one thread is the default everywhere, and waiting threads sleep instead of spinning.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
WAIT_POLICY = "OMP_WAIT_POLICY"


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def variables(threads: int) -> dict[str, str]:
    """The environment variables that give a new process so many threads, before it loads numpy or torch."""
    if threads < 1:
        raise ValueError(f"a process needs at least one thread, not {threads}")
    return {**dict.fromkeys(VARIABLES, str(threads)), WAIT_POLICY: os.environ.get(WAIT_POLICY, "PASSIVE")}


def settle(environment: Mapping[str, str] | None = None) -> int:
    """Make this process use one thread unless the user has said otherwise; returns the number in force.

    For a command that computes in its own process: to be called before torch is loaded, and right after
    where it is.
    """
    asked = (os.environ if environment is None else environment).get("OMP_NUM_THREADS", "")
    threads = int(asked) if asked.isdigit() and int(asked) > 0 else 1
    os.environ.update(variables(threads))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    return threads


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Run a block with so many torch threads, and put the old number back."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
