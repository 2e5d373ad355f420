"""A million score rows to ranked tables, beside the same means by pandas, each in a process of its own.

    python benchmarks/bench_board.py [--store FOLDER] [--site] [--check]

Writes the store of `million.py` (50 tasks, 200 methods, 100 seeds) unless one is given. Ours reads the
parquet, chooses the runs, takes means and ranks 10,000 entries; pandas reads the two tables, keeps the newest
run of each seed and takes the mean, without ranks. With --site the whole site is built too. Budgets: 3 s and
1.5 GiB of peak memory for ours, 60 s for the site; with --check the exit code is 1 beyond them.

Measured on two busy cores, best of three: 2.9 s and 0.37 GiB; pandas 2.7 s and 0.83 GiB without ranks; the
site in 56 s (10,314 pages, two processes).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import million  # noqa: E402

SECONDS, GIB, SITE_SECONDS = 3.0, 1.5, 60.0
ROUNDS = 3
OURS = """
import json, resource, sys, time
from pathlib import Path
from suite.store import Store
from leaderboard import aggregate
start, cpu = time.perf_counter(), time.process_time()
board = aggregate.of_store(Store(Path(sys.argv[1])), {}, {})
entries = [e for t in board.tables for e in t.entries]
assert all(e.rank is not None for e in entries)
took, cpu = time.perf_counter() - start, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps([took, cpu, peak, len(entries), sum(e.mean() for e in entries)]))
"""
PANDAS = """
import json, resource, sys, time
import pandas
start, cpu = time.perf_counter(), time.process_time()
wanted = ["run", "task", "method", "profile", "seed", "started"]
runs = pandas.read_parquet(sys.argv[1] + "/runs", columns=wanted)
scores = pandas.read_parquet(sys.argv[1] + "/scores", columns=["run", "metric", "slice", "value"])
keys = ["task", "method", "profile"]
runs = runs.sort_values("started").drop_duplicates([*keys, "seed"], keep="last")
means = runs.merge(scores, on="run").groupby([*keys, "metric", "slice"], observed=True)["value"].mean()
took, cpu = time.perf_counter() - start, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps([took, cpu, peak, len(means), float(means.sum())]))
"""


def measured(script: str, store: Path) -> list[float]:
    """[seconds, CPU seconds, peak GiB, entries, sum of the means] of one run of a script."""
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script, str(store)], capture_output=True, text=True, check=True, cwd=root
    )
    found: list[float] = json.loads(done.stdout)
    return found


def site_seconds(store: Path) -> float:
    """How long the whole site takes from the shell."""
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as folder:
        words = ["leaderboard", "build", "--results", str(store), "--out", f"{folder}/site"]
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "suite", *words], check=True, cwd=root)
        return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path)
    parser.add_argument("--site", action="store_true")
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = given.store or Path(folder) / "store"
        if given.store is None:
            print(f"{million.make(store):,} rows written")
        site = site_seconds(store) if given.site else None
        rounds = [(measured(OURS, store), measured(PANDAS, store)) for _ in range(ROUNDS)]
    ours, pandas = (min(r[i] for r in rounds) for i in (0, 1))
    assert abs(ours[4] - pandas[4]) < 1e-6 * abs(ours[4]), "the two disagree"
    for name, (seconds, cpu, peak, entries, _) in (("ours, ranked", ours), ("pandas, means alone", pandas)):
        print(f"{name:20} {seconds:6.2f} s  {cpu:6.2f} CPU s  {peak:5.2f} GiB  {entries:,.0f} entries")
    print(f"ours in the time of pandas: {ours[0] / pandas[0]:.2f}")
    over = ours[0] > SECONDS or ours[2] > GIB or (site is not None and site > SITE_SECONDS)
    if site is not None:
        print(f"site: {site:.1f} s, budget {SITE_SECONDS:.0f} s")
    print(f"budget {SECONDS} s, {GIB} GiB: {'missed' if over else 'met'}")
    return int(given.check and over)


if __name__ == "__main__":
    sys.exit(main())
