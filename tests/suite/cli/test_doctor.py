"""`suite doctor` on machines that lack something."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from suite.cli import doctor


@pytest.fixture
def checks(suite, tmp_path: Path) -> Callable[[], tuple[int, dict[str, dict[str, str]]]]:
    """`checks()`: (exit code, every check by name) for an empty results folder."""

    def run(results: Path = tmp_path / "results") -> tuple[int, dict[str, dict[str, str]]]:
        answer = suite("doctor", "--format", "json", "--results", results)
        facts = json.loads(answer.stdout)
        assert facts["ok"] == (answer.exit_code == 0)
        return answer.exit_code, {check["check"]: check for check in facts["checks"]}

    return run


@pytest.fixture(autouse=True)
def only_toy_needs_no_data(monkeypatch) -> None:
    monkeypatch.setattr("suite.catalog.tasks", dict)


def pretend(monkeypatch, **versions: str | None) -> None:
    """Make `version` answer these; None for a package that is not there."""
    real = importlib.metadata.version

    def version(name: str) -> str:
        found = versions.get(name, "real")
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name) if found == "real" else found

    monkeypatch.setattr(doctor, "version", version)


def test_a_machine_with_everything_is_ready(checks) -> None:
    code, found = checks()
    assert code == 0
    assert found["torch"]["found"] == importlib.metadata.version("torch")
    assert found["python"]["found"] == ".".join(map(str, sys.version_info[:3]))


def test_missing_torch_is_not_ready_and_says_how_to_get_it(checks, monkeypatch) -> None:
    pretend(monkeypatch, torch=None)
    code, found = checks()
    assert (code, found["torch"]["state"]) == (1, "missing")
    assert found["torch"]["help"] == "pip install torch -c ci/constraints.txt"


@pytest.mark.parametrize(
    ("version", "state"), [("2.5.1", "missing"), ("2.6.0+cpu", "ok"), ("2.14.0", "missing")]
)
def test_torch_outside_its_range_is_not_ready(checks, monkeypatch, version: str, state: str) -> None:
    pretend(monkeypatch, torch=version)
    assert checks()[1]["torch"]["state"] == state


def test_a_package_for_some_tasks_is_only_a_note(checks, monkeypatch) -> None:
    pretend(monkeypatch, peft=None)
    code, found = checks()
    assert (code, found["peft"]["state"]) == (0, "note")


def test_results_under_a_file_are_not_writable(checks, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    code, found = checks(tmp_path / "taken" / "results")
    assert (code, found["results"]["state"]) == (1, "missing")


def test_too_little_memory_is_not_ready(checks, monkeypatch) -> None:
    monkeypatch.setattr(doctor.os, "sysconf", lambda name: 1024)
    code, found = checks()
    assert (code, found["memory"]["found"]) == (1, "1 MB")


def test_missing_data_that_can_be_fetched_is_not_ready_and_other_data_is_a_note(
    suite, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("SUITE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path))
    answer = suite("doctor", "--format", "json", "--results", tmp_path / "results")
    found = {check["check"]: check for check in json.loads(answer.stdout)["checks"]}
    assert answer.exit_code == 1
    assert found["data scan/mcd/mcd1.json"]["state"] == "missing"
    assert found["data scan/mcd/mcd1.json"]["help"] == "get it with `suite data get scan`"
    assert found["data scan/mcd/mcd3.json"]["state"] == "note"
    assert "put it at scan/mcd/mcd3.json" in found["data scan/mcd/mcd3.json"]["help"]


def test_text_ends_with_the_verdict(suite, tmp_path: Path) -> None:
    shown = suite("doctor", "--results", tmp_path).stdout
    assert shown.splitlines()[-1] == "ready for the small profile"
