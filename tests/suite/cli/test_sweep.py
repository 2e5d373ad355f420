from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from suite.cli import main
from suite.store import Store


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path / "cache"))


def sweep(line: str) -> Result:
    return CliRunner().invoke(main, ["sweep", *line.split()])


def test_a_family_is_swept_whole_and_failures_do_not_stop_it() -> None:
    done = sweep("--family toy --timeout 4 --jobs 2")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == "8 cells: 3 ok, 2 failed, 1 timeout, 1 out-of-memory, 1 skipped"
    assert len(Store(Path("results")).runs()) == 8
    assert sum(line.startswith("ok: ") for line in done.stderr.splitlines()) == 3


def test_only_what_is_missing_is_run_again() -> None:
    sweep("--method toy-good --method toy-raise --seeds 0-1 --quiet")
    done = sweep("--method toy-good --method toy-raise --seeds 0-2")
    assert done.stderr.splitlines()[0].startswith("4 cells to run: ")
    assert done.stderr.splitlines()[0].endswith("; 2 cells answered from results")
    assert done.stdout.splitlines()[-1] == "6 cells: 3 ok, 3 failed; 2 answered from the results"
    assert done.stdout.splitlines()[1].split()[-3:] == ["2", "of", "3"]


def test_a_sweep_that_is_done_is_answered_from_the_results() -> None:
    sweep("--method toy-good --seeds 0-2 --quiet")
    done = sweep("--method toy-good --seeds 0-2")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "3 cells: 3 ok; 3 answered from the results"


def test_quiet_prints_the_answer_only() -> None:
    done = sweep("--method toy-good --quiet")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].split()[:4] == ["toy", "toy-good", "small", "accuracy"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--family toi", "family 'toi' not found; did you mean 'toy'?"),
        ("--method toy-godo", "method 'toy-godo' not found; did you mean 'toy-good'?"),
        ("--task toi", "task 'toi' not found; did you mean 'toy'?"),
    ],
)
def test_a_wrong_name_is_wrong_use(line: str, says: str) -> None:
    done = sweep(line)
    assert done.exit_code == 2
    assert says in done.stderr


def test_a_dry_run_counts_the_matrix() -> None:
    done = sweep("--family toy --seeds 0-9 --dry-run")
    assert (done.exit_code, done.stdout.split(":")[0]) == (0, "80 cells to run")


def test_several_methods_are_shown_by_their_primary_metric_one_by_all() -> None:
    both = sweep("--method toy-good --method toy-bad --quiet").stdout.splitlines()
    assert [line.split()[1:4:2] for line in both[1:-1]] == [["toy-good", "accuracy"], ["toy-bad", "accuracy"]]
    one = sweep("--method toy-good --quiet").stdout.splitlines()
    assert [line.split()[3] for line in one[1:]] == ["accuracy", "errors"]
