"""What the store costs, beside plain ways of keeping the same rows, measured in the same run.

    python benchmarks/bench_store.py [--quick]

Peers: one JSON file a cell (as MTEB keeps results), and one shared parquet file that every cell rewrites.
The last part appends 2,000 cells from 16 processes that are killed at random moments and counts what is lost.
Exits 1 when a budget is missed or a row is lost.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT / "tests", ROOT):
    sys.path.insert(0, str(folder))

from store_rows import cell_id, outcome, run  # noqa: E402

from suite._tables import COLUMNS, Kind, folder_name  # noqa: E402
from suite.api import Sample  # noqa: E402
from suite.records import Outcome  # noqa: E402
from suite.store import Store  # noqa: E402

APPENDS = 250
TASKS = 12
PEER_ROWS = 1000
WRITERS = 16
SEED = 7
TEXTS = ("jump twice", "I_JUMP", "I_JUMP I_JUMP")
WRITER = """
import sys
from pathlib import Path
from store_rows import outcome, run
from suite.store import Store
store = Store(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    store.append(outcome(number))
    print(run(number).run, flush=True)
"""


class Line(NamedTuple):
    """A measured cost beside its budget and beside the same work done by a peer; None where there is none."""

    what: str
    value: float
    unit: str
    budget: float | None = None
    peer: float | None = None
    peer_name: str = ""

    @property
    def met(self) -> bool:
        return self.budget is None or self.value <= self.budget


def cpu_ms(work: Callable[[int], object], times: int, rounds: int = 4) -> float:
    """CPU milliseconds a call, the best of a few rounds: what it costs when no neighbour disturbs it."""
    costs = []
    for k in range(rounds):
        start = time.process_time()
        for number in range(times):
            work(k * times + number)
        costs.append((time.process_time() - start) / times * 1e3)
    return min(costs)


def cpu_s(work: Callable[[], object], rounds: int = 4) -> float:
    """CPU seconds of one call."""
    return cpu_ms(lambda _: work(), 1, rounds) / 1e3


def row(item: Outcome) -> dict[str, object]:
    return asdict(item.run) | {"scores": [score._asdict() for score in item.scores]}


def in_memory(made: list[Outcome]) -> float:
    """The store's own share: on a memory file system, where there is one, the disk takes no part in it."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        store = Store(Path(folder))
        return cpu_ms(lambda number: store.append(made[number]), APPENDS)


def appending(folder: Path) -> list[Line]:
    """Appending a cell of three scores, against a rewritten shared file of 1,000 runs."""
    import pyarrow.parquet as pq

    from suite._parquet import place

    name = "shared file"
    store, shared = Store(folder / "append"), folder / "shared.parquet"
    made = [outcome(number) for number in range(4 * APPENDS + 1)]
    store.append(made[-1])
    ours = cpu_ms(lambda number: store.append(made[number]), APPENDS)
    table = store.runs().slice(0, PEER_ROWS)
    pq.write_table(table, shared)

    def rewrite(_: int) -> None:
        pq.write_table(pq.read_table(shared), shared)

    def bare(number: int) -> None:
        for kind in ("runs", "scores"):
            place(bytes(3000), str(folder / f"{kind}-{number}"))

    parts = cpu_ms(lambda _: Store(folder / "append").runs(), 1) / len(store.runs())
    return [
        Line("append a cell, in memory", in_memory(made), "ms CPU", 1.2),
        Line(
            "append a cell, on this disk (two files, fsync)", ours, "ms CPU", None, cpu_ms(rewrite, 10), name
        ),
        Line("  of it, two bare files written like that", cpu_ms(bare, APPENDS), "ms CPU"),
        Line("read a part that is not compacted", parts, "ms CPU"),
    ]


def fill(root: Path, cells: int) -> None:
    """Pruned snapshots of `cells` runs, as compacting their parts would give (and take long)."""
    from suite._compaction import snapshot_name

    for number in range(TASKS):
        task = f"task-{number}"
        made = [outcome(k, task=task) for k in range(number, cells, TASKS)]
        made.sort(key=lambda item: item.run.run)
        name = snapshot_name([item.run.run for item in made])
        snapshot(root, "runs", task, name, [asdict(item.run) for item in made])
        shared = ("run", "cell", "method", "profile", "seed")
        rows = [
            {name: getattr(item.run, name) for name in shared} | score._asdict()
            for item in made
            for score in item.scores
        ]
        snapshot(root, "scores", task, name, rows)


def snapshot(root: Path, kind: Kind, task: str, name: str, rows: list[dict[str, object]]) -> None:
    """One snapshot file, written by the store's own encoder."""
    import pyarrow as pa

    from suite._arrow import column, stored
    from suite._parquet import encode, place

    target = root / kind / folder_name(task)
    target.mkdir(parents=True)
    arrays = [column([row[field] for row in rows], COLUMNS[kind][field]) for field in stored(kind).names]
    table = pa.Table.from_arrays(arrays, schema=stored(kind))
    place(encode(kind, task, table), str(target / f"{name}.parquet"))


def reading(folder: Path, cells: int) -> list[Line]:
    """Reading compacted runs, against one JSON file a run."""
    root, files = folder / "read", folder / "json"
    fill(root, cells)
    files.mkdir()
    for number in range(cells):
        (files / f"{number}.json").write_text(json.dumps(row(outcome(number))))

    def read_json() -> list[object]:
        return [json.loads(path.read_bytes()) for path in files.iterdir()]

    json_s = cpu_s(read_json, 1)
    store = Store(root)
    assert len(store.runs()) == cells and len(store.scores()) == 3 * cells and not store.problems
    index = cpu_s(lambda: Store(root).find(cell_id(0), "c" * 64))
    found = cpu_ms(lambda number: store.find(cell_id(number % cells), "c" * 64), 500)
    misses = cpu_ms(lambda number: store.find(cell_id(number), "other code"), 500)
    name = "JSON files"
    return [
        Line(f"read {cells:,} runs, compacted", cpu_s(store.runs), "s CPU", 0.1, json_s, name),
        Line(f"read {3 * cells:,} scores, compacted", cpu_s(store.scores), "s CPU", 0.1, json_s, name),
        Line("find a cell's run", found, "ms CPU", 0.2),
        Line("find no run", misses, "ms CPU", 0.2),
        Line(f"first find, index of {cells:,} runs", index, "s CPU"),
        Line("bytes a run, compacted", size(root / "runs") / cells, "B", None, size(files) / cells, name),
    ]


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def samples(folder: Path) -> list[Line]:
    """10,000 examples a cell, 20 of them with their texts."""
    chance = random.Random(SEED)
    store, examples = Store(folder / "samples"), 10_000
    logged = [Sample(k, float(chance.random() < 0.7), *(TEXTS if k < 20 else ())) for k in range(examples)]
    made = [outcome(number, samples=logged) for number in range(8)]
    cost = cpu_ms(lambda number: store.append(made[number]), 2) / examples
    lines = "\n".join(json.dumps(sample._asdict()) for sample in logged)
    each = size(store.root / "samples") / (8 * examples)
    return [
        Line("bytes an example", each, "B", 500.0, len(lines) / examples, "JSON lines"),
        Line("append an example", cost, "ms CPU", 0.1),
    ]


def killed(folder: Path, cells: int) -> list[Line]:
    """Sixteen writers, half of them killed after a random number of cells, the soonest first."""
    chance, root, each = random.Random(SEED), folder / "killed", cells // WRITERS
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(root), str(k * each), str((k + 1) * each)],
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"},
        )
        for k in range(WRITERS)
    ]
    said: set[str] = set()
    victims = writers[::2]
    for victim, moment in zip(victims, sorted(chance.choices(range(each), k=len(victims))), strict=True):
        said |= {victim.stdout.readline().strip() for _ in range(moment)}
        victim.kill()
    for writer in writers:
        said |= set(writer.stdout.read().split())
    died = sum(writer.wait() != 0 for writer in writers)
    store = Store(root)
    kept = set(store.runs().column("run").to_pylist())
    whole = len(store.scores()) == 3 * len(kept)
    started = {run(number).run for number in range(cells)}
    broken = [problem for problem in store.check() if problem.kind != "leftover"]
    return [
        Line(f"rows lost of {len(said):,}, {WRITERS} writers, {died} killed", len(said - kept), "rows", 0),
        Line("corrupt or foreign files, incomplete runs", len(broken) + (not whole), "files", 0),
        Line("rows of cells in flight that were committed", len(kept - said), "rows", died),
        Line("rows nobody appended", len(kept - started), "rows", 0),
    ]


def show(lines: list[Line]) -> None:
    print(f"{'':55} {'ours':>10} {'budget':>8} {'peer':>10}  {'ratio':16}")
    for line in lines:
        budget = "" if line.budget is None else f"{line.budget:g}"
        peer = "" if line.peer is None else f"{line.peer:.4g}"
        ratio = "" if line.peer is None else f"{line.peer / line.value:.1f}x {line.peer_name}"
        verdict = "" if line.met else "  MISSED"
        print(f"{line.what:55} {line.value:10.4g} {budget:>8} {peer:>10}  {ratio:16} {line.unit}{verdict}")


def main() -> int:
    quick = "--quick" in sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = appending(folder) + reading(folder, 2_000 if quick else 20_000) + samples(folder)
        lines += killed(folder, 160 if quick else 2_000)
    show(lines)
    return 0 if all(line.met for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
