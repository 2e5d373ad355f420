"""The entries of a task: for each the runs that count, with their values over seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from leaderboard import columns
from leaderboard._choice import CHOICE_COLUMNS, Choice
from leaderboard.board import Key, Source
from leaderboard.columns import indices
from leaderboard.marks import Checkout, Today
from suite.devices import kind

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SCORE_COLUMNS = ("run", "metric", "slice", "value", "n", "higher_is_better")
Values = dict[Key, dict[int, float]]
Draft = dict[str, Any]
NONE: frozenset[str] = frozenset()


def entries(
    task: str, choice: Choice, scores: pa.Table, source: Source, today: Checkout
) -> tuple[list[Draft], dict[str, bool | None]]:
    """The entries as fields of `Entry`, not yet placed in a table, and the direction of each metric."""

    runs = choice.runs
    ok = choice.status.ids[choice.chosen] == choice.status.of("ok")
    of_run = columns.places(runs.column("run"), scores.column("run"))
    measured, examples, directions = _values(choice, choice.chosen[ok], scores, of_run)
    claimed, _, _ = _values(choice, choice.claimed, scores, of_run)
    names = [name for name in CHOICE_COLUMNS if name in runs.schema.names]
    fields = columns.listed(runs.select(names).take(indices(choice.newest)))
    cells = [dict(zip(fields, row, strict=True)) for row in zip(*fields.values(), strict=True)]
    starts = _starts(choice, choice.chosen)
    well = choice.chosen[ok]
    starts_well = _starts(choice, well)
    wall, peak, cpu = (_readings(runs, name)[well] for name in ("wall_s", "peak_mb", "cpu_s"))
    statuses = _statuses(choice)
    kinds = _kinds(runs)
    held = [kinds.ids[well[starts_well[i] : starts_well[i + 1]]] for i in range(len(cells))]
    usual = _usual(cells, held, len(kinds.values))
    now = [today(task, cell["method"]) for cell in cells]
    stale = _stale(
        choice, [then.code if then else cell["code"] for then, cell in zip(now, cells, strict=True)]
    )
    made = []
    for i, cell in enumerate(cells):
        ok_rows = slice(starts_well[i], starts_well[i + 1])
        clocked = held[i] == usual[cell["profile"]]
        made.append(
            Draft(
                cell=cell | {"task": task},
                source=source,
                rows=choice.chosen[starts[i] : starts[i + 1]],
                values=measured[i],
                examples=examples[i],
                claimed_values=claimed[i],
                statuses=statuses[i],
                wall_s=wall[ok_rows][clocked],
                memory_mb=peak[ok_rows][clocked],
                cpu_s=cpu[ok_rows][clocked],
                devices=tuple(kinds.values[k] for k in sorted(set(held[i].tolist())) if kinds.values[k]),
                usual_device=kinds.values[usual[cell["profile"]]],
                stale=stale.get(i, NONE),
                other_data=_other_data(cell, now[i]),
                older=int(choice.older[i]),
                only_claimed=bool(choice.only_claimed[i]),
            )
        )
    return made, directions


def _values(
    choice: Choice, rows: np.ndarray, scores: pa.Table, of_run: np.ndarray
) -> tuple[dict[int, Values], dict[int, dict[Key, int | None]], dict[str, bool | None]]:
    """By number of the entry: (metric, slice) to seed to value, and to the number of examples behind it.

    `of_run` is the row of the run of each score, -1 where there is none. A value that is missing, NaN or
    infinite is left out.
    """
    import numpy as np

    values: dict[int, Values] = defaultdict(dict)
    examples: dict[int, dict[Key, int | None]] = defaultdict(dict)
    counts = np.zeros(len(choice.runs) + 1, bool)
    counts[rows] = True
    metric, part = columns.codes(scores, "metric", ""), columns.codes(scores, "slice", "all")
    value = columns.numbers(scores.column("value"), np.nan)
    found = np.flatnonzero(counts[of_run])
    directions = _directions(scores, metric, found)
    kept = found[np.isfinite(value[found])]
    row = of_run[kept]
    key = metric.ids[kept] * len(part.values) + part.ids[kept]
    order = columns.sorted_by(choice.seed[row], key, choice.entry[row])
    order = columns.lasts(order, choice.entry[row], key, choice.seed[row])
    if not len(order):
        return values, examples, directions
    entry, key, kept = choice.entry[row][order], key[order], kept[order]
    seeds, numbers = choice.seed[row][order], value[kept]
    n = scores.column("n") if "n" in scores.schema.names else None
    ends = np.flatnonzero(np.append((entry[1:] != entry[:-1]) | (key[1:] != key[:-1]), True))
    behind = n.take(indices(kept[ends])).to_pylist() if n is not None else [None] * len(ends)
    start = 0
    for end, count in zip(ends.tolist(), behind, strict=True):
        name = (metric.values[key[end] // len(part.values)], part.values[key[end] % len(part.values)])
        pairs = zip(seeds[start : end + 1].tolist(), numbers[start : end + 1].tolist(), strict=True)
        values[int(entry[end])][name] = dict(pairs)
        examples[int(entry[end])][name] = count
        start = end + 1
    return values, examples, directions


def _directions(scores: pa.Table, metric: columns.Codes, found: np.ndarray) -> dict[str, bool | None]:
    """Whether higher is better, by metric: as its first row of these says."""
    import numpy as np

    ids, first = np.unique(metric.ids[found], return_index=True)
    told = scores.column("higher_is_better").take(indices(found[first])).to_pylist()
    return {metric.values[i]: higher for i, higher in zip(ids.tolist(), told, strict=True)}


def _kinds(runs: pa.Table) -> columns.Codes:
    """The kind of device that each row comes from, `cuda` for `cuda:1`; "" where it is not told."""
    import numpy as np

    device = columns.codes(runs, "device", "")
    told = [kind(name) for name in device.values]
    values = sorted(set(told))
    return columns.Codes(np.array([values.index(name) for name in told], np.int64)[device.ids], values)


def _usual(cells: Sequence[Mapping[str, Any]], held: Sequence[np.ndarray], kinds: int) -> dict[str, int]:
    """By profile the kind of device, by number, of most runs; of equally many the first."""
    import numpy as np

    counts: dict[str, np.ndarray] = {}
    for cell, ids in zip(cells, held, strict=True):
        counts[cell["profile"]] = counts.get(cell["profile"], 0) + np.bincount(ids, minlength=kinds)
    return {profile: int(count.argmax()) for profile, count in counts.items()}


def _readings(runs: pa.Table, name: str) -> np.ndarray:
    import numpy as np

    if name not in runs.schema.names:
        return np.full(len(runs), np.nan)
    return columns.numbers(runs.column(name), np.nan)


def _starts(choice: Choice, rows: np.ndarray) -> list[int]:
    """Where the rows of each entry begin among `rows`, which are in order of entries; the end comes last."""
    import numpy as np

    starts: list[int] = np.searchsorted(choice.entry[rows], np.arange(len(choice.newest) + 1)).tolist()
    return starts


def _statuses(choice: Choice) -> list[Mapping[str, int]]:
    """By entry, how many seeds ended in each status, sorted by its name."""
    import numpy as np

    kinds = len(choice.status.values)
    cells = choice.entry[choice.chosen] * kinds + choice.status.ids[choice.chosen]
    counts = np.bincount(cells, minlength=len(choice.newest) * kinds).reshape(-1, kinds).tolist()
    ordered = sorted(range(kinds), key=choice.status.values.__getitem__)
    return [{choice.status.values[k]: row[k] for k in ordered if row[k]} for row in counts]


def _stale(choice: Choice, references: Sequence[str]) -> dict[int, frozenset[str]]:
    """By entry, the runs by another code than its reference; entries without one are left out."""
    import numpy as np

    number = {code: i for i, code in enumerate(choice.code.values)}
    wanted = np.array([number.get(code, -1) for code in references], np.int64)
    rows = choice.chosen
    other = rows[choice.code.ids[rows] != wanted[choice.entry[rows]]] if len(rows) else rows
    names = choice.runs.column("run").take(indices(other)).to_pylist()
    found: dict[int, set[str]] = defaultdict(set)
    for entry, name in zip(choice.entry[other].tolist(), names, strict=True):
        found[entry].add(name)
    return {entry: frozenset(runs) for entry, runs in found.items()}


def _other_data(cell: Mapping[str, Any], now: Today | None) -> bool:
    return now is not None and now.data_fingerprint != cell["data_fingerprint"]
