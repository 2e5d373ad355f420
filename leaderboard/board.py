"""The board: tables of entries, each a method's runs on a task with their values over seeds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, multimode, variance
from typing import Any

from suite.api import TaskSpec
from suite.stats import Interval, Rank, detectable_difference, mean_interval

Row = Mapping[str, Any]
Key = tuple[str, str]


@dataclass(frozen=True)
class Entry:
    """One line of a table: a method as configured, over its seeds.

    `runs` holds the newest run of each seed in order of seed; `values` maps (metric, slice) to the value
    of each ok seed. `rank` is None where the entry is not ranked, `comparable` False where its task
    settings or data are not the table's. `older` counts runs left out as superseded.
    """

    runs: tuple[Row, ...]
    values: Mapping[Key, Mapping[int, float]]
    examples: Mapping[Key, int | None]
    primary: str
    role: str
    stale: frozenset[str] = frozenset()
    older: int = 0
    comparable: bool = True
    rank: Rank | None = None

    @property
    def cell(self) -> Row:
        """A row with what all runs of the entry share: the parts of the cell's identity but the seed."""
        return self.runs[0]

    @property
    def method(self) -> str:
        return str(self.cell["method"])

    @property
    def base_model(self) -> str:
        return str(self.cell["base_model"])

    @property
    def overrides(self) -> str:
        """Canonical JSON of what the user set by hand."""
        return str(self.cell["overrides"])

    def per_seed(self, metric: str | None = None, part: str = "all") -> Mapping[int, float]:
        return self.values.get((metric or self.primary, part), {})

    def mean(self, metric: str | None = None, part: str = "all") -> float | None:
        """The mean over ok seeds, None where there is no value."""
        values = self.per_seed(metric, part).values()
        return math.fsum(values) / len(values) if values else None

    def interval(self) -> Interval | None:
        """The 95 % interval of the primary metric over seeds, None for a single seed."""
        return mean_interval(list(self.per_seed().values()))

    @property
    def statuses(self) -> Mapping[str, int]:
        """How many seeds ended in each status."""
        return dict(sorted(Counter(run["status"] for run in self.runs).items()))

    @property
    def seconds(self) -> float | None:
        """Median wall seconds of the ok runs."""
        return median(times) if (times := self._readings("wall_s")) else None

    @property
    def peak_mb(self) -> float | None:
        """Largest peak memory of the ok runs, MiB."""
        return max(self._readings("peak_mb"), default=None)

    @property
    def competes(self) -> bool:
        """Whether the entry is ranked against others: comparable, with a value, neither null nor ceiling."""
        return self.role not in ("null", "ceiling") and self.comparable and self.mean() is not None

    def _readings(self, column: str) -> list[float]:
        return [run[column] for run in self.runs if run["status"] == "ok" and finite(run[column])]


@dataclass(frozen=True)
class Table:
    """The entries of one task in one profile, best first; `higher` is the primary metric's direction."""

    family: str
    task: str
    profile: str
    primary: str
    higher: bool | None
    spec: TaskSpec | None
    entries: Sequence[Entry]
    older: int = 0

    @property
    def ranked(self) -> list[Entry]:
        """The competitors, best first."""
        return [e for e in self.entries if e.competes]

    def of_role(self, role: str) -> list[Entry]:
        return [e for e in self.entries if e.role == role and e.comparable and e.mean() is not None]

    def noise_floor(self) -> tuple[float, int] | None:
        """(the difference of two methods that shows with 80 % power, at this number of seeds).

        From the standard deviation over seeds, pooled over the comparable entries with two seeds or more,
        at the number of seeds that most of them have; None where no entry has two.
        """
        values = [list(e.per_seed().values()) for e in self.entries if e.comparable and len(e.per_seed()) > 1]
        if not values:
            return None
        freedom = sum(len(v) - 1 for v in values)
        sd = math.sqrt(math.fsum(variance(v) * (len(v) - 1) for v in values) / freedom)
        seeds = max(multimode(len(v) for v in values))
        return detectable_difference(sd, seeds), seeds

    @property
    def metrics(self) -> list[str]:
        """Metrics with a value on the whole test set: the primary one, then as the task lists them."""
        seen = {metric for e in self.entries for metric, part in e.values if part == "all"}
        known = [m.name for m in self.spec.metrics] if self.spec else []
        order = [self.primary, *known, *sorted(seen)]
        return [m for m in dict.fromkeys(order) if m in seen]

    @property
    def slices(self) -> list[str]:
        """Parts of the test set on which the primary metric has a value, sorted."""
        keys = {key for e in self.entries for key in e.values}
        return sorted(part for metric, part in keys if metric == self.primary and part != "all")


@dataclass(frozen=True)
class Board:
    """All tables, by family, task and profile."""

    tables: Sequence[Table] = field(default_factory=tuple)

    @property
    def older(self) -> int:
        return sum(t.older for t in self.tables)


def finite(value: Any) -> bool:
    """Whether a stored value is there and a finite number."""
    return value is not None and math.isfinite(value)
