"""The device that a cell's models are put on: whether it can be used, and that it computes as it says."""

from __future__ import annotations

from importlib import import_module

from suite.api import TaskSpec
from suite.errors import UsageError

CPU = "cpu"


def refuse_device(device: str) -> None:
    """UsageError for a device that torch does not know or that this machine does not have."""
    if device == CPU:
        return
    import torch

    try:
        # Written and read back: there are devices that take a tensor and hold no value.
        float(torch.ones(1, device=device).sum())
    except Exception as error:
        # Each kind of device refuses in a class of its own.
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UsageError(f"device '{device}' cannot be used on this machine: {said}") from None


def kind(device: str) -> str:
    """`cuda` of `cuda:1`."""
    return device.partition(":")[0]


def use(device: str, spec: TaskSpec) -> None:
    """Make a device ready for a cell of a task. UsageError for one that this machine lacks, and for one that
    the task's family does not run on: its package says `DEVICES` where not all will do.

    float32 then means float32: convolutions on a GPU would else round their factors to ten bits (TF32).
    """
    if device == CPU:
        return
    package = spec.where.partition(":")[0].rpartition(".")[0]
    known: tuple[str, ...] = getattr(import_module(package), "DEVICES", ()) if package else ()
    if known and kind(device) not in known:
        raise UsageError(f"family {spec.family} runs on {', '.join(known)} only; leave out --device {device}")
    refuse_device(device)
    if kind(device) == "cuda":
        import torch

        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
