"""Whether a cell that failed here failed because of this machine, which says nothing about who claimed it."""

from __future__ import annotations

import re

from suite.devices import kind
from suite.records import Run

# Errors that a machine gives whatever the method computes: a package, a file or a device is not there.
MACHINE_ERRORS = (
    *("ImportError", "ModuleNotFoundError", "OSError", "FileNotFoundError", "PermissionError"),
    *("ConnectionError", "TimeoutError", "MemoryError", "AcceleratorError", "NoBackendError"),
)
DEVICE_ERRORS = ("RuntimeError", "AssertionError")
WORKER = re.compile(r"the worker (died with signal|exited with status) ")
DEVICE = re.compile(
    r"\b(cuda|cudnn|cublas|nccl|hip|mps|xpu|nvidia|device type|device string)\b", re.IGNORECASE
)


def machine_reason(claimed: Run, again: Run) -> str | None:
    """Why a run that failed here cannot be held against the claimed one, which did not; None where it can."""
    if again.status != "failed" or claimed.status == "failed":
        return None
    first = again.error.partition("\n")[0]
    if kind(claimed.device) != kind(again.device):
        return f"it ran on {claimed.device}, and on {again.device} it failed: {first}"
    named = first.partition(":")[0].strip()
    if named in MACHINE_ERRORS or WORKER.match(first) or named in DEVICE_ERRORS and DEVICE.search(first):
        return f"it failed for a reason of this machine: {first}"
    return None
