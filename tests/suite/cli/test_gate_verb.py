"""`suite gate` on real results folders: exit codes and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result


@pytest.fixture(autouse=True)
def no_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests run at a desk and in a workflow alike."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


def gated(*options: object) -> Result:
    from suite.cli import main

    return CliRunner().invoke(main, ["gate", *map(str, options)])


def run_gate(*options: object) -> tuple[int, str]:
    result = gated(*options)
    return result.exit_code, result.output


def stored(folder: Path, accuracies: dict[str, list[float]], started: float = 1.0) -> Path:
    """A results folder with the toy task's runs, profile smoke."""
    from suite.plan import plan
    from suite.records import Outcome, ScoreRow
    from suite.runner import run_of
    from suite.store import Store

    environment: dict[str, Any] = {"git_commit": "", "git_dirty": False, "packages": {}, "host": {}}
    clock = {"started": started, "wall_s": 1.0, "cpu_s": 1.0, "overhead_s": 0.0, "peak_mb": 1.0}
    folder.mkdir(parents=True, exist_ok=True)
    for method, values in accuracies.items():
        for seed, value in enumerate(values):
            planned = plan("toy", method, "smoke", seed)
            run = run_of(planned, "ok", "", environment, device="cpu", threads=1, **clock)
            Store(folder).append(Outcome(run, (ScoreRow("accuracy", "all", value, 4, True),)))
    return folder


def test_the_verb_gives_the_exit_code_and_writes_both_reports(tmp_path: Path) -> None:
    before = stored(tmp_path / "before", {"toy-coin": [0.5, 0.75]})
    after = stored(tmp_path / "after", {"toy-coin": [0.5, 0.5]})
    out = ("--junit", tmp_path / "out" / "gate.xml", "--summary", tmp_path / "gate.md")
    code, said = run_gate("--baseline", before, "--candidate", after, *out)
    assert code == 1
    assert "toy-coin on toy (smoke, seed 1)" in said
    assert said.splitlines()[-1] == "gate failed: 1 regression; 2 values of 2 cells compared"
    assert ET.parse(tmp_path / "out" / "gate.xml").getroot()[0].get("failures") == "1"
    assert "**Regressions** (1)" in (tmp_path / "gate.md").read_text(encoding="utf-8")


def test_the_verb_passes_equal_folders_and_one_without_the_profile_is_incomplete(tmp_path: Path) -> None:
    before = stored(tmp_path / "before", {"toy-coin": [0.5]})
    assert run_gate("--baseline", before, "--candidate", before)[0] == 0
    assert run_gate("--baseline", before, "--candidate", before, "--profile", "small")[0] == 3


def test_a_truncated_file_of_the_candidate_is_incomplete(tmp_path: Path) -> None:
    before = stored(tmp_path / "before", {"toy-coin": [0.5]})
    after = stored(tmp_path / "after", {"toy-coin": [0.5], "toy-good": [1.0]})
    part = sorted((after / "scores").rglob("*.parquet"))[0]
    part.write_bytes(part.read_bytes()[:100])
    assert run_gate("--baseline", before, "--candidate", after)[0] == 3


def test_wrong_use_is_exit_code_2(tmp_path: Path) -> None:
    there = stored(tmp_path / "there", {"toy-coin": [0.5]})
    assert run_gate("--baseline", tmp_path / "no", "--candidate", there)[0] == 2
    assert run_gate("--baseline", there)[0] == 2
    for tolerance in ("-1", "nan", "inf"):
        code, said = run_gate("--baseline", there, "--candidate", there, "--tolerance", tolerance)
        assert code == 2 and said.startswith("error: Invalid value for '--tolerance': "), said


def test_a_report_that_cannot_be_written_is_exit_code_2(tmp_path: Path) -> None:
    there = stored(tmp_path / "there", {"toy-coin": [0.5]})
    (tmp_path / "file").write_text("")
    code, said = run_gate(
        "--baseline", there, "--candidate", there, "--junit", tmp_path / "file" / "gate.xml"
    )
    assert code == 2
    assert "cannot be written" in said


ACCEPT = ("--accept", "--reason", "a sharper parser")


def test_annotations_are_printed_in_a_workflow_and_where_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stored(tmp_path / "before", {"toy-coin": [0.5]})
    after = stored(tmp_path / "after", {"toy-coin": [0.25]})
    folders = ("--baseline", before, "--candidate", after)
    line = "::error title=toy-coin on toy (smoke%2C seed 0)::regression: accuracy 0.5 -> 0.25"
    assert line not in gated(*folders).output
    assert line in gated(*folders, "--annotations", "--format", "json").stderr
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert line in gated(*folders).stderr
    assert line not in gated(*folders, "--no-annotations").output


