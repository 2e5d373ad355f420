"""The logged examples of runs, as the run and compare pages need them."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from leaderboard import columns

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from suite.store import Store

PNG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/]+={0,2})")
SIGNATURE = b"\x89PNG\r\n\x1a\n"
LARGEST_PICTURE = 1_000_000


class Text(NamedTuple):
    """An example logged in full; None for what was not logged."""

    index: int
    correct: float
    input: str | None
    output: str | None
    target: str | None


class Logged(NamedTuple):
    """The examples of a run by their number in the test set: how right each was, NaN where nobody said."""

    index: np.ndarray
    correct: np.ndarray
    texts: Sequence[Text]

    @property
    def right(self) -> int:
        return int((self.correct >= 1).sum())

    @property
    def graded(self) -> bool:
        """Whether some example is neither right nor wrong but a degree between."""
        return bool(((self.correct > 0) & (self.correct < 1)).any())


def logged(store: Store) -> frozenset[str]:
    """The runs of which examples are stored."""
    from suite._folder import Folder, load
    from suite._folder import tasks as listed

    found: set[str] = set()
    for task in listed(store.root, "samples"):
        rows = load(Folder(store.root, "samples", task), ["run"], _pass, ["run"]).rows
        found.update(rows.column("run").unique().to_pylist())
    return frozenset(found)


def table_of(store: Store, task: str, runs: Collection[str]) -> pa.Table | None:
    """The rows of some committed runs of a task, None for no runs.

    `Store.samples` would look through all runs of the store for every task.
    """
    from suite._folder import Folder, load_runs

    return load_runs(Folder(store.root, "samples", task), runs, _pass) if runs else None


def of_runs(store: Store, task: str, runs: Collection[str]) -> dict[str, Logged]:
    """By run its examples in order of their numbers; a run without any is left out."""
    table = table_of(store, task, runs)
    return split(table) if table is not None else {}


def split(table: pa.Table) -> dict[str, Logged]:
    """The rows of a samples table by run."""
    import numpy as np

    run = columns.codes(table, "run", "")
    index = columns.numbers(table.column("index"), -1)
    correct = columns.numbers(table.column("correct").cast("float64"), np.nan)
    order = np.lexsort((index, run.ids))
    starts = np.searchsorted(run.ids[order], np.arange(len(run.values) + 1))
    texts = _texts(table)
    made = {}
    for i, name in enumerate(run.values):
        rows = order[starts[i] : starts[i + 1]]
        if len(rows):
            made[name] = Logged(index[rows], correct[rows], texts.get(name, ()))
    return made


def _texts(table: pa.Table) -> dict[str, list[Text]]:
    """By run the examples of which at least one text was logged, in order of their numbers."""
    import pyarrow.compute as pc

    there = pc.is_valid(table.column("input"))
    for name in ("output", "target"):
        there = pc.or_(there, pc.is_valid(table.column(name)))
    found: dict[str, list[Text]] = {}
    for row in table.filter(there).to_pylist():
        correct = row["correct"] if row["correct"] is not None else float("nan")
        found.setdefault(row["run"], []).append(
            Text(row["index"], correct, row["input"], row["output"], row["target"])
        )
    for texts in found.values():
        texts.sort(key=lambda text: text.index)
    return found


def picture(text: str | None) -> bool:
    """Whether a text is a PNG picture as a data address: nothing else ever becomes an image of a page."""
    matched = PNG.fullmatch(text) if text and len(text) <= LARGEST_PICTURE else None
    if matched is None:
        return False
    try:
        data = base64.b64decode(matched[1], validate=True)
    except ValueError:
        return False
    return data.startswith(SIGNATURE) and data[12:16] == b"IHDR" and len(data) > 45


def packed(flags: np.ndarray) -> str:
    """Truths as base64 of bits, eight a byte, the first in the lowest bit."""
    import numpy as np

    return base64.b64encode(np.packbits(flags.astype(bool), bitorder="little").tobytes()).decode()


def _pass(problem: object) -> None:
    """A bad file is reported by whoever reads the whole store."""
