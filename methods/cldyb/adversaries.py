"""Adversaries that choose task by task: the tree search, and simpler ones that it must beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from suite.errors import Skip, UsageError
from tasks.cldyb.contract import (
    MDP,
    Adversary,
    Classes,
    Found,
    History,
    Search,
    SearchSettings,
    draw,
    largest,
    legal,
    need_legal,
    random_tail,
    rewards,
    some_offers,
    stream,
)

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class TreeSearch(SearchSettings, Adversary):
    """Monte-Carlo tree search (`Search`), from the first simulation to the last."""

    def find(self, mdp: MDP, seed: int) -> Found:
        search = Search(mdp, self, seed)
        tasks = search.run()
        return Found(tasks, tuple(step.reward for step in search.steps), search.simulations)

    def within(self, simulations: int, horizon: int) -> TreeSearch:
        return replace(self, simulations=None, total=simulations)


@dataclass(frozen=True)
class RandomTasks(Adversary):
    """At every step one of the tasks offered, uniformly; the best of `tries` such sequences."""

    tries: int = 1

    def __post_init__(self) -> None:
        if self.tries < 1:
            raise UsageError(f"random tasks: at least one try, not {self.tries}")

    def find(self, mdp: MDP, seed: int) -> Found:
        rng = stream(seed, "random tasks")
        drawn = [random_tail(mdp, seed, (), rng) for _ in range(self.tries)]
        earned = [rewards(mdp, tasks) for tasks in drawn]
        best = max(range(self.tries), key=lambda i: sum(earned[i]))
        return Found(drawn[best], earned[best], self.tries)


@dataclass(frozen=True)
class RandomRestarts(RandomTasks):
    """The best of as many random sequences as the budget allows: what a search must beat."""

    def within(self, simulations: int, horizon: int) -> RandomRestarts:
        return replace(self, tries=simulations)


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

    simulations: for each step; where they are fewer than the tasks offered, as many of these are looked at,
    drawn at random. depth, backup: as `SearchSettings` has them.
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
            offered = tasks = sorted(some_offers(mdp, seed, history))
            if self.simulations < len(offered):
                drawn = rng.choice(len(offered), self.simulations, replace=False)
                tasks = [offered[i] for i in sorted(drawn.tolist())]
            returns: list[list[float]] = [[] for _ in tasks]
            for i in range(self.simulations):
                task = tasks[i % len(tasks)]
                returns[i % len(tasks)].append(self._look(mdp, history, task, offered, rng))
            looked += self.simulations
            value = max if self.backup == "max" else _mean
            history = (*history, largest(tasks, [value(found) for found in returns]))
        return Found(history, rewards(mdp, history), looked)

    def within(self, simulations: int, horizon: int) -> FlatMonteCarlo:
        return replace(self, simulations=max(1, simulations // horizon))

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
    """At every step the task that nearest class means answer worst (`MDP.easiness`); nothing is trained.

    Skip where the problem does not know how easy a task looks.
    """

    def find(self, mdp: MDP, seed: int) -> Found:
        def hardness(history: History, task: Classes) -> float:
            if (easy := mdp.easiness(history, task)) is None:
                raise Skip("this problem does not say how easy a task looks before it is learned")
            return -easy

        return step_by_step(mdp, seed, hardness)


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


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
