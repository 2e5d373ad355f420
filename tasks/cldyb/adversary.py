"""What an adversary is: given an MDP and a seed, it finds a sequence of tasks.

All ask the MDP for the same tasks at the same history and seed, so that they differ in the choice alone.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from suite.api import Method
from suite.errors import UsageError
from tasks.cldyb.mdp import MDP, Classes, History, need_legal, stream, used

if TYPE_CHECKING:
    import numpy as np


class Found(NamedTuple):
    """A sequence and what each step earned. simulations: sequences, whole or in part, that were looked at."""

    tasks: History
    rewards: tuple[float, ...]
    simulations: int

    @property
    def total(self) -> float:
        """The undiscounted return."""
        return sum(self.rewards)


def offers(mdp: MDP, seed: int, history: History) -> tuple[Classes, ...]:
    """The tasks offered at a history; () at the end and in a dead end."""
    if len(history) >= mdp.horizon:
        return ()
    found = mdp.actions(history, stream(seed, "actions", history))
    need_legal(history, found)
    return found


def some_offers(mdp: MDP, seed: int, history: History) -> tuple[Classes, ...]:
    """The tasks offered where there must be one."""
    found = offers(mdp, seed, history)
    if not found:
        left = mdp.horizon - len(history)
        raise UsageError(f"adversary: no task of unused classes is proposed with {left} tasks to go")
    return found


def draw(tasks: Sequence[Classes], rng: np.random.Generator) -> Classes:
    """One task, uniformly."""
    return tasks[int(rng.integers(len(tasks)))]


class Adversary(Method):
    """A competitor that finds a sequence. The same MDP and seed give the same one."""

    @abstractmethod
    def find(self, mdp: MDP, seed: int) -> Found: ...

    def within(self, simulations: int, horizon: int) -> Adversary:
        """The same adversary for a budget of about so many simulations of a sequence; itself where it has
        none to set.
        """
        return self


def random_tail(mdp: MDP, seed: int, history: History, rng: np.random.Generator) -> History:
    """A history continued to the horizon by tasks drawn uniformly from those offered."""
    while len(history) < mdp.horizon:
        history = (*history, draw(some_offers(mdp, seed, history), rng))
    return history


def legal(tasks: Sequence[Classes], history: History) -> list[Classes]:
    """The tasks of unused classes."""
    taken = used(history)
    return [task for task in tasks if taken.isdisjoint(task)]


def largest(tasks: Sequence[Classes], values: Sequence[float]) -> Classes:
    """The task of the largest value, the first of equals."""
    return tasks[max(range(len(tasks)), key=lambda i: values[i])]
