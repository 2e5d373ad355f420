"""Adversaries that look at whole sequences: beam search, simulated annealing, brute force."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from suite.errors import UsageError
from tasks.cldyb.contract import (
    MDP,
    Adversary,
    Found,
    History,
    draw,
    offers,
    random_tail,
    rewards,
    some_offers,
    stream,
    used,
)

if TYPE_CHECKING:
    import numpy as np

OFFERED = 6
"""Tasks that a history is offered by default."""


@dataclass(frozen=True)
class Beam(Adversary):
    """All tasks offered after each of the `width` best histories so far; the best of these go on."""

    width: int = 4

    def __post_init__(self) -> None:
        if self.width < 1:
            raise UsageError(f"beam: width must be at least 1, not {self.width}")

    def find(self, mdp: MDP, seed: int) -> Found:
        beam: list[tuple[float, History]] = [(0.0, ())]
        looked = 0
        for step in range(mdp.horizon):
            grown = [
                (total + mdp.reward(history, task), (*history, task))
                for total, history in beam
                for task in offers(mdp, seed, history)
            ]
            if not grown:
                raise UsageError(f"beam: no task of unused classes is proposed after {step} tasks")
            looked += len(grown)
            beam = sorted(grown, key=lambda one: (-one[0], one[1]))[: self.width]
        tasks = beam[0][1]
        return Found(tasks, rewards(mdp, tasks), looked)

    def within(self, simulations: int, horizon: int) -> Beam:
        """As wide as a budget of `simulations` roll-outs of `horizon` steps buys, six tasks being offered."""
        return replace(self, width=max(1, simulations // OFFERED))


@dataclass(frozen=True)
class Annealing(Adversary):
    """Simulated annealing over whole sequences: swaps of two places, and other tasks at one place.

    A task put in keeps those after it that share no class with what is before them, others are drawn anew.
    The temperature falls geometrically from `start` to `end`, in units of return. Gives the best one met.
    """

    proposals: int = 100
    start: float = 0.1
    end: float = 0.002

    def __post_init__(self) -> None:
        if self.proposals < 1 or not 0 < self.end <= self.start:
            raise UsageError("annealing: at least 1 proposal, and temperatures 0 < end <= start")

    def find(self, mdp: MDP, seed: int) -> Found:
        rng = stream(seed, "annealing")
        now = random_tail(mdp, seed, (), rng)
        value = sum(rewards(mdp, now))
        best, highest = now, value
        for i in range(self.proposals):
            heat = self.start * (self.end / self.start) ** (i / max(1, self.proposals - 1))
            other = self._swap(now, rng) if rng.random() < 0.5 else self._replace(mdp, seed, now, rng)
            found = sum(rewards(mdp, other))
            if found >= value or rng.random() < math.exp((found - value) / heat):
                now, value = other, found
            if value > highest:
                best, highest = now, value
        return Found(best, rewards(mdp, best), self.proposals + 1)

    def within(self, simulations: int, horizon: int) -> Annealing:
        return replace(self, proposals=max(1, simulations - 1))

    @staticmethod
    def _swap(tasks: History, rng: np.random.Generator) -> History:
        order = list(tasks)
        i, j = (int(place) for place in rng.integers(len(order), size=2))
        order[i], order[j] = order[j], order[i]
        return tuple(order)

    @staticmethod
    def _replace(mdp: MDP, seed: int, tasks: History, rng: np.random.Generator) -> History:
        place = int(rng.integers(len(tasks)))
        history = tasks[:place]
        others = [task for task in offers(mdp, seed, history) if task != tasks[place]]
        if not others:
            return tasks
        history = (*history, draw(others, rng))
        for old in tasks[place + 1 :]:
            legal = used(history).isdisjoint(old)
            history = (*history, old if legal else draw(some_offers(mdp, seed, history), rng))
        return history


@dataclass(frozen=True)
class BruteForce(Adversary):
    """Every sequence of offered tasks; the lowest of equals. limit: sequences at most, else refused."""

    limit: int = 100_000

    def find(self, mdp: MDP, seed: int) -> Found:
        best: tuple[float, History] | None = None
        looked = 0
        for tasks in _sequences(mdp, seed, ()):
            looked += 1
            if looked > self.limit:
                raise UsageError(f"brute force: more than {self.limit} sequences; raise limit or search")
            value = sum(rewards(mdp, tasks))
            if best is None or value > best[0]:
                best = (value, tasks)
        if best is None:
            raise UsageError(f"brute force: no sequence of {mdp.horizon} tasks can be made")
        return Found(best[1], rewards(mdp, best[1]), looked)


def _sequences(mdp: MDP, seed: int, history: History) -> Iterator[History]:
    if len(history) == mdp.horizon:
        yield history
    for task in sorted(offers(mdp, seed, history)):
        yield from _sequences(mdp, seed, (*history, task))
