"""Facts about many processes at one store: a kill loses the cell in flight, a reader loses nothing."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from store_rows import outcome, run

from suite.store import Store, runs_as_records

SEED = 20240607
WRITERS, CELLS = 16, 15

# Appends cells and says so after each; a killed writer has said nothing about the cell in flight.
WRITER = """
import sys
from pathlib import Path
from store_rows import outcome, run
from suite.api import Sample
from suite.store import Store
store, first, count = Store(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
for number in range(first, first + count):
    store.append(outcome(number, samples=[Sample(number, 1.0)], task=f"t{number % 3}"))
    print(run(number).run, flush=True)
"""

COMPACTOR = """
import sys
from pathlib import Path
from suite.store import Store
while not Path(sys.argv[2]).exists():
    Store(Path(sys.argv[1])).compact(prune=True)
"""

# Kills itself just before or after the step-th call of a system function that appending makes.
SUICIDE = """
import os, signal, sys
from pathlib import Path
from store_rows import outcome
from suite.api import Sample
from suite.store import Store
name, step, after = sys.argv[2], int(sys.argv[3]), sys.argv[4] == "after"
real, calls = getattr(os, name), []
def deadly(*args, **options):
    calls.append(name)
    last = len(calls) == step
    if last and not after:
        os.kill(os.getpid(), signal.SIGKILL)
    value = real(*args, **options)
    if last:
        os.kill(os.getpid(), signal.SIGKILL)
    return value
setattr(os, name, deadly)
Store(Path(sys.argv[1])).append(outcome(1, samples=[Sample(0, 1.0)]))
"""


def start(code: str, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, words)], stdout=subprocess.PIPE, text=True)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_killed_writers_lose_no_row_but_the_cells_in_flight(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    writers = [start(WRITER, tmp_path, CELLS * k, CELLS) for k in range(WRITERS)]
    victims = chance.sample(writers, WRITERS // 2)
    moments = sorted(chance.choices(range(CELLS), k=len(victims)))
    said: set[str] = set()
    for victim, moment in zip(victims, moments, strict=True):
        said |= {line(victim) for _ in range(moment)}
        victim.kill()
    for writer in writers:
        assert writer.stdout is not None
        said |= set(writer.stdout.read().split())
        writer.stdout.close()
        assert writer.wait() in ((0, -9) if writer in victims else (0,))
    assert any(victim.returncode for victim in victims)

    store = Store(tmp_path)
    kept = set(store.runs().column("run").to_pylist())
    possible = {run(number).run for number in range(WRITERS * CELLS)}
    assert said <= kept <= possible
    assert len(kept - said) <= len(victims)
    scores = store.scores().column("run").to_pylist()
    assert sorted(scores) == sorted(3 * sorted(kept))
    assert sorted(store.samples(kept).column("run").to_pylist()) == sorted(kept)
    assert store.problems == []
    assert {problem.kind for problem in store.check()} <= {"leftover"}
    for number in range(WRITERS * CELLS):
        if run(number).run in kept:
            assert store.find(run(number).cell, run(number).code) == run(number, task=f"t{number % 3}")


@pytest.mark.parametrize(
    ("name", "step", "after"),
    [
        (name, step, after)
        for name in ("fsync", "link")
        for step in (1, 2, 3)
        for after in ("before", "after")
    ],
)
def test_a_writer_killed_at_any_step_leaves_a_whole_cell_or_none(
    tmp_path: Path, name: str, step: int, after: str
) -> None:
    command = [sys.executable, "-c", SUICIDE, str(tmp_path), name, str(step), after]
    assert subprocess.run(command).returncode == -9
    store = Store(tmp_path)
    committed = (name, step, after) == ("link", 3, "after")
    assert runs_as_records(store.runs()) == ([run(1)] if committed else [])
    assert len(store.scores()) == (3 if committed else 0)
    assert store.problems == []
    assert {problem.kind for problem in store.check()} == {"leftover"}
    store.append(outcome(1, name="again"))
    assert store.find(run(1).cell, run(1).code) == run(1, name="again")


def test_a_reader_beside_writers_and_pruning_sees_every_committed_row(tmp_path: Path) -> None:
    done = tmp_path / "done"
    root = tmp_path / "results"
    compactors = [start(COMPACTOR, root, done) for _ in range(2)]
    writers = [start(WRITER, root, 40 * k, 40) for k in range(2)]
    said: set[str] = set()
    seen: set[str] = set()
    store = Store(root)
    for _ in range(40):
        for writer in writers:
            said.add(line(writer))
        runs = store.runs().column("run").to_pylist()
        scores = store.scores().column("run").to_pylist()
        assert len(runs) == len(set(runs)) and said | seen <= set(runs)
        assert len(scores) == 3 * len(set(scores)) and set(runs) <= set(scores)
        seen = set(runs)
    done.touch()
    for process in (*writers, *compactors):
        assert process.wait() == 0
        assert process.stdout is not None
        process.stdout.close()
    store.compact(prune=True)
    assert seen == set(store.runs().column("run").to_pylist()) and len(seen) == 80
    assert store.problems == [] == store.check()
