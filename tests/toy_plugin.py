"""A family of one trivial task and a competitor for every way a cell can end; registered by SUITE_PLUGINS."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from suite.api import Context, Method, MethodSpec, Metric, Needs, Paper, Sample, Score, Task, TaskSpec
from suite.errors import Skip

PAPER = Paper("A toy", 2024, "https://example.org/toy")


class ToyMethod(Method):
    """Says for each number whether it is even."""

    @abstractmethod
    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        """1.0 where a number is even, 0.0 where it is odd."""


@dataclass(frozen=True)
class Toy(Task):
    """Even or odd, for the numbers 0 to size - 1; half of them are even."""

    size: int = 10

    def run(self, method: ToyMethod, ctx: Context) -> Iterator[Score]:
        numbers = range(self.size)
        answers = method.answer(numbers, ctx)
        right = [1.0 - abs(a - (1 - k % 2)) for k, a in zip(numbers, answers, strict=True)]
        ctx.log_samples(
            Sample(k, r, str(k), str(a), str(1 - k % 2))
            for k, r, a in zip(numbers, right, answers, strict=True)
        )
        yield Score("accuracy", sum(right) / self.size, self.size)
        yield Score("accuracy", sum(right[::2]) / len(right[::2]), len(right[::2]), "even")
        yield Score("errors", self.size - sum(right), self.size)


@dataclass(frozen=True)
class Good(ToyMethod):
    """Always right."""

    mode: Literal["fast", "careful"] = "fast"
    rate: float = 0.5
    rounds: int = 3
    verbose: bool = False

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        return [1.0 - k % 2 for k in numbers]


@dataclass(frozen=True)
class Bad(ToyMethod):
    """Says 'even' to all: the constant answer."""

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        return [1.0 for _ in numbers]


@dataclass(frozen=True)
class Coin(ToyMethod):
    """Guesses; another seed, another answer."""

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        return [float(bit) for bit in ctx.rng("coin").integers(0, 2, len(numbers))]


@dataclass(frozen=True)
class NaN(ToyMethod):
    """Gives an answer that is no number."""

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        return [float("nan") for _ in numbers]


@dataclass(frozen=True)
class Raise(ToyMethod):
    """Breaks."""

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        raise ValueError("the toy is broken")


@dataclass(frozen=True)
class Slow(ToyMethod):
    """Takes `seconds`, reporting progress ten times a second."""

    seconds: float = 60.0

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        for _ in ctx.track(range(round(10 * self.seconds)), "sleeping", round(10 * self.seconds)):
            time.sleep(0.1)
        return [1.0 - k % 2 for k in numbers]


@dataclass(frozen=True)
class OutOfMemory(ToyMethod):
    """Runs out of memory without taking any."""

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        raise MemoryError


@dataclass(frozen=True)
class Skipped(ToyMethod):
    """Fits no task."""

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        raise Skip("the toy cannot count that far")


def _method(name: str, cls: type, role: str = "baseline", **more: object) -> MethodSpec:
    doc = (cls.__doc__ or "").partition("\n")[0]
    return MethodSpec(name, "toy", doc, f"toy_plugin:{cls.__name__}", PAPER, role, **more)  # type: ignore[arg-type]


TASKS = [
    TaskSpec(
        name="toy",
        family="toy",
        summary="Tell even numbers from odd ones.",
        where="toy_plugin:Toy",
        paper=PAPER,
        metrics=(
            Metric("accuracy", "higher", "fraction", "share of right answers"),
            Metric("errors", "lower", "count", "wrong answers"),
        ),
        primary="accuracy",
        protocol="The numbers from 0 on, each once.",
        presets={"smoke": {"size": 4}, "small": {"size": 10}},
        nulls=("toy-bad",),
        ceiling="toy-good",
    )
]
METHODS = [
    _method(
        "toy-good",
        Good,
        "ceiling",
        presets={"small": {"rounds": 5}, "smoke": {"rounds": 1}},
        needs={"small": Needs(0.1, 100)},
        deviations="None: there is no paper.",
    ),
    _method("toy-bad", Bad, "null"),
    _method("toy-coin", Coin),
    _method("toy-nan", NaN),
    _method("toy-raise", Raise),
    _method("toy-slow", Slow),
    _method("toy-oom", OutOfMemory),
    _method("toy-skip", Skipped),
]
