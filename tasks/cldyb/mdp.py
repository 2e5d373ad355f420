"""The choice of tasks as a decision problem: histories, proposed tasks, and the reward of one step.

A state is a history of tasks; what the learners have become is a function of it and the seed, so the tree of
states is finite and deterministic. Paper: CLDyB (arXiv 2503.04655). Its reward weighs forgetting against
difficulty of the new task; the exact equation could not be obtained, the one here is this suite's own.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Literal, get_args

from suite.errors import MethodError, UsageError

if TYPE_CHECKING:
    import numpy as np

Classes = tuple[int, ...]
"""A task: the numbers of its classes in the pool, ascending."""
History = tuple[Classes, ...]
"""Tasks in the order in which they are learned."""
Rows = Sequence[Sequence[float]]
"""For every learner its accuracies on tasks 1..t after learning t tasks."""
Aggregate = Literal["mean", "min", "max", "rank-mean"]


def used(history: History) -> frozenset[int]:
    """All classes of a history."""
    return frozenset(number for task in history for number in task)


def seed_of(seed: int, name: str, history: History = ()) -> int:
    """A 63-bit seed for the stream `name` at a history: the same for the same three, apart for others."""
    text = f"{seed}|{name}|{'/'.join(','.join(map(str, task)) for task in history)}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def training_seed(seed: int, history: History) -> int:
    """The seed with which a learner learns the last task of a history; `seed` is that of all its training.

    It depends on nothing else, so that a sequence trained again gives the same learners, and two learners of
    the same settings are the same learner.
    """
    return seed_of(seed, "learner", history)


def stream(seed: int, name: str, history: History = ()) -> np.random.Generator:
    """A numpy generator for the stream `name` at a history."""
    import numpy as np

    return np.random.default_rng(seed_of(seed, name, history))


class MDP(ABC):
    """What a search asks. horizon: the number of tasks in a sequence.

    Classes are used at most once in a sequence: a task that shares one with the history is never legal.
    """

    horizon: int

    @abstractmethod
    def actions(self, history: History, rng: np.random.Generator) -> tuple[Classes, ...]:
        """The distinct tasks proposed after a history; the same history and stream give the same."""

    @abstractmethod
    def reward(self, history: History, action: Classes) -> float:
        """What learning `action` after `history` earns the adversary."""

    def easiness(self, history: History, action: Classes) -> float | None:
        """How well nearest class means would answer `action`, untaught; None where that is unknown."""
        return None

    def opposition(self, history: History, action: Classes) -> float | None:
        """How much the loss gradient of `action` points against that of the history, -1 to 1; None where that
        is unknown.
        """
        return None


@dataclass(frozen=True)
class Reward:
    """r_t = aggregate over m of w_m (1/N) [alpha (1 - A[t,t]) + beta sum_{i<t} (A[t-1,i] - A[t,i])].

    At alpha = beta = 1, unit weights and the mean, the rewards of a whole sequence sum to one minus the mean
    over learners of the final average accuracy.

    weights: one for each learner; none for 1 everywhere. rank-mean: every learner's weighted loss is replaced
    by its mid-rank in [0, 1] among the `reference` losses of that learner (`reference_losses` draws them), so
    that no learner's scale dominates; still divided by N.
    """

    alpha: float = 1.0
    beta: float = 1.0
    aggregate: Aggregate = "mean"
    weights: tuple[float, ...] = ()
    reference: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        if self.aggregate not in get_args(Aggregate):
            known = ", ".join(get_args(Aggregate))
            raise UsageError(f"reward: aggregate '{self.aggregate}' is unknown; one of {known}")
        if not all(isfinite(value) and value >= 0 for value in (self.alpha, self.beta, *self.weights)):
            raise UsageError("reward: alpha, beta and the weights must be finite and at least 0")
        if (self.aggregate == "rank-mean") != bool(self.reference):
            raise UsageError("reward: rank-mean, and it alone, needs the reference losses of every learner")
        object.__setattr__(self, "reference", tuple(tuple(sorted(one)) for one in self.reference))

    def losses(self, before: Rows, after: Rows, horizon: int) -> list[float]:
        """What one step costs every learner, weighted: (M,). before: rows of t - 1 entries, after: of t."""
        weights = self.weights or (1.0,) * len(after)
        if not len(before) == len(after) == len(weights) > 0:
            raise UsageError(
                f"reward: {len(before)} rows before the step, {len(after)} after it, {len(weights)} weights; "
                "there must be one of each for every learner"
            )
        found = []
        for weight, old, new in zip(weights, before, after, strict=True):
            if len(new) != len(old) + 1:
                raise UsageError(f"reward: a row of {len(old)} accuracies is followed by one of {len(new)}")
            forgotten = sum(was - now for was, now in zip(old, new, strict=False))
            found.append(weight * (self.alpha * (1.0 - new[-1]) + self.beta * forgotten) / horizon)
        return found

    def __call__(self, before: Rows, after: Rows, horizon: int) -> float:
        """The reward of the step from rows of t - 1 accuracies to rows of t."""
        losses = self.losses(before, after, horizon)
        if self.aggregate == "min":
            return min(losses)
        if self.aggregate == "max":
            return max(losses)
        if self.aggregate == "mean":
            return sum(losses) / len(losses)
        if len(losses) != len(self.reference):
            raise UsageError(f"reward: {len(losses)} learners, reference losses of {len(self.reference)}")
        ranks = [_mid_rank(value, known) for value, known in zip(losses, self.reference, strict=True)]
        return sum(ranks) / len(ranks) / horizon

    def of_matrices(self, matrices: Sequence[Rows]) -> list[float]:
        """The rewards of a whole sequence: matrices[m][t] is learner m's row after t + 1 tasks."""
        horizon = len(matrices[0])
        empty: list[Sequence[float]] = [()] * len(matrices)
        steps = [empty] + [[rows[t] for rows in matrices] for t in range(horizon)]
        return [self(steps[t], steps[t + 1], horizon) for t in range(horizon)]


