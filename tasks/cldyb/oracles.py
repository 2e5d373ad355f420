"""Frozen oracles: decision problems whose every reward is known, so that a search can be judged by the best.

`trap`, `independent` and `overlapping` are drawn from a stream; `recorded` is what real learners did on every
sequence of a few tasks of a real pool, written down once (`tasks.cldyb.record`) and packaged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from suite.errors import DataError, unknown
from tasks.cldyb.mdp import MDP, Classes, History, Reward, Rows
from tasks.cldyb.tabular import (
    Tabular,
    from_accuracies,
    histories,
    overlapping,
    random_accuracies,
    singles,
    trap,
)

if TYPE_CHECKING:
    import numpy as np

FOLDER = Path(__file__).parent / "recorded"
DRAWN = ("trap", "independent", "overlapping")
NOISE = 0.05
FORMAT = 1


class Range(NamedTuple):
    """Of the returns of all whole sequences of an oracle."""

    best: float
    mean: float
    worst: float

    def closeness(self, value: float) -> float:
        """0 for the mean of all sequences, 1 for the best one; 1 where all are the same."""
        spread = self.best - self.mean
        return (value - self.mean) / spread if spread > 0 else 1.0


def returns(oracle: Tabular) -> list[float]:
    """Of every whole sequence."""
    found = []
    for one in histories(oracle.tasks, oracle.horizon):
        if len(one) == oracle.horizon:
            found.append(sum(oracle.table[one[: t + 1]] for t in range(oracle.horizon)))
    return found


def span(oracle: Tabular) -> Range:
    """Best, mean and worst return, by looking at every sequence."""
    values = returns(oracle)
    return Range(max(values), sum(values) / len(values), min(values))


def drawn(name: str, rng: np.random.Generator) -> Tabular:
    """trap: the trap MDP with noise of 0.05 on every reward, 60 sequences. independent: every accuracy of
    three learners uniform in [0, 1], 6 tasks of which 4 are taken, 360 sequences. overlapping: the same for
    one learner and all 15 pairs of six classes, of which three disjoint ones are taken, 90 sequences.
    """
    if name == "trap":
        return trap(rng, NOISE)
    if name == "independent":
        return from_accuracies(singles(6), 4, random_accuracies(singles(6), 4, 3, rng))
    if name == "overlapping":
        tasks = overlapping(6, 2)
        return from_accuracies(tasks, 3, random_accuracies(tasks, 3, 1, rng))
    raise unknown("oracle", name, [*DRAWN, *recordings()], "suite show cldyb-search")


class Recorded(Tabular):
    """An oracle of real learners. easy, opposed: `MDP.easiness` and `MDP.opposition` of each step; opposed is
    empty in recordings that are older than it.
    """

    def __init__(
        self,
        tasks: Sequence[Classes],
        horizon: int,
        rows: Mapping[History, Rows],
        easy: Mapping[History, float],
        opposed: Mapping[History, float] | None = None,
    ) -> None:
        plain = from_accuracies(tasks, horizon, rows, Reward())
        super().__init__(tasks, horizon, plain.table)
        self._easy, self._opposed = dict(easy), dict(opposed or {})

    def easiness(self, history: History, action: Classes) -> float | None:
        return self._easy[(*history, action)]

    def opposition(self, history: History, action: Classes) -> float | None:
        return self._opposed.get((*history, action))


def write(
    path: Path,
    mdp: MDP,
    tasks: Sequence[Classes],
    examined: Mapping[Classes, int],
    rows: Mapping[History, Rows],
    about: Mapping[str, Any],
) -> None:
    """Writes what learners did: for every history the right answers of each learner on each of its tasks.

    examined: examples that a task is measured by; about: where it comes from, as JSON data.
    """
    found = []
    for one in histories(tasks, mdp.horizon):
        counts = [
            [round(value * examined[task]) for value, task in zip(row, one, strict=True)] for row in rows[one]
        ]
        looks = [ask(one[:-1], one[-1]) for ask in (mdp.easiness, mdp.opposition)]
        found.append([[tasks.index(task) for task in one], counts, *looks])
    told = {
        "format": FORMAT,
        "about": dict(about),
        "horizon": mdp.horizon,
        "tasks": [list(task) for task in tasks],
        "examined": [examined[task] for task in tasks],
        "rows": found,
    }
    path.write_text(json.dumps(told, separators=(",", ":")) + "\n", encoding="utf-8")


def recordings() -> list[str]:
    """Names of the packaged recordings."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


@cache
def recorded(name: str) -> Recorded:
    """A packaged recording. DataError where it cannot be read."""
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        raise unknown("oracle", name, [*DRAWN, *recordings()], "suite show cldyb-search")
    return read(path)


def read(path: Path) -> Recorded:
    """The oracle that `write` wrote."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            raise ValueError(f"format {told['format']}")
        tasks = [tuple(task) for task in told["tasks"]]
        sizes = told["examined"]
        rows: dict[History, Rows] = {}
        easy: dict[History, float] = {}
        opposed: dict[History, float] = {}
        for order, counts, value, *more in told["rows"]:
            one = tuple(tasks[i] for i in order)
            rows[one] = [[right / sizes[i] for right, i in zip(row, order, strict=True)] for row in counts]
            easy[one] = value
            if more and more[0] is not None:
                opposed[one] = more[0]
        return Recorded(tasks, told["horizon"], rows, easy, opposed)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"{path}: no recorded oracle can be read: {error}") from error
