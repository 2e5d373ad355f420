"""Facts about bad files: a reader skips and reports them, `check` finds each and says whose it is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from store_rows import SCORES, cell_id, outcome, run

from suite.api import Sample
from suite.store import Problem, Store, runs_as_records

TITLE = "compsub on scan-jump (small, seed 1)"
PART = f"runs/task=scan-jump/{run(1).run}.parquet"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two runs; a test spoils the first."""
    store = Store(tmp_path)
    for number in (1, 2):
        store.append(outcome(number, samples=[Sample(0, 1.0)]))
    return store


def kinds(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.kind, problem.path) for problem in problems]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("not parquet at all")


def foreign(path: Path) -> None:
    pq.write_table(pa.table({"run": ["x"]}), path)


def flip(path: Path) -> None:
    """One bit of a value."""
    data = bytearray(path.read_bytes())
    at = data.index(b'"steps"')
    data[at] ^= 1
    path.write_bytes(data)


def spoil_footer(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-400:-8] = bytes(392)
    path.write_bytes(data)


def other_run(path: Path) -> None:
    shutil.copy(path.with_name(f"{run(2).run}.parquet"), path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def newer(path: Path) -> None:
    write_as(path, pq.ParquetFile(path).read(), "99")


def write_as(path: Path, table: pa.Table, version: str) -> None:
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"touchstone.schema": version, "touchstone.table": path.parts[-3]})


BAD = [
    (cut, "truncated", "ends too early"),
    (empty, "truncated", "is empty"),
    (text, "foreign", "is no parquet file"),
    (foreign, "foreign", "this suite did not write"),
    (flip, "damaged", "cannot be decoded"),
    (spoil_footer, "damaged", "cannot be decoded"),
    (other_run, "foreign", "another run than its name says"),
    (folder, "unreadable", "cannot be read"),
    (dangling, "unreadable", "is a link to nothing"),
    (newer, "newer", "schema version 99, newer than 1; update the suite"),
]


@pytest.mark.parametrize(("spoil", "kind", "what"), BAD)
def test_a_bad_file_is_skipped_and_reported_with_its_cell(
    store: Store, spoil: Callable[[Path], None], kind: str, what: str
) -> None:
    spoil(store.root / PART)
    assert runs_as_records(store.runs()) == [run(2)]
    assert len(store.scores({"run": [run(2).run]})) == len(SCORES)
    [problem] = store.problems
    assert (problem.kind, problem.path, problem.run) == (kind, PART, run(1).run)
    assert what in problem.what
    assert cell_id(1).startswith(problem.cell) and len(problem.cell) == 16


@pytest.mark.parametrize(("spoil", "kind", "what"), BAD)
def test_check_names_the_cell_of_a_bad_file(
    store: Store, spoil: Callable[[Path], None], kind: str, what: str
) -> None:
    spoil(store.root / PART)
    [problem] = [p for p in store.check() if p.kind == kind]
    assert problem.title == TITLE
    assert str(problem).startswith(f"{PART}: ") and str(problem).endswith(f"({TITLE})")


@pytest.mark.parametrize("table", ["scores", "samples"])
def test_a_bad_scores_or_samples_file_leaves_the_others_readable(store: Store, table: str) -> None:
    cut(store.root / table / "task=scan-jump" / f"{run(1).run}.parquet")
    assert len(store.runs()) == 2
    rows = store.scores() if table == "scores" else store.samples([run(1).run, run(2).run])
    assert set(rows.column("run").to_pylist()) == {run(2).run}
    assert [problem.kind for problem in store.problems] == ["truncated"]


def test_a_bad_file_is_reported_once_however_often_it_is_read(store: Store) -> None:
    empty(store.root / PART)
    for _ in range(3):
        store.runs()
    assert len(store.problems) == 1


def test_a_bad_snapshot_hides_only_what_no_part_holds(store: Store) -> None:
    store.compact()
    [snapshot] = (store.root / "runs" / "task=scan-jump").glob("snapshot-*")
    cut(snapshot)
    assert runs_as_records(store.runs()) == [run(1), run(2)]
    assert [problem.kind for problem in store.problems] == ["truncated"]


def test_a_healthy_store_has_no_problem(store: Store) -> None:
    assert store.check() == []
    store.compact()
    assert store.check() == []
    store.compact(prune=True)
    assert store.check() == [] == store.problems


def test_check_finds_what_a_killed_writer_left(store: Store) -> None:
    (store.root / PART).unlink()
    temp = f"runs/task=scan-jump/.{run(1).run}.parquet.0123abcd.tmp"
    (store.root / temp).write_bytes(b"PAR1")
    found = store.check()
    assert kinds(found) == [
        ("leftover", temp),
        ("leftover", PART.replace("runs", "samples")),
        ("leftover", PART.replace("runs", "scores")),
    ]
    assert {problem.title for problem in found} == {TITLE}


def test_check_finds_an_ok_run_without_scores(store: Store) -> None:
    (store.root / PART.replace("runs", "scores")).unlink()
    assert kinds(store.check()) == [("missing", PART)]


def test_check_finds_files_that_belong_nowhere(store: Store) -> None:
    (store.root / "runs" / "notes.txt").write_text("")
    (store.root / "runs" / "task=scan-jump" / "notes.txt").write_text("")
    assert kinds(store.check()) == [
        ("foreign", "runs/notes.txt"),
        ("foreign", "runs/task=scan-jump/notes.txt"),
    ]


def test_a_file_moved_to_another_task_is_foreign(store: Store) -> None:
    os.makedirs(store.root / "runs" / "task=scan-length")
    os.rename(store.root / PART, store.root / PART.replace("jump", "length"))
    assert runs_as_records(store.runs()) == [run(2)]
    assert store.problems[0].what == "belongs to task 'scan-jump', not here"


def test_check_finds_a_run_that_two_files_tell_differently(store: Store) -> None:
    store.compact()
    (store.root / PART).unlink()
    Store(store.root).append(outcome(1, scores=(), status="failed"))
    [snapshot] = (store.root / "runs" / "task=scan-jump").glob("snapshot-*")
    [problem] = store.check()
    assert (problem.kind, problem.path) == ("duplicate", str(snapshot.relative_to(store.root)))
    assert problem.title == TITLE


def test_a_run_in_two_tasks_is_a_duplicate(store: Store) -> None:
    store.append(outcome(1, task="scan-length"))
    assert {problem.kind for problem in store.check()} == {"duplicate"}


def test_an_older_file_gets_nulls_for_the_columns_it_lacks(store: Store) -> None:
    path = store.root / PART
    table = pq.ParquetFile(path).read().drop_columns(["origin", "reason"])
    table = table.set_column(table.schema.get_field_index("seed"), "seed", pa.array([1], pa.int64()))
    write_as(path, table, "0")
    assert store.runs().column("origin").to_pylist() == [None, "project"]
    assert store.runs().schema == Store(Path("none")).runs().schema
    assert runs_as_records(store.runs()) == [run(1), run(2)]
    assert store.problems == []


def test_a_store_written_by_version_1_reads_for_ever(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parent / "fixtures" / "store_v1", tmp_path / "store")
    store = Store(tmp_path / "store")
    assert runs_as_records(store.runs()) == [run(1), run(2)]
    assert store.scores({"run": [run(1).run]}).column("value").to_pylist() == [0.75, 0.5, 1.25]
    assert store.samples([run(1).run]).to_pylist() == [
        {"run": run(1).run, "index": 4, "correct": 0.5, "input": "jump", "output": "I_JUMP", "target": None}
    ]
    assert store.check() == []
