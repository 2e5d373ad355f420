"""The scripts and the workflow of the gate agree with each other, with the Makefile and with the verb."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUB = """#!/usr/bin/env bash
printf '%q ' "$@" >> {log}
echo >> {log}
[ "$1" != gate ] || exit {code}
"""


def workflow() -> dict[Any, Any]:
    yaml = pytest.importorskip("yaml", reason="reading the workflow needs PyYAML")
    read: dict[Any, Any] = yaml.safe_load((ROOT / "ci" / "workflow.yml").read_text(encoding="utf-8"))
    return read


def steps() -> list[dict[str, Any]]:
    (job,) = workflow()["jobs"].values()
    assert job["timeout-minutes"] <= 60
    found: list[dict[str, Any]] = job["steps"]
    return found


def calls(tmp_path: Path, code: int) -> tuple[int, list[list[str]]]:
    """The exit code of ci/gate, and the words of each call of the command line, which is a stub."""
    log, stub = tmp_path / "log", tmp_path / "suite"
    stub.write_text(STUB.format(log=shlex.quote(str(log)), code=code), encoding="utf-8")
    stub.chmod(0o755)
    environment = os.environ | {"SUITE": str(stub), "OUT": str(tmp_path / "out")}
    done = subprocess.run([ROOT / "ci" / "gate"], env=environment, capture_output=True, check=False)
    return done.returncode, [shlex.split(line) for line in log.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_script_sweeps_then_gates_and_gives_the_gates_exit_code(tmp_path: Path, code: int) -> None:
    ended, (*sweeps, gate) = calls(tmp_path, code)
    assert (ended, gate[0]) == (code, "gate") and sweeps
    candidate = str(tmp_path / "out" / "candidate")
    assert gate[gate.index("--candidate") + 1] == candidate
    assert gate[gate.index("--baseline") + 1] == "results"
    assert gate[gate.index("--profile") + 1] == "smoke"
    for sweep in sweeps:
        assert sweep[0] == "sweep" and sweep[sweep.index("--results") + 1] == candidate
        assert sweep[sweep.index("--profile") + 1] == "smoke"


def test_the_script_uses_options_that_the_verbs_have(tmp_path: Path) -> None:
    from suite.cli import gate, sweep

    _, (*swept, gated) = calls(tmp_path, 0)
    for words, verb in (*((words, sweep) for words in swept), (gated, gate)):
        known = {name for option in verb.command.params for name in (*option.opts, *option.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= known


def test_the_workflow_may_only_read_and_names_a_version_of_each_action() -> None:
    assert workflow()["permissions"] == {"contents": "read"}
    used = [step["uses"] for step in steps() if "uses" in step]
    assert used and all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in used)


def test_the_workflow_runs_targets_that_the_makefile_has() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = [
        step["run"].removeprefix("make ") for step in steps() if step.get("run", "").startswith("make ")
    ]
    assert "gate" in targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    assert "ci/gate" in makefile


def test_the_workflow_keeps_the_reports_of_a_gate_that_failed(tmp_path: Path) -> None:
    _, (*_, gate) = calls(tmp_path, 1)
    written = {gate[gate.index(option) + 1] for option in ("--junit", "--summary")}
    (upload,) = [step for step in steps() if step.get("uses", "").startswith("actions/upload-artifact@")]
    kept = set(upload["with"]["path"].split())
    assert {os.path.relpath(path, tmp_path) for path in written} <= kept
    (summary,) = [step for step in steps() if "GITHUB_STEP_SUMMARY" in step.get("run", "")]
    assert all("cancelled()" in step["if"] for step in (upload, summary))
