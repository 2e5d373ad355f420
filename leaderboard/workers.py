"""Work on many jobs in several processes, beside what the first process does meanwhile."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

# What the forks inherit: a job need not be sent to them, only its number.
_work: tuple[Callable[[Any], Any], Sequence[Any]] = (len, ())


@contextmanager
def started(processes: int, jobs: Sequence[Any], work: Callable[[Any], T]) -> Iterator[list[T]]:
    """Do `work` on each of `jobs`, giving a list that holds the results once the block has ended.

    With one process the work is done at the end of the block; with more it runs beside it, in forks that
    see all that this process holds. Where the system cannot fork, one process does it all.
    """
    results: list[T] = []
    if processes < 2 or "fork" not in multiprocessing.get_all_start_methods():
        yield results
        results += map(work, jobs)
        return
    global _work
    _work = work, jobs
    # A collection in a fork would touch, and so copy, every page of memory that it shares.
    gc.freeze()
    try:
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            asked = pool.map_async(_one, range(len(jobs)), chunksize=1)
            yield results
            results += asked.get()
    finally:
        gc.unfreeze()
        _work = len, ()


def each(processes: int, jobs: Sequence[Any], work: Callable[[Any], T]) -> list[T]:
    """The results of `work` on each of `jobs`, in their order."""
    with started(processes, jobs, work) as results:
        pass
    return results


def _one(number: int) -> Any:
    work, jobs = _work
    return work(jobs[number])
