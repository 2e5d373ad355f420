"""A device that is not here, or that a family does not run on, is wrong use: one line, and nothing stored."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from suite import devices
from suite.cli import main
from suite.errors import UsageError
from suite.plan import plan
from suite.runner import execute

NO_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")


@pytest.mark.parametrize("device", ["nosuch", "meta", pytest.param("cuda", marks=NO_CUDA)])
def test_a_device_that_cannot_be_used_is_refused(device: str) -> None:
    with pytest.raises(UsageError, match=f"device '{device}' cannot be used on this machine: "):
        devices.refuse_device(device)
    with pytest.raises(UsageError, match=f"device '{device}' cannot be used on this machine: "):
        execute(plan("vit-edit-natural", "relabel", profile="smoke"), device=device)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "nosuch"])
def test_a_family_says_where_it_runs(device: str) -> None:
    with pytest.raises(UsageError, match=f"family cldyb runs on cpu only; leave out --device {device}"):
        execute(plan("cl-static", "slda", profile="smoke"), device=device)


def test_the_processor_needs_nothing_and_loads_nothing() -> None:
    code = "import sys; from suite import devices; devices.use('cpu', 'cldyb'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_float32_is_float32_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "refuse_device", lambda device: None)
    flags = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [flag.allow_tf32 for flag in flags]
    try:
        for flag in flags:
            flag.allow_tf32 = True
        devices.use("cuda:1", "vit_editing")
        assert [flag.allow_tf32 for flag in flags] == [False, False]
    finally:
        for flag, value in zip(flags, before, strict=True):
            flag.allow_tf32 = value


def test_memory_that_is_full_is_no_wrong_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "ones", full)
    outcome = execute(plan("vit-edit-natural", "relabel", profile="smoke"), device="cuda")
    assert outcome.run.status == "out-of-memory"


def test_a_family_of_a_plugin_is_refused_for_its_device_alone() -> None:
    with pytest.raises(UsageError, match="device 'nosuch' cannot be used on this machine: "):
        devices.use("nosuch", "toy")


def test_kinds_of_devices() -> None:
    assert [devices.kind(name) for name in ("cpu", "cuda", "cuda:3")] == ["cpu", "cuda", "cuda"]


def test_nothing_is_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--task", "vit-edit-natural", "--method", "relabel", "--profile", "smoke"]
    with pytest.raises(SystemExit, match="^2$"):
        main([*command, "--device", "nosuch", "--results", str(tmp_path / "r")])
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 1
    assert "device 'nosuch' cannot be used on this machine" in errors[0]
    assert not list(tmp_path.rglob("*.parquet"))
