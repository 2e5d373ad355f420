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
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from leaderboard.board import Board as Board
from leaderboard.board import Entry as Entry
from leaderboard.board import Key, Row, finite
from leaderboard.board import Table as Table
from suite.api import MethodSpec, TaskSpec
from suite.stats import ranks

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
        _entry(
            runs,
            older,
            by_run,
            primary,
            _role(methods.get(runs[0]["method"])),
            _protocol(runs[0]) == protocol,
        )
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
    """The run whose task settings are the table's: the newest that leaves the task alone, else the newest."""
    runs = [max(group, key=_age) for group in groups]
    return max(runs, key=lambda run: (not any(k.startswith("task.") for k in overrides(run)), _age(run)))


def overrides(run: Row) -> dict[str, Any]:
    """What the user set by hand, as `--set` takes it; a text that is no JSON object is kept whole."""
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
    runs: Sequence[Row],
    older: int,
    by_run: Mapping[str, Sequence[Row]],
    primary: str,
    role: str,
    comparable: bool,
) -> Entry:
    values: dict[Key, dict[int, float]] = defaultdict(dict)
    examples: dict[Key, int | None] = {}
    for run in runs:
        for score in by_run.get(run["run"], ()):
            if run["status"] == "ok" and finite(score["value"]):
                key = (score["metric"], score["slice"])
                values[key][run["seed"]] = score["value"]
                examples[key] = score["n"]
    code = max(runs, key=_age)["code"]
    stale = frozenset(run["run"] for run in runs if run["code"] != code)
    return Entry(tuple(runs), dict(values), examples, primary, role, stale, older, comparable)


def _placed(entries: Sequence[Entry], higher: bool | None) -> list[Entry]:
    """The entries with their ranks, in order of the table: by mean, entries without a value last."""
    competing = [i for i, e in enumerate(entries) if e.competes]
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
