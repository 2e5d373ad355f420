"""The device that a cell's models are put on: whether it can be used, and that it computes as it says."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from suite.errors import UsageError

CPU = "cpu"


def kind(device: str) -> str:
    """`cuda` of `cuda:1`."""
    return device.partition(":")[0]


def refuse_device(device: str) -> None:
    """UsageError for a device that torch does not know or that this machine does not have. That its memory
    is full is raised as torch says it.
    """
    if device == CPU:
        return
    import torch

    try:
        # Written and read back: there are devices that take a tensor and hold no value.
        float(torch.ones(1, device=device).sum())
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        # Each kind of device refuses in a class of its own.
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UsageError(f"device '{device}' cannot be used on this machine: {said}") from None


def refuse_family(device: str, family: str) -> None:
    """UsageError for a device that a family does not run on: its package of tasks has a tuple `DEVICES` of
    kinds where not all will do.
    """
    if device == CPU or find_spec(f"tasks.{family}") is None:
        return
    known: tuple[str, ...] = getattr(import_module(f"tasks.{family}"), "DEVICES", ())
    if known and kind(device) not in known:
        raise UsageError(f"family {family} runs on {', '.join(known)} only; leave out --device {device}")


def use(device: str, family: str) -> None:
    """Make a device ready for a cell of a family. UsageError for one that this machine lacks, and for one
    that the family does not run on.

    float32 then means float32: convolutions on a GPU would otherwise round their factors to ten bits (TF32).
    """
    if device == CPU:
        return
    refuse_family(device, family)
    refuse_device(device)
    if kind(device) == "cuda":
        import torch

        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
