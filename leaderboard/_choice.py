"""Which runs of a task count: the newest group of each entry, and of each seed in it the newest run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from leaderboard.columns import Codes, codes, joined, lasts, numbers, sorted_by

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
    *("status", "origin", "started", "wall_s", "cpu_s", "peak_mb"),
)
CLAIMED, PROJECT = "claimed", "project"


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


def choose(runs: pa.Table) -> Choice:
    """The runs of one task, sorted by run id, by rules 1, 2 and 7 of leaderboard/aggregate.py."""
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
    alike = _like_newest(runs, newest[entry])
    by_seed = sorted_by(age, seed, entry)
    chosen = lasts(by_seed[(usable & alike)[by_seed]], entry, seed)
    beside = ~usable & alike
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


def _like_newest(runs: pa.Table, newest: np.ndarray) -> np.ndarray:
    """Which rows are of the same group as the newest row of their entry."""
    import numpy as np

    alike = np.ones(len(runs), bool)
    for name in GROUP:
        ids, values = codes(runs, name, "")
        if len(values) > 1:
            alike &= ids == ids[newest]
    return alike
