"""Learners that are never taught the same thing twice: transitions and accuracies remembered by history.

A learner is what its tasks, in order, and the seed have made of it. Accuracies are kept for ever, the states
of learners only as long as there is room; a state that has gone is learned again, to the same bits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from suite.errors import MethodError, UsageError
from tasks.cldyb.adversary import random_tail
from tasks.cldyb.contract import Learner, State, TaskData
from tasks.cldyb.mdp import MDP, Classes, History, Reward, Rows, stream, training_seed

if TYPE_CHECKING:
    import numpy as np

Row = tuple[float, ...]


class Memo:
    """Learners by name, moved from history to history.

    begin: makes each learner, nothing learned yet. data: what a learner, by name, learns a task from.
    examine: the accuracies of a learner, by name, on the tasks of a history, in order. seed: of all training
    (`training_seed`). keep: states kept over all learners, the most lately used; the state before the first
    task is always kept.

    trainings: transitions learned for the first time. relearned: those learned again because no state was
    kept.
    """

    def __init__(
        self,
        begin: Mapping[str, Callable[[], Learner]],
        data: Callable[[str, Classes], TaskData],
        examine: Callable[[str, Learner, History], Sequence[float]],
        seed: int,
        keep: int = 64,
    ) -> None:
        if not begin or keep < 0:
            raise UsageError(f"memo: {len(begin)} learners, {keep} states kept; at least one, at least none")
        self._data, self._examine, self.seed, self.keep = data, examine, seed, keep
        self.names = tuple(begin)
        self._live = {name: make() for name, make in begin.items()}
        self._first = {name: (learner.state(), learner.seen) for name, learner in self._live.items()}
        self._at: dict[str, History | None] = dict.fromkeys(begin, ())
        self._states: OrderedDict[tuple[str, History], tuple[State, tuple[int, ...]]] = OrderedDict()
        self._rows: dict[tuple[str, History], Row | None] = {}
        self.relearned = 0

    @property
    def trainings(self) -> int:
        return len(self._rows)

    def row(self, name: str, history: History) -> Row:
        """The accuracies of a learner on the tasks of a history once it has learned them all."""
        if not history:
            return ()
        known = self._rows.get((name, history))
        if known is None:
            known = tuple(float(value) for value in self._examine(name, self.at(name, history), history))
            if len(known) != len(history) or not all(isfinite(one) and 0 <= one <= 1 for one in known):
                raise MethodError(
                    f"learner '{name}' after {len(history)} tasks: {known} are not {len(history)} accuracies"
                )
            self._rows[name, history] = known
        return known

    def rows(self, history: History) -> Rows:
        """The rows of all learners."""
        return [self.row(name, history) for name in self.names]

    def matrix(self, name: str, history: History) -> list[Row]:
        """A learner's accuracies after 1, 2, .. tasks of a history."""
        return [self.row(name, history[:t]) for t in range(1, len(history) + 1)]

    def at(self, name: str, history: History) -> Learner:
        """The learner as the history has made it, until this memo is asked again; not to be changed."""
        learner = self._live[name]
        length = next(t for t in range(len(history), -1, -1) if self._reach(name, history[:t]))
        for t in range(length, len(history)):
            self._learn(name, learner, history[: t + 1])
        return learner

    def _reach(self, name: str, history: History) -> bool:
        """Whether the learner is, or could be put, where the history ends without learning."""
        key = (name, history)
        kept = self._states.get(key) if history else self._first[name]
        if history and kept is not None:
            self._states.move_to_end(key)
        if self._at[name] == history:
            return True
        if kept is None:
            return False
        self._at[name] = None
        self._live[name].restore(*kept)
        self._at[name] = history
        return True

    def _learn(self, name: str, learner: Learner, history: History) -> None:
        key = (name, history)
        self._at[name] = None  # stays so where learning fails half way
        learner.learn(self._data(name, history[-1]), training_seed(self.seed, history))
        self._at[name] = history
        self.relearned += key in self._rows
        self._rows.setdefault(key, None)
        if self.keep:
            self._states[key] = (learner.state(), learner.seen)
            while len(self._states) > self.keep:
                self._states.popitem(last=False)

    def state(self) -> dict[str, Any]:
        """What has been learned as JSON data: accuracies, not states of learners."""
        rows = [[name, [list(task) for task in history], row] for (name, history), row in self._rows.items()]
        return {"seed": self.seed, "names": list(self.names), "relearned": self.relearned, "rows": rows}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Takes over what a memo of the same learners and seed had learned."""
        if state["seed"] != self.seed or tuple(state["names"]) != self.names:
            raise UsageError(
                f"memo: the state is of seed {state['seed']} and {', '.join(state['names'])}, this search of "
                f"seed {self.seed} and {', '.join(self.names)}; begin anew"
            )
        self.relearned = state["relearned"]
        for name, tasks, row in state["rows"]:
            history = tuple(tuple(task) for task in tasks)
            self._rows[name, history] = None if row is None else tuple(row)


class LearnersMDP(MDP):
    """The decision problem that real learners make.

    propose: the tasks that a history is offered. easy, opposed: `MDP.easiness` and `MDP.opposition`, where
    they are known.
    """

    def __init__(
        self,
        memo: Memo,
        propose: Callable[[History, np.random.Generator], tuple[Classes, ...]],
        horizon: int,
        reward: Reward | None = None,
        easy: Callable[[History, Classes], float] | None = None,
        opposed: Callable[[History, Classes], float] | None = None,
    ) -> None:
        self.memo, self.horizon, self._propose = memo, horizon, propose
        self._easy, self._opposed = easy, opposed
        self._reward = reward or Reward()

    def actions(self, history: History, rng: np.random.Generator) -> tuple[Classes, ...]:
        return self._propose(history, rng) if len(history) < self.horizon else ()

    def reward(self, history: History, action: Classes) -> float:
        return self._reward(self.memo.rows(history), self.memo.rows((*history, action)), self.horizon)

    def easiness(self, history: History, action: Classes) -> float | None:
        return None if self._easy is None else self._easy(history, action)

    def opposition(self, history: History, action: Classes) -> float | None:
        return None if self._opposed is None else self._opposed(history, action)


def reference_losses(
    mdp: LearnersMDP, reward: Reward, sequences: int, seed: int
) -> tuple[tuple[float, ...], ...]:
    """Every learner's losses, under the reward's alpha, beta and weights, at all steps of random sequences.

    What rank-mean ranks among. The tasks are drawn from those that the MDP offers; the trainings count.
    """
    found = []
    for i in range(sequences):
        tasks = random_tail(mdp, seed, (), stream(seed, f"reference {i}"))
        rows = [mdp.memo.rows(tasks[:t]) for t in range(mdp.horizon + 1)]
        found += [reward.losses(rows[t], rows[t + 1], mdp.horizon) for t in range(mdp.horizon)]
    return tuple(tuple(sorted(losses)) for losses in zip(*found, strict=True))
