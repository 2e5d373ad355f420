"""Our site beside those of asv and benchopt, built from the same number of results in the same run.

    python benchmarks/bench_site.py [--peers-python PATH] [--tasks 10] [--methods 20] [--seeds 10]

One result a (task, method, seed), 2,000 of them unless told otherwise. For asv a series is a task with a
method and a commit stands for a seed; for benchopt a run is a task, a solver a method and a repetition a
seed. The peers live in a virtual environment of their own: the one of --peers-python, or one made for the
run in a temporary folder. Making the inputs is not timed. Each build starts a new process on an empty
folder; the best of a few counts.

Files are weighed as they are and as gzip sends them, one by one. The front page is its HTML with the local
scripts, styles and data that it loads; what it asks of other hosts is counted apart and not weighed. The
heaviest is the largest HTML file as gzip sends it, alone.
Exits 1 when a build fails.

Measured with 2,000 results on a busy 2-core machine (load 5, best of 3; the ratios are the message), sizes in
kB. benchopt's files include its 10 parquet files, ours the parquet, CSV and BibTeX downloads and a page for
each method on each task with its runs.

                               wall s    CPU s    files       kB     gzip    front     gzip heaviest  outside
    suite leaderboard build       4.4      2.8      278    4,226    1,058       48       13       11        0
    asv publish                   1.7      1.0      419      336      102      191       35        3       10
    benchopt generate-results    21.5     14.3       22    2,403      507       24        8       41        5

asv is faster and lighter: it writes the numbers alone, and one page draws them by scripts, ten of whose files
it asks of other hosts.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

import million  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
PEERS = ("asv==0.6.6", "benchopt==1.10.0")
LOADED = re.compile(r"""<(?:script|link)\b[^>]*?\b(?:src|href)\s*=\s*["']([^"'#]+)["'][^>]*>""", re.I)
OBJECTIVE = """
from benchopt import BaseObjective

class Objective(BaseObjective):
    name = "accuracy"
    sampling_strategy = "run_once"

    def set_data(self, task, seed):
        self.task, self.seed = task, seed

    def get_objective(self):
        return dict(task=self.task, seed=self.seed)

    def evaluate_result(self, accuracy):
        return dict(value=accuracy)

    def get_one_result(self):
        return dict(accuracy=0.5)
"""
DATASET = """
from benchopt import BaseDataset

class Dataset(BaseDataset):
    name = "toy"
    parameters = {{"task": list(range({tasks}))}}

    def get_data(self):
        return dict(task=self.task, seed=self.get_seed(use_repetition=True))
"""
SOLVER = """
import numpy as np
from benchopt import BaseSolver

class Solver(BaseSolver):
    name = "method"
    parameters = {{"number": list(range({methods}))}}
    sampling_strategy = "run_once"

    def set_objective(self, task, seed):
        self.seed = [self.number, task, seed]

    def run(self, _):
        self.value = float(np.random.default_rng(self.seed).normal(0.5 + self.number / 100, 0.02))

    def get_result(self):
        return dict(accuracy=self.value)
"""


class Size(NamedTuple):
    """How many results: tasks x methods x seeds."""

    tasks: int
    methods: int
    seeds: int


class Site(NamedTuple):
    """A way to build a site: the command, where it runs and writes, its front page and data loaded there."""

    name: str
    command: Sequence[str]
    folder: Path
    out: Path
    front: str
    data: tuple[str, ...] = ()


class Cost(NamedTuple):
    """Seconds of a build, and the weight of what it wrote in bytes."""

    wall_s: float
    cpu_s: float
    files: int
    size: int
    gzipped: int
    front: int
    front_gzipped: int
    heaviest_gzipped: int
    outside: int


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers-python", type=Path, help="a Python with asv and benchopt")
    for name, value in Size(10, 20, 10)._asdict().items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    size = Size(args.tasks, args.methods, args.seeds)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        python = args.peers_python or peers_python(folder / "peers")
        print(f"{size.tasks * size.methods * size.seeds:,} results")
        heads = ("wall s", "CPU s", "files", "kB", "gzip", "front", "gzip", "heaviest", "outside")
        print(" ".join([" " * 24, *(f"{head:>8}" for head in heads)]))
        for make in (ours, asv, benchopt):
            site = make(folder, python, size)
            print(row(site.name, measured(site, args.rounds)), flush=True)
    return 0


def peers_python(folder: Path) -> Path:
    """A new virtual environment with the peers."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True)
    return python


def ours(folder: Path, python: Path, size: Size) -> Site:
    store = folder / "ours"
    million.make(store, *size)
    out = folder / "site"
    command = (sys.executable, "-m", "suite", "leaderboard", "build", "-q", "--results", str(store))
    return Site("suite leaderboard build", (*command, "--out", str(out)), ROOT, out, "index.html")


def asv(folder: Path, python: Path, size: Size) -> Site:
    """A project with a commit a seed, and the results of every series on every commit."""
    project = folder / "asv"
    (project / "results" / "machine").mkdir(parents=True)
    config = {
        "version": 1,
        "project": "toy",
        "repo": ".",
        "branches": ["main"],
        "environment_type": "virtualenv",
        "results_dir": "results",
        "html_dir": "html",
    }
    (project / "asv.conf.json").write_text(json.dumps(config))
    commits = _commits(project, size.seeds)
    names = [f"task_{t:03d}.track_method_{m:03d}" for t in range(size.tasks) for m in range(size.methods)]
    (project / "results" / "benchmarks.json").write_text(json.dumps(_asv_benchmarks(names)))
    machine = {"machine": "machine", "os": "Linux", "arch": "x86_64", "cpu": "", "num_cpu": "2", "ram": ""}
    (project / "results" / "machine" / "machine.json").write_text(json.dumps({**machine, "version": 1}))
    for seed, commit in enumerate(commits):
        (project / "results" / "machine" / f"{commit[:8]}-env.json").write_text(
            json.dumps(_asv_results(names, seed, commit, machine))
        )
    command = (str(python), "-m", "asv", "publish", "--no-pull")
    return Site("asv publish", command, project, project / "html", "index.html", ("index.json",))


