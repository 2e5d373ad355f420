from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from suite.meter import CLEAR_REFS, MIB, Meter, cpu_seconds, resident_mb

pytestmark = pytest.mark.skipif(not CLEAR_REFS.exists(), reason="memory is read from /proc")


def test_the_peak_holds_what_was_taken_and_given_back() -> None:
    meter = Meter()
    before = psutil.Process().memory_info().rss / MIB
    held = bytearray(b"x") * (64 * MIB)
    during = psutil.Process().memory_info().rss / MIB
    del held
    assert during - before > 60
    assert meter.peak_mb >= during - 1


def test_the_peak_of_what_came_before_does_not_count() -> None:
    held = bytearray(b"x") * (64 * MIB)
    with_it = psutil.Process().memory_info().rss / MIB
    del held
    assert Meter().peak_mb < with_it - 30


def test_another_process_is_read_as_psutil_reads_it() -> None:
    process = psutil.Process(os.getppid())
    assert resident_mb(process.pid) == pytest.approx(process.memory_info().rss / MIB, rel=0.2)
    times = process.cpu_times()
    assert cpu_seconds(process.pid) == pytest.approx(times.user + times.system, abs=1.0)


def test_a_process_that_has_ended_takes_nothing() -> None:
    pid = int(Path("/proc/sys/kernel/pid_max").read_text()) + 1
    assert (resident_mb(pid), cpu_seconds(pid)) == (0.0, 0.0)
