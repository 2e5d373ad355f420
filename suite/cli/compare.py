"""`suite compare A B`: two methods over the tasks that both ran, paired by seed and by test example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.api import PROFILES
from suite.cli import refuse, stored
from suite.cli.output import METHOD, TASK, format_option, results_option, shown, table
from suite.errors import Incomplete, UsageError

if TYPE_CHECKING:
    from leaderboard.aggregate import Entry, Table
    from suite.api import TaskSpec
    from suite.stats import Interval
    from suite.store import Store

ENOUGH = 6
"""Pairs from which on a sign-flip test can fall below 0.05: 2 / 2^6 = 0.031."""
Correct = dict[str, dict[int, float]]
"""Run id to example to how right its answer was."""
COLUMNS = (
    *("task", "profile", "metric", "a", "a_mean", "a_low", "a_high", "b", "b_mean", "b_low", "b_high"),
    *("difference", "low", "high", "p", "holm", "effect", "seeds", "a_wins", "b_wins", "ties"),
    *("examples", "examples_low", "examples_high", "examples_p", "note"),
)


@click.command()
@click.argument("a", type=METHOD)
@click.argument("b", type=METHOD)
@click.option("--task", "tasks", multiple=True, type=TASK, help="Only this task; may be repeated.")
@click.option(
    "--profile", type=click.Choice(PROFILES), default="small", show_default=True, help="Only this profile."
)
@click.option("--metric", help="This metric instead of each task's primary one.")
@results_option
@format_option
def command(
    a: str, b: str, tasks: tuple[str, ...], profile: str, metric: str | None, results: Path, fmt: str
) -> None:
    """Compare two methods, paired by seed.

    Per task over the seeds that both have: both means, the difference A - B with its 95 % interval, the
    p value of the paired sign-flip test, the same corrected by Holm's rule for the tasks shown, and on how
    many logged test examples each of them was better. CSV and JSON add the effect size and the same test over
    the examples, which speaks of these trained models and not of new trainings. What concerns examples is
    empty for another metric than the primary one.
    """
    if a == b:
        raise UsageError(f"'{a}' cannot be compared with itself; name two methods")
    store = stored.open_store(results)
    rows = compare(store, a, b, stored.parse_where((), task=tasks, profile=(profile,)), metric)
    stored.warn_of_problems(store)
    if fmt in ("csv", "json"):
        click.echo(table(rows, COLUMNS, fmt), nl=False)
        return
    click.echo(table([_short(row) for row in rows], _headings(a, b), fmt), nl=False)
    for row in rows:
        if row["note"]:
            click.echo(f"note: {row['task']}: {row['note']}", err=True)
    most = max((row["seeds"] for row in rows if row["p"] is not None), default=0)
    if 1 < most < ENOUGH:
        least = 2.0 ** (1 - most)
        click.echo(f"note: {most} seeds cannot give a p below {least:.4g}; go by the intervals", err=True)


def compare(store: Store, a: str, b: str, where: stored.Where, metric: str | None) -> list[dict[str, Any]]:
    """One row a task that both methods ran; Incomplete where there is none."""
    stored.refuse_unknown(store, where.get("task", ()), (a, b))
    _one_family(a, b)
    asked = {"metric": (metric,)} if metric else {}
    board = stored.means(store, {**where, **asked, "method": (a, b)})
    refuse.metrics(board.tables, asked.get("metric", ()))
    pairs = [(part, *pair) for part in board.tables if (pair := _pair(part, a, b)) is not None]
    # An example is answered rightly or wrongly: that says something of the primary metric, of no other.
    told = [entry for part, *pair in pairs if metric in (None, part.primary) for entry in pair]
    correct = _correct(store, told)
    rows = [_row(part, x, y, metric or part.primary, correct) for part, x, y in pairs]
    _correct_for_many(rows)
    if not any(row["seeds"] for row in rows):
        have = {name: [t.task for t in board.tables if _finished(t, name)] for name in (a, b)}
        said = "; ".join(f"{name} has {', '.join(tasks) or 'none'}" for name, tasks in have.items())
        raise Incomplete(
            f"no task has a seed that both methods finished in profile {where['profile'][0]} ({said}); "
            f"`suite run --method {a if not have[a] else b} --task TASK` adds them"
        )
    return rows


def _correct_for_many(rows: Sequence[dict[str, Any]]) -> None:
    """Fill in the p values corrected for the number of tasks that are tested."""
    from suite.stats import holm

    tested = [row for row in rows if row["p"] is not None]
    for row, adjusted in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["holm"] = adjusted


def _one_family(a: str, b: str) -> None:
    from suite import catalog

    families = [catalog.methods()[name].family for name in (a, b) if name in catalog.methods()]
    if len(set(families)) > 1:
        raise UsageError(
            f"'{a}' is of family {families[0]} and '{b}' of family {families[1]}: no task has both"
        )


def _entry(part: Table, method: str) -> Entry | None:
    """The method as it comes: an entry of the project's own before a claimed one, without overrides if there
    is one, on the first base model by name."""
    entries = [entry for entry in part.entries if entry.cell["method"] == method]
    return min(entries, key=lambda e: (e.only_claimed, stored.overrides(e), e.base_model), default=None)


def _finished(part: Table, method: str) -> bool:
    entry = _entry(part, method)
    return entry is not None and bool(entry.per_seed())


def _pair(part: Table, a: str, b: str) -> tuple[Entry, Entry] | None:
    x, y = _entry(part, a), _entry(part, b)
    return (x, y) if x is not None and y is not None else None


def _correct(store: Store, entries: Sequence[Entry]) -> Correct:
    """Of every logged example of these runs, how right it was; read in one go."""
    wanted = [run["run"] for entry in entries for run in entry.runs]
    correct: Correct = {}
    for row in store.samples(wanted).select(["run", "index", "correct"]).to_pylist():
        correct.setdefault(row["run"], {})[row["index"]] = row["correct"]
    return correct


def _row(part: Table, a: Entry, b: Entry, metric: str, correct: Correct) -> dict[str, Any]:
    from suite.stats import effect_size, mean_interval, permutation_test, seed_interval

    of_a, of_b = a.per_seed(metric), b.per_seed(metric)
    seeds = sorted(of_a.keys() & of_b.keys())
    # Two methods that draw nothing: their seeds are one run said several times, and pair nothing.
    fixed = a.unvarying(metric) and b.unvarying(metric)
    x, y = [of_a[s] for s in seeds], [of_b[s] for s in seeds]
    gaps = [u - v for u, v in zip(x, y, strict=True)]

    def facts(name: str, values: list[float], interval: Interval | None) -> dict[str, Any]:
        mean = sum(values) / len(values) if values else None
        ends = (interval.low, interval.high) if interval else (None, None)
        keys = (f"{name}mean" if name else "difference", f"{name}low", f"{name}high")
        return {k: stored.in_unit(v, part.spec, metric) for k, v in zip(keys, (mean, *ends), strict=True)}

    low, high = a.bounds.get(metric, (None, None))
    return {
        "task": part.task,
        "profile": part.profile,
        "metric": metric,
        "a": a.cell["method"],
        "b": b.cell["method"],
        **facts("a_", x, None if a.unvarying(metric) else seed_interval(x, low=low, high=high)),
        **facts("b_", y, None if b.unvarying(metric) else seed_interval(y, low=low, high=high)),
        **facts("", gaps, None if fixed else mean_interval(gaps)),
        "p": permutation_test(x, y) if len(seeds) > 1 and not fixed else None,
        "holm": None,
        "effect": effect_size(x, y) if len(seeds) > 1 and not fixed else None,
        "seeds": len(seeds),
        **_examples(correct, a, b, seeds),
        **(over := _over_examples(correct, a, b, seeds)),
        "note": "; ".join([*_same_for_all(a, b, metric, over), *_notes(a, b, metric, part.spec)]),
    }


def _same_for_all(a: Entry, b: Entry, metric: str, over: Mapping[str, float | None]) -> list[str]:
    """What stands in place of an interval over seeds for a method that does not vary over them."""
    same = [entry.cell["method"] for entry in (a, b) if entry.unvarying(metric)]
    if len(same) < 2:
        return [f"{same[0]} is the same for all seeds"] if same else []
    told = "they are compared by one run"
    if over["examples_p"] is not None:
        told = f"over {over['examples']:,.0f} test examples p = {over['examples_p']:.3g}"
    return [f"{same[0]} and {same[1]} are the same for all seeds; {told}"]


def _notes(a: Entry, b: Entry, metric: str, spec: TaskSpec | None) -> list[str]:
    """What a reader must know before believing the difference."""
    from suite.defaults import alike

    notes = []
    seeds = [sorted(e.per_seed(metric)) for e in (a, b)]
    if seeds[0] != seeds[1]:
        said = [f"{e.cell['method']} has {_listed(s)}" for e, s in zip((a, b), seeds, strict=True)]
        notes.append(f"seeds differ, only shared ones count ({'; '.join(said)})")
    same_settings = alike(spec, a.cell["task_settings"], b.cell["task_settings"])
    if not same_settings or a.cell["data_fingerprint"] != b.cell["data_fingerprint"]:
        notes.append("the two ran with other task settings or data and cannot be compared as they are")
    for entry in (a, b):
        ended = [f"{count} {status}" for status, count in entry.statuses.items() if status != "ok"]
        if ended:
            notes.append(f"seeds of {entry.cell['method']} without a score: {', '.join(ended)}")
    notes += [f"{e.method} was claimed by others and not run here" for e in (a, b) if e.only_claimed]
    notes += [f"{e.method} on base model {e.base_model}" for e in (a, b) if a.base_model != b.base_model]
    notes += [f"{e.cell['method']} with {stored.overrides(e)}" for e in (a, b) if stored.overrides(e)]
    return notes


def _listed(seeds: list[int]) -> str:
    return ", ".join(map(str, seeds)) or "none"


def _examples(correct: Correct, a: Entry, b: Entry, seeds: list[int]) -> dict[str, int | None]:
    """Over shared seeds and logged examples: how often only one of the two is better, and how often none."""
    runs = [{run["seed"]: run["run"] for run in e.runs if run["seed"] in seeds} for e in (a, b)]
    counts = {"a_wins": 0, "b_wins": 0, "ties": 0}
    for seed in seeds:
        _count(counts, *(correct.get(of_seed[seed], {}) for of_seed in runs))
    return dict(counts) if any(counts.values()) else dict.fromkeys(counts)


def _over_examples(correct: Correct, a: Entry, b: Entry, seeds: list[int]) -> dict[str, float | None]:
    """How right they were over the shared examples, tested; each example with its mean over seeds."""
    import numpy as np

    from suite.stats import paired_samples

    of_a, of_b = ([correct.get(run["run"], {}) for run in e.runs if run["seed"] in seeds] for e in (a, b))
    indices = sorted({i for run in of_a for i in run} & {i for run in of_b for i in run})
    tables = [np.array([[run.get(i, np.nan) for i in indices] for run in runs]) for runs in (of_a, of_b)]
    found = paired_samples(tables[0], tables[1]) if len(indices) > 1 else None
    if found is None:
        return dict.fromkeys(("examples", "examples_low", "examples_high", "examples_p"))
    return {
        "examples": found.pairs,
        "examples_low": found.interval.low,
        "examples_high": found.interval.high,
        "examples_p": found.p,
    }


def _count(counts: dict[str, int], of_a: Mapping[int, float], of_b: Mapping[int, float]) -> None:
    for index in of_a.keys() & of_b.keys():
        gap = of_a[index] - of_b[index]
        if gap != gap:
            continue  # not a number: one of the two has no verdict on this example
        counts["ties" if gap == 0 else "a_wins" if gap > 0 else "b_wins"] += 1


def _headings(a: str, b: str) -> tuple[str, ...]:
    return ("task", "metric", a, b, "difference", "p", "Holm", "seeds", "A wins", "B wins")


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for the eye: a mean with its interval in one column."""

    def ends(prefix: str, mean: str) -> str | None:
        if row[mean] is None:
            return None
        low, high = row[f"{prefix}low"], row[f"{prefix}high"]
        return shown(row[mean]) + (f" [{shown(low)}, {shown(high)}]" if low is not None else "")

    return {
        "task": row["task"],
        "metric": row["metric"],
        row["a"]: ends("a_", "a_mean"),
        row["b"]: ends("b_", "b_mean"),
        "difference": ends("", "difference"),
        "p": row["p"],
        "Holm": row["holm"],
        "seeds": row["seeds"],
        "A wins": row["a_wins"],
        "B wins": row["b_wins"],
    }
