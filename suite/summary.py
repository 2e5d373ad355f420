"""The scores of a sweep for the eye: means over its seeds with intervals, and how its cells ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from suite.api import TaskSpec
from suite.records import STATUSES, ScoreRow
from suite.stats import Interval, bootstrap_interval, mean_interval
from suite.sweep import Result

if TYPE_CHECKING:
    from suite.store import Store

Scores = Mapping[str, Sequence[ScoreRow]]
SAME = 1e-6
WRONG_USE = "wrong use"


def scores(results: Sequence[Result], store: Store) -> Scores:
    """Run id to score rows, read in one go for the cells that the store answered."""
    found: dict[str, list[ScoreRow]] = {
        r.run.run: list(r.outcome.scores) for r in results if r.run and r.outcome
    }
    cached = {r.run.run: r.planned.cell.task for r in results if r.run and r.cached}
    if cached:
        table = store.scores({"task": sorted(set(cached.values())), "run": list(cached)})
        for row in table.select(["run", *ScoreRow._fields]).to_pylist():
            found.setdefault(row.pop("run"), []).append(ScoreRow(**row))
    return found


def rows(results: Sequence[Result], scores: Scores, store: Store) -> list[Mapping[str, Any]]:
    """One row a task, method and metric over the whole test set, the primary metric first.

    Where several methods or tasks are shown, only their primary metrics are.
    """
    groups: dict[tuple[Any, ...], list[Result]] = {}
    for result in results:
        cell = result.planned.cell
        if result.run and result.run.status == "ok":
            key = (cell.task, cell.method, cell.profile, cell.base_model, cell.settings, cell.task_settings)
            groups.setdefault(key, []).append(result)
    made = [_group(group, scores, store) for group in groups.values()]
    return made[0] if len(made) == 1 else [row for group in made for row in group[:1]]


def _group(group: Sequence[Result], scores: Scores, store: Store) -> list[Mapping[str, Any]]:
    spec, cell = group[0].planned.task_spec, group[0].planned.cell
    found: dict[str, list[ScoreRow]] = {}
    for result in group:
        for row in scores.get(_run(result), ()):
            if row.slice == "all":
                found.setdefault(row.metric, []).append(row)
    made: list[Mapping[str, Any]] = []
    for metric in _ordered(spec, found):
        values = [row.value for row in found[metric]]
        interval = _interval(group, metric == spec.primary, values, store)
        made.append(
            {
                "task": cell.task,
                "method": cell.method,
                "profile": cell.profile,
                "metric": metric,
                "value": sum(values) / len(values),
                "low": interval and interval.low,
                "high": interval and interval.high,
                "seeds": len(values),
                "n": found[metric][0].n,
                "cached": _cached(group),
            }
        )
    return made


def _run(result: Result) -> str:
    return result.run.run if result.run else ""


def _ordered(spec: TaskSpec, found: Mapping[str, Any]) -> list[str]:
    return sorted(found, key=lambda name: (name != spec.primary, [m.name for m in spec.metrics].index(name)))


def _interval(
    group: Sequence[Result], primary: bool, values: Sequence[float], store: Store
) -> Interval | None:
    """Over seeds that differ; for one seed over the test samples, of the primary metric only."""
    if len(values) > 1:
        return None if len(set(values)) == 1 else mean_interval(values)
    if not primary:
        return None
    outcome = group[0].outcome
    if outcome is not None:
        correct = [sample.correct for sample in outcome.samples]
    else:
        correct = store.samples([_run(group[0])]).column("correct").to_pylist()
    # The log may be capped, or hold something else than the primary metric: then it says nothing of its mean.
    if not correct or abs(sum(correct) / len(correct) - values[0]) > SAME:
        return None
    return bootstrap_interval(correct)


def _cached(group: Sequence[Result]) -> str:
    held = sum(result.cached for result in group)
    return "" if held == 0 else "yes" if held == len(group) else f"{held} of {len(group)}"


def record(result: Result, scores: Scores) -> Mapping[str, Any]:
    """One cell with all of its scores, for machines."""
    cell, run = result.planned.cell, result.run
    return {
        "cell": cell.id,
        "run": run.run if run else None,
        "task": cell.task,
        "method": cell.method,
        "profile": cell.profile,
        "seed": cell.seed,
        "status": run.status if run else WRONG_USE,
        "error": run.error if run else str(result.refused),
        "reason": run.reason if run else "",
        "cached": result.cached,
        "wall_s": run.wall_s if run else None,
        "scores": [row._asdict() for row in scores.get(_run(result), ())],
    }


def counts(results: Sequence[Result]) -> str:
    """How many cells ended in which way: '3 cells: 2 ok (1 cached), 1 failed'."""
    ended = Counter(result.run.status if result.run else WRONG_USE for result in results)
    cached = sum(result.cached for result in results)
    parts = [f"{ended[status]} {status}" for status in (*STATUSES, WRONG_USE) if ended[status]]
    held = f"; {cached} answered from the results" if cached else ""
    return f"{len(results)} cell{'s' if len(results) != 1 else ''}: {', '.join(parts)}{held}"
