"""What a search costs: learners taught, and simulations a minute.

    OMP_NUM_THREADS=1 python benchmarks/bench_search.py [--simulations 1200] [--check]

The tree search of `cldyb-separate` at small, against three learners of frozen features at once (class means,
streaming discriminant analysis, random projection), on the digits of scikit-learn in four variants under a
small ViT. The literal side teaches every learner anew at every step of every simulation: simulations times
depth times learners. The search teaches a history once. Budgets, with --check the exit code is 1 beyond
them: at least 20 times fewer trainings, at least 1,000 simulations a minute.

The rival's seconds are not run: they are its trainings at the mean seconds that the search's own took.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from methods.cldyb.ranpac import RanPAC  # noqa: E402
from methods.cldyb.simplecil import SimpleCIL  # noqa: E402
from methods.cldyb.slda import SLDA  # noqa: E402
from suite.api import Context  # noqa: E402
from tasks.cldyb.emit import task_of  # noqa: E402
from tasks.cldyb.hunt import hunt  # noqa: E402

FEWER, PER_MINUTE = 20.0, 1000.0
LEARNERS = {"simplecil": SimpleCIL(), "slda": SLDA(), "ranpac": RanPAC(dim=500)}


def main() -> int:
    """Prints one line a measure; 1 where a budget is missed and --check asks for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--simulations", type=int, default=1200, help="of a step")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    task = replace(task_of("small", {"pool": "digits"}), simulations=args.simulations)
    stage = task.stage(Context(seed=0))
    stage.features  # noqa: B018 - once for a pool, not part of the search
    began = time.perf_counter()
    found = hunt(stage, LEARNERS, task.plan(0, 0))
    seconds = time.perf_counter() - began
    literal = found.simulations * task.depth * len(LEARNERS)
    fewer, rate = literal / found.trainings, 60 * found.simulations / seconds
    earned = sum(found.rewards)
    print(
        f"{found.simulations} simulations, {found.trainings} trainings, {seconds:.1f} s, earned {earned:.3f}"
    )
    print(f"trainings of the literal search {literal}: {fewer:.1f} times as many (budget {FEWER:.0f})")
    print(f"at the same seconds a training: {literal * seconds / found.trainings:.0f} s")
    print(f"simulations a minute {rate:.0f} (budget {PER_MINUTE:.0f})")
    return int(args.check and (fewer < FEWER or rate < PER_MINUTE))


if __name__ == "__main__":
    sys.exit(main())
