"""Facts about appending to the store and reading from it."""

from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from store_rows import SCORES, cell_id, outcome, run

from suite import _parquet
from suite.api import Sample
from suite.errors import StoreError, UsageError
from suite.records import Run
from suite.store import Store, new_run_id, runs_as_records

CODE = "c" * 64


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


def files(store: Store) -> list[str]:
    return sorted(str(p.relative_to(store.root)) for p in store.root.rglob("*") if p.is_file())


def test_a_run_reads_back_as_it_was_written(store: Store) -> None:
    store.append(outcome(1))
    assert runs_as_records(store.runs()) == [run(1)]


def test_every_column_has_the_type_that_a_browser_reads(store: Store) -> None:
    store.append(outcome(1, samples=[Sample(0, 1.0)]))
    kinds = {"string", "int32", "double", "float", "bool"}
    for table in (store.runs(), store.scores(), store.samples([run(1).run])):
        assert {str(field.type) for field in table.schema} <= kinds


def test_scores_carry_the_cell_beside_the_value(store: Store) -> None:
    store.append(outcome(1))
    assert store.scores().to_pylist() == [
        {
            "run": run(1).run,
            "cell": cell_id(1),
            "task": "scan-jump",
            "method": "compsub",
            "profile": "small",
            "seed": 1,
        }
        | dict(zip(("metric", "slice", "value", "n", "higher_is_better"), score, strict=True))
        for score in SCORES
    ]


def test_samples_keep_order_and_missing_texts(store: Store) -> None:
    samples = [Sample(7, 1.0, "jump", "I_JUMP", None), Sample(3, 0.25), Sample(5, 0.0, "", None, "x")]
    store.append(outcome(1, samples=samples))
    assert store.samples([run(1).run]).to_pylist() == [{"run": run(1).run} | s._asdict() for s in samples]


def test_samples_are_those_of_the_runs_asked_for(store: Store) -> None:
    for number in range(3):
        store.append(outcome(number, samples=[Sample(number, 1.0)], task=f"task-{number % 2}"))
    assert store.samples([run(0).run, run(1).run]).column("index").to_pylist() == [0, 1]
    assert len(store.samples([])) == 0


def test_a_failed_run_has_no_scores_file(store: Store) -> None:
    store.append(outcome(1, scores=(), status="failed", error="ValueError: no"))
    assert files(store) == [f"runs/task=scan-jump/{run(1).run}.parquet"]
    assert store.check() == []


def test_a_folder_that_does_not_exist_holds_nothing(store: Store) -> None:
    assert (len(store.runs()), len(store.scores()), store.find(cell_id(1), CODE)) == (0, 0, None)
    assert store.check() == [] and not store.root.exists()


def test_a_text_that_is_no_unicode_is_kept_with_question_marks(store: Store) -> None:
    store.append(outcome(1, status="failed", error="bad \ud800 byte"))
    assert store.runs().column("error").to_pylist() == ["bad ? byte"]


def test_any_task_name_makes_a_folder_and_comes_back(store: Store) -> None:
    store.append(outcome(1, task="odd/name = ünï"))
    assert store.runs().column("task").to_pylist() == ["odd/name = ünï"]
    assert store.scores({"task": ["odd/name = ünï"]}).num_rows == 3


def test_rows_come_sorted_by_task_and_run(store: Store) -> None:
    for number in (3, 1, 2, 0):
        store.append(outcome(number, name=f"r{number}", task=f"t{number // 2}"))
    assert store.runs().column("run").to_pylist() == ["r0", "r1", "r2", "r3"]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"seed": [1, 2]}, ["r1", "r2"]),
        ({"seed": ["2"]}, ["r2"]),
        ({"method": {"geca"}}, ["r3"]),
        ({"git_dirty": ["true"]}, ["r2"]),
        ({"seed": [1, 2], "git_dirty": [False]}, ["r1"]),
        ({"task": "other"}, []),
        ({"seed": []}, []),
    ],
)
def test_a_filter_keeps_the_rows_with_one_of_the_values(
    store: Store, where: dict[str, list[object]], found: list[str]
) -> None:
    for number in (1, 2):
        store.append(outcome(number, name=f"r{number}", git_dirty=number == 2))
    store.append(outcome(3, name="r3", method="geca"))
    assert store.runs(where).column("run").to_pylist() == found


