"""From raw rows to the board: which runs count, their mean over seeds, and the ranks inside a task.

The rules, in order:

1. An *entry* is a (task, method, profile, base model, overrides). Runs of one entry that differ in
   anything else of the cell but the seed (versions, settings, fingerprints of data and model) are never
   mixed: the group with the newest run is shown, the others are superseded and only counted.
2. Inside the group, the newest run of each seed counts, however it ended.
3. Only runs with status ok have values. Every other status is shown and never averaged.
4. A run whose code differs from that of the group's newest run stays, marked stale.
5. A *table* is a (task, profile). Entries of an older task version are superseded. Entries with other task
   settings or other data than the table's are listed, but not ranked.
6. Nulls and ceilings are shown and not ranked, and so is a method with a single seed.

All is a pure function of the rows: the same rows in any order give the same board.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median, multimode, variance
from typing import Any

from suite.api import MethodSpec, TaskSpec
from suite.stats import Interval, Rank, detectable_difference, mean_interval, ranks

Row = Mapping[str, Any]
Key = tuple[str, str]

ENTRY = ("task", "method", "profile", "base_model", "overrides")
GROUP = (
    "task_version",
    "method_version",
    "settings",
    "task_settings",
    "data_fingerprint",
    "model_fingerprint",
)
RUN_COLUMNS = (
    *("run", "family", "seed", "code", *ENTRY, *GROUP),
    *("status", "error", "reason", "started", "wall_s", "overhead_s", "peak_mb", "device", "threads"),
    *("git_commit", "git_dirty", "packages", "host", "origin"),
)
SCORE_COLUMNS = ("run", "metric", "slice", "value", "n", "higher_is_better")
PROFILES = ("small", "paper", "smoke")


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
        """A row with what all runs of the entry share: the columns ENTRY, GROUP and the family."""
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

    def _readings(self, column: str) -> list[float]:
        return [run[column] for run in self.runs if run["status"] == "ok" and _finite(run[column])]


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
        """Comparable competitors with a value: neither null nor ceiling."""
        return [e for e in self.entries if _competes(e)]

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


def aggregate(
    runs: Iterable[Row],
    scores: Iterable[Row],
    tasks: Mapping[str, TaskSpec],
    methods: Mapping[str, MethodSpec],
) -> Board:
    """The board of these rows. Names that the catalogue no longer has are kept, without a spec."""
    chosen = [_newest_group(group) for group in _grouped(runs, ENTRY).values()]
    shown = {run["run"] for newest, _ in chosen for run in newest if run["status"] == "ok"}
    by_run: dict[str, list[Row]] = defaultdict(list)
    for score in scores:
        if score["run"] in shown:
            by_run[score["run"]].append(score)
    tables: dict[tuple[str, str], list[tuple[list[Row], int]]] = defaultdict(list)
    for newest, older in chosen:
        tables[newest[0]["task"], newest[0]["profile"]].append((newest, older))
    built = [_table(groups, by_run, tasks, methods) for groups in tables.values()]
    return Board(sorted(built, key=lambda t: (t.family, t.task, _profile_place(t.profile))))


def _grouped(rows: Iterable[Row], columns: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[c] for c in columns)].append(row)
    return groups


def _age(run: Row) -> tuple[float, str]:
    return run["started"], run["run"]


def _newest_group(runs: Sequence[Row]) -> tuple[list[Row], int]:
    """(the newest run of each seed in the group of the newest run, how many runs are left out)."""
    latest = max(runs, key=_age)
    group = tuple(latest[c] for c in GROUP)
    by_seed: dict[int, Row] = {}
    for run in sorted(runs, key=_age):
        if tuple(run[c] for c in GROUP) == group:
            by_seed[run["seed"]] = run
    return [by_seed[seed] for seed in sorted(by_seed)], len(runs) - len(by_seed)


def _table(
    groups: Sequence[tuple[list[Row], int]],
    by_run: Mapping[str, Sequence[Row]],
    tasks: Mapping[str, TaskSpec],
    methods: Mapping[str, MethodSpec],
) -> Table:
    version = max(runs[0]["task_version"] for runs, _ in groups)
    current = [(runs, older) for runs, older in groups if runs[0]["task_version"] == version]
    left_out = sum(len(runs) + older for runs, older in groups) - sum(len(runs) for runs, _ in current)
    protocol = _protocol(_reference([runs for runs, _ in current]))
    first = current[0][0][0]
    spec = tasks.get(first["task"])
    directions = {s["metric"]: s["higher_is_better"] for r, _ in current for x in r for s in by_run[x["run"]]}
    primary = _primary(spec, directions)
    entries = [
        _entry(runs, older, by_run, primary, _role(methods.get(runs[0]["method"])), _protocol(runs[0]) == protocol)
        for runs, older in current
    ]
    metric = spec.metric(primary) if spec else None
    higher = metric.higher_is_better if metric else directions.get(primary)
    return Table(
        family=spec.family if spec else first["family"],
        task=first["task"],
        profile=first["profile"],
        primary=primary,
        higher=higher,
        spec=spec,
        entries=_placed(entries, higher),
        older=left_out,
    )


def _reference(groups: Sequence[Sequence[Row]]) -> Row:
    """The run whose task settings are the table's: the newest without overrides of the task, else the newest."""
    runs = [max(group, key=_age) for group in groups]
    return max(runs, key=lambda run: (not any(k.startswith("task.") for k in overrides(run)), _age(run)))


