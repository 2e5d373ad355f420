from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from suite.cli import main
from suite.cli.running import parse_seeds, parse_sets
from suite.errors import UsageError
from suite.store import Store


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder with a cache of its own, and the troubled toys in the catalogue."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SUITE_PLUGINS", "toy_plugin,toy_trouble")


def suite(line: str) -> Result:
    return CliRunner().invoke(main, line.split())


def run(line: str) -> Result:
    return suite(f"run --task toy {line}")


def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = Store(Path("results")).runs().to_pylist()
    return found


def test_a_run_prints_its_scores_with_the_interval_of_the_primary_metric() -> None:
    done = run("--method toy-bad")
    assert done.exit_code == 0
    header, accuracy, errors = (line.split() for line in done.stdout.splitlines())
    assert header[:5] == ["task", "method", "profile", "metric", "value"]
    assert accuracy[:5] == ["toy", "toy-bad", "small", "accuracy", "0.5000"]
    # Of ten answers five are right: 2 and 8 of 10 are the quantiles of the binomial distribution.
    assert accuracy[5:9] == ["0.2000", "0.8000", "1", "10"]
    assert errors[3:5] == ["errors", "5.0000"]


def test_a_run_says_before_what_it_needs_and_after_how_it_went() -> None:
    first = run("--method toy-good").stderr.splitlines()
    assert first[0] == "1 cell to run: about 6 s, 100 MB of memory, no download"
    assert first[1].startswith("ok: toy-good on toy (small, seed 0): accuracy 1.0000 in ")


def test_past_runs_forecast_the_next_better_than_what_is_declared() -> None:
    run("--method toy-good")
    said = run("--method toy-good --seed 1 --dry-run").stdout
    assert said.startswith("1 cell to run: about 1 s, ")


def test_the_second_run_is_answered_from_the_results() -> None:
    assert run("--method toy-coin").exit_code == 0
    again = run("--method toy-coin")
    assert (again.exit_code, again.stderr) == (0, "")
    assert [line.split()[-1] for line in again.stdout.splitlines()[1:]] == ["yes", "yes"]
    assert len(rows()) == 1


def test_force_runs_what_the_results_hold() -> None:
    run("--method toy-good")
    run("--method toy-good --force")
    assert len(rows()) == 2


def test_a_dry_run_runs_and_writes_nothing() -> None:
    said = run("--method toy-good --seeds 0-2 --dry-run")
    assert (said.exit_code, said.stdout) == (0, "3 cells to run: about 18 s, 100 MB of memory, no download\n")
    assert not list(Path("results").rglob("*"))


@pytest.mark.parametrize(
    ("options", "status", "error"),
    [
        ("--method toy-raise", "failed", "ValueError: the toy is broken"),
        ("--method toy-nan", "failed", "metric accuracy is NaN"),
        ("--method toy-oom", "out-of-memory", "MemoryError"),
        ("--method toy-slow --timeout 0.2", "timeout", "took longer than 0.2 s"),
        ("--method toy-segfault", "failed", "the worker died with signal 11 (SIGSEGV)"),
    ],
)
def test_a_cell_that_fails_is_a_row_and_exit_code_1(options: str, status: str, error: str) -> None:
    done = run(f"{options} --quiet")
    assert done.exit_code == 1
    (row,) = rows()
    assert (row["status"], row["error"].splitlines()[0]) == (status, error)
    assert done.stderr == f"{status}: {options.split()[1]} on toy (small, seed 0): {error}\n"


