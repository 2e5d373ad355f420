"""Writes the large made-up store that the benchmarks of the board and of the site read.

    python benchmarks/million.py FOLDER [--tasks 50] [--methods 200] [--seeds 100]

One run and one score a (task, method, seed), as snapshots, which is what compaction leaves. The values are
normal around a mean of the method's own, so that ranks have something to tell apart.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT / "tests", ROOT):
    sys.path.insert(0, str(folder))

from store_rows import run  # noqa: E402

PACKAGES = json.dumps({f"package-{i}": f"{i}.0.{i}" for i in range(13)})
HOST = json.dumps({"cores": 2, "cpu": "made up", "os": "Linux", "python": "3.11"})
FIXED = dataclasses.asdict(run()) | {"packages": PACKAGES, "host": HOST}


def make(root: Path, tasks: int = 50, methods: int = 200, seeds: int = 100) -> int:
    """Write the store below `root`; the number of score rows."""
    import numpy as np

    rng = np.random.default_rng(0)
    skill = rng.uniform(0.2, 0.8, methods)
    for task in range(tasks):
        name = f"task-{task:03d}"
        values = (
            skill[:, None]
            + 0.05 * rng.standard_normal((methods, 1))
            + 0.02 * rng.standard_normal((methods, seeds))
        )
        cost = np.exp(rng.normal(3, 1, methods))
        _write(root, name, task, np.clip(values, 0, 1), cost)
    return tasks * methods * seeds


def _write(root: Path, task: str, number: int, values: Any, cost: Any) -> None:
    import pyarrow as pa

    from suite._arrow import column
    from suite._compaction import snapshot_name
    from suite._parquet import encode
    from suite._tables import COLUMNS, folder_name

    methods, seeds = values.shape
    names = [f"method-{m:03d}" for m in range(methods) for _ in range(seeds)]
    numbers = list(range(seeds)) * methods
    cells = [
        hashlib.sha256(f"{task}/{m}/{s}".encode()).hexdigest() for m, s in zip(names, numbers, strict=True)
    ]
    clock = number * methods * seeds
    runs = [f"{c[:16]}-{clock + i:016x}-{i:08x}" for i, c in enumerate(cells)]
    order = sorted(range(len(runs)), key=runs.__getitem__)
    own = {
        "run": runs,
        "cell": cells,
        "family": [f"family-{number % 10}"] * len(runs),
        "method": names,
        "seed": numbers,
        "started": [1_700_000_000.0 + clock + i for i in range(len(runs))],
        "wall_s": [float(cost[i // seeds]) * (1 + i % seeds / 1000) for i in range(len(runs))],
    }
    score = own | {
        "metric": ["accuracy"] * len(runs),
        "slice": ["all"] * len(runs),
        "value": values.ravel().tolist(),
        "n": [1000] * len(runs),
        "higher_is_better": [True] * len(runs),
    }
    for kind, given in (("runs", own), ("scores", score)):
        fields = {k: v for k, v in COLUMNS[kind].items() if k != "task"}
        arrays = []
        for field, alias in fields.items():
            listed = given.get(field)
            listed = [FIXED[field]] * len(runs) if listed is None else listed
            arrays.append(column([listed[i] for i in order], alias))
        table = pa.Table.from_arrays(arrays, names=list(fields))
        path = root / kind / folder_name(task) / f"{snapshot_name(runs)}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(kind, task, table))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    for name, default in (("tasks", 50), ("methods", 200), ("seeds", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    print(f"{make(given.folder, given.tasks, given.methods, given.seeds):,} rows in {given.folder}")