def overrides(run: Row) -> dict[str, Any]:
    """What the user of this run set by hand, as `--set` takes it; a text that is no JSON object is kept whole."""
    try:
        found = json.loads(run["overrides"] or "{}")
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"overrides": run["overrides"]}


def _protocol(run: Row) -> tuple[str, str]:
    return run["task_settings"], run["data_fingerprint"]


def _primary(spec: TaskSpec | None, directions: Mapping[str, bool | None]) -> str:
    """The task's own primary metric; for a task nobody knows any more, the first one with a direction."""
    if spec is not None:
        return spec.primary
    return min(directions, key=lambda name: (directions[name] is None, name), default="")


def _role(spec: MethodSpec | None) -> str:
    return spec.role if spec else "baseline"


def _entry(
    runs: Sequence[Row], older: int, by_run: Mapping[str, Sequence[Row]], primary: str, role: str, comparable: bool
) -> Entry:
    values: dict[Key, dict[int, float]] = defaultdict(dict)
    examples: dict[Key, int | None] = {}
    for run in runs:
        for score in by_run.get(run["run"], ()):
            if run["status"] == "ok" and _finite(score["value"]):
                key = (score["metric"], score["slice"])
                values[key][run["seed"]] = score["value"]
                examples[key] = score["n"]
    code = max(runs, key=_age)["code"]
    stale = frozenset(run["run"] for run in runs if run["code"] != code)
    return Entry(tuple(runs), dict(values), examples, primary, role, stale, older, comparable)


def _competes(entry: Entry) -> bool:
    return entry.role not in ("null", "ceiling") and entry.comparable and entry.mean() is not None


def _placed(entries: Sequence[Entry], higher: bool | None) -> list[Entry]:
    """The entries with their ranks, in order of the table: by mean, entries without a value last."""
    competing = [i for i, e in enumerate(entries) if _competes(e)]
    placed = list(entries)
    if higher is not None:
        seeds = [list(entries[i].per_seed().values()) for i in competing]
        for i, rank in zip(competing, ranks(seeds, higher), strict=True):
            placed[i] = replace(placed[i], rank=rank)
    return sorted(placed, key=lambda e: _place(e, higher))


def _place(entry: Entry, higher: bool | None) -> tuple[Any, ...]:
    mean = entry.mean()
    score = 0.0 if mean is None or higher is None else (-mean if higher else mean)
    names = (entry.method, entry.base_model, entry.overrides)
    return not entry.comparable, mean is None, score, *names


def _profile_place(profile: str) -> tuple[int, str]:
    return (PROFILES.index(profile) if profile in PROFILES else len(PROFILES)), profile


def _finite(value: Any) -> bool:
    return value is not None and math.isfinite(value)