def _commits(project: Path, count: int) -> list[str]:
    def git(*words: str) -> str:
        who = {
            f"GIT_{role}_{what}": "toy@example.org"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        away = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        done = subprocess.run(
            ["git", *words],
            cwd=project,
            env={**os.environ, **who, **away},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    git("init", "-q", "-b", "main")
    made = []
    for number in range(count):
        git(
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            f"seed {number}",
            "--date",
            f"{1_700_000_000 + 86_400 * number} +0000",
        )
        made.append(git("rev-parse", "HEAD"))
    return made


def _asv_benchmarks(names: Sequence[str]) -> dict[str, object]:
    fixed = {
        "params": [],
        "param_names": [],
        "timeout": 60.0,
        "type": "track",
        "unit": "accuracy",
        "version": "1",
    }
    return {
        **{name: {**fixed, "name": name, "code": "", "pretty_name": name} for name in names},
        "version": 2,
    }


def _asv_results(names: Sequence[str], seed: int, commit: str, machine: dict[str, str]) -> dict[str, object]:
    import numpy as np

    values = np.random.default_rng(seed).normal(0.6, 0.02, len(names)).tolist()
    return {
        "commit_hash": commit,
        "env_name": "env",
        "date": (1_700_000_000 + 86_400 * seed) * 1000,
        "params": {**machine, "python": "3.11"},
        "python": "3.11",
        "requirements": {},
        "env_vars": {},
        "result_columns": ["result", "params", "version"],
        "results": {name: [[value], [], "1"] for name, value in zip(names, values, strict=True)},
        "durations": {},
        "version": 2,
    }


def benchopt(folder: Path, python: Path, size: Size) -> Site:
    """A benchmark of one dataset a task, run once for each so that each task has its page."""
    bench = folder / "benchmarks" / "benchmark_toy"
    for name, text in (
        ("objective.py", OBJECTIVE),
        ("datasets/toy.py", DATASET.format(tasks=size.tasks)),
        ("solvers/method.py", SOLVER.format(methods=size.methods)),
    ):
        (bench / name).parent.mkdir(parents=True, exist_ok=True)
        (bench / name).write_text(text)
    for task in range(size.tasks):
        words = (
            "run",
            ".",
            "-d",
            f"toy[task={task}]",
            "-r",
            str(size.seeds),
            "--no-plot",
            "--output",
            f"task_{task}",
        )
        subprocess.run(
            [python, "-m", "benchopt", *words],
            cwd=bench,
            env=_environment(bench.parent),
            check=True,
            stdout=subprocess.DEVNULL,
        )
    command = (str(python), "-m", "benchopt", "generate-results", "-b", str(bench), "--no-display")
    return Site("benchopt generate-results", command, bench.parent, bench.parent / "html", "index.html")


def _environment(home: Path) -> dict[str, str]:
    """With a home of its own, so that nothing is read from or left in the user's."""
    return {**os.environ, "HOME": str(home), "OMP_NUM_THREADS": "1"}


def measured(site: Site, rounds: int) -> Cost:
    walls, cpus = [], []
    for _ in range(rounds):
        shutil.rmtree(site.out, ignore_errors=True)
        start = time.perf_counter()
        process = subprocess.Popen(
            site.command, cwd=site.folder, env=_environment(site.out.parent), stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        walls.append(time.perf_counter() - start)
        cpus.append(usage.ru_utime + usage.ru_stime)
        if status:
            raise SystemExit(f"{site.name} failed")
    files = [path for path in sorted(site.out.rglob("*")) if path.is_file()]
    local, outside = loaded_by(site)
    heaviest = max(weighed([path])[1] for path in files if path.suffix == ".html")
    return Cost(min(walls), min(cpus), len(files), *weighed(files), *weighed(local), heaviest, outside)


def loaded_by(site: Site) -> tuple[list[Path], int]:
    """The files that the front page loads, itself among them, and how many it asks of other hosts."""
    front = site.out / site.front
    found = {address.split("?")[0] for address in LOADED.findall(front.read_text(encoding="utf-8"))}
    outside = {address for address in found if address.startswith(("http:", "https:", "//"))}
    local = {front.parent / address for address in (found - outside) | set(site.data)}
    return [front, *sorted(path for path in local if path.is_file())], len(outside)


def weighed(files: Sequence[Path]) -> tuple[int, int]:
    """Bytes, and bytes with each file compressed by itself."""
    texts = [path.read_bytes() for path in files]
    return sum(map(len, texts)), sum(len(gzip.compress(text, 6)) for text in texts)


def row(name: str, cost: Cost) -> str:
    numbers = [f"{cost.wall_s:.1f}", f"{cost.cpu_s:.1f}", str(cost.files)]
    numbers += [f"{size / 1000:,.0f}" for size in cost[3:8]]
    return " ".join([f"{name:24}", *(f"{number:>8}" for number in (*numbers, str(cost.outside)))])


if __name__ == "__main__":
    sys.exit(main())
