"""Whether claimed scores can be true: declared, finite, in their unit, of the right number of examples.

An *error* cannot be right whatever happened; a *doubt* can, and a re-run settles it.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from suite import catalog
from suite._submit_files import Claimed, clean
from suite.api import Metric, TaskSpec
from suite.defaults import completed

if TYPE_CHECKING:
    from suite.store import Store

Key = tuple[str, str]
# Samples keep `correct` in 32 bits.
SAMPLE_ROUNDING = 1e-5
SAME = 1e-9
TRAINED = ("steps", "examples_seen", "tokens_seen", "images_seen", "parameters")
Protocol = tuple[str, str, str]


class Group(NamedTuple):
    """What the seeds of one method as configured share."""

    task: str
    method: str
    profile: str
    base_model: str
    overrides: str

    @property
    def title(self) -> str:
        return f"{clean(self.method)} on {clean(self.task)} ({clean(self.profile)})"


@dataclass
class Known:
    """What the project's own runs say of one protocol (task, its settings, its data).

    n: examples behind a (metric, slice), where all runs agree. negative: metrics with a value below 0.
    best: the ceiling's largest and smallest primary value. cells: scores by cell of null methods.
    """

    n: dict[Key, int | None] = field(default_factory=dict)
    negative: set[str] = field(default_factory=set)
    ceiling: list[float] = field(default_factory=list)
    nulls: dict[str, dict[Key, float]] = field(default_factory=dict)


def known(store: Store | None, tasks: Iterable[str]) -> dict[Protocol, Known]:
    """What the project's own ok runs say of these tasks, by (task, task settings, data fingerprint).

    The settings are those that today's class completes (suite/defaults.py).
    """
    found: dict[Protocol, Known] = defaultdict(Known)
    if store is None:
        return found
    for task in sorted(set(tasks) & set(catalog.tasks())):
        spec = catalog.task(task)
        runs = {
            run["run"]: run
            for run in store.runs({"task": [task], "status": ["ok"], "origin": ["project"]}).to_pylist()
        }
        for score in store.scores({"task": [task]}).to_pylist():
            run = runs.get(score["run"])
            if run is not None and score["value"] is not None:
                held = found[task, completed(spec, run["task_settings"]), run["data_fingerprint"]]
                _learn(held, spec, run["method"], run["cell"], score)
    return found


def _learn(held: Known, spec: TaskSpec, method: str, cell: str, score: Mapping[str, object]) -> None:
    metric, part, value, n = (score[c] for c in ("metric", "slice", "value", "n"))
    key = (str(metric), str(part))
    number = float(str(value))
    examples = None if n is None else int(str(n))
    if held.n.setdefault(key, examples) != examples:
        held.n[key] = None
    if number < 0:
        held.negative.add(key[0])
    if method == spec.ceiling and key == (spec.primary, "all"):
        held.ceiling.append(number)
    if method in spec.nulls:
        held.nulls.setdefault(cell, {})[key] = number


def score_errors(claimed: Claimed, spec: TaskSpec, own: Known) -> Iterator[str]:
    """What cannot be right in the scores and samples of one run."""
    run, scores = claimed.run, claimed.scores
    if run.status != "ok":
        if scores or claimed.samples:
            yield f"ended {clean(run.status)}, yet has scores or samples"
        return
    twice = [key for key, count in Counter((s.metric, s.slice) for s in scores).items() if count > 1]
    if twice:
        yield f"gives {_named(*twice[0])} twice"
    if not any((s.metric, s.slice) == (spec.primary, "all") for s in scores):
        yield f"has no {spec.primary}, the primary metric of the task"
    for score in scores:
        metric = spec.metric(score.metric)
        name = _named(score.metric, score.slice)
        if metric is None:
            yield f"gives {name}, which the task does not declare"
            continue
        if (what := _outside(score.value, metric, own)) is not None:
            yield f"gives {name} as {score.value:g}; {what}"
        if score.higher_is_better is not metric.higher_is_better:
            yield f"gives {name} another direction than the task"
        if score.n is not None and score.n < 0:
            yield f"gives {name} over {score.n} examples"
        expected = own.n.get((score.metric, score.slice))
        if (
            expected is not None
            and score.n != expected
            and run.overrides == "{}"
            and _fixed(score.metric, spec)
        ):
            yield f"gives {name} over {score.n} examples; the task has {expected}"
    yield from _sample_errors(claimed, spec)


def _fixed(metric: str, spec: TaskSpec) -> bool:
    """Whether the examples behind a metric are the test set's; those of a neutral one can be the method's."""
    declared = spec.metric(metric)
    return declared is not None and declared.better != "neutral"


def _outside(value: float, metric: Metric, own: Known) -> str | None:
    """Why a value cannot be one of its metric's unit."""
    if not math.isfinite(value):
        return "a score is a finite number"
    signed = metric.name in own.negative
    if metric.unit == "fraction" and not (-1 if signed else 0) <= value <= 1:
        return "a fraction is from 0 to 1"
    if metric.unit in ("count", "s") and value < 0:
        return "it cannot be below 0"
    return None


