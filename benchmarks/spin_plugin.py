"""A competitor of the toy family that computes for a given time; for benchmarks of the workers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from toy_plugin import PAPER, ToyMethod

from suite.api import Context, MethodSpec


@dataclass(frozen=True)
class Spin(ToyMethod):
    """Uses `seconds` of CPU time, then is right."""

    seconds: float = 1.0

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        end = time.process_time() + self.seconds
        while time.process_time() < end:
            sum(range(1000))
        return [1.0 - k % 2 for k in numbers]


METHODS = [MethodSpec("toy-spin", "toy", "Computes.", "spin_plugin:Spin", PAPER, "baseline")]
