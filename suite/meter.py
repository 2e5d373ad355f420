"""What a stretch of a process costs: wall and CPU seconds and the peak of its memory."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

CLEAR_REFS = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")
RESET_PEAK = "5"
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
# Places of user and system time in /proc/PID/stat, counted from the field after the name.
UTIME, STIME = 11, 12
MIB = 2**20


@dataclass
class Meter:
    """Reads clocks from its creation on. The peak is of this stretch where the system can reset it (Linux),
    else of the process's whole life."""

    started: float = field(default_factory=time.time)
    _wall: float = field(default_factory=time.perf_counter)
    _cpu: float = field(default_factory=lambda: _cpu_seconds())

    def __post_init__(self) -> None:
        with contextlib.suppress(OSError):
            CLEAR_REFS.write_text(RESET_PEAK)

    @property
    def wall_s(self) -> float:
        return time.perf_counter() - self._wall

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all threads and of the child processes that have ended."""
        return _cpu_seconds() - self._cpu

    @property
    def peak_mb(self) -> float:
        """Peak resident memory of the process in MiB."""
        try:
            peak = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())
        except OSError:
            peak = None
        if peak:
            return int(peak[1]) * 1024 / MIB
        usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return usage / MIB if sys.platform == "darwin" else usage * 1024 / MIB


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MiB; 0 when it has ended or the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / MIB
    except (OSError, IndexError):
        return 0.0


def cpu_seconds(pid: int) -> float:
    """CPU seconds that another process has taken; 0 when it has ended or the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[UTIME]) + int(fields[STIME])) / TICKS
    except (OSError, IndexError):
        return 0.0


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
