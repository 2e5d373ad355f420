"""Decision problems small enough to know whole: every accuracy, or every reward, stands in a table.

They check the adversaries against brute force, and serve as frozen oracles on which searches are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from suite.errors import UsageError
from tasks.cldyb.mdp import MDP, Classes, History, Reward, Rows, used

if TYPE_CHECKING:
    import numpy as np


def histories(tasks: Sequence[Classes], horizon: int, start: History = ()) -> Iterator[History]:
    """All histories of 1..horizon tasks after `start` that use no class twice, parents first."""
    for task in tasks:
        if len(start) < horizon and used(start).isdisjoint(task):
            yield (*start, task)
            yield from histories(tasks, horizon, (*start, task))


class Tabular(MDP):
    """Rewards by history, the last task of which is the step. Every task that is still legal is proposed."""

    def __init__(self, tasks: Sequence[Classes], horizon: int, table: Mapping[History, float]) -> None:
        missing = next((one for one in histories(tasks, horizon) if one not in table), None)
        if missing is not None:
            raise UsageError(f"the table has no reward for the history {missing}")
        self.tasks, self.horizon, self.table = tuple(sorted(tasks)), horizon, dict(table)

    def actions(self, history: History, rng: np.random.Generator) -> tuple[Classes, ...]:
        if len(history) >= self.horizon:
            return ()
        taken = used(history)
        return tuple(task for task in self.tasks if taken.isdisjoint(task))

    def reward(self, history: History, action: Classes) -> float:
        return self.table[(*history, action)]


def from_accuracies(
    tasks: Sequence[Classes], horizon: int, rows: Mapping[History, Rows], reward: Reward | None = None
) -> Tabular:
    """The rewards that follow from every learner's row of accuracies after every history."""
    reward = reward or Reward()
    learners = len(next(iter(rows.values())))
    known: Mapping[History, Rows] = {**rows, (): [()] * learners}
    table = {one: reward(known[one[:-1]], known[one], horizon) for one in histories(tasks, horizon)}
    return Tabular(tasks, horizon, table)


def random_accuracies(
    tasks: Sequence[Classes], horizon: int, learners: int, rng: np.random.Generator
) -> dict[History, Rows]:
    """Rows drawn uniformly from [0, 1], for every history and learner on its own."""
    return {one: rng.random((learners, len(one))).tolist() for one in histories(tasks, horizon)}


def singles(count: int) -> tuple[Classes, ...]:
    """Tasks of one class each."""
    return tuple((number,) for number in range(count))


def overlapping(classes: int, size: int) -> tuple[Classes, ...]:
    """All tasks of `size` out of the classes."""
    return tuple(combinations(range(classes), size))


def trap(rng: np.random.Generator | None = None, noise: float = 0.0) -> Tabular:
    """Five tasks of which three are taken (60 leaves), and a first step that looks best but is not.

    One learner, by accuracies. Task 0 is at once the hardest (0.5), but a sequence that has it is easy from
    then on (0.9, task 0 itself too where it comes later). Task 4 first is easy too (0.9), and task 3 right
    after it is learned at 0.8; after that pair, in this order, task 2 is learned at 0 and wipes out the two
    before. All else is learned at 0.7, and nothing else is forgotten. Optimum (4, 3, 2), return 1; greedy
    takes task 0 first and ends at (0.5 + 0.1 + 0.1) / 3. noise: standard deviation of what is added to every
    reward.
    """
    tasks = singles(5)
    rows: dict[History, Rows] = {}
    for one in histories(tasks, 3):
        order = [task[0] for task in one]
        later = 0.9 if 0 in order else 0.8 if order == [4, 3] else 0.7
        fresh = 0.5 if order == [0] else 0.9 if order == [4] else later
        before = [*rows[one[:-1]][0]] if len(one) > 1 else []
        rows[one] = [[0.0] * 3 if order == [4, 3, 2] else [*before, fresh]]
    plain = from_accuracies(tasks, 3, rows)
    if rng is None or noise == 0:
        return plain
    return Tabular(tasks, 3, {one: value + noise * float(rng.normal()) for one, value in plain.table.items()})
