"""Monte-Carlo tree search for the next task: selection, expansion, roll-out, backup, one tree for a sequence.

Paper: CLDyB (arXiv 2503.04655), Figure 1 and Algorithm 3; its constants could not be obtained, all defaults
here are this suite's own. Nothing the search decides depends on the clock or on when it was interrupted:
`Search.state` is plain JSON data, and a search that goes on from it builds the same tree.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from suite.errors import UsageError
from tasks.cldyb.mdp import MDP, Classes, History, need_legal, stream, used
from tasks.cldyb.nodes import Child, Node, Step, node_rows, step_of, step_row, tree_of
from tasks.cldyb.search_settings import SearchSettings

FORMAT = 1
"""Of `Search.state`."""


class Search:
    """A search in progress. history: tasks taken; best: the highest undiscounted return of a whole sequence
    that any simulation has met, and that sequence (None before there is one).
    """

    def __init__(self, mdp: MDP, settings: SearchSettings | None = None, seed: int = 0) -> None:
        self.mdp, self.settings, self.seed = mdp, settings or SearchSettings(), seed
        self.history: History = ()
        self.steps: list[Step] = []
        self.best: tuple[float, History] | None = None
        self.simulations = self.spent = 0
        self.root = Node((), 0.0)
        self._dynamic: dict[History, tuple[Classes, ...]] = {}
        self._root_set: tuple[Classes, ...] | None = None

    @property
    def done(self) -> bool:
        return len(self.history) == self.mdp.horizon

    @property
    def total_return(self) -> float:
        """The undiscounted sum of the rewards of the tasks taken."""
        return sum(step.reward for step in self.steps)

    def run(self, save: Callable[[dict[str, Any]], None] | None = None, every: int = 100) -> History:
        """Searches to the end; hands the state to `save` after every so many moves of `advance`."""
        moves = 0
        while not self.done:
            self.advance()
            moves += 1
            if save is not None and (moves % every == 0 or self.done):
                save(self.state())
        return self.history

    def advance(self) -> None:
        """One simulation; the task that won is taken instead where this step's budget is spent."""
        if self.done:
            raise UsageError("search: the sequence is complete, there is nothing left to search")
        if not (self._untried(self.root, self.history) or self.root.children):
            left = self.mdp.horizon - len(self.history)
            raise UsageError(f"search: no task of unused classes is proposed with {left} tasks to go")
        if self.root.complete or (self.spent and self.spent >= self.budget()):
            self.take()
        else:
            self.simulate()

    def budget(self) -> int:
        """Simulations of the present step."""
        if self.settings.total is not None:
            before = self.simulations - self.spent
            return max(1, math.ceil((self.settings.total - before) / (self.mdp.horizon - len(self.history))))
        return self.settings.simulations or 4 * len(self._proposed(self.history))

    def simulate(self) -> None:
        """Selection, expansion, roll-out and backup, once."""
        rng = stream(self.seed, f"simulation {self.simulations}")
        node, history, limit = self.root, self.history, self._limit()
        path = [node]
        while len(history) < limit:
            untried = self._untried(node, history)
            if untried:
                action = untried.pop(int(rng.integers(len(untried))))
                child = Node(action, self.mdp.reward(history, action))
                insort(node.children, child, key=lambda one: one.action)
            elif node.children:
                child = self._select(node)
            else:
                break
            node, history = child, (*history, child.action)
            path.append(node)
            # Under visit_all the roll-out becomes part of the tree: every simulation ends in a new leaf.
            if node.visits == 0 and not self.settings.visit_all:
                break
        tail: list[float] = []
        while len(history) < limit and (legal := self._legal(history)):
            action = legal[int(rng.integers(len(legal)))]
            tail.append(self.mdp.reward(history, action))
            history = (*history, action)
        self._back_up(path, tail, history)
        self.simulations, self.spent = self.simulations + 1, self.spent + 1

    def take(self) -> Classes:
        """Takes the best child of the root for real; the tree goes on from it."""
        by_visits = self.settings.commit == "visits"
        if not self.root.children:
            raise UsageError("search: no task can be taken before the first simulation of its step")
        ordered = sorted(  # reversed first, so that of equals the lowest task comes last
            reversed(self.root.children),
            key=lambda one: (one.visits, one.mean) if by_visits else (one.best, one.visits),
        )
        winner = ordered[round(self.settings.quantile * (len(ordered) - 1))]
        children = tuple(
            Child(one.action, one.reward, one.visits, one.mean, one.best) for one in self.root.children
        )
        whole = self._limit() == self.mdp.horizon
        self.steps.append(Step(winner.action, winner.reward, self.spent, children))
        self.history = (*self.history, winner.action)
        self.spent, self._root_set = 0, None
        kept = self.settings.reuse == "always" or (self.settings.reuse == "whole" and whole)
        self.root = self._rooted(winner) if kept and not self.done else Node((), 0.0)
        return winner.action

    def _rooted(self, node: Node) -> Node:
        """A node as root: its returns begin with its children's steps. Tasks are proposed anew below it."""
        root = Node((), 0.0)
        root.children, root.visits = node.children, sum(one.visits for one in node.children)
        root.total = sum(one.total for one in root.children)
        root.best = max((one.best for one in root.children), default=-math.inf)
        root.worst = min((one.worst for one in root.children), default=math.inf)
        self._renew(root, self.history)
        return root

    def _renew(self, node: Node, history: History) -> None:
        node.untried = None
        for child in node.children:
            self._renew(child, (*history, child.action))
        if self.settings.visit_all:
            self._mark(node, history)

    def _mark(self, node: Node, history: History) -> None:
        node.complete = len(history) >= self._limit() or (
            not self._untried(node, history) and all(child.complete for child in node.children)
        )

    def _limit(self) -> int:
        """The length of history at which the look-ahead ends."""
        return min(len(self.history) + self.settings.depth, self.mdp.horizon)

    def _proposed(self, history: History) -> tuple[Classes, ...]:
        """What the MDP proposes at a history, checked once; the stream depends on the history alone."""
        if not self.settings.dynamic:
            if self._root_set is None:
                self._root_set = self._ask(self.history)
            return self._root_set
        if history not in self._dynamic:
            self._dynamic[history] = self._ask(history)
        return self._dynamic[history]

    def _ask(self, history: History) -> tuple[Classes, ...]:
        found = self.mdp.actions(history, stream(self.seed, "actions", history))
        need_legal(history, found)
        return found

    def _legal(self, history: History) -> list[Classes]:
        taken = used(history)
        return [task for task in self._proposed(history) if taken.isdisjoint(task)]

    def _untried(self, node: Node, history: History) -> list[Classes]:
        if node.untried is None:
            known = {child.action for child in node.children}
            node.untried = [task for task in self._legal(history) if task not in known]
        return node.untried

    def _select(self, node: Node) -> Node:
        """The child with the highest UCT score; the lowest task of equals."""
        spread = self.settings.scale or (self.root.best - self.root.worst) or 1.0
        explored, by_mean = math.log(node.visits), self.settings.backup == "mean"
        found, highest = node.children[0], -math.inf
        for child in node.children:
            if child.complete and self.settings.visit_all:
                continue
            value = child.total / child.visits if by_mean else child.best
            score = value / spread + self.settings.exploration * math.sqrt(explored / child.visits)
            if score > highest:
                found, highest = child, score
        return found

    def _back_up(self, path: list[Node], tail: list[float], history: History) -> None:
        """Adds the discounted return to every node of the path; keeps the best whole sequence."""
        value = 0.0
        for reward in reversed(tail):
            value = reward + self.settings.gamma * value
        for node in reversed(path):
            if node is not self.root:
                value = node.reward + self.settings.gamma * value
            node.visits += 1
            node.total += value
            node.best, node.worst = max(node.best, value), min(node.worst, value)
        if len(history) == self.mdp.horizon:
            found = self.total_return + sum(node.reward for node in path[1:]) + sum(tail)
            if self.best is None or found > self.best[0]:
                self.best = (found, history)
        if self.settings.visit_all:
            for length in range(len(path) - 1, -1, -1):
                self._mark(path[length], history[: len(self.history) + length])

    def state(self) -> dict[str, Any]:
        """All of the search as JSON data; nodes are listed parents first, siblings by task."""
        return {
            "format": FORMAT,
            "settings": asdict(self.settings),
            "seed": self.seed,
            "horizon": self.mdp.horizon,
            "history": [list(task) for task in self.history],
            "steps": [step_row(step) for step in self.steps],
            "best": None if self.best is None else [self.best[0], [list(task) for task in self.best[1]]],
            "simulations": self.simulations,
            "spent": self.spent,
            "tree": list(node_rows(self.root)),
        }

    @classmethod
    def resume(cls, mdp: MDP, state: Mapping[str, Any]) -> Search:
        """Goes on from `state`, on an MDP that answers as the one before did."""
        if state.get("format") != FORMAT or state["horizon"] != mdp.horizon:
            raise UsageError(
                f"search: a state of format {state.get('format')} and horizon {state.get('horizon')} does "
                f"not fit format {FORMAT} and horizon {mdp.horizon}; begin the search anew"
            )
        search = cls(mdp, SearchSettings(**state["settings"]), state["seed"])
        search.history = tuple(tuple(task) for task in state["history"])
        search.steps = [step_of(row) for row in state["steps"]]
        if state["best"] is not None:
            search.best = (state["best"][0], tuple(tuple(task) for task in state["best"][1]))
        search.simulations, search.spent = state["simulations"], state["spent"]
        search.root = tree_of(state["tree"])
        return search
