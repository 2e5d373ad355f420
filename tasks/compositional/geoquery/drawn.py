"""What the GeoQuery tasks share, in whatever language: a split by name and a draw of its lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.compositional.contract import Example
from tasks.compositional.scan.splits import shuffled
from tasks.compositional.task import CompositionalTask, at_least_one


@dataclass(frozen=True)
class DrawnTask(CompositionalTask):
    """A GeoQuery task on as many lines as its fields say.

    split: a name that the subclass knows. n_train, n_test: at most so many lines of train, and of dev and
    test each, drawn by split_seed; all when None.
    """

    split: str
    split_seed: int = 0
    n_train: int | None = None
    n_test: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(n_train=self.n_train, n_test=self.n_test)

    def _drawn(self, lines: Sequence[Example], n: int | None) -> list[Example]:
        """`n` of the lines in their order, or all."""
        if n is None or n >= len(lines):
            return list(lines)
        return [lines[k] for k in sorted(shuffled(len(lines), self.split_seed)[:n])]