def test_a_skipped_cell_is_a_row_with_its_reason_and_no_failure() -> None:
    done = run("--method toy-skip")
    assert (done.exit_code, done.stdout) == (0, "1 cell: 1 skipped\n")
    assert [(r["status"], r["reason"]) for r in rows()] == [("skipped", "the toy cannot count that far")]
    assert run("--method toy-skip").stdout == "1 cell: 1 skipped; 1 answered from the results\n"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--method toy-godo", "did you mean 'toy-good'?"),
        ("--method toy-good --seed one", "--seeds one: 'one' is no seed"),
        ("--method toy-good --seed -1", "'-1' is no seed"),
        ("--method toy-good --seeds 4-0", "the range 4-0 ends before it begins"),
        ("--method toy-good --seed 2147483648", "a seed is a whole number"),
        ("--method toy-good --set mode=slow", "'mode' of toy-good takes one of fast, careful, not 'slow'"),
        ("--method toy-good --set mod=fast", "no field 'mod'; did you mean 'mode'?"),
        ("--method toy-good --set mode", "--set mode: write it as field=value"),
        ("--method toy-good --profile big", "'big' is not one of"),
        ("--method toy-no-data", "`suite data get toy-data` fetches it"),
        ("--method toy-good --results /dev/null/x", "/dev/null/x"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2_and_leaves_no_row(options: str, says: str) -> None:
    done = run(f"{options} --quiet")
    assert done.exit_code == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not Path("results/runs").exists()


def test_an_unwritable_results_folder_is_said_before_the_work_starts() -> None:
    done = run("--method toy-slow --results /proc/none")
    assert done.exit_code == 2
    assert "results folder /proc/none cannot be written" in done.stderr
    assert "toy-slow on toy" not in done.stderr


def test_json_is_all_of_standard_output() -> None:
    good, failed = json.loads(run("--method toy-good --method toy-nan --format json").stdout)
    assert (good["status"], good["cached"], good["seed"]) == ("ok", False, 0)
    assert good["scores"][0] == {
        "metric": "accuracy",
        "slice": "all",
        "value": 1.0,
        "n": 10,
        "higher_is_better": True,
    }
    assert (failed["status"], failed["error"], failed["scores"]) == ("failed", "metric accuracy is NaN", [])


def test_several_seeds_become_a_mean_with_the_t_interval_over_seeds() -> None:
    record = json.loads(run("--method toy-coin --seeds 0-2 --format json").stdout)
    values = [next(s["value"] for s in cell["scores"] if s["metric"] == "accuracy") for cell in record]
    from statistics import mean, stdev

    half = 4.302652729911275 * stdev(values) / 3**0.5  # t(0.975, 2) of the tables
    shown = run("--method toy-coin --seeds 0-2").stdout.splitlines()[1].split()
    assert [float(x) for x in shown[4:7]] == pytest.approx(
        [mean(values), mean(values) - half, mean(values) + half], abs=5e-5
    )
    assert shown[7] == "3"


def test_set_reaches_method_and_task() -> None:
    run("--method toy-good --set rate=0.7 --set task.size=4")
    (row,) = rows()
    assert json.loads(row["overrides"]) == {"rate": 0.7, "task.size": 4}
    assert json.loads(row["task_settings"]) == {"size": 4}


def test_a_run_that_was_killed_resumes_and_leaves_no_worker() -> None:
    """The toy kills its parent, the command itself, once it has written a checkpoint."""
    command = [sys.executable, "-m", "suite", "run", "--task", "toy", "--method", "toy-resumes"]
    command += ["--set", "victim=parent", "--format", "json", "--quiet"]
    first = subprocess.run(command, capture_output=True, text=True)
    assert first.returncode == -signal.SIGKILL
    assert not list(Path("results").rglob("*"))
    second = subprocess.run(command, capture_output=True, text=True)
    (cell,) = json.loads(second.stdout)
    assert (second.returncode, cell["status"]) == (0, "ok")
    assert "resumed from a checkpoint" in cell["reason"]


def test_an_interrupt_ends_with_130() -> None:
    code = (
        "import os, signal; from suite.engines import local;"
        "local._Pool._listen = lambda pool: os.kill(os.getpid(), signal.SIGINT);"
        "from suite.cli import main; main(['run', '--task', 'toy', '--method', 'toy-slow', '--quiet'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert (done.returncode, done.stderr.strip()) == (130, "error: interrupted; what was finished is kept")


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("3", [3]), ("0-4", [0, 1, 2, 3, 4]), ("0,2, 1", [0, 2, 1]), ("0-2,1,7", [0, 1, 2, 7])],
)
def test_seeds_are_numbers_ranges_and_lists(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "1,", "1.5", "a", "-1", "1-", "0-10000", "١"])
def test_other_texts_are_no_seeds(text: str) -> None:
    with pytest.raises(UsageError):
        parse_seeds(text)


def test_a_field_is_set_once_and_its_value_may_hold_an_equals_sign() -> None:
    assert parse_sets(["a=b=c", "d="]) == {"a": "b=c", "d": ""}
    with pytest.raises(UsageError, match="'a' is set twice"):
        parse_sets(["a=1", "a=2"])


def test_a_sequence_is_named_by_its_file_and_key(tmp_path: Path) -> None:
    from suite.cli.run import by_key

    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text('{"key": "0123456789abcdef"}')
    bad.write_text("[]")
    assert by_key(good) == f"{good}@0123456789ab"
    result = run(f"--method toy-good --sequence {bad}")
    assert result.exit_code == 2 and "holds no sequence with a key" in result.output
    result = run(f"--method toy-good --sequence {good}")
    assert result.exit_code == 2 and "task 'toy' takes no sequence; these do: cldyb-" in result.output
