"""`sequence.json`: a sequence that was found, with all that is needed to run it again and to judge it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any

from suite.cell import canonical
from suite.errors import DataError, UsageError
from tasks.cldyb.mdp import History
from tasks.cldyb.nodes import Step, step_of, step_row

FORMAT = 1
Matrix = tuple[tuple[float, ...], ...]
"""Row t holds the accuracies on tasks 1..t+1 after learning t + 1 of them."""


@dataclass(frozen=True)
class FoundSequence:
    """pool, pool_sha256: the classes and pixels that the numbers stand for. tasks: classes in order.

    adversary, settings: who found it and how, as JSON data. search_seed, training_seed: of the search and of
    the learners' training in it. learners: name to settings, empty where none was trained. reward: the
    weights, as JSON data. rewards: of every step. steps: what the tree search chose from at every step, () of
    other adversaries. matrices: each learner's accuracies on the validation split. names: of the classes that
    were taken or on offer, "domain/class" by number.
    trainings: distinct transitions learned; simulations; seconds: of the whole search.
    """

    pool: str
    pool_sha256: str
    tasks: History
    adversary: str
    settings: Mapping[str, Any]
    search_seed: int
    training_seed: int
    learners: Mapping[str, Mapping[str, Any]]
    reward: Mapping[str, Any]
    rewards: tuple[float, ...]
    steps: tuple[Step, ...]
    matrices: Mapping[str, Matrix]
    names: Mapping[str, str]
    trainings: int
    simulations: int
    seconds: float

    def __post_init__(self) -> None:
        trouble = _trouble(self)
        if trouble:
            raise UsageError(f"sequence: {trouble}")

    @property
    def key(self) -> str:
        """SHA-256 of pool and tasks: two files with the same key are the same benchmark."""
        return hashlib.sha256(canonical([self.pool_sha256, self.tasks]).encode()).hexdigest()

    def to_row(self) -> dict[str, Any]:
        """The sequence as JSON data."""
        row = {one.name: getattr(self, one.name) for one in fields(self)}
        row["steps"] = [step_row(step) for step in self.steps]
        return {"format": FORMAT, "key": self.key, **json.loads(json.dumps(row, allow_nan=False))}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> FoundSequence:
        """The sequence of `to_row`. Unknown, missing or malformed fields are a UsageError."""
        given = dict(row)
        if given.pop("format", None) != FORMAT:
            raise UsageError(f"sequence: format {row.get('format')!r} is not {FORMAT}")
        key, names = given.pop("key", None), {one.name for one in fields(cls)}
        if set(given) != names:
            raise UsageError(f"sequence: fields missing or unknown: {', '.join(sorted(set(given) ^ names))}")
        try:
            given["tasks"] = tuple(tuple(task) for task in row["tasks"])
            given["rewards"] = tuple(row["rewards"])
            given["steps"] = tuple(step_of(step) for step in row["steps"])
            given["matrices"] = {
                name: tuple(tuple(one) for one in rows) for name, rows in row["matrices"].items()
            }
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise UsageError(f"sequence: a field has another shape than it should: {error}") from error
        made = cls(**given)
        if key != made.key:
            raise UsageError("sequence: the key does not belong to this pool and these tasks")
        return made

    def write(self, path: Path) -> None:
        """Writes the file in one move: no reader sees half of it."""
        text = json.dumps(self.to_row(), indent=1, sort_keys=True, allow_nan=False) + "\n"
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-", suffix=".json")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).chmod(0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    @classmethod
    def read(cls, path: Path) -> FoundSequence:
        """The sequence in a file; DataError, which names the file, where it does not hold one."""
        try:
            row = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: no sequence can be read: {error}") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}: a sequence is a JSON object, this is another value")
        try:
            return cls.from_row(row)
        except UsageError as error:
            raise DataError(f"{path}: {error}") from error

    def need_pool(self, sha256: str, classes: int) -> None:
        """Raises DataError unless the pool at hand is the one the sequence was found on."""
        if sha256 != self.pool_sha256:
            raise DataError(
                f"the sequence was found on pool '{self.pool}' {self.pool_sha256[:12]}, the pool at hand is "
                f"{sha256[:12]}; scores on it would not be comparable"
            )
        highest = max(number for task in self.tasks for number in task)
        if highest >= classes:
            raise DataError(f"the sequence has class {highest}, the pool only {classes} classes")


def _trouble(one: FoundSequence) -> str:
    """What is wrong, "" for nothing."""
    flat = [number for task in one.tasks for number in task]
    numbers = [*one.rewards, one.seconds, *(v for rows in one.matrices.values() for row in rows for v in row)]
    if not re.fullmatch(r"[0-9a-f]{64}", str(one.pool_sha256)):
        return f"pool_sha256 is not 64 hexadecimal digits: {str(one.pool_sha256)[:80]!r}"
    if not one.tasks or not all(one.tasks):
        return "there is no task, or a task without classes"
    if any(type(number) is not int or number < 0 for number in flat):
        return "classes must be whole numbers of at least 0"
    if len(set(flat)) != len(flat):
        return "a class is used twice"
    if len({len(task) for task in one.tasks}) != 1:
        return f"tasks are of different sizes: {sorted({len(task) for task in one.tasks})}"
    if len(one.rewards) != len(one.tasks):
        return f"{len(one.tasks)} tasks, but {len(one.rewards)} rewards"
    if any(type(value) not in (int, float) or not isfinite(value) for value in numbers):
        return "rewards, accuracies and seconds must be finite numbers"
    if one.steps and tuple(step.task for step in one.steps) != one.tasks:
        return "the steps of the search do not take the tasks of the sequence"
    offered = {c for step in one.steps for child in step.children for c in child.task}
    if missing := sorted({*flat, *offered} - {int(number) for number in one.names if number.isdigit()}):
        return f"class {missing[0]} has no name"
    if set(one.matrices) != set(one.learners):
        return "accuracies and settings are of different learners"
    shape = list(range(1, len(one.tasks) + 1))
    if any([len(row) for row in rows] != shape for rows in one.matrices.values()):
        return f"an accuracy matrix is not triangular with {len(one.tasks)} rows"
    return ""
