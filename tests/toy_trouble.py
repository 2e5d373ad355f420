"""Competitors of the toy family that break their process; SUITE_PLUGINS=toy_plugin,toy_trouble has them."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from toy_plugin import PAPER, ToyMethod

from suite.api import Context, MethodSpec
from suite.errors import DataError

MIB = 2**20


def _right(numbers: Sequence[int]) -> list[float]:
    return [1.0 - k % 2 for k in numbers]


@dataclass(frozen=True)
class Segfault(ToyMethod):
    """Dies as a broken extension module does."""

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        print("last words", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
        return []


@dataclass(frozen=True)
class Killed(ToyMethod):
    """Dies as the system's out-of-memory killer lets a process die."""

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        os.kill(os.getpid(), signal.SIGKILL)
        return []


@dataclass(frozen=True)
class Exits(ToyMethod):
    """Leaves Python, politely or at once."""

    at_once: bool = False

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        if self.at_once:
            os._exit(3)
        sys.exit(4)


@dataclass(frozen=True)
class Talks(ToyMethod):
    """Prints to, and reads from, what is the channel of the worker."""

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        print('{"outcome": "mine"}', flush=True)
        os.write(1, b'{"outcome": "also mine"}\n')
        assert sys.stdin.read() == ""
        return _right(numbers)


@dataclass(frozen=True)
class Hungry(ToyMethod):
    """Takes memory and keeps it until it is killed."""

    mb: int = 400

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        held = bytearray(self.mb * MIB)
        held[:: resource.getpagesize()] = b"x" * len(range(0, len(held), resource.getpagesize()))
        signal.pause()
        return []


@dataclass(frozen=True)
class Resumes(ToyMethod):
    """Kills itself, or its parent, at its first try, and goes on from its checkpoint at the second."""

    victim: str = "self"

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        assert ctx.checkpoint is not None
        half = ctx.checkpoint / "half"
        if not half.exists():
            half.write_text("done")
            os.kill(os.getpid() if self.victim == "self" else os.getppid(), signal.SIGKILL)
            signal.pause()
        return _right(numbers)


@dataclass(frozen=True)
class NoData(ToyMethod):
    """Finds that a file is not at hand."""

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        raise DataError("data set 'toy-data' is not at hand; `suite data get toy-data` fetches it")


def _method(name: str, cls: type) -> MethodSpec:
    return MethodSpec(name, "toy", cls.__doc__ or "", f"toy_trouble:{cls.__name__}", PAPER, "baseline")


METHODS = [
    _method("toy-segfault", Segfault),
    _method("toy-killed", Killed),
    _method("toy-exits", Exits),
    _method("toy-talks", Talks),
    _method("toy-hungry", Hungry),
    _method("toy-resumes", Resumes),
    _method("toy-no-data", NoData),
]
