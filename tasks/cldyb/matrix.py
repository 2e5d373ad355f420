"""The accuracy matrix of a learner on a sequence: checks, and how it comes about.

Row t holds the accuracies on tasks 0 to t after learning task t, each with the class-incremental head: the
answer is one of all classes seen so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from suite.errors import MethodError

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.cldyb.contract import Learner, TaskData

Rows = Sequence[Sequence[float]]
"""Row t has t + 1 entries or more; what stands above the diagonal is not looked at."""
Triangle = tuple[tuple[float, ...], ...]


class Examples(NamedTuple):
    """Examples to answer: x as `TaskData.x` holds them, y (n,) int64 numbers of classes in the pool."""

    x: Tensor
    y: Tensor


def triangle(rows: Rows) -> Triangle:
    """The lower triangle of an accuracy matrix, a list or an array of N rows.

    ValueError where there is no row, a row is too short, or an entry on or below the diagonal is not in
    [0, 1].
    """
    if not len(rows):
        raise ValueError("an accuracy matrix without a row: a sequence has at least one task")
    found = []
    for t, row in enumerate(rows):
        if len(row) <= t:
            raise ValueError(f"row {t} of an accuracy matrix has {len(row)} entries; it needs {t + 1}")
        held = tuple(float(value) for value in row[: t + 1])
        for j, value in enumerate(held):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"accuracy on task {j} after task {t} is {value}, not a share of 0 to 1")
        found.append(held)
    return tuple(found)


def answered(learner: Learner, tests: Sequence[Examples]) -> tuple[Tensor, ...]:
    """Which examples of each set are answered right, (n,) bool each, among the classes seen so far.

    Equal scores: the class that was seen first. MethodError where the scores have another shape, or one of
    them is not a number.
    """
    import torch

    x = torch.cat([test.x for test in tests])
    scores = learner.logits(x)
    expected = (len(x), len(learner.seen))
    if tuple(scores.shape) != expected:
        raise MethodError(f"logits have the shape {tuple(scores.shape)}, not {expected} (examples, seen)")
    if bool(torch.isnan(scores).any()):
        raise MethodError(f"logits of {int(torch.isnan(scores).any(1).sum())} examples are not a number")
    answers = torch.tensor(learner.seen)[scores.argmax(1).cpu()]
    parts = answers.split([len(test.y) for test in tests])
    return tuple(part == test.y for part, test in zip(parts, tests, strict=True))


def share(right: Tensor) -> float:
    """Of right answers; every example weighs the same."""
    return int(right.sum()) / len(right)


def accuracies(learner: Learner, tests: Sequence[Examples]) -> tuple[float, ...]:
    """The share of right answers (`answered`) on each set of examples."""
    return tuple(share(right) for right in answered(learner, tests))


class Followed(NamedTuple):
    """matrix: of accuracies. right: which examples of each test set were answered right in the end."""

    matrix: Triangle
    right: tuple[Tensor, ...]


def follow(
    learner: Learner, tasks: Sequence[TaskData], tests: Sequence[Examples], seeds: Sequence[int]
) -> Followed:
    """What becomes of a learner that has seen nothing and now learns the tasks in order.

    tests[t], seeds[t]: the examples that task t is measured by, and the seed with which it is learned.
    ValueError where there is not one of each, or no task,
    MethodError where the learner's `seen` is not the classes of the tasks so far, in order.
    """
    if not len(tasks) == len(tests) == len(seeds) > 0:
        raise ValueError(
            f"{len(tasks)} tasks, {len(tests)} sets of test examples, {len(seeds)} seeds: one each"
        )
    rows = []
    seen: tuple[int, ...] = ()
    for t, (task, seed) in enumerate(zip(tasks, seeds, strict=True)):
        learner.learn(task, seed)
        seen += task.classes
        if tuple(learner.seen) != seen:
            raise MethodError(f"after task {t} the learner has seen {learner.seen}, not {seen}")
        right = answered(learner, tests[: t + 1])
        rows.append([share(one) for one in right])
    return Followed(triangle(rows), right)
