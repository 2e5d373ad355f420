"""Tasks of classes that look alike to the learners: prototypes, their similarities, greedy sampling.

Paper: CLDyB (arXiv 2503.04655), Eq. 5, a Markov random field with pairwise potentials over classes; what the
potential is could not be obtained, the cosine of mean features is this suite's own choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from suite.errors import DataError, UsageError
from tasks.cldyb.mdp import Classes

if TYPE_CHECKING:
    import numpy as np

DIGITS = 9
"""Scores that agree to so many decimals are equal: the lowest class wins, whatever the rounding of sums."""


class Support(NamedTuple):
    """A few training examples of every class under a learner's encoder. features: (n, d); labels: (n,)."""

    features: np.ndarray
    labels: np.ndarray


class Geometry(NamedTuple):
    """How classes lie to each other under the encoders of M learners.

    classes: (C,) ascending numbers in the pool. potential: (C, C) mean cosine. One array for every learner:
    prototypes, (C, d_m) unit vectors; cosines, (n, C) of every support example to every prototype; labels,
    (n,) positions in `classes`.
    """

    classes: np.ndarray
    prototypes: tuple[np.ndarray, ...]
    potential: np.ndarray
    cosines: tuple[np.ndarray, ...]
    labels: tuple[np.ndarray, ...]

    def positions(self, numbers: Sequence[int]) -> np.ndarray:
        """Where classes of the pool stand in `classes`."""
        import numpy as np

        found = np.searchsorted(self.classes, numbers)
        if len(numbers) and (found.max() >= len(self.classes) or (self.classes[found] != numbers).any()):
            raise UsageError(f"classes {list(numbers)} are not all among the {len(self.classes)} of the pool")
        return found


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1; a row of zeros stays."""
    import numpy as np

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)


def prototypes(support: Support, classes: np.ndarray) -> np.ndarray:
    """(C, d) mean features of the classes, each of length 1."""
    import numpy as np

    features = np.asarray(support.features, dtype=np.float64)
    found = np.searchsorted(classes, support.labels)
    sums = np.zeros((len(classes), features.shape[1]))
    np.add.at(sums, found, features)
    if not np.isfinite(sums).all() or len(np.unique(found)) < len(classes):
        raise DataError("class prototypes: a class has no support example, or a feature is not finite")
    return _unit(sums)


def geometry(supports: Sequence[Support]) -> Geometry:
    """The geometry of the classes that stand in the supports, the same in all of them."""
    import numpy as np

    classes = np.unique(supports[0].labels)
    if any(not np.array_equal(np.unique(one.labels), classes) for one in supports):
        raise UsageError("class prototypes: the supports of the learners hold different classes")
    means = tuple(prototypes(one, classes) for one in supports)
    cosines = tuple(
        _unit(np.asarray(one.features, dtype=np.float64)) @ mean.T
        for one, mean in zip(supports, means, strict=True)
    )
    potential = sum((mean @ mean.T for mean in means), np.zeros((len(classes),) * 2)) / len(means)
    labels = tuple(np.searchsorted(classes, one.labels) for one in supports)
    return Geometry(classes, means, potential, cosines, labels)


def within(potential: np.ndarray, task: Sequence[int]) -> float:
    """The sum of the potentials of all pairs of a task, given by positions."""
    return sum(float(potential[a, b]) for i, a in enumerate(task) for b in task[i + 1 :])


def start_classes(unused: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count,) classes drawn uniformly; none twice before all have been drawn."""
    import numpy as np

    rounds = -(-count // len(unused))
    return np.concatenate([rng.permutation(unused) for _ in range(rounds)])[:count]


class Cap(NamedTuple):
    """At most `most` classes of one domain in a task. domains: (C,) number of the domain of each class."""

    domains: np.ndarray
    most: int

    def close(self, free: np.ndarray, task: np.ndarray) -> None:
        """Takes from `free` (C,) what no longer fits into a task that has these classes."""
        import numpy as np

        counts = np.bincount(self.domains[task], minlength=int(self.domains.max()) + 1)
        free[counts[self.domains] >= self.most] = False


def greedy_tasks(
    potential: np.ndarray, unused: Sequence[int], size: int, starts: np.ndarray, cap: Cap | None = None
) -> list[Classes]:
    """For every start class the task that grows from it by the class most similar to those in it.

    All by positions in the potential (C, C). Ties go to the lowest class. Tasks are sets: ascending, each
    once, in the order in which they were first found. One that a cap lets no further grow is left out.
    """
    import numpy as np

    if not 1 <= size <= len(unused):
        raise UsageError(f"greedy sampling: {size} classes a task, {len(unused)} classes are unused")
    free = np.zeros((len(starts), len(potential)), dtype=bool)
    free[:, list(unused)] = True
    rows = np.arange(len(starts))
    whole = np.ones(len(starts), dtype=bool)
    chosen = np.empty((len(starts), size), dtype=np.int64)
    scores = np.zeros(free.shape)
    for k in range(size):
        best = np.where(free, np.round(scores, DIGITS), -np.inf).argmax(axis=1) if k else starts
        whole &= free[rows, best]
        chosen[:, k] = best
        free[rows, best] = False
        scores += potential[best]
        if cap is not None:
            for row in rows:
                cap.close(free[row], chosen[row, : k + 1])
    return list(dict.fromkeys(tuple(map(int, np.sort(task))) for task in chosen[whole]))


def uniform_tasks(
    unused: Sequence[int], size: int, count: int, rng: np.random.Generator, cap: Cap | None = None
) -> list[Classes]:
    """So many tasks of classes drawn uniformly, as controls; each once.

    Under a cap classes are drawn one by one from those that still fit; a draw that ends early is left out.
    """
    import numpy as np

    if cap is None:
        drawn = [np.sort(rng.choice(unused, size, replace=False)) for _ in range(count)]
    else:
        drawn = [found for _ in range(count) if len(found := _capped(unused, size, rng, cap)) == size]
    return list(dict.fromkeys(tuple(map(int, task)) for task in drawn))


def _capped(unused: Sequence[int], size: int, rng: np.random.Generator, cap: Cap) -> np.ndarray:
    """Up to `size` classes, ascending, as the cap allows."""
    import numpy as np

    task: list[int] = []
    for c in rng.permutation(np.asarray(unused)):
        same = sum(cap.domains[one] == cap.domains[c] for one in task)
        if same < cap.most and len(task) < size:
            task.append(int(c))
    return np.sort(np.asarray(task))
