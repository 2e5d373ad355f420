"""Start-up of the command line: CPU seconds of `suite` beside a plain click script and `lm_eval --help`.

    python benchmarks/bench_cli.py [--rows 20000] [--repeat 5] [--check]

Commands are interleaved, the first round is dropped as cold, and the least CPU time (user and system) of
the others counts. `--check` exits 1 when a budget is missed: 0.10 s for help, 0.40 s for a verb that reads
a results folder of `--rows` scores.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HELP_BUDGET_S, READ_BUDGET_S = 0.10, 0.40
METRICS, SEEDS, METHODS = 5, 5, 20
PLAIN = "import click; click.Group('plain', commands=[click.Command('verb')])(['--help'])"
PLUGIN = """
from dataclasses import replace
from toy_plugin import TASKS as TOYS
TASKS = [replace(TOYS[0], name=name) for name in {tasks}]
"""


def main() -> int:
    """Measure, print the table, and judge it where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tasks = fill(Path(folder) / "results", chosen.rows)
        (Path(folder) / "many_toys.py").write_text(PLUGIN.format(tasks=tasks))
        os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests"), folder])
        measured = measure(commands(f"{folder}/results"), chosen.repeat)
    plain = measured["plain click"][0]
    print(f"{'command':32}  CPU s  x plain  budget")
    missed = False
    for name, (seconds, budget) in measured.items():
        missed |= budget is not None and seconds > budget
        print(f"{name:32} {seconds:6.3f} {seconds / plain:8.1f}  {'' if budget is None else f'{budget:.2f}'}")
    return int(missed and chosen.check)


def commands(results: str) -> dict[str, tuple[list[str], float | None]]:
    """Name to (command, budget in CPU seconds)."""
    suite = [sys.executable, "-m", "suite"]
    on = ["--results", results]
    found: dict[str, tuple[list[str], float | None]] = {
        "plain click": ([sys.executable, "-c", PLAIN], None),
        "suite --help": ([*suite, "--help"], HELP_BUDGET_S),
        "suite --version": ([*suite, "--version"], HELP_BUDGET_S),
        "suite list": ([*suite, "list"], READ_BUDGET_S),
        "suite show (task)": ([*suite, "show", "toy", *on], READ_BUDGET_S),
        "suite show (method)": ([*suite, "show", "toy-good", *on], READ_BUDGET_S),
        "suite results": ([*suite, "results", *on], READ_BUDGET_S),
        "suite results --raw (one task)": ([*suite, "results", "--raw", "--task", "toy", *on], READ_BUDGET_S),
        "suite compare": ([*suite, "compare", "toy-good", "toy-bad", *on], READ_BUDGET_S),
    }
    peer = shutil.which(
        "lm_eval", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    )
    if peer:
        found["lm_eval --help"] = ([peer, "--help"], None)
    return found


def measure(
    chosen: dict[str, tuple[list[str], float | None]], repeat: int
) -> dict[str, tuple[float, float | None]]:
    """Least CPU seconds of each command over `repeat` warm rounds."""
    taken: dict[str, list[float]] = {name: [] for name in chosen}
    for turn in range(repeat + 1):
        for name, (command, _) in chosen.items():
            seconds = cpu_seconds(command)
            if turn:
                taken[name].append(seconds)
    return {name: (min(taken[name]), budget) for name, (_, budget) in chosen.items()}


def cpu_seconds(command: Sequence[str]) -> float:
    """User and system seconds of one run; a command that fails ends the benchmark."""
    env = {**os.environ, "SUITE_PLUGINS": "toy_plugin,many_toys", "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def fill(folder: Path, rows: int) -> list[str]:
    """Make a compacted results folder with `rows` scores; the names of its tasks, without 'toy'."""
    sys.path.insert(0, str(ROOT))
    from suite.cell import Cell
    from suite.records import Outcome, ScoreRow
    from suite.store import Store

    store = Store(folder)
    methods = ("toy-good", "toy-bad", *(f"method-{k}" for k in range(METHODS - 2)))
    for index in range(rows // METRICS):
        entry, seed = divmod(index, SEEDS)
        table, method = divmod(entry, len(methods))
        task = "toy" if table == 0 else f"toy-{table}"
        cell = Cell(task, methods[method], "small", seed, family="toy")
        names = ("accuracy", "errors", *(f"extra{k}" for k in range(METRICS - 2)))
        scores = tuple(ScoreRow(name, "all", (index * 7919 % 1000) / 1000, 100, True) for name in names)
        store.append(Outcome(_run(cell, index), scores))
    store.compact(prune=True)
    return sorted({path.name.removeprefix("task=") for path in (folder / "runs").iterdir()} - {"toy"})


def _run(cell: object, index: int) -> object:
    """A run of that cell with values of the usual size in every column."""
    import dataclasses

    from suite.records import Run

    kinds = {"str": "", "int": 1, "float": 1.0, "bool": False}
    values = {f.name: kinds[str(f.type)] for f in dataclasses.fields(Run)}
    values |= {name: getattr(cell, name) for name in ("family", "task", "method", "profile", "seed")}
    values |= {
        "run": f"{cell.id[:16]}-{index:08x}",  # type: ignore[attr-defined]
        "cell": cell.id,  # type: ignore[attr-defined]
        "code": "c" * 64,
        "status": "ok",
        "settings": '{"batch":32,"hidden":64,"lr":0.003,"steps":4500}',
        "task_settings": "{}",
        "overrides": "{}",
        "packages": '{"numpy":"2.4.6","torch":"2.13.0"}',
        "host": '{"cores":2}',
        "started": 1_700_000_000.0 + index,
    }
    return Run(**values)


if __name__ == "__main__":
    sys.exit(main())