def test_the_summary_goes_to_the_workflows_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = stored(tmp_path / "there", {"toy-coin": [0.5]})
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    assert gated("--baseline", there, "--candidate", there).exit_code == 0
    assert "gate passed" in (tmp_path / "step.md").read_text(encoding="utf-8")


def test_an_accepted_candidate_is_the_new_baseline(tmp_path: Path) -> None:
    before = stored(tmp_path / "before", {"toy-coin": [0.5, 0.75]})
    after = stored(tmp_path / "after", {"toy-coin": [0.5, 0.5], "toy-good": [1.0]}, started=2.0)
    folders = ("--baseline", before, "--candidate", after)
    assert gated(*folders).exit_code == 1
    result = gated(*folders, *ACCEPT)
    assert result.exit_code == 0, result.output
    assert f"accepted into {before}: 3 runs" in result.stderr
    assert gated(*folders).output == "gate passed: no change; 3 values of 3 cells compared\n"
    shown = gated("--history", "--baseline", before, "--format", "csv").stdout.splitlines()
    assert shown[0].startswith("when,who,reason,verdict,cell,metric,before,after")
    assert [line.split(",")[3] for line in shown[1:]] == ["regression", "new"]
    assert all("a sharper parser" in line for line in shown[1:])
    assert '"toy-coin on toy (smoke, seed 1)",accuracy,0.75,0.5' in shown[1]


def test_the_check_of_the_results_folder_knows_the_history(tmp_path: Path) -> None:
    from suite.store import Store

    before = stored(tmp_path / "before", {"toy-coin": [0.5]})
    after = stored(tmp_path / "after", {"toy-coin": [0.25]}, started=2.0)
    assert gated("--baseline", before, "--candidate", after, *ACCEPT).exit_code == 0
    assert (before / "history.jsonl").exists()
    assert Store(before).check() == []


def test_an_incomplete_candidate_is_accepted_only_on_request(tmp_path: Path) -> None:
    before = stored(tmp_path / "before", {"toy-coin": [0.5, 0.75]})
    after = stored(tmp_path / "after", {"toy-coin": [0.25]}, started=2.0)
    folders = ("--baseline", before, "--candidate", after)
    refused = gated(*folders, *ACCEPT)
    assert refused.exit_code == 3
    assert "not accepted" in refused.stderr and not (before / "history.jsonl").exists()
    assert gated(*folders, *ACCEPT, "--allow-incomplete").exit_code == 0
    assert gated(*folders).exit_code == 3, "what was missing is still missing"
    once = (before / "history.jsonl").read_bytes()
    again = gated(*folders, *ACCEPT, "--allow-incomplete")
    assert again.exit_code == 3
    assert again.stderr.splitlines()[-1].startswith(f"error: nothing was accepted: {after} has no new run")
    assert (before / "history.jsonl").read_bytes() == once


def test_accepting_where_nothing_is_new_writes_no_history(tmp_path: Path) -> None:
    there = stored(tmp_path / "there", {"toy-coin": [0.5]})
    folders = ("--baseline", there, "--candidate", there)
    same = gated(*folders, *ACCEPT)
    assert same.exit_code == 0 and "nothing was accepted" in same.stderr
    nothing = gated(*folders, *ACCEPT, "--allow-incomplete", "--profile", "small")
    assert nothing.exit_code == 3 and "nothing was accepted" in nothing.stderr
    assert not (there / "history.jsonl").exists()


def test_the_history_says_a_reason_once_to_the_eye_and_always_to_machines(tmp_path: Path) -> None:
    before = stored(tmp_path / "before", {"toy-coin": [0.5, 0.75]})
    after = stored(tmp_path / "after", {"toy-coin": [0.25, 0.5]}, started=2.0)
    assert gated("--baseline", before, "--candidate", after, *ACCEPT).exit_code == 0
    said = {f: gated("--history", "--baseline", before, "--format", f).stdout for f in ("text", "json")}
    assert (said["text"].count("regression"), said["text"].count("a sharper parser")) == (2, 1)
    assert (said["json"].count("regression"), said["json"].count("a sharper parser")) == (2, 2)


@pytest.mark.parametrize("words", [("--accept",), ("--accept", "--reason", "  "), ("--reason", "why")])
def test_accepting_without_a_reason_is_wrong_use(tmp_path: Path, words: tuple[str, ...]) -> None:
    there = stored(tmp_path / "there", {"toy-coin": [0.5]})
    assert run_gate("--baseline", there, "--candidate", there, *words)[0] == 2


def test_a_folder_without_a_history_says_so(tmp_path: Path) -> None:
    there = stored(tmp_path / "there", {"toy-coin": [0.5]})
    assert gated("--history", "--baseline", there).stdout.startswith(f"nothing was accepted into {there} yet")
    assert gated("--history", "--baseline", there, "--format", "json").stdout == "[]\n"
