"""Adversaries that choose task by task: the tree search, and simpler ones that it must beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from suite.errors import UsageError
from tasks.cldyb.adversary import Adversary, Found, draw, largest, legal, random_tail, some_offers
from tasks.cldyb.mdp import MDP, Classes, History, need_legal, rewards, stream
from tasks.cldyb.search_settings import SearchSettings
from tasks.cldyb.tree import Search

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class TreeSearch(Adversary):
    """Monte-Carlo tree search (`Search`), from the first simulation to the last."""

    settings: SearchSettings = field(default_factory=SearchSettings)

    def find(self, mdp: MDP, seed: int) -> Found:
        search = Search(mdp, self.settings, seed)
        tasks = search.run()
        return Found(tasks, tuple(step.reward for step in search.steps), search.simulations)


@dataclass(frozen=True)
class RandomTasks(Adversary):
    """At every step one of the tasks offered, uniformly."""

    def find(self, mdp: MDP, seed: int) -> Found:
        tasks = random_tail(mdp, seed, (), stream(seed, "random tasks"))
        return Found(tasks, rewards(mdp, tasks), 1)


def step_by_step(mdp: MDP, seed: int, worth: Callable[[History, Classes], float]) -> Found:
    """At every step the task of the largest worth among those on offer; the lowest of equals."""
    history: History = ()
    looked = 0
    while len(history) < mdp.horizon:
        tasks = sorted(some_offers(mdp, seed, history))
        looked += len(tasks)
        history = (*history, largest(tasks, [worth(history, task) for task in tasks]))
    return Found(history, rewards(mdp, history), looked)


@dataclass(frozen=True)
class Greedy(Adversary):
    """At every step the task with the largest reward; the lowest of equals."""

    def find(self, mdp: MDP, seed: int) -> Found:
        return step_by_step(mdp, seed, mdp.reward)


@dataclass(frozen=True)
class FlatMonteCarlo(Adversary):
    """At every step, uniformly random look-aheads shared out evenly over the tasks offered; no tree.

    simulations: for each step. depth, backup: as `SearchSettings` has them.
    """

    simulations: int = 24
    depth: int = 3
    backup: Literal["mean", "max"] = "mean"

    def __post_init__(self) -> None:
        if self.simulations < 1 or self.depth < 1 or self.backup not in ("mean", "max"):
            raise UsageError("flat Monte-Carlo: simulations and depth at least 1, backup 'mean' or 'max'")

    def find(self, mdp: MDP, seed: int) -> Found:
        history: History = ()
        looked = 0
        while len(history) < mdp.horizon:
            rng = stream(seed, "flat", history)
            tasks = sorted(some_offers(mdp, seed, history))
            returns: list[list[float]] = [[] for _ in tasks]
            for i in range(max(self.simulations, len(tasks))):
                task = tasks[i % len(tasks)]
                returns[i % len(tasks)].append(self._look(mdp, history, task, tasks, rng))
                looked += 1
            value = max if self.backup == "max" else _mean
            history = (*history, largest(tasks, [value(found) for found in returns]))
        return Found(history, rewards(mdp, history), looked)

    def _look(
        self, mdp: MDP, history: History, task: Classes, tasks: Sequence[Classes], rng: np.random.Generator
    ) -> float:
        end = min(len(history) + self.depth, mdp.horizon)
        total = mdp.reward(history, task)
        history = (*history, task)
        while len(history) < end and (left := legal(tasks, history)):
            task = draw(left, rng)
            total += mdp.reward(history, task)
            history = (*history, task)
        return total


@dataclass(frozen=True)
class NcmHard(Adversary):
    """At every step the task on which the nearest class mean does worst; nothing is trained for the choice.

    accuracy: of a task after a history, as `Proposer.accuracy` gives it.
    """

    accuracy: Callable[[History, Classes], float]

    def find(self, mdp: MDP, seed: int) -> Found:
        return step_by_step(mdp, seed, lambda history, task: -self.accuracy(history, task))


@dataclass(frozen=True)
class Fixed(Adversary):
    """A sequence that is given."""

    tasks: History

    def find(self, mdp: MDP, seed: int) -> Found:
        if len(self.tasks) != mdp.horizon:
            raise UsageError(f"fixed sequence: {len(self.tasks)} tasks, the horizon is {mdp.horizon}")
        for t, task in enumerate(self.tasks):
            need_legal(self.tasks[:t], [task])
        return Found(self.tasks, rewards(mdp, self.tasks), 1)


def class_order(classes: Sequence[int], size: int, horizon: int) -> History:
    """The static order: the first `size` classes, then the next, as fixed benchmarks have it."""
    if size * horizon > len(classes):
        raise UsageError(f"{horizon} tasks of {size} classes need more than the {len(classes)} of the pool")
    return tuple(tuple(sorted(classes[t * size : (t + 1) * size])) for t in range(horizon))


def random_order(classes: Sequence[int], size: int, horizon: int, rng: np.random.Generator) -> History:
    """A random sequence from the whole pool: what found sequences are compared with."""
    return class_order([int(number) for number in rng.permutation(classes)], size, horizon)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