def test_a_filter_on_nothing_finds_nulls(store: Store) -> None:
    store.append(outcome(1))
    assert store.scores({"n": [None]}).column("metric").to_pylist() == ["seconds"]


def test_an_unknown_column_names_the_nearest(store: Store) -> None:
    with pytest.raises(UsageError, match="scores have no column 'metrics'; did you mean 'metric'"):
        store.scores({"metrics": ["x"]})


@pytest.mark.parametrize("value", ["one", 1.5, 2**31])
def test_a_value_of_another_type_is_a_usage_error(store: Store, value: object) -> None:
    with pytest.raises(UsageError, match="column 'seed' of runs holds int32"):
        store.runs({"seed": [value]})


def test_scores_without_their_run_are_not_read(store: Store) -> None:
    store.append(outcome(1))
    store.append(outcome(2))
    (store.root / "runs" / "task=scan-jump" / f"{run(2).run}.parquet").unlink()
    assert set(store.scores().column("run").to_pylist()) == {run(1).run}
    assert len(store.samples([run(2).run])) == 0


def test_find_answers_with_the_newest_ok_or_skipped_run(store: Store) -> None:
    for started, status in ((1.0, "ok"), (3.0, "skipped"), (2.0, "ok"), (4.0, "failed")):
        store.append(outcome(1, name=f"r{started}", started=started, status=status))
    assert store.find(cell_id(1), CODE) == run(1, name="r3.0", started=3.0, status="skipped")


def test_find_wants_the_same_cell_and_the_same_code(store: Store) -> None:
    store.append(outcome(1))
    assert store.find(cell_id(1), "other") is None
    assert store.find(cell_id(2), CODE) is None


@pytest.mark.parametrize("status", ["failed", "timeout", "out-of-memory"])
def test_find_never_answers_with_a_failure(store: Store, status: str) -> None:
    store.append(outcome(1, status=status))
    assert store.find(cell_id(1), CODE) is None


def test_find_never_answers_with_a_row_claimed_by_others(store: Store) -> None:
    store.append(outcome(1, origin="claimed"))
    assert store.find(cell_id(1), CODE) is None


def test_find_sees_own_appends_without_reading_again(store: Store) -> None:
    store.append(outcome(1, name="first", started=5.0))
    assert store.find(cell_id(1), CODE).run == "first"
    for name, started in (("newer", 6.0), ("older", 4.0)):
        store.append(outcome(1, name=name, started=started))
    Store(store.root).append(outcome(2))
    assert store.find(cell_id(1), CODE).run == "newer"
    assert store.find(cell_id(2), CODE) is None


def test_history_is_all_runs_of_a_cell_oldest_first(store: Store) -> None:
    for started in (2.0, 3.0, 1.0):
        store.append(outcome(1, name=f"r{started}", started=started, status="failed"))
    store.append(outcome(2))
    assert [r.run for r in store.history(cell_id(1))] == ["r1.0", "r2.0", "r3.0"]


def test_a_run_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    for name in ("ab", "abc", "b"):
        store.append(outcome(1, name=name))
    assert [store.run(name).run for name in ("ab", "abc", "b")] == ["ab", "abc", "b"]
    with pytest.raises(UsageError, match="'a' begins 2 runs: ab, abc; give more"):
        store.run("a")
    with pytest.raises(UsageError, match="run 'x' not found"):
        store.run("x")


def test_run_ids_begin_with_the_cell_and_never_repeat() -> None:
    ids = [new_run_id(cell_id(1)) for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {name[:16] for name in ids} == {cell_id(1)[:16]}
    assert [name[:33] for name in ids] == sorted(name[:33] for name in ids)


def test_a_run_is_written_once(store: Store) -> None:
    store.append(outcome(1))
    before = files(store)
    with pytest.raises(StoreError, match="already in the results folder"):
        store.append(outcome(1, method="geca"))
    assert files(store) == before and runs_as_records(store.runs()) == [run(1)]


@pytest.mark.parametrize("name", ["../x", ".hidden", "a/b", "snapshot-1", "x" * 300])
def test_a_run_id_must_be_a_plain_file_name(store: Store, name: str) -> None:
    with pytest.raises(StoreError, match="cannot name a file"):
        store.append(outcome(1, name=name))
    assert not store.root.exists()


def test_a_seed_beyond_32_bits_is_refused_and_leaves_nothing(store: Store) -> None:
    with pytest.raises(StoreError, match="on scan-jump has a value that its column cannot hold"):
        store.append(outcome(1, seed=2**31))
    assert not store.root.exists() or files(store) == []


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize(
    ("code", "said"), [(errno.ENOSPC, "no space left"), (errno.EIO, "cannot be written")]
)
def test_a_disk_that_refuses_leaves_nothing_half_written(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: int, code: int, said: str
) -> None:
    calls = iter(range(1, 10))

    def fsync(_: int) -> None:
        if next(calls) == step:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StoreError, match=said):
        store.append(outcome(1, samples=[Sample(0, 1.0)]))
    assert files(store) == []
    monkeypatch.undo()
    store.append(outcome(1))
    assert runs_as_records(store.runs()) == [run(1)]


