"""The board: tables of entries, each a method's runs on a task with their values over seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from statistics import median, multimode, variance
from typing import TYPE_CHECKING, Any, NamedTuple

from leaderboard import samples
from leaderboard.columns import indices, listed
from leaderboard.marks import Mark, marks
from leaderboard.samples import Logged
from suite import stats
from suite.api import TaskSpec
from suite.stats import Interval, Rank, detectable_difference, mean_interval

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from suite.store import Store

Row = Mapping[str, Any]
Key = tuple[str, str]
ROUNDING = 1e-9
TINY = 1e-300
"""In the place of a perplexity of 0 or less, which is none, but others may say that they got it."""


class Source:
    """Where the runs behind the entries of one task are read from, when a page or a verb asks for them.

    Only one task's rows are held at a time: pages are made task by task.
    """

    _held: tuple[Source, dict[str, list[Any]]] | None = None

    def __init__(
        self,
        load: Callable[[], dict[str, list[Any]]],
        examples: Callable[[Sequence[str]], Mapping[str, Logged]] | None = None,
    ) -> None:
        self._load, self._examples = load, examples

    @classmethod
    def of(cls, runs: pa.Table) -> Source:
        """The rows of a table that is at hand."""
        return cls(lambda: listed(runs))

    @classmethod
    def stored(cls, store: Store, task: str, runs: pa.Table) -> Source:
        """The rows of a task in a store, in the order of `runs`."""
        return cls(
            lambda: _stored(store, task, runs.column("run")),
            lambda wanted: samples.of_runs(store, task, wanted),
        )

    def examples(self, runs: Sequence[str]) -> Mapping[str, Logged]:
        """What these runs logged of their test examples; nothing where there is no store behind the rows."""
        return self._examples(runs) if self._examples else {}

    def rows(self, numbers: np.ndarray) -> tuple[Row, ...]:
        """The rows with these numbers, as mappings of column to value."""
        if Source._held is None or Source._held[0] is not self:
            Source._held = self, self._load()
        columns = Source._held[1]
        chosen = numbers.tolist()
        if len(chosen) == 1:
            return ({name: column[chosen[0]] for name, column in columns.items()},)
        if not chosen:
            return ()
        pick = itemgetter(*chosen)
        rows = zip(*map(pick, columns.values()), strict=True)
        return tuple(dict(zip(columns, row, strict=True)) for row in rows)


def _stored(store: Store, task: str, wanted: pa.ChunkedArray) -> dict[str, list[Any]]:
    from leaderboard.aggregate import RUN_COLUMNS

    ((_, runs, _),) = store.parts([c for c in RUN_COLUMNS if c != "task"], ("run",), [task])
    if not runs.column("run").equals(wanted):
        # Somebody appended or pruned since the board was read: keep to the runs that it knows.
        place = {run: i for i, run in enumerate(runs.column("run").to_pylist())}
        runs = runs.take(indices([place[run] for run in wanted.to_pylist()]))
    return listed(runs) | {"task": [task] * len(runs)}


@dataclass(frozen=True)
class Entry:
    """One line of a table: a method as configured, over its seeds.

    `cell` is a row with what all runs of the entry share: the parts of the cell's identity but the seed.
    `values` maps (metric, slice) to the value of each ok seed, `claimed_values` likewise those of runs made
    elsewhere where the project has its own. `rank` is None where the entry is not ranked, `comparable` False
    where its task settings or data are not the table's, `only_claimed` True where every run was made
    elsewhere. `bounds` has the ends of what a metric can be, for those that have any; `by_factor` says that
    the primary metric is compared by its logarithm (`compared`). `stale` holds the runs by older code,
    `older` counts runs left out as superseded. `devices` are the kinds of device that the ok runs come from;
    times and memory are of those of `usual_device`, from which most runs of the task and profile come.
    """

    cell: Row
    source: Source
    rows: np.ndarray
    values: Mapping[Key, Mapping[int, float]]
    examples: Mapping[Key, int | None]
    statuses: Mapping[str, int]
    wall_s: np.ndarray
    memory_mb: np.ndarray
    cpu_s: np.ndarray
    devices: tuple[str, ...] = ()
    usual_device: str = ""
    claimed_values: Mapping[Key, Mapping[int, float]] = field(default_factory=dict)
    primary: str = ""
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    by_factor: bool = False
    role: str = "baseline"
    stale: frozenset[str] = frozenset()
    other_data: bool = False
    older: int = 0
    comparable: bool = True
    only_claimed: bool = False
    rank: Rank | None = None

    @property
    def runs(self) -> tuple[Row, ...]:
        """The newest run of each seed in order of seed; they are read when asked for, so ask once a page."""
        return self.source.rows(self.rows)

    @cached_property
    def answers(self) -> Mapping[int, Logged]:
        """By seed what was logged of the test examples; kept, for a claim asks once a rival."""
        runs = {int(run["seed"]): str(run["run"]) for run in self.runs}
        logged = self.source.examples(list(runs.values()))
        return {seed: logged[run] for seed, run in runs.items() if run in logged}

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

    @property
    def compared(self) -> list[float]:
        """The primary metric's values on the scale on which methods are told apart, a seed each.

        Of a perplexity that is its logarithm, nats a token: its spread over seeds grows with the value, so
        that one wide method would make itself even with all, and a mean hangs on its largest seed.
        """
        values = list(self.per_seed().values())
        return [math.log(max(v, TINY)) for v in values] if self.by_factor else values

    def mean(self, metric: str | None = None, part: str = "all") -> float | None:
        """The mean over ok seeds, None where there is no value."""
        values = self.per_seed(metric, part).values()
        return math.fsum(values) / len(values) if values else None

    def unvarying(self, metric: str | None = None, part: str = "all") -> bool:
        """Whether there are two seeds or more and all gave exactly the same value."""
        values = self.per_seed(metric, part).values()
        return len(values) > 1 and len(set(values)) == 1

    def interval(self, metric: str | None = None, part: str = "all") -> Interval | None:
        """The 95 % interval over seeds; where a metric has bounds, it lies between them.

        None for a single seed, and where the seeds do not vary: they are then one run said several times.
        """
        name = metric or self.primary
        if (name, part) not in self._intervals:
            low, high = self.bounds.get(name, (None, None))
            values = list(self.per_seed(name, part).values())
            made = None if self.unvarying(name, part) else stats.seed_interval(values, low=low, high=high)
            self._intervals[name, part] = made
        return self._intervals[name, part]

    def remember(self, interval: Interval | None) -> None:
        """Take the interval of the primary metric as another process found it."""
        self._intervals[self.primary, "all"] = interval

    @cached_property
    def _intervals(self) -> dict[Key, Interval | None]:
        """The intervals found so far: from 20 seeds on each is a bootstrap that several pages show."""
        return {}

    @property
    def claimed(self) -> Mapping[int, float]:
        """The values of the primary metric that others say they got."""
        key = (self.primary, "all")
        return self.values.get(key, {}) if self.only_claimed else self.claimed_values.get(key, {})

    @property
    def confirmed(self) -> bool | None:
        """Whether the project's own values agree with the claimed ones; None where nothing can be compared.

        They agree when they are equal seed by seed but for rounding, or when the means over the shared
        seeds differ by no more than half the 95 % interval of the project's own.
        """
        own, said = self.per_seed(), self.claimed
        shared = [seed for seed in own if seed in said]
        if self.only_claimed or not shared:
            return None
        gaps = [own[seed] - said[seed] for seed in shared]
        interval = mean_interval([own[seed] for seed in shared])
        allowed = interval.half if interval else 0.0
        return abs(math.fsum(gaps)) / len(gaps) <= allowed or max(map(abs, gaps)) <= ROUNDING

    @property
    def marks(self) -> tuple[Mark, ...]:
        """What a reader must know before trusting the row."""
        return marks(
            stale=len(self.stale),
            other_data=self.other_data,
            seeds=len(self.per_seed()),
            statuses=self.statuses,
            comparable=self.comparable,
            claimed=bool(self.claimed),
            only_claimed=self.only_claimed,
            confirmed=self.confirmed,
            devices=self.devices,
            usual_device=self.usual_device,
        )

    @property
    def seconds(self) -> float | None:
        """Median wall seconds of the ok runs."""
        return median(times) if (times := _finite(self.wall_s)) else None

    @property
    def cpu_seconds(self) -> float | None:
        """Median CPU seconds of the ok runs."""
        return median(times) if (times := _finite(self.cpu_s)) else None

    @property
    def peak_mb(self) -> float | None:
        """Largest peak memory of the ok runs, MiB."""
        return max(_finite(self.memory_mb), default=None)

    @property
    def competes(self) -> bool:
        """Whether the entry is ranked against others: comparable, with a value of the project's own, neither
        null nor ceiling."""
        own = self.comparable and not self.only_claimed
        return self.role not in ("null", "ceiling") and own and self.mean() is not None


class Noise(NamedTuple):
    """`sd` over seeds, of `methods` competitors; `floor`: the difference of two that `seeds` seeds each show
    with 80 % power. Where methods are compared by factors, both are of logarithms."""

    sd: float
    methods: int
    seeds: int
    floor: float


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
    def by_factor(self) -> bool:
        """Whether methods are compared by factors of the primary metric, and not by differences."""
        return any(e.by_factor for e in self.entries)

    @cached_property
    def ranked(self) -> list[Entry]:
        """The competitors, best first."""
        return [e for e in self.entries if e.competes]

    def of_role(self, role: str) -> list[Entry]:
        return [e for e in self.entries if e.role == role and e.comparable and e.mean() is not None]

    def noise(self) -> Noise | None:
        """What chance alone does to the primary metric; None where no competitor has two seeds.

        The standard deviation over seeds is pooled over the competitors that have two or more, and the
        difference is that at the number of seeds that most of them have.
        """
        values = [e.compared for e in self.ranked if len(e.per_seed()) > 1]
        if not values:
            return None
        freedom = sum(len(v) - 1 for v in values)
        sd = math.sqrt(math.fsum(variance(v) * (len(v) - 1) for v in values) / freedom)
        seeds = max(multimode(len(v) for v in values))
        return Noise(sd, len(values), seeds, detectable_difference(sd, seeds))

    @property
    def leader(self) -> Entry | None:
        """The best of those that share the first rank; the best by mean where none has one."""
        first = next((e for e in self.ranked if e.rank is not None and e.rank.best == 1), None)
        return first or (self.ranked[0] if self.ranked else None)

    @property
    def not_told_apart(self) -> int:
        """How many rivals the leader is not better than beyond chance; those with one seed are among them."""
        leader = self.leader
        place = next((i for i, e in enumerate(self.ranked) if e is leader), None)
        return 0 if place is None else len(self.ranked) - 1 - int(self.beats[place].sum())

    @cached_property
    def beats(self) -> np.ndarray:
        """Boolean (ranked, ranked): whether the row's method is better beyond its 95 % interval of chance."""
        import numpy as np

        groups = [e.compared for e in self.ranked]
        if self.higher is None or not groups:
            return np.zeros((len(groups), len(groups)), bool)
        return stats.beats(groups, self.higher)

    @cached_property
    def metrics(self) -> list[str]:
        """Metrics with a value on the whole test set: the primary one, then as the task lists them."""
        seen = {metric for e in self.entries for metric, part in e.values if part == "all"}
        known = [m.name for m in self.spec.metrics] if self.spec else []
        order = [self.primary, *known, *sorted(seen)]
        return [m for m in dict.fromkeys(order) if m in seen]

    @cached_property
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


def overrides(run: Row) -> dict[str, Any]:
    """What the user set by hand, as `--set` takes it; a text that is no JSON object is kept whole."""
    try:
        found = json.loads(run["overrides"] or "{}")
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"overrides": run["overrides"]}


def _finite(values: np.ndarray) -> list[float]:
    return [value for value in values.tolist() if math.isfinite(value)]
