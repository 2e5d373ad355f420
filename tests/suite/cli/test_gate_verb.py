"""`suite gate` on real results folders: exit codes and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from click.testing import CliRunner


def run_gate(*options: object) -> tuple[int, str]:
    from suite.cli import main

    result = CliRunner().invoke(main, ["gate", *map(str, options)])
    return result.exit_code, result.output


def stored(folder: Path, accuracies: dict[str, list[float]]) -> Path:
    """A results folder with the toy task's runs, profile smoke."""
    from suite.plan import plan
    from suite.records import Outcome, ScoreRow
    from suite.runner import run_of
    from suite.store import Store

    environment: dict[str, Any] = {"git_commit": "", "git_dirty": False, "packages": {}, "host": {}}
    clock = {"started": 1.0, "wall_s": 1.0, "cpu_s": 1.0, "overhead_s": 0.0, "peak_mb": 1.0}
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
    assert run_gate("--baseline", there, "--candidate", there, "--tolerance", "-1")[0] == 2


def test_a_report_that_cannot_be_written_is_exit_code_2(tmp_path: Path) -> None:
    there = stored(tmp_path / "there", {"toy-coin": [0.5]})
    (tmp_path / "file").write_text("")
    code, said = run_gate(
        "--baseline", there, "--candidate", there, "--junit", tmp_path / "file" / "gate.xml"
    )
    assert code == 2
    assert "cannot be written" in said