def test_a_file_size_limit_ends_in_one_line_and_no_file(store: Store) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from store_rows import outcome\n"
        "from suite.store import Store; from suite.errors import StoreError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))\n"
        "try: Store(Path(sys.argv[1])).append(outcome(1, error='no pattern in this text' + 'xyz' * 9000))\n"
        "except StoreError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(store.root)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"results folder {store.root}: no space left on the disk; free some and run again\n"
    assert files(store) == []


@pytest.mark.parametrize("below", ["", "runs", "runs/task=scan-jump"])
def test_a_file_where_a_folder_should_be_is_one_line(store: Store, below: str) -> None:
    path = store.root / below
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    with pytest.raises(StoreError, match="cannot be written: not a directory; choose another with --results"):
        store.append(outcome(1))
    assert files(store) == ([] if not below else [below])


def test_a_folder_without_permission_is_one_line(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "makedirs", refuse)
    with pytest.raises(StoreError, match="cannot be written: permission denied"):
        store.append(outcome(1))


def test_reading_a_results_folder_that_is_a_file_is_one_line(store: Store) -> None:
    store.root.write_text("")
    with pytest.raises(StoreError, match="is a file, not a results folder"):
        store.runs()


def test_a_disk_without_hard_links_works_and_still_never_overwrites(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no_links)
    store.append(outcome(1))
    with pytest.raises(StoreError, match="already"):
        store.append(outcome(1))
    assert runs_as_records(store.runs()) == [run(1)]
    with pytest.raises(FileExistsError):
        _parquet.place(b"x", str(store.root / files(store)[0]))


def test_pandas_and_dataset_readers_take_a_folder_as_it_is(store: Store) -> None:
    import pandas
    import pyarrow.dataset
    import pyarrow.parquet

    for number in range(4):
        store.append(outcome(number, task=f"t{number % 2}"))
    store.compact()
    store.compact(prune=True)
    store.append(outcome(4, task="t0"))
    for kind, ours in (("runs", store.runs()), ("scores", store.scores())):
        folder = str(store.root / kind)
        dataset = pyarrow.dataset.dataset(folder, partitioning="hive").to_table()
        frames = [
            pandas.read_parquet(folder),
            pyarrow.parquet.read_table(folder).to_pandas(),
            dataset.to_pandas(),
        ]
        for frame in frames:
            assert set(frame.columns) == set(ours.column_names)
            assert sorted(zip(frame["run"], frame["task"].astype(str), strict=True)) == sorted(
                zip(ours.column("run").to_pylist(), ours.column("task").to_pylist(), strict=True)
            )


def test_importing_the_store_imports_no_pyarrow_and_using_it_no_pandas(store: Store) -> None:
    code = (
        "import sys; from pathlib import Path; from store_rows import outcome, cell_id, run\n"
        "from suite.store import Store; before = 'pyarrow' in sys.modules\n"
        "store = Store(Path(sys.argv[1])); store.append(outcome(1)); store.runs({'seed': [1]})\n"
        "store.scores({'value': [0.5]}); store.find(cell_id(1), 'c' * 64); store.run(run(1).run[:9])\n"
        "store.history(cell_id(1)); store.compact(prune=True); store.check(); store.samples([run(1).run])\n"
        "print(before, {'pandas', 'torch', 'datasets', 'transformers', 'pyarrow.dataset'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(store.root)], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False set()\n", "")


def test_the_columns_of_runs_are_the_fields_of_a_run(store: Store) -> None:
    assert store.runs().column_names == [field.name for field in dataclasses.fields(Run)]