def _mid_rank(value: float, known: Sequence[float]) -> float:
    """The share of `known` (ascending) below the value, its equals counted half."""
    return (bisect_left(known, value) + bisect_right(known, value)) / (2 * len(known))


def rewards(mdp: MDP, tasks: History) -> tuple[float, ...]:
    """What every step of a sequence earns."""
    return tuple(mdp.reward(tasks[:t], task) for t, task in enumerate(tasks))


def need_legal(history: History, tasks: Iterable[Classes]) -> None:
    """Raises MethodError where a proposed task repeats a class or is there twice."""
    taken = used(history)
    seen: set[Classes] = set()
    for task in tasks:
        if not task or tuple(sorted(set(task))) != task or not taken.isdisjoint(task) or task in seen:
            raise MethodError(
                f"the task {task} proposed after {len(history)} tasks is not a set of unused classes in "
                "ascending order, or was proposed twice"
            )
        seen.add(task)


class Ledger(MDP):
    """An MDP that remembers rewards and counts. edges: distinct steps paid for; calls: rewards asked for."""

    def __init__(self, inner: MDP) -> None:
        self.inner, self.horizon = inner, inner.horizon
        self.calls = 0
        self._known: dict[History, float] = {}

    @property
    def edges(self) -> int:
        return len(self._known)

    def actions(self, history: History, rng: np.random.Generator) -> tuple[Classes, ...]:
        return self.inner.actions(history, rng)

    def easiness(self, history: History, action: Classes) -> float | None:
        return self.inner.easiness(history, action)

    def opposition(self, history: History, action: Classes) -> float | None:
        return self.inner.opposition(history, action)

    def reward(self, history: History, action: Classes) -> float:
        self.calls += 1
        key = (*history, action)
        if key not in self._known:
            self._known[key] = self.inner.reward(history, action)
        return self._known[key]
