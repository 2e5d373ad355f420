"""Reading the whole store task by task, with texts that repeat as dictionary arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from store_rows import outcome, run

from suite._folder import Folder
from suite._rows import tables_of
from suite.store import Store

RUNS = ("run", "method", "seed", "code", "wall_s")
SCORES = ("run", "metric", "slice", "value", "n", "higher_is_better")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "results")
    for number in range(3):
        store.append(outcome(number))
    store.append(outcome(7, task="scan-length"))
    return store


def rows(store: Store, **more: Any) -> dict[str, tuple[list[Any], list[Any]]]:
    return {task: (r.to_pylist(), s.to_pylist()) for task, r, s in store.parts(RUNS, SCORES, **more)}


def expected(store: Store, task: str) -> tuple[list[Any], list[Any]]:
    where = {"task": [task]}
    return store.runs(where).select(RUNS).to_pylist(), store.scores(where).select(SCORES).to_pylist()


def test_parts_hold_the_rows_that_runs_and_scores_give(store: Store) -> None:
    assert rows(store) == {task: expected(store, task) for task in ("scan-jump", "scan-length")}


def test_a_snapshot_beside_parts_gives_every_row_once_in_order_of_runs(store: Store) -> None:
    store.compact()
    store.append(outcome(2, name="0-first-by-name"))
    assert rows(store) == {task: expected(store, task) for task in ("scan-jump", "scan-length")}
    assert [r["run"] for r in rows(store)["scan-jump"][0]] == sorted(
        ["0-first-by-name", *(run(n).run for n in range(3))]
    )


def test_two_snapshots_that_overlap_give_every_row_once(store: Store) -> None:
    store.compact()
    store.append(outcome(5))
    store.compact()
    snapshots = list((store.root / "runs" / "task=scan-jump").glob("snapshot-*"))
    assert len(snapshots) == 2
    assert rows(store) == {task: expected(store, task) for task in ("scan-jump", "scan-length")}


def test_only_the_tasks_asked_for_are_read(store: Store) -> None:
    assert list(rows(store, tasks=["scan-length"])) == ["scan-length"]
    assert rows(store, tasks=[]) == {}


def test_texts_that_repeat_come_as_dictionaries_and_numbers_as_they_are(store: Store) -> None:
    for _, runs, scores in store.parts(RUNS, SCORES):
        assert [str(f.type).partition("<")[0] for f in runs.schema] == [
            *("string", "dictionary", "int32", "dictionary", "double"),
        ]
        assert str(scores.schema.field("metric").type).startswith("dictionary")
        assert all(c.num_chunks == 1 for c in runs.columns)


def test_a_task_without_scores_and_a_column_that_an_older_file_lacks_read_as_nothing(store: Store) -> None:
    folder = Folder(store.root, "runs", "older")
    Path(folder.path).mkdir(parents=True)
    (kind, data) = list(tables_of(outcome(3, scores=(), task="older")))[-1]
    assert kind == "runs"
    Path(folder.file(run(3).run)).write_bytes(data)
    _, runs, scores = next(store.parts(("run", "origin", "reason"), SCORES, ["older"]))
    assert (len(runs), len(scores)) == (1, 0)
    assert scores.schema.names == list(SCORES)


@pytest.mark.parametrize("columns", [("run", "task"), ("run", "colour")])
def test_a_column_that_parts_lack_is_refused(store: Store, columns: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=columns[1]):
        next(store.parts(columns, SCORES))
