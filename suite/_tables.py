"""The columns of the three tables, the names of their files, and what can be wrong with a file.

Free of pyarrow, so that whoever only needs a column's name pays nothing.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

from suite.records import Run

SCHEMA = 1
"""Written into every file. A column added in a later version needs a default in `records.Run`."""

Kind = Literal["runs", "scores", "samples"]
Wrong = Literal["truncated", "damaged", "foreign", "newer", "unreadable", "leftover", "missing", "duplicate"]
KINDS: tuple[Kind, ...] = ("runs", "scores", "samples")
SUFFIX = ".parquet"
SNAPSHOT = "snapshot-"
PARTITION = "task="
_ARROW = {"str": "string", "int": "int32", "float": "float64", "bool": "bool"}
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")

# Column to Arrow type. Neither int64 nor zstd: browsers read these files too (see docs/columns.md).
COLUMNS: Mapping[Kind, Mapping[str, str]] = {
    "runs": {f.name: _ARROW[str(f.type)] for f in dataclasses.fields(Run)},
    "scores": {
        "run": "string",
        "cell": "string",
        "task": "string",
        "method": "string",
        "profile": "string",
        "seed": "int32",
        "metric": "string",
        "slice": "string",
        "value": "float64",
        "n": "int32",
        "higher_is_better": "bool",
    },
    "samples": {
        "run": "string",
        "index": "int32",
        "correct": "float32",
        "input": "string",
        "output": "string",
        "target": "string",
    },
}

# Columns whose values repeat within a file of more than one row.
REPEATING: Mapping[Kind, tuple[str, ...]] = {
    "runs": tuple(name for name, kind in COLUMNS["runs"].items() if kind in ("string", "int32"))[1:],
    "scores": ("run", "cell", "method", "profile", "seed", "metric", "slice", "n"),
    "samples": ("run", "correct", "output", "target"),
}


class Problem(NamedTuple):
    """A file of the store that is not what it should be, and whose it is.

    `path` is relative to the results folder; `cell` is the beginning of the cell's id, as the run's
    name gives it; `title` says which cell that is where another row of it can be read.
    """

    kind: Wrong
    path: str
    what: str
    run: str = ""
    cell: str = ""
    title: str = ""

    def __str__(self) -> str:
        whose = self.title or (f"cell {self.cell}" if self.cell else "")
        return f"{self.path}: {self.what}" + (f" ({whose})" if whose else "")


def is_run_id(text: str) -> bool:
    """Whether `text` can name the files of a run."""
    return bool(_RUN_ID.fullmatch(text)) and not text.startswith(SNAPSHOT)


def cell_of(run: str) -> str:
    """The beginning of the cell id that a run id carries, or "" for an id of another make."""
    head = run.partition("-")[0]
    return head if re.fullmatch(r"[0-9a-f]{16}", head) else ""


def folder_name(task: str) -> str:
    """The hive folder of a task: `task=scan-jump`."""
    return PARTITION + quote(task, safe="")


def task_of(folder: str) -> str | None:
    """The task of a hive folder, or None for a folder of another name."""
    return unquote(folder[len(PARTITION) :]) if folder.startswith(PARTITION) else None
