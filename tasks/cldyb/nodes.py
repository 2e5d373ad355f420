"""What a tree search knows: nodes, the steps taken for real, and both as JSON data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tasks.cldyb.mdp import Classes


class Node:
    """A history in the tree. total, best, worst: of the returns from this node's own step on.

    untried: proposed tasks that have no child yet, None before they are asked for.
    complete: the whole subtree has been seen (kept up to date only under visit_all).
    """

    __slots__ = ("action", "best", "children", "complete", "reward", "total", "untried", "visits", "worst")

    def __init__(self, action: Classes, reward: float) -> None:
        self.action, self.reward = action, reward
        self.visits, self.total = 0, 0.0
        self.best, self.worst = -math.inf, math.inf
        self.children: list[Node] = []
        self.untried: list[Classes] | None = None
        self.complete = False

    @property
    def mean(self) -> float:
        return self.total / self.visits if self.visits else -math.inf


class Child(NamedTuple):
    """What was known of a task at a real step. mean, best: of the returns from it on."""

    task: Classes
    reward: float
    visits: int
    mean: float
    best: float


class Step(NamedTuple):
    """A task taken for real, and the tasks it was chosen from."""

    task: Classes
    reward: float
    simulations: int
    children: tuple[Child, ...]


def step_row(step: Step) -> dict[str, Any]:
    """A step as JSON data."""
    children = [[list(one.task), one.reward, one.visits, one.mean, one.best] for one in step.children]
    return {**step._asdict(), "task": list(step.task), "children": children}


def step_of(row: Mapping[str, Any]) -> Step:
    """The step that `step_row` gave."""
    children = tuple(Child(tuple(task), *rest) for task, *rest in row["children"])
    return Step(tuple(row["task"]), row["reward"], row["simulations"], children)


def node_rows(root: Node) -> Iterator[list[Any]]:
    """[number of the parent, task, reward, visits, total, best, worst, complete] of every node."""
    waiting, given = [(-1, root)], 0
    while waiting:
        parent, node = waiting.pop()
        seen = node.visits > 0
        yield [
            parent, list(node.action), node.reward, node.visits, node.total,
            node.best if seen else None, node.worst if seen else None, node.complete,
        ]  # fmt: skip
        waiting.extend((given, child) for child in reversed(node.children))
        given += 1


def tree_of(rows: Sequence[Sequence[Any]]) -> Node:
    """The root of the tree that `node_rows` gave."""
    nodes: list[Node] = []
    for parent, action, reward, visits, total, best, worst, complete in rows:
        node = Node(tuple(action), reward)
        node.visits, node.total, node.complete = visits, total, complete
        if visits:
            node.best, node.worst = best, worst
        if parent >= 0:
            nodes[parent].children.append(node)
        nodes.append(node)
    return nodes[0]
