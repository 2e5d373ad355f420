"""The vocabulary: what a task, a method, a metric and a score are.

This module is imported by every task and method, so it stays small and free of heavy imports. A change
here changes the code fingerprint of every cell.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

if TYPE_CHECKING:
    import numpy as np

Profile = Literal["smoke", "small", "paper"]
PROFILES: tuple[Profile, ...] = ("smoke", "small", "paper")
T = TypeVar("T")


@dataclass(frozen=True)
class Paper:
    """Where an idea was published."""

    title: str
    year: int
    link: str


@dataclass(frozen=True)
class Metric:
    """A measured quantity and its direction.

    `better` is "higher", "lower" or, for a quantity that explains a score and is none itself,
    "neutral". `unit` is "fraction" (shown in per cent), "s", "count" or a word of its own.
    `exact` says that the same code, seed and data give the same value to the last digit; only
    clock and memory readings are not exact.
    """

    name: str
    better: Literal["higher", "lower", "neutral"]
    unit: str
    summary: str
    exact: bool = True

    @property
    def higher_is_better(self) -> bool | None:
        return None if self.better == "neutral" else self.better == "higher"


class Score(NamedTuple):
    """One measured value; `n` is the number of examples behind it, `slice` the part of them."""

    metric: str
    value: float
    n: int | None = None
    slice: str = "all"


@dataclass(frozen=True)
class Needs:
    """What a cell needs before it starts, on 2 CPU cores: minutes, memory and download in MB."""

    minutes: float
    memory_mb: int = 1000
    download_mb: int = 0


@dataclass(frozen=True)
class TaskSpec:
    """A task as data. `where` is "module:class"; `params` and `presets` fill the fields of that class."""

    name: str
    family: str
    summary: str
    where: str
    paper: Paper
    metrics: tuple[Metric, ...]
    primary: str
    protocol: str
    params: Mapping[str, Any] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    data: tuple[str, ...] = ()
    nulls: tuple[str, ...] = ()
    ceiling: str | None = None
    version: int = 1

    def metric(self, name: str) -> Metric | None:
        return next((m for m in self.metrics if m.name == name), None)


@dataclass(frozen=True)
class MethodSpec:
    """A competitor as data. `role` says whether it is the paper's, a rival, a floor or a ceiling."""

    name: str
    family: str
    summary: str
    where: str
    paper: Paper
    role: Literal["paper", "baseline", "control", "null", "ceiling"]
    params: Mapping[str, Any] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    needs: Mapping[str, Needs] = field(default_factory=dict)
    deviations: str = ""
    version: int = 1


class Method(ABC):  # noqa: B024 - the contracts of the families add the abstract methods
    """A competitor: a frozen dataclass whose fields are its hyper-parameters.

    Subclasses are the contract classes of the families (`tasks/<family>/contract.py`). Defaults are
    the paper's values; presets of a profile and `--set field=value` replace them. The module of a
    method imports torch and its like inside functions, so that `suite show` stays quick.
    """


class Task(ABC):
    """A benchmark: a frozen dataclass whose fields choose data and sizes."""

    @abstractmethod
    def run(self, method: Any, ctx: Context) -> Iterator[Score]:
        """Measure `method`, yielding scores of the metrics that the task's spec declares.

        Never writes files, prints or seeds anything itself: `ctx` has generators, a checkpoint folder,
        progress and the sample log. Raises `suite.errors.Skip` for a pair that makes no sense.
        """

    def facts(self, ctx: Context) -> Mapping[str, float | int | str]:
        """What can be said of the task's data before anything is run on it: `suite show NAME --data`.

        Empty for a task that has nothing to say. DataError where the data cannot be had.
        """
        return {}


class Sample(NamedTuple):
    """What one test example did; texts may be None for all but a few examples."""

    index: int  # type: ignore[assignment]
    correct: float
    input: str | None = None
    output: str | None = None
    target: str | None = None


Report = Callable[[str, int, int], None]


def _silent(label: str, done: int, total: int) -> None:
    """A progress report that nobody reads."""


@dataclass
class Context:
    """What a running cell may use of the world.

    seed: the cell's seed; `rng(name)` and `seed_for(name)` derive independent streams from it.
    checkpoint: a folder that survives a kill, for resuming; None where nothing is kept.
    data: opens a registered data set by name and gives the path of a checked file.
    """

    seed: int
    profile: Profile = "smoke"
    device: str = "cpu"
    base_model: str = ""
    checkpoint: Path | None = None
    report: Report = _silent
    data: Callable[[str], Path] | None = None
    samples: list[Sample] = field(default_factory=list)

    def seed_for(self, name: str) -> int:
        """A 63-bit seed for the stream `name`: the same for the same cell, apart for other names."""
        return ((self.seed * 0x9E3779B97F4A7C15) ^ (zlib.crc32(name.encode()) << 17)) & (2**63 - 1)

    def rng(self, name: str) -> np.random.Generator:
        """A numpy generator for the stream `name`."""
        import numpy as np

        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def track(self, items: Iterable[T], label: str, total: int) -> Iterator[T]:
        """Hand out `items`, reporting progress under `label`."""
        for done, item in enumerate(items):
            self.report(label, done, total)
            yield item
        self.report(label, total, total)

    def log_samples(self, samples: Iterable[Sample]) -> None:
        """Keep what single examples did for the samples table."""
        self.samples.extend(samples)
