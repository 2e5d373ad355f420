"""What the harness itself costs, beside its budgets and beside benchopt.

    python benchmarks/bench_harness.py

The figures of benchopt are recorded ones, of a machine of the same kind: it is no dependency of the
project. Run this on a quiet machine: two workers cannot be faster than one where neighbours hold the
cores. Exits 1 when a budget is missed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT / "benchmarks", ROOT / "tests", ROOT):
    sys.path.insert(0, str(folder))
os.environ.update(
    SUITE_PLUGINS="toy_plugin,spin_plugin",
    OMP_NUM_THREADS="1",
    PYTHONPATH=os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "benchmarks"))),
)

from suite.engines import local  # noqa: E402
from suite.engines.local import Options  # noqa: E402
from suite.plan import plan  # noqa: E402
from suite.runner import execute  # noqa: E402
from suite.store import Store  # noqa: E402

CELLS = 300
REPEATS = 3
# Milliseconds of CPU for a fresh trivial cell, recorded: 8 to 12.
BENCHOPT = 8.0


class Line(NamedTuple):
    """A measured cost or gain with its budget; `more` says that a larger value is better."""

    what: str
    value: float
    unit: str
    budget: float
    peer: str = ""
    more: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.budget if self.more else self.value <= self.budget


def best(measure: Callable[[], float]) -> float:
    """The smallest of a few measurements: what the work costs when no neighbour disturbs it."""
    return min(measure() for _ in range(REPEATS))


def fresh_cell(root: Path) -> float:
    """CPU ms of planning, running and storing an empty cell in this process."""
    store = Store(Path(tempfile.mkdtemp(dir=root)))
    store.append(execute(plan("toy", "toy-good", seed=CELLS)))
    start = time.process_time()
    for seed in range(CELLS):
        store.append(execute(plan("toy", "toy-good", seed=seed)))
    return 1000 * (time.process_time() - start) / CELLS


def cached_cell(store: Store) -> float:
    """CPU ms of planning a cell and finding it in the store."""
    assert store.find(*_key(0)) is not None
    start = time.process_time()
    for seed in range(CELLS):
        assert store.find(*_key(seed)) is not None
    return 1000 * (time.process_time() - start) / CELLS


def _key(seed: int) -> tuple[str, str]:
    planned = plan("toy", "toy-good", seed=seed)
    return planned.cell.id, planned.code


def shell(*arguments: str) -> float:
    """Wall seconds of a suite command."""
    command = [sys.executable, "-m", "suite", *arguments, "--quiet"]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return time.perf_counter() - start


def empty_from_shell(root: Path) -> float:
    """Wall seconds of one empty cell with nothing stored before."""
    results = tempfile.mkdtemp(dir=root)
    return shell("run", "--task", "toy", "--method", "toy-good", "--results", results)


def cached_sweep(root: Path) -> float:
    """Wall seconds of a sweep of 1,000 cells that the store holds."""
    return shell("sweep", "--method", "toy-good", "--seeds", "0-999", "--results", str(root))


def speed_up(jobs: int = 2, cells: int = 6) -> float:
    """How much faster two workers are than one on cells that compute for one second."""

    def wall(workers: int) -> float:
        start = time.perf_counter()
        ended = list(
            local.run([plan("toy", "toy-spin", seed=s) for s in range(cells)], Options(jobs=workers))
        )
        assert len(ended) == cells
        return time.perf_counter() - start

    return wall(1) / wall(jobs)


def filled(root: Path, cells: int) -> Store:
    """A compacted store of that many empty cells."""
    store = Store(root)
    for seed in range(cells):
        store.append(execute(plan("toy", "toy-good", seed=seed)))
    store.compact(prune=True)
    return Store(root)


def main() -> int:
    """Measure, print, and say by the exit code whether every budget is met."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["SUITE_CACHE"] = str(root / "cache")
        store = filled(root / "thousand", 1000)
        fresh = best(lambda: fresh_cell(root))
        lines = [
            Line(
                "fresh empty cell in process, CPU",
                fresh,
                "ms",
                2.0,
                "benchopt 8-12",
            ),
            Line("  times cheaper than benchopt", BENCHOPT / fresh, "x", 1.0, more=True),
            Line("cached cell, CPU", best(lambda: cached_cell(store)), "ms", 0.2, "benchopt 0.1-1.7"),
            Line(
                "empty cell from the shell",
                best(lambda: empty_from_shell(root)),
                "s",
                0.5,
                "benchopt 1.1",
            ),
            Line("1,000 cached cells from the shell", best(lambda: cached_sweep(store.root)), "s", 1.0),
            Line("two workers against one, cells of 1 s", speed_up(), "x", 1.8, more=True),
        ]
    for line in lines:
        verdict = "ok" if line.met else "MISSED"
        measured = f"{line.what:45} {line.value:8.2f} {line.unit:3}"
        print(f"{measured} budget {line.budget:5.1f}  {verdict:7} {line.peer}")
    return 0 if all(line.met for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
