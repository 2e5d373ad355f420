"""`suite submit pack`, `check` and `accept` as a user meets them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from suite.plan import plan
from suite.records import Outcome
from suite.runner import execute
from suite.store import Store


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of three seeds of toy-coin by a clean tree, and one failed cell."""
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path / "cache"))
    store = Store(tmp_path / "mine")
    for method, seed in (("toy-coin", 0), ("toy-coin", 1), ("toy-raise", 0)):
        done = execute(plan("toy", method, seed=seed))
        store.append(dataclasses.replace(done, run=dataclasses.replace(done.run, git_dirty=False)))
    return store.root


def altered(bundle: Path, shift: float) -> None:
    """A bundle with one run whose accuracy was changed."""
    done = execute(plan("toy", "toy-bad"))
    scores = [s._replace(value=s.value + shift) if s.slice == "all" else s for s in done.scores]
    Store(bundle).append(Outcome(dataclasses.replace(done.run, origin="claimed"), scores[:2]))


def test_pack_check_and_accept(suite, mine: Path, tmp_path: Path) -> None:
    bundle, board = tmp_path / "bundle", tmp_path / "board"
    packed = suite("submit", "pack", "--method", "toy-coin", "--results", mine, "--out", bundle)
    assert packed.exit_code == 0
    assert packed.stdout.startswith(f"{bundle}: 2 runs, ") and packed.stdout.count("\n") == 1

    checked = suite("submit", "check", bundle, "--results", mine, "--sample", 1, "--quiet")
    assert checked.exit_code == 0, checked.output
    assert checked.stdout.splitlines()[-1] == "nothing is wrong: 2 cells (1 confirmed, 1 not re-run)"

    taken = suite("submit", "accept", bundle, "--results", board)
    assert (taken.exit_code, taken.stdout) == (0, f"{board}: 2 claimed runs added\n")
    assert set(Store(board).runs().column("origin").to_pylist()) == {"claimed"}
    again = suite("submit", "accept", bundle, "--results", board)
    said = f"{board}: 0 claimed runs added; 2 runs of the bundle there already\n"
    assert (again.exit_code, again.stdout) == (0, said)


def test_a_row_that_differs_is_exit_code_1_and_says_where(suite, tmp_path: Path) -> None:
    altered(tmp_path / "bundle", 0.25)
    words = ("submit", "check", tmp_path / "bundle", "--results", tmp_path / "none", "--quiet")
    done = suite(*words)
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[1].split() == [
        *["toy-bad", "on", "toy", "(small,", "seed", "0)"],
        "differs",
        "0.7500",
        "0.5000",
        "1",
    ]
    assert "accuracy: claimed 0.75, here 0.5" in done.stdout
    assert lines[-1] == "something is wrong: 1 cell (1 differs)"
    answer = json.loads(suite(*words, "--format", "json").stdout)
    assert answer["cells"][0]["verdict"] == "differs"
    assert [(f["kind"], f["what"]) for f in answer["findings"]] == [
        ("differs", "accuracy: claimed 0.75, here 0.5, and 1 more")
    ]
    first = answer["cells"][0]["scores"][0]
    assert (first["stored"], first["again"], first["verdict"]) == (0.75, 0.5, "different")


def test_without_a_re_run_a_sound_bundle_is_not_confirmed(suite, tmp_path: Path) -> None:
    altered(tmp_path / "bundle", 0.25)
    done = suite("submit", "check", tmp_path / "bundle", "--results", tmp_path / "none", "--sample", 0)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "nothing is wrong: 1 cell (1 not re-run)"


def test_a_doubt_that_is_left_open_is_exit_code_3(suite, tmp_path: Path) -> None:
    done = execute(plan("toy", "toy-coin", seed=2))
    Store(tmp_path / "b").append(
        dataclasses.replace(done, run=dataclasses.replace(done.run, origin="claimed"))
    )
    answer = suite("submit", "check", tmp_path / "b", "--results", tmp_path / "none", "--sample", 0)
    assert answer.exit_code == 3
    assert "lacks seeds that come before its own (0, 1)" in answer.stdout
    assert answer.stdout.splitlines()[-1] == "no verdict yet: 1 cell (1 not re-run)"


def test_csv_has_a_row_a_cell(suite, tmp_path: Path) -> None:
    altered(tmp_path / "bundle", 2.0)
    words = ("submit", "check", tmp_path / "bundle", "--results", tmp_path / "none", "--format", "csv")
    done = suite(*words)
    assert done.exit_code == 1
    head, row = done.stdout.splitlines()
    assert head == "cell,verdict,value,again,findings,run"
    assert row.startswith('"toy-bad on toy (small, seed 0)",refused,2.5,,')


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("check", "no-such-folder"), "error: bundle no-such-folder is no folder; `suite submit pack"),
        (("accept", "no-such-folder"), "error: bundle no-such-folder is no folder; `suite submit pack"),
        (("pack", "--method", "toy-coin"), "error: Missing option '--out'."),
        (("pack", "--method", "toy-con", "--out", "b"), "error: method 'toy-con' not found; did you mean"),
        (("pack", "--method", "toy-raise", "--out", "b"), "error: 1 of 1 cells did not end well"),
        (
            ("pack", "--method", "toy-bad", "--out", "b"),
            "error: mine has no run of its own of toy-bad in profile small; ",
        ),
        (("pack", "--method", "toy-coin", "--out", "mine"), "error: mine is there already; give --out"),
        (("pack", "--method", "toy-coin", "--out", "file/b"), "error: bundle file/b cannot be written: "),
        (("check", "b", "--tolerance", "nan"), "error: Invalid value for '--tolerance': nan is no finite"),
        (("check", "b", "--tolerance", "inf"), "error: Invalid value for '--tolerance': inf is no finite"),
        (("check", "b", "--tolerance", "-1"), "error: Invalid value for '--tolerance': -1.0 is not in"),
        (("check", "b", "--device", "nosuch"), "error: device 'nosuch' cannot be used on this machine: "),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    suite, mine: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], line: str
) -> None:
    monkeypatch.chdir(mine.parent)
    monkeypatch.setenv("SUITE_RESULTS", "mine")
    (mine.parent / "file").write_text("")
    answer = suite("submit", *words)
    assert answer.exit_code == 2 and answer.stdout == ""
    assert answer.stderr.startswith(line) and answer.stderr.count("\n") == 1


def test_runs_of_a_changed_tree_are_told(suite, mine: Path, tmp_path: Path) -> None:
    done = execute(plan("toy", "toy-bad"))
    Store(mine).append(dataclasses.replace(done, run=dataclasses.replace(done.run, git_dirty=True)))
    packed = suite("submit", "pack", "--method", "toy-bad", "--results", mine, "--out", tmp_path / "b")
    assert packed.exit_code == 0
    assert packed.stdout.splitlines()[1].startswith("1 run of a working tree with changes: ")
