"""Bundles: what is packed, what a check finds in honest and in hostile ones, and what is taken over."""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from suite import catalog, submit
from suite._submit_files import Claimed
from suite._submit_scores import Known, score_errors
from suite.api import Metric, Paper, TaskSpec
from suite.errors import StoreError, UsageError
from suite.plan import plan
from suite.records import Outcome, Run, ScoreRow
from suite.runner import execute
from suite.store import Store
from suite.submit import Report

Change = Callable[[list[ScoreRow]], Iterable[ScoreRow]]


@pytest.fixture
def child() -> None:
    """Asked for by a test whose files are opened in a process of their own first, as always in real use."""


@pytest.fixture(autouse=True)
def no_child(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other tests save the second that a process takes to start."""
    if "child" not in request.fixturenames:
        monkeypatch.setattr("suite._submit_files.deadly", lambda places: {})


@pytest.fixture
def mine(tmp_path: Path) -> Store:
    """The results of somebody else: toy-coin with three seeds and a failed cell."""
    store = Store(tmp_path / "mine")
    for seed in range(3):
        store.append(execute(plan("toy", "toy-coin", seed=seed)))
    store.append(execute(plan("toy", "toy-raise")))
    return store


def claim(bundle: Path, method: str = "toy-coin", seed: int = 0, /, **changes: Any) -> Run:
    """Add an honest claimed run to a bundle, with columns of its row changed as asked."""
    outcome = execute(plan("toy", method, seed=seed))
    run = dataclasses.replace(outcome.run, **{"origin": "claimed"} | changes)
    Store(bundle).append(dataclasses.replace(outcome, run=run))
    return run


def claim_scores(bundle: Path, change: Change, method: str = "toy-coin", seed: int = 0) -> Run:
    """Add a claimed run whose scores were changed, without samples."""
    outcome = execute(plan("toy", method, seed=seed))
    run = dataclasses.replace(outcome.run, origin="claimed")
    Store(bundle).append(Outcome(run, list(change(list(outcome.scores)))))
    return run


def errors(bundle: Path, own: Store | None = None) -> list[str]:
    """What a check without a re-run calls an error."""
    found = [f.what for f in look(bundle, own).all_findings if f.kind == "error"]
    assert all(what.isprintable() and len(what) < 500 for what in found)
    return found


def look(bundle: Path, own: Store | None = None) -> Report:
    return submit.check(bundle, own, sample=0)


def file_of(bundle: Path, run: Run, kind: str) -> Path:
    return bundle / kind / "task=toy" / f"{run.run}.parquet"


# -- pack


def test_a_bundle_holds_the_chosen_cells_as_claims_in_parquet_alone(mine: Store, tmp_path: Path) -> None:
    packed = submit.pack(mine, tmp_path / "b", methods=["toy-coin"], profiles=["small"])
    bundle = Store(tmp_path / "b")
    assert packed.runs == 3 and packed.samples
    assert set(bundle.runs().column("origin").to_pylist()) == {"claimed"}
    drop = ["origin"]
    theirs = mine.runs({"method": ["toy-coin"]})
    assert bundle.runs().drop_columns(drop).equals(theirs.drop_columns(drop))
    ids = theirs.column("run").to_pylist()
    assert bundle.scores().equals(mine.scores({"run": ids}))
    assert bundle.samples(ids).equals(mine.samples(ids))
    files = [p for p in (tmp_path / "b").rglob("*") if p.is_file()]
    assert len(files) == 9 and {p.suffix for p in files} == {".parquet"}
    assert packed.size_bytes == sum(p.stat().st_size for p in files)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "mine"]


def test_samples_may_be_left_out(mine: Store, tmp_path: Path) -> None:
    submit.pack(mine, tmp_path / "b", methods=["toy-coin"], samples=False)
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == ["runs", "scores"]


def test_only_the_newest_run_of_a_cell_is_packed(mine: Store, tmp_path: Path) -> None:
    newest = execute(plan("toy", "toy-coin", seed=1))
    mine.append(newest)
    assert submit.pack(mine, tmp_path / "b", methods=["toy-coin"]).runs == 3
    assert newest.run.run in Store(tmp_path / "b").runs().column("run").to_pylist()


def test_failed_cells_are_refused_unless_asked_for(mine: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"1 of 4 cells did not end well \(toy-raise on toy \(seed 0\) f"):
        submit.pack(mine, tmp_path / "b", methods=["toy-coin", "toy-raise"])
    assert not (tmp_path / "b").exists()
    assert submit.pack(mine, tmp_path / "b", methods=["toy-coin", "toy-raise"], failed=True).runs == 4
    assert errors(tmp_path / "b") == []


def test_runs_of_a_changed_working_tree_are_counted(tmp_path: Path) -> None:
    store = Store(tmp_path / "mine")
    for seed, dirty in enumerate((True, False, True)):
        outcome = execute(plan("toy", "toy-coin", seed=seed))
        store.append(dataclasses.replace(outcome, run=dataclasses.replace(outcome.run, git_dirty=dirty)))
    assert submit.pack(store, tmp_path / "b", methods=["toy-coin"]).dirty == 2


def test_nothing_chosen_and_a_taken_folder_are_wrong_use(mine: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run of its own of toy-coin in profile paper;"):
        submit.pack(mine, tmp_path / "b", methods=["toy-coin"], profiles=["paper"])
    with pytest.raises(UsageError, match="is there already"):
        submit.pack(mine, mine.root, methods=["toy-coin"])


def test_what_was_claimed_to_us_is_not_packed_again(tmp_path: Path) -> None:
    claim(tmp_path / "mine")
    with pytest.raises(UsageError, match="no run of its own of toy-coin;"):
        submit.pack(Store(tmp_path / "mine"), tmp_path / "b", methods=["toy-coin"])


@pytest.mark.parametrize("kind", ["runs", "scores", "samples"])
def test_a_store_with_damaged_files_is_not_packed(mine: Store, tmp_path: Path, kind: str) -> None:
    (run,) = mine.runs({"method": ["toy-coin"], "seed": [1]}).column("run").to_pylist()
    path = mine.root / kind / "task=toy" / f"{run}.parquet"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(StoreError, match=rf"1 damaged file in .*{run}.*`suite store check`"):
        submit.pack(Store(mine.root), tmp_path / "b", methods=["toy-coin"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine"], "nothing is left behind"


def test_damaged_files_of_another_task_are_not_in_the_way(mine: Store, tmp_path: Path) -> None:
    other = mine.root / "runs" / "task=other"
    other.mkdir()
    (other / "0123456789abcdef-9.parquet").write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="--task leaves other tasks out"):
        submit.pack(Store(mine.root), tmp_path / "b", methods=["toy-coin"])
    assert submit.pack(Store(mine.root), tmp_path / "b", methods=["toy-coin"], tasks=["toy"]).runs == 3


def test_a_bundle_larger_than_a_check_reads_is_not_made(
    mine: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suite._submit_pack.BUNDLE_BYTES", 10_000)
    with pytest.raises(UsageError, match="leave samples out with --no-samples"):
        submit.pack(mine, tmp_path / "b", methods=["toy-coin"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine"]


# -- an honest bundle


def test_an_honest_bundle_has_no_findings(mine: Store, tmp_path: Path) -> None:
    submit.pack(mine, tmp_path / "b", methods=["toy-coin"])
    report = look(tmp_path / "b", mine)
    assert (report.exit_code, report.all_findings, report.counts) == (0, [], {"not re-run": 3})


def test_what_is_no_bundle_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        look(tmp_path / "none")
    with pytest.raises(UsageError, match="holds no run"):
        look(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="is no folder"):
        look(tmp_path / "link")


# -- run again


def test_a_sample_is_run_again_and_confirmed_or_not(tmp_path: Path) -> None:
    claim(tmp_path, "toy-coin", 0)
    lie = claim_scores(tmp_path, lambda s: [s[0]._replace(value=s[0].value - 0.1), *s[1:]], seed=1)
    claim(tmp_path, "toy-good", 0, settings='{"rounds":4}')
    report = submit.check(tmp_path, sample=5)
    verdicts = {(c.claimed.run.method, c.claimed.run.seed): c.verdict for c in report.cells}
    assert verdicts == {("toy-coin", 0): "confirmed", ("toy-coin", 1): "differs", ("toy-good", 0): "refused"}
    (apart,) = [f for f in report.all_findings if f.kind == "differs"]
    true = execute(plan("toy", "toy-coin", seed=1)).scores[0].value
    assert apart.where == lie.run and apart.what == f"accuracy: claimed {true - 0.1:g}, here {true:g}"
    assert report.exit_code == 1


def test_a_difference_within_the_tolerance_is_confirmed(tmp_path: Path) -> None:
    claim_scores(tmp_path, lambda s: [r._replace(value=r.value - 1e-3) for r in s], "toy-bad")
    assert submit.check(tmp_path, sample=1).counts == {"differs": 1}
    report = submit.check(tmp_path, sample=1, tolerance=2e-3)
    assert (report.counts, report.exit_code) == ({"confirmed": 1}, 0)


def test_cells_in_doubt_are_run_first_and_the_rest_by_the_seed(tmp_path: Path) -> None:
    own = Store(tmp_path / "own")
    own.append(execute(plan("toy", "toy-good")))
    for seed in range(6):
        claim(tmp_path / "b", "toy-coin", seed)
    cells = look(tmp_path / "b", own).cells
    cells[4].findings.append(submit.Finding("doubt", "x", "too good"))
    chosen = [submit._sampled(cells, 3, seed) for seed in range(20)]
    assert all(picked[0] is cells[4] and len(picked) == 3 for picked in chosen)
    assert len({tuple(c.title for c in picked) for picked in chosen}) > 5
    assert submit._sampled(cells, 3, 7) == submit._sampled(list(reversed(cells)), 3, 7)


def test_a_cell_that_cannot_be_run_here_leaves_no_verdict(tmp_path: Path) -> None:
    from suite.engines.local import Options

    outcome = execute(plan("toy", "toy-slow", sets={"seconds": "0"}))
    honest = plan("toy", "toy-slow", sets={"seconds": "20.0"})
    run = dataclasses.replace(
        outcome.run,
        origin="claimed",
        cell=honest.cell.id,
        run=f"{honest.cell.id[:16]}-1",
        settings=honest.cell.settings,
        overrides=honest.cell.overrides,
    )
    Store(tmp_path).append(dataclasses.replace(outcome, run=run))
    report = submit.check(tmp_path, sample=1, options=Options(timeout=0.5))
    assert (report.counts, report.exit_code) == ({"not re-run": 1}, 3)
    assert [f.what for f in report.all_findings] == ["ended timeout here: no scores to compare"]


# -- identity


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cell": "0" * 64, "run": "a"}, "cell id that is not the hash of its row"),
        ({"run": "0" * 16 + "-1"}, "has a run id of another cell"),
        ({"origin": "project"}, "has origin 'project'"),
        ({"profile": "huge"}, "has profile 'huge'"),
        ({"status": "fine"}, "has status 'fine'"),
        ({"method": "toy-none"}, "method 'toy-none' not found"),
        ({"method": "lstm"}, "cannot run on task 'toy'"),
        ({"family": "other"}, "is of another family: other, here toy"),
        ({"task_version": 2}, "another version of the task: 2, here 1"),
        ({"method_version": 0}, "another version of the method: 0, here 1"),
        ({"settings": '{"x":1}'}, "has method settings that its preset and overrides do not give"),
        ({"task_settings": '{"size":1000}'}, "has task settings that its preset and overrides do not give"),
        ({"settings": "no json"}, "column 'settings' is no JSON object"),
        ({"packages": "[]"}, "column 'packages' is no JSON object"),
        ({"settings": "[" * 15_000}, "column 'settings' is no JSON object"),
        ({"overrides": '{"task.size": 3}'}, "column 'overrides' is no JSON object as the suite writes it"),
        ({"overrides": '{"task.size":3}'}, "has task settings that its preset and overrides do not give"),
        ({"overrides": '{"speed":3}'}, "toy-coin has no field 'speed'"),
        ({"overrides": '{"task.data":"../../etc/passwd"}'}, "setting 'task.data' names a place on a disk"),
        ({"overrides": '{"task.data":"C:\\\\x"}'}, "names a place on a disk"),
        ({"base_model": "../weights"}, "base model '../weights' has no name here"),
        ({"base_model": "somebody/evil"}, "base model 'somebody/evil' has no name here"),
        ({"data_fingerprint": "ab" * 32}, "used other data than the task has here: abababababab, here none"),
        ({"model_fingerprint": "ab" * 32}, "used other weights"),
        ({"code": "c0de"}, "a code fingerprint that is no SHA-256"),
        ({"git_commit": "HEAD; rm"}, "a git commit that is none"),
        ({"wall_s": 0.0}, "has wall_s 0.0; a run takes more than 0"),
        ({"wall_s": float("nan")}, "has wall_s nan"),
        ({"cpu_s": -1.0}, "has cpu_s -1.0"),
        ({"peak_mb": float("inf")}, "has peak_mb inf"),
        ({"started": 4e12}, "which is in the future"),
        ({"threads": 0}, "ran on 0 threads"),
        ({"seed": -1}, "has seed -1"),
    ],
)
def test_a_row_that_is_not_of_its_cell_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    claim(tmp_path, **changes)
    assert any(said in what for what in errors(tmp_path)), errors(tmp_path)
    assert look(tmp_path).counts == {"refused": 1} and look(tmp_path).exit_code == 1


def test_settings_made_by_hand_are_planned_again(tmp_path: Path) -> None:
    sets = {"mode": "careful", "rate": "0.25", "verbose": "true", "task.size": "6"}
    outcome = execute(plan("toy", "toy-good", sets=sets))
    Store(tmp_path).append(
        dataclasses.replace(outcome, run=dataclasses.replace(outcome.run, origin="claimed"))
    )
    assert errors(tmp_path) == []


def test_other_code_is_a_remark_that_names_the_module_and_no_error(tmp_path: Path) -> None:
    modules = dict(plan("toy", "toy-coin").modules) | {"toy_plugin": "0" * 12}
    claim(tmp_path, code="d" * 64, modules=str(modules).replace("'", '"'))
    report = look(tmp_path)
    assert [(f.kind, f.what) for f in report.all_findings] == [
        ("note", "made by other code than this checkout's (toy_plugin)")
    ]
    assert report.exit_code == 0


def test_two_runs_of_one_cell_are_refused(tmp_path: Path) -> None:
    claim(tmp_path)
    claim(tmp_path)
    assert errors(tmp_path) == ["is not the only run of its cell in the bundle"] * 2


# -- scores


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s[1:], "has no accuracy, the primary metric"),
        (lambda s: [], "has no accuracy, the primary metric"),
        (lambda s: [*s, s[0]], "gives accuracy twice"),
        (lambda s: [*s, ScoreRow("speed", "all", 1.0, None, True)], "speed, which the task does not declare"),
        (lambda s: [s[0]._replace(value=1.01)], "gives accuracy as 1.01; a fraction is from 0 to 1"),
        (lambda s: [s[0]._replace(value=-0.1)], "a fraction is from 0 to 1"),
        (lambda s: [s[0]._replace(value=float("nan"))], "gives accuracy as nan; a score is a finite number"),
        (lambda s: [s[0]._replace(value=float("inf"))], "a score is a finite number"),
        (lambda s: [*s[:2], s[2]._replace(value=-1.0)], "gives errors as -1; it cannot be below 0"),
        (lambda s: [s[0]._replace(higher_is_better=False)], "another direction than the task"),
        (lambda s: [s[0]._replace(higher_is_better=None)], "another direction than the task"),
        (lambda s: [s[0]._replace(n=11)], "gives accuracy over 11 examples; the task has 10"),
        (
            lambda s: [s[0], s[1]._replace(n=6)],
            "accuracy of slice even over 6 examples; the task has 5",
        ),
        (lambda s: [s[0]._replace(n=-1)], "over -1 examples"),
    ],
)
def test_scores_that_cannot_be_true_are_refused(tmp_path: Path, change: Any, said: str) -> None:
    own = Store(tmp_path / "own")
    own.append(execute(plan("toy", "toy-bad")))
    claim_scores(tmp_path / "b", change)
    assert any(said in what for what in errors(tmp_path / "b", own)), errors(tmp_path / "b", own)


def test_a_fraction_may_be_negative_where_the_projects_own_runs_are() -> None:
    metric = Metric("forgetting", "lower", "fraction", "accuracy lost")
    spec = TaskSpec("t", "f", "s", "w", Paper("p", 2024, ""), (metric,), "forgetting", "protocol")
    claimed = Claimed(execute(plan("toy", "toy-bad")).run, [ScoreRow("forgetting", "all", -0.2, 5, False)])
    assert list(score_errors(claimed, spec, Known()))
    assert not list(score_errors(claimed, spec, Known(negative={"forgetting"})))


def test_scores_of_a_run_that_failed_are_refused(tmp_path: Path) -> None:
    claim(tmp_path, status="failed")
    assert errors(tmp_path) == ["ended failed, yet has scores or samples"]


def test_the_mean_of_the_samples_is_the_score(tmp_path: Path) -> None:
    outcome = execute(plan("toy", "toy-bad"))
    run = dataclasses.replace(outcome.run, origin="claimed")
    one_more = [s._replace(correct=1.0) if s.index == 1 else s for s in outcome.samples]
    Store(tmp_path).append(Outcome(run, outcome.scores, one_more))
    # 'even' to ten numbers is right five times; the changed samples say six
    assert errors(tmp_path) == ["has samples that give accuracy 0.600000, its score says 0.500000"]


def test_two_samples_of_one_example_are_refused(tmp_path: Path) -> None:
    outcome = execute(plan("toy", "toy-bad"))
    twice = [*outcome.samples[:-1], outcome.samples[-1]._replace(index=1)]
    run = dataclasses.replace(outcome.run, origin="claimed")
    Store(tmp_path).append(Outcome(run, outcome.scores, twice))
    assert errors(tmp_path) == ["has two samples of one example"]


# -- doubts


def doubts(report: Report) -> list[str]:
    return [f.what for f in report.all_findings if f.kind == "doubt"]


def test_a_score_beyond_the_ceiling_is_doubted_until_it_is_run(tmp_path: Path) -> None:
    own = Store(tmp_path / "own")
    ceiling = execute(plan("toy", "toy-good"))
    own.append(Outcome(ceiling.run, [s._replace(value=0.3) for s in ceiling.scores]))
    claim(tmp_path / "b", "toy-bad")
    report = look(tmp_path / "b", own)
    assert doubts(report) == ["has accuracy 0.5000, beyond the ceiling's 0.3000"]
    assert report.exit_code == 3
    assert doubts(look(tmp_path / "b")) == []
    settled = submit.check(tmp_path / "b", own, sample=1)
    assert (settled.counts, settled.exit_code) == ({"confirmed": 1}, 0)


def test_a_null_that_differs_from_the_projects_own_is_doubted(tmp_path: Path) -> None:
    own = Store(tmp_path / "own")
    own.append(execute(plan("toy", "toy-bad")))
    claim_scores(tmp_path / "b", lambda s: [s[0]._replace(value=0.4), *s[1:]], "toy-bad")
    claimed = doubts(look(tmp_path / "b", own))
    assert claimed == ["has accuracy 0.400000; the project's run of this null method has 0.500000"]


def test_the_same_scores_in_every_seed_of_a_trained_method_are_doubted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = catalog.tasks()["toy"]
    steps = Metric("steps", "neutral", "count", "optimiser steps")
    monkeypatch.setitem(catalog.tasks(), "toy", dataclasses.replace(spec, metrics=(*spec.metrics, steps)))
    trained = [
        ScoreRow("accuracy", "all", 0.7, 10, True),
        ScoreRow("errors", "all", 3.0, 10, False),
        ScoreRow("steps", "all", 5.0, None, None),
    ]
    for seed in range(2):
        claim_scores(tmp_path / "copied", lambda s: trained, seed=seed)
        claim_scores(tmp_path / "untrained", lambda s: trained[:2], seed=seed)
        claim_scores(
            tmp_path / "at-zero", lambda s: [trained[0]._replace(value=0.0), *trained[2:]], seed=seed
        )
        other = trained[1]._replace(value=3.0 + seed)
        claim_scores(tmp_path / "alive", lambda s, o=other: [trained[0], o, trained[2]], seed=seed)
    assert doubts(look(tmp_path / "copied")) == ["has the same scores in all 2 seeds of a trained method"] * 2
    for name in ("untrained", "at-zero", "alive"):
        assert doubts(look(tmp_path / name)) == [], name


def test_a_gap_in_the_seeds_is_doubted(tmp_path: Path) -> None:
    for seed in (0, 2, 5):
        claim(tmp_path, "toy-coin", seed)
    report = look(tmp_path)
    assert doubts(report) == [
        "lacks seeds that come before its own (1, 3, 4); seeds start at 0 and leave out none"
    ]
    assert report.exit_code == 3


# -- hostile files


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table], metadata: Any = None, **options: Any) -> None:
    """Write a file of the bundle again with another table, as pyarrow writes one."""
    file = pq.ParquetFile(path)
    said = dict(file.metadata.metadata) if metadata is None else metadata
    table = change(file.read()).replace_schema_metadata(None)
    with pq.ParquetWriter(path, table.schema, **{"store_schema": False} | options) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(said)


def setting(column: str, value: Any, kind: Any = None) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(column)
        field = pa.field(column, kind or table.schema.field(column).type)
        return table.set_column(place, field, pa.array([value] * len(table), field.type))

    return change


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("runs", lambda t: t.drop_columns(["wall_s"]), "lacks column 'wall_s'"),
        ("runs", lambda t: t.append_column("evil\x1b[2J", pa.array(["x"])), "has a column 'evil?[2J'"),
        ("runs", setting("seed", "one", pa.string()), "column 'seed' holds string, not int32"),
        ("runs", setting("seed", 0, pa.int64()), "column 'seed' holds int64, not int32"),
        ("runs", setting("wall_s", None), "column 'wall_s' has a row without a value"),
        ("runs", setting("settings", "x" * 50_000), "column 'settings' has a text of 50,000 bytes"),
        ("runs", setting("method", "m" * 10_000), "column 'method' has a text of 10,000 bytes"),
        ("runs", setting("run", "other"), "holds another run than its name says"),
        ("runs", lambda t: pa.concat_tables([t, t]), "has 2 rows; a run has 1 to 1 runs"),
        ("runs", lambda t: t.slice(0, 0), "has 0 rows"),
        ("scores", setting("value", None), "column 'value' has a row without a value"),
        ("scores", setting("seed", 7), "column 'seed' is not what the run says"),
        ("scores", setting("cell", "0" * 64), "column 'cell' is not what the run says"),
        ("scores", lambda t: pa.concat_tables([t] * 2000), "has 6,000 rows; a run has 1 to 5,000 scores"),
        ("samples", setting("correct", float("nan")), "whose 'correct' is no finite number"),
        ("samples", setting("output", "y" * 30_000), "column 'output' has a text of 30,000 bytes"),
        ("samples", lambda t: pa.concat_tables([setting("input", "z" * 19_000)(t)] * 1000), "MiB of text"),
    ],
)
def test_a_table_that_is_not_the_stores_is_refused(tmp_path: Path, kind: str, change: Any, said: str) -> None:
    run = claim(tmp_path)
    rewrite(file_of(tmp_path, run, kind), change)
    assert any(said in what for what in errors(tmp_path)), errors(tmp_path)
    assert look(tmp_path).counts["confirmed"] == 0 and look(tmp_path).exit_code == 1


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({}, "a parquet file that this suite did not write"),
        ({b"touchstone.schema": b"99"}, "has schema version 99, newer than 1"),
        ({b"touchstone.schema": b"9" * 5000}, "this suite did not write"),
        ({b"touchstone.table": b"scores"}, "belongs to another table than its folder says"),
        ({b"touchstone.task": b"scan-jump"}, "belongs to another task than its folder says"),
        ({b"ARROW:schema": b"AAAA"}, "cannot be read as parquet"),
    ],
)
def test_a_file_that_says_it_is_something_else_is_refused(tmp_path: Path, metadata: Any, said: str) -> None:
    run = claim(tmp_path)
    path = file_of(tmp_path, run, "runs")
    said_before = dict(pq.read_metadata(path).metadata)
    rewrite(path, lambda t: t, said_before | metadata if metadata else {})
    assert any(said in what for what in errors(tmp_path))


def test_a_file_with_a_schema_of_arrows_own_is_refused(tmp_path: Path) -> None:
    run = claim(tmp_path)
    rewrite(file_of(tmp_path, run, "runs"), lambda t: t, store_schema=True)
    assert errors(tmp_path)[0] == "is a parquet file that this suite did not write"


def test_another_compression_is_refused(tmp_path: Path) -> None:
    run = claim(tmp_path)
    rewrite(file_of(tmp_path, run, "scores"), lambda t: t, compression="gzip")
    assert "is packed with GZIP; the store writes snappy" in errors(tmp_path)


def test_a_text_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    run = claim(tmp_path)
    path = file_of(tmp_path, run, "runs")
    bad = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    )
    rewrite(path, lambda t: t.set_column(t.schema.get_field_index("error"), "error", bad))
    assert any("cannot be read as parquet" in what for what in errors(tmp_path))


def plant(bundle: Path, name: str, content: bytes = b"x") -> None:
    path = bundle / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("setup.py", "does not belong in a bundle"),
        ("runs/notes.txt", "does not belong in a bundle"),
        (".hidden/x/y.parquet", "does not belong in a bundle"),
        ("runs/task=toy/x.pkl", "is no file of one run"),
        ("runs/task=toy/.x.parquet", "is no file of one run"),
        ("runs/task=toy/snapshot-1.parquet", "is no file of one run"),
        ("runs/toy/x.parquet", "is in no folder of a task"),
        ("runs/task=/x.parquet", "is in no folder of a task"),
        ("runs/task=a b/x.parquet", "is in no folder of a task"),
        ("runs/task=toy/" + "n" * 240 + ".parquet", "is no file of one run"),
        ("runs/task=toy/a/b/c.parquet", "is no file of one run"),
        ("runs/task=toy/x.parquet", "cannot be read as parquet"),
        ("scores/task=toy/lonely.parquet", "cannot be read as parquet"),
        ("runs/task=toy/\x1b[31mred.parquet", "is no file of one run"),
    ],
)
def test_a_file_that_does_not_belong_is_named(tmp_path: Path, name: str, said: str) -> None:
    claim(tmp_path)
    plant(tmp_path, name)
    report = look(tmp_path)
    (fault,) = [f for f in report.findings if f.kind == "error"]
    assert said in fault.what and fault.where.isprintable() and len(fault.where) < 120
    assert report.counts == {"not re-run": 1} and report.exit_code == 1


def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    run = claim(tmp_path / "b")
    folder = tmp_path / "b" / "runs" / "task=toy"
    (folder / "linked.parquet").symlink_to(file_of(tmp_path / "b", run, "runs"))
    (tmp_path / "b" / "scores" / "task=other").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.parquet")
    said = {f.where: f.what for f in look(tmp_path / "b").findings}
    assert said == {
        "runs/task=toy/linked.parquet": "is no plain file",
        "runs/task=toy/pipe.parquet": "is no plain file",
        "scores/task=other": "does not belong in a bundle, which holds runs/, scores/ and samples/ only",
    }


def test_a_file_and_a_bundle_that_are_too_large_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = claim(tmp_path)
    with open(file_of(tmp_path, run, "samples"), "r+b") as file:
        file.truncate(9 << 20)
    assert errors(tmp_path) == ["has 9,437,184 bytes; at most 8,388,608 are read"]
    monkeypatch.setattr("suite._submit_files.MOST_FILES", 2)
    with pytest.raises(UsageError, match="too many files"):
        look(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr("suite._submit_files.MOST_ROWS", 5)
    with pytest.raises(UsageError, match="more than 5 rows"):
        look(tmp_path)


def test_scores_without_their_run_are_refused(tmp_path: Path) -> None:
    claim(tmp_path)
    lost = claim(tmp_path, "toy-coin", 1)
    file_of(tmp_path, lost, "runs").unlink()
    assert errors(tmp_path) == ["belongs to no run of the bundle"] * 2


# Columns that would make the bytes of a file differ from day to day.
FIXED = {
    **{
        "code": "d" * 64,
        "modules": "{}",
        "packages": "{}",
        "host": "{}",
        "git_commit": "",
        "git_dirty": False,
    },
    **{"started": 1.7e9, "wall_s": 2.0, "cpu_s": 1.0, "overhead_s": 0.5, "peak_mb": 100.0},
}


def test_damaged_files_are_named_or_read_as_they_were(child: None, tmp_path: Path) -> None:
    made = [claim(tmp_path, "toy-coin", seed, run=f"r{seed}", **FIXED) for seed in range(50)]
    runs = {run.run: run for run in made}
    honest = {cell.claimed.run.run: cell.claimed for cell in look(tmp_path).cells}
    draw = random.Random(0)
    for run in runs.values():
        path = file_of(tmp_path, run, draw.choice(["runs", "scores", "samples"]))
        data = bytearray(path.read_bytes())
        # half of the changes hit the footer, which tells the reader how to read the rest
        for _ in range(draw.randint(1, 4)):
            start = 0 if draw.random() < 0.5 else len(data) // 2
            data[draw.randrange(start, len(data))] = draw.randrange(256)
        path.write_bytes(data if draw.random() < 0.9 else data[: len(data) // 2])
    report = submit.check(tmp_path, sample=0)
    refused = {cell.claimed.run.run for cell in report.cells if cell.verdict == "refused"}
    assert len(refused) + len(report.findings) > 25
    for cell in report.cells:
        if cell.verdict != "refused":
            assert cell.claimed == honest[cell.claimed.run.run]


def test_a_file_that_ends_its_reader_is_named_and_the_others_are_read(
    child: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [claim(tmp_path / "b", "toy-coin", seed) for seed in range(3)]
    (tmp_path / "sitecustomize.py").write_text(
        "import os, suite._submit_files as files\n"
        "whole = files.read_file\n"
        f"deadly = ('scores', 'toy', {runs[1].run!r})\n"
        "files.read_file = lambda p: os.abort() if p[:3] == deadly else whole(p)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    report = submit.check(tmp_path / "b", sample=0)
    verdicts = {cell.claimed.run.seed: cell.verdict for cell in report.cells}
    assert verdicts == {0: "not re-run", 1: "refused", 2: "not re-run"}
    said = [f.what for f in report.all_findings if f.kind == "error"]
    assert said[0] == "ends the process that reads it"


def test_nothing_in_the_bundle_is_imported_and_nothing_is_run_beside_foreign_files(
    child: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(tmp_path / "b")
    for name in ("json.py", "sitecustomize.py", "suite.py", "pyarrow.py"):
        plant(tmp_path / "b", name, f"open({str(tmp_path / 'ran')!r}, 'w')".encode())
    monkeypatch.chdir(tmp_path / "b")
    report = submit.check(Path("."), sample=1)
    assert sorted(f.where for f in report.findings) == [
        "json.py",
        "pyarrow.py",
        "sitecustomize.py",
        "suite.py",
    ]
    assert report.counts == {"not re-run": 1} and not (tmp_path / "ran").exists()


# -- accept


def test_accepted_rows_stay_claimed_and_are_added_once(mine: Store, tmp_path: Path) -> None:
    submit.pack(mine, tmp_path / "b", methods=["toy-coin"])
    results = Store(tmp_path / "results")
    assert submit.accept(tmp_path / "b", results) == (3, 0)
    claim(tmp_path / "b", "toy-bad")
    assert submit.accept(tmp_path / "b", results) == (1, 3)
    ids = results.runs().column("run").to_pylist()
    assert set(results.runs().column("origin").to_pylist()) == {"claimed"}
    assert results.scores().equals(Store(tmp_path / "b").scores())
    assert results.samples(ids).equals(Store(tmp_path / "b").samples(ids)) and results.check() == []


def test_an_unsound_bundle_is_not_accepted(tmp_path: Path) -> None:
    claim(tmp_path / "b", "toy-coin", 0)
    claim(tmp_path / "b", "toy-coin", 1, task_version=2)
    with pytest.raises(UsageError, match=r"is not sound: .*; `suite submit check`"):
        submit.accept(tmp_path / "b", Store(tmp_path / "results"))
    assert not (tmp_path / "results").exists()


def test_a_claim_is_never_taken_for_the_projects_own_ceiling(tmp_path: Path) -> None:
    claim(tmp_path / "own", "toy-good")
    outcome = execute(plan("toy", "toy-bad"))
    run = dataclasses.replace(outcome.run, origin="claimed")
    Store(tmp_path / "b").append(Outcome(run, [outcome.scores[0]._replace(value=1.0)]))
    assert doubts(look(tmp_path / "b", Store(tmp_path / "own"))) == []
