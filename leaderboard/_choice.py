"""Which runs of a task count: the newest group of each entry, and of each seed in it the newest run."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from leaderboard.columns import Codes, codes, joined, lasts, numbers, sorted_by
from suite.api import MethodSpec, TaskSpec
from suite.defaults import alike

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

ENTRY = ("task", "method", "profile", "base_model", "overrides")
GROUP = (
    "task_version",
    "method_version",
    "settings",
    "task_settings",
    "data_fingerprint",
    "model_fingerprint",
)
CHOICE_COLUMNS = (
    *("run", "family", "seed", "code", *ENTRY, *GROUP),
    *("status", "origin", "started", "wall_s", "cpu_s", "peak_mb", "device"),
)
CLAIMED, PROJECT = "claimed", "project"
NOBODY: Mapping[str, MethodSpec] = MappingProxyType({})


class Choice(NamedTuple):
    """The choice among the rows of a task's runs, by number of row.

    chosen: rows that count, ordered by entry and seed; `entry` gives the entry of each row of the table.
    claimed: the newest row of each seed of rows made elsewhere, where the project has rows of its own.
    newest: the newest row of each entry. older: how many runs of each entry are superseded.
    only_claimed: entries without a run of the project's own.
    """

    runs: pa.Table
    entry: np.ndarray
    seed: np.ndarray
    age: np.ndarray
    code: Codes
    status: Codes
    newest: np.ndarray
    chosen: np.ndarray
    claimed: np.ndarray
    older: np.ndarray
    only_claimed: np.ndarray


def choose(
    runs: pa.Table, task: TaskSpec | None = None, methods: Mapping[str, MethodSpec] = NOBODY
) -> Choice:
    """The runs of one task, sorted by run id, by rules 1, 2, 7 and 8 of leaderboard/aggregate.py."""
    import numpy as np

    entry = joined([codes(runs, name, "") for name in ENTRY if name != "task"])
    age = _ages(runs)
    seed = numbers(runs.column("seed"), 0)
    origin = codes(runs, "origin", PROJECT)
    elsewhere = origin.ids == origin.of(CLAIMED)
    count = int(entry.max()) + 1 if len(entry) else 0
    own = np.bincount(entry[~elsewhere], minlength=count) > 0
    usable = ~elsewhere | ~own[entry]

    by_age = sorted_by(age, entry)
    newest = lasts(by_age[usable[by_age]], entry)
    like = _like_newest(runs, newest[entry], task, methods)
    by_seed = sorted_by(age, seed, entry)
    chosen = lasts(by_seed[(usable & like)[by_seed]], entry, seed)
    beside = ~usable & like
    return Choice(
        runs,
        entry,
        seed,
        age,
        codes(runs, "code", ""),
        codes(runs, "status", ""),
        newest,
        chosen,
        lasts(by_seed[beside[by_seed]], entry, seed),
        np.bincount(entry[usable], minlength=count) - np.bincount(entry[chosen], minlength=count),
        ~own,
    )


def _ages(runs: pa.Table) -> np.ndarray:
    """The place of each run in order of its start; runs that started together go by their id."""
    import numpy as np

    age = np.empty(len(runs), np.int64)
    age[np.argsort(numbers(runs.column("started"), 0.0), kind="stable")] = np.arange(len(runs))
    return age


def _like_newest(
    runs: pa.Table, newest: np.ndarray, task: TaskSpec | None, methods: Mapping[str, MethodSpec]
) -> np.ndarray:
    """Which rows are of the same group as the newest row of their entry."""
    import numpy as np

    like = np.ones(len(runs), bool)
    for name in GROUP:
        column = codes(runs, name, "")
        if len(column.values) <= 1:
            continue
        equal = column.ids == column.ids[newest]
        if name == "task_settings":
            one = Codes(np.zeros(len(runs), np.int64), [""])
            equal = _or_alike(equal, column, newest, one, {"": task})
        elif name == "settings":
            equal = _or_alike(equal, column, newest, codes(runs, "method", ""), methods)
        like &= equal
    return like


def _or_alike(
    equal: np.ndarray,
    column: Codes,
    newest: np.ndarray,
    owner: Codes,
    specs: Mapping[str, TaskSpec | None] | Mapping[str, MethodSpec],
) -> np.ndarray:
    """`equal`, and the rows whose settings differ from the newest's only in fields that one of them lacks."""
    import numpy as np

    rows = np.flatnonzero(~equal)
    if not len(rows):
        return equal
    triples = np.stack([owner.ids[rows], column.ids[rows], column.ids[newest[rows]]])
    distinct, place = np.unique(triples, axis=1, return_inverse=True)
    told = [
        alike(specs.get(owner.values[who]), column.values[one], column.values[other])
        for who, one, other in distinct.T.tolist()
    ]
    equal[rows] = np.array(told)[place.ravel()]
    return equal
