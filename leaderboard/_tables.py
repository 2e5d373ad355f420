"""The tables of a task: its entries by profile, what each is compared on, and the ranks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from leaderboard._choice import Choice
from leaderboard._entries import Draft
from leaderboard.board import Entry, Row, Table, overrides
from suite.api import MethodSpec, TaskSpec
from suite.defaults import alike
from suite.stats import ranks

Aged = tuple[int, Draft]
PERPLEXITY = "perplexity"
"""The unit of e to a mean of -log p."""


def tables(
    task: str,
    choice: Choice,
    made: tuple[Sequence[Draft], Mapping[str, bool | None]],
    specs: Mapping[str, TaskSpec],
    methods: Mapping[str, MethodSpec],
) -> list[Table]:
    """One table a profile, by rules 5 to 8 of leaderboard/aggregate.py."""
    drafts, directions = made
    ages = choice.age[choice.newest].tolist()
    by_profile: dict[str, list[Aged]] = defaultdict(list)
    for age, draft in zip(ages, drafts, strict=True):
        by_profile[draft["cell"]["profile"]].append((age, draft))
    return [_table(group, directions, specs.get(task), methods) for group in by_profile.values()]


def _table(
    group: Sequence[Aged],
    directions: Mapping[str, bool | None],
    spec: TaskSpec | None,
    methods: Mapping[str, MethodSpec],
) -> Table:
    version = max(draft["cell"]["task_version"] for _, draft in group)
    current = [(age, draft) for age, draft in group if draft["cell"]["task_version"] == version]
    left_out = sum(len(d["rows"]) + d["older"] for _, d in group) - sum(len(d["rows"]) for _, d in current)
    reference = _reference(current)
    primary = _primary(spec, _measured(current, directions))
    metric = spec.metric(primary) if spec else None
    higher = metric.higher_is_better if metric else directions.get(primary)
    entries = [
        Entry(
            **draft,
            primary=primary,
            bounds=_bounds(spec),
            by_factor=metric is not None and metric.unit == PERPLEXITY,
            role=_role(methods.get(draft["cell"]["method"])),
            comparable=_same_protocol(draft["cell"], reference, spec) and _current(draft["cell"], methods),
        )
        for _, draft in current
    ]
    first = entries[0].cell
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


def _reference(current: Sequence[Aged]) -> Row:
    """The run whose task settings are the table's: the newest that leaves the task alone, else the newest.

    One made elsewhere sets the protocol only where the project has none of its own.
    """

    def place(item: Aged) -> tuple[bool, bool, int]:
        age, draft = item
        by_hand = any(name.startswith("task.") for name in overrides(draft["cell"]))
        return not draft["only_claimed"], not by_hand, age

    reference: Row = max(current, key=place)[1]["cell"]
    return reference


def _current(cell: Row, methods: Mapping[str, MethodSpec]) -> bool:
    """Whether the row is of the method as it is meant today: an older version was another method."""
    spec = methods.get(cell["method"])
    return spec is None or cell["method_version"] >= spec.version


def _same_protocol(cell: Row, other: Row, spec: TaskSpec | None) -> bool:
    """Whether the two were measured with the same task settings, by rule 8, and the same data."""
    same_data = cell["data_fingerprint"] == other["data_fingerprint"]
    return bool(same_data and alike(spec, cell["task_settings"], other["task_settings"]))


def _measured(current: Sequence[Aged], directions: Mapping[str, bool | None]) -> dict[str, bool | None]:
    """The directions of the metrics that these entries have a value of."""
    names = {metric for _, draft in current for metric, _ in draft["values"]}
    return {name: higher for name, higher in directions.items() if name in names}


def _primary(spec: TaskSpec | None, directions: Mapping[str, bool | None]) -> str:
    """The task's own primary metric; for a task nobody knows any more, the first one with a direction."""
    if spec is not None:
        return spec.primary
    return min(directions, key=lambda name: (directions[name] is None, name), default="")


def _bounds(spec: TaskSpec | None) -> dict[str, tuple[float, float]]:
    """The ends of what metrics can be: a share of right answers is in 0..1 (a loss may lie anywhere), and a
    perplexity, e to a mean of -log p, is no less than 1."""
    found = {}
    for metric in spec.metrics if spec else ():
        if metric.unit == "fraction" and metric.better == "higher":
            found[metric.name] = (0.0, 1.0)
        elif metric.unit == PERPLEXITY:
            found[metric.name] = (1.0, math.inf)
    return found


def _role(spec: MethodSpec | None) -> str:
    return spec.role if spec else "baseline"


def _placed(entries: Sequence[Entry], higher: bool | None) -> list[Entry]:
    """The entries with their ranks, in order of the table: by mean, entries without a value last."""
    competing = [i for i, e in enumerate(entries) if e.competes]
    placed = list(entries)
    if higher is not None:
        seeds = [entries[i].compared for i in competing]
        for i, rank in zip(competing, ranks(seeds, higher), strict=True):
            placed[i] = replace(placed[i], rank=rank)
    return sorted(placed, key=lambda e: _place(e, higher))


def _place(entry: Entry, higher: bool | None) -> tuple[Any, ...]:
    mean = entry.mean()
    score = 0.0 if mean is None or higher is None else (-mean if higher else mean)
    names = (entry.method, entry.base_model, entry.overrides)
    return not entry.comparable, entry.only_claimed, mean is None, score, *names
