"""A device that is not here, or that a family does not run on, is wrong use: one line, and nothing stored."""

from __future__ import annotations

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


def test_the_processor_is_always_there() -> None:
    devices.refuse_device("cpu")
    devices.use("cpu", plan("cl-static", "slda", profile="smoke").task_spec)


def test_kinds_of_devices() -> None:
    assert [devices.kind(name) for name in ("cpu", "cuda", "cuda:3")] == ["cpu", "cuda", "cuda"]


def test_nothing_is_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--task", "vit-edit-natural", "--method", "relabel", "--profile", "smoke"]
    with pytest.raises(SystemExit, match="^2$"):
        main([*command, "--device", "nosuch", "--results", str(tmp_path / "r")])
    assert "device 'nosuch' cannot be used on this machine" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.parquet"))
