"""The index behind `Store.find`: which run answers for a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suite._rows import records
from suite.records import Run

if TYPE_CHECKING:
    import pyarrow as pa

ANSWERS = ("ok", "skipped")
CLAIMED = "claimed"
"""The origin of a row made elsewhere: it must not keep the project from running the cell itself."""


class Answers:
    """The newest answering run for each cell and code."""

    def __init__(self, runs: pa.Table) -> None:
        """Index the rows of `runs`."""
        self._runs = runs.sort_by([("started", "ascending"), ("run", "ascending")]).combine_chunks()
        names = ("cell", "code", "status", "origin")
        rows = zip(*(self._runs.column(name).to_pylist() for name in names), strict=True)
        self._row = {
            (cell, code): i
            for i, (cell, code, status, origin) in enumerate(rows)
            if status in ANSWERS and origin != CLAIMED
        }
        self._own: dict[tuple[str, str], Run] = {}

    def add(self, run: Run) -> None:
        """Take in a run that was appended after the index was built."""
        if run.status not in ANSWERS or run.origin == CLAIMED:
            return
        known = self.find(run.cell, run.code)
        if known is None or (known.started, known.run) <= (run.started, run.run):
            self._own[run.cell, run.code] = run

    def find(self, cell: str, code: str) -> Run | None:
        """The newest run of this cell by this code, or None."""
        key = (cell, code)
        if key in self._own:
            return self._own[key]
        row = self._row.get(key)
        return None if row is None else records(self._runs.slice(row, 1))[0]
