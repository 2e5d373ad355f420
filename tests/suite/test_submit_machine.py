"""A re-run of a claimed cell that this machine cannot make accuses nobody."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from suite import submit
from suite._submit_machine import machine_reason
from suite.engines.local import Options
from suite.errors import UsageError
from suite.plan import plan
from suite.records import Outcome
from suite.runner import execute
from suite.store import Store


@pytest.fixture(autouse=True)
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saves the second that the process which opens the files first takes to start."""
    monkeypatch.setattr("suite._submit_files.deadly", lambda places: {})


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle with one honest claimed run."""
    done = execute(plan("toy", "toy-coin"))
    claimed = dataclasses.replace(done.run, origin="claimed")
    Store(tmp_path / "bundle").append(dataclasses.replace(done, run=claimed))
    return tmp_path / "bundle"


@pytest.mark.parametrize("device", ["nosuch", "meta", "cuda:99"])
def test_a_device_that_cannot_be_used_here_is_wrong_use(bundle: Path, device: str) -> None:
    with pytest.raises(UsageError, match=f"device '{device}' cannot be used on this machine: "):
        submit.check(bundle, sample=1, options=Options(device=device))
    assert submit.check(bundle, sample=0, options=Options(device=device)).exit_code == 0


@pytest.mark.parametrize("tolerance", [float("nan"), float("inf"), -1.0])
def test_a_tolerance_that_decides_nothing_is_wrong_use(bundle: Path, tolerance: float) -> None:
    with pytest.raises(UsageError, match="it is a number from 0 on"):
        submit.check(bundle, tolerance=tolerance)


@pytest.mark.parametrize(
    ("theirs", "ours", "error", "reason"),
    [
        (
            "cpu",
            "cpu",
            "ModuleNotFoundError: No module named 'x'",
            "it failed for a reason of this machine: ",
        ),
        ("cpu", "cpu", "OSError: [Errno 28] No space left on device", "it failed for a reason of this "),
        ("cpu", "cpu", "the worker died with signal 11 (SIGSEGV)\nfree()", "it failed for a reason of this "),
        ("cuda", "cuda:1", "RuntimeError: CUDA error: no kernel image", "it failed for a reason of this "),
        ("cuda", "cuda", "AssertionError: Torch not compiled with CUDA enabled", "it failed for a reason "),
        ("cuda", "cpu", "ValueError: no", "it ran on cuda, and on cpu it failed: ValueError: no"),
        ("cuda:0", "cuda:1", "ValueError: no", None),
        ("cpu", "cpu", "ValueError: a cuda", None),
        ("cpu", "cpu", "RuntimeError: mat1 and mat2 shapes cannot be multiplied", None),
        ("cpu", "cpu", "the oracle OSError", None),
    ],
)
def test_a_failure_of_this_machine_accuses_nobody(
    theirs: str, ours: str, error: str, reason: str | None
) -> None:
    then = dataclasses.replace(execute(plan("toy", "toy-bad")).run, device=theirs)
    now = dataclasses.replace(then, device=ours, status="failed", error=error)
    found = machine_reason(then, now)
    assert found is None if reason is None else found is not None and found.startswith(reason)
    assert machine_reason(dataclasses.replace(then, status="failed"), now) is None
    assert machine_reason(then, dataclasses.replace(now, status="ok")) is None


def test_a_claim_that_fails_here_differs_and_one_from_another_device_is_not_judged(tmp_path: Path) -> None:
    done = execute(plan("toy", "toy-bad"))
    honest = plan("toy", "toy-raise")
    for number, device in enumerate(("cpu", "cuda")):
        run = dataclasses.replace(
            execute(honest).run,
            origin="claimed",
            status="ok",
            error="",
            device=device,
            wall_s=1.0,
            peak_mb=1.0,
        )
        Store(tmp_path / device).append(Outcome(run, done.scores))
        report = submit.check(tmp_path / device, sample=1)
        assert (report.counts, report.exit_code) == (
            ({"differs": 1}, 1),
            ({"not re-run": 1}, 3),
        )[number]