def _sample_errors(claimed: Claimed, spec: TaskSpec) -> Iterator[str]:
    """The mean over the samples must be the score, where every test example has a sample."""
    samples, metric = claimed.samples, spec.metric(spec.primary)
    if samples is None or metric is None:
        return
    if not samples.distinct:
        yield "has two samples of one example"
    for score in claimed.scores:
        whole = (score.metric, score.slice) == (spec.primary, "all") and score.n == samples.n
        if whole and metric.unit == "fraction" and not abs(samples.mean - score.value) <= SAMPLE_ROUNDING:
            yield f"has samples that give {spec.primary} {samples.mean:.6f}, its score says {score.value:.6f}"


def doubts(claimed: Claimed, spec: TaskSpec, own: Known) -> Iterator[str]:
    """What is too good, or too different, to be believed without running it again."""
    value = primary(claimed, spec)
    metric = spec.metric(spec.primary)
    if value is None or metric is None:
        return
    if own.ceiling and claimed.run.method != spec.ceiling and metric.better != "neutral":
        best = max(own.ceiling) if metric.better == "higher" else min(own.ceiling)
        if (value - best if metric.better == "higher" else best - value) > SAME:
            yield f"has {spec.primary} {value:.4f}, beyond the ceiling's {best:.4f}"
    for key, number in own.nulls.get(claimed.run.cell, {}).items():
        declared = spec.metric(key[0])
        said = next((s.value for s in claimed.scores if (s.metric, s.slice) == key), None)
        if declared and declared.exact and said is not None and abs(said - number) > SAME:
            yield f"has {_named(*key)} {said:.6f}; the project's run of this null method has {number:.6f}"


def group_doubts(members: Sequence[Claimed], spec: TaskSpec) -> Iterator[tuple[Claimed, str]]:
    """The same numbers for every seed of a trained method: seeds that did nothing, or one run copied.

    A group at 0 or at 1 of a fraction is left out, for there seeds do agree.
    """
    ok = [c for c in members if c.run.status == "ok"]
    role = (
        catalog.methods()[ok[0].run.method].role if ok and ok[0].run.method in catalog.methods() else "null"
    )
    if len(ok) < 2 or role in ("null", "ceiling") or primary(ok[0], spec) in (None, 0.0, 1.0):
        return
    trained = any(s.metric in TRAINED and s.value > 0 for s in ok[0].scores)
    if trained and all(_exact(c, spec) == _exact(ok[0], spec) for c in ok):
        for claimed in ok:
            yield claimed, f"has the same scores in all {len(ok)} seeds of a trained method"


def seed_doubts(members: Sequence[Claimed]) -> Iterator[str]:
    """Gaps in the seeds, which could have been chosen by their scores."""
    seeds = {c.run.seed for c in members}
    gaps = sorted(set(range(max(seeds) + 1)) - seeds) if max(seeds) < 10_000 else []
    if gaps or max(seeds) >= 10_000:
        some = ", ".join(map(str, gaps[:5])) + (", ..." if len(gaps) > 5 else "")
        named = f" ({some})" if some else ""
        yield f"lacks seeds that come before its own{named}; seeds start at 0 and leave out none"


def grouped(claims: Iterable[Claimed]) -> dict[Group, list[Claimed]]:
    """The runs by method as configured, each in order of seed."""
    groups: dict[Group, list[Claimed]] = {}
    for claimed in sorted(claims, key=lambda c: (c.run.task, c.run.method, c.run.seed, c.run.run)):
        key = Group(*(getattr(claimed.run, name) for name in Group._fields))
        groups.setdefault(key, []).append(claimed)
    return groups


def primary(claimed: Claimed, spec: TaskSpec) -> float | None:
    """The primary score over the whole test set."""
    values = (s.value for s in claimed.scores if (s.metric, s.slice) == (spec.primary, "all"))
    return next(values, None)


def _exact(claimed: Claimed, spec: TaskSpec) -> dict[Key, float]:
    exact = {m.name for m in spec.metrics if m.exact}
    return {(s.metric, s.slice): s.value for s in claimed.scores if s.metric in exact}


def _named(metric: str, part: str) -> str:
    return clean(metric) if part == "all" else f"{clean(metric)} of slice {clean(part)}"
