"""Functional clustering: of many candidate tasks one for each way of affecting the learners.

Paper: CLDyB (arXiv 2503.04655): tasks are clustered by function, one is drawn from every cluster. What
describes a task there could not be obtained; the description here is this suite's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.cldyb.mdp import Classes
from tasks.cldyb.sampling import Geometry

if TYPE_CHECKING:
    import numpy as np

RESTARTS = 10
ROUNDS = 100
"""Of Lloyd's algorithm, at most."""


def ncm_accuracy(space: Geometry, tasks: Sequence[Classes], learned: Sequence[int]) -> np.ndarray:
    """(B, M) accuracy of the nearest class mean on each task's support, among learned and new classes.

    Tasks and learned classes by position. The support made the means: this ranks tasks, it is no test.
    """
    import numpy as np

    found = np.empty((len(tasks), len(space.cosines)))
    for m, (cosines, labels) in enumerate(zip(space.cosines, space.labels, strict=True)):
        rows = [np.flatnonzero(labels == c) for c in range(len(space.classes))]
        old = cosines[:, list(learned)].max(axis=1) if learned else np.full(len(labels), -np.inf)
        for b, task in enumerate(tasks):
            mine = np.concatenate([rows[c] for c in task])
            near = cosines[mine][:, list(task)]
            right = np.asarray(task)[near.argmax(axis=1)] == labels[mine]
            found[b, m] = (right & (near.max(axis=1) > old[mine])).mean()
    return found


def describe(space: Geometry, tasks: Sequence[Classes], learned: Sequence[int]) -> np.ndarray:
    """(B, sum of d_m + 5 M) features of tasks, each standardised over the tasks; a constant one is 0.

    For every learner: the mean prototype; the least, mean and largest cosine within the task (1 for a task of
    one class); the largest cosine to a learned class (0 where there is none); `ncm_accuracy`.
    """
    import numpy as np

    members = np.asarray(tasks, dtype=np.int64)
    hits = ncm_accuracy(space, tasks, learned)
    pairs = np.triu_indices(members.shape[1], k=1)
    blocks = []
    for m, means in enumerate(space.prototypes):
        own = means[members]  # (B, K, d)
        inner = (own @ own.transpose(0, 2, 1))[:, *pairs]
        if not inner.shape[1]:
            inner = np.ones((len(tasks), 1))
        old = (own @ means[list(learned)].T).max(axis=(1, 2)) if learned else np.zeros(len(tasks))
        spread = [inner.min(axis=1), inner.mean(axis=1), inner.max(axis=1), old, hits[:, m]]
        blocks += [own.mean(axis=1), np.stack(spread, axis=1)]
    features = np.concatenate(blocks, axis=1)
    deviation = features.std(axis=0)
    varies = deviation > 1e-12
    return np.where(varies, (features - features.mean(axis=0)) / np.where(varies, deviation, 1.0), 0.0)


def _squared(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(n, k) squared distances."""
    import numpy as np

    found = (x * x).sum(1)[:, None] - 2 * x @ centres.T + (centres * centres).sum(1)
    return np.asarray(np.maximum(found, 0.0))


def _plus_plus(x: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """(k,) rows as first centres, drawn by squared distance to the nearest so far; no row twice."""
    import numpy as np

    chosen = [int(rng.integers(len(x)))]
    near = _squared(x, x[chosen])[:, 0]
    while len(chosen) < k:
        near[chosen] = 0.0
        weight = near if near.sum() > 0 else np.isin(np.arange(len(x)), chosen, invert=True).astype(float)
        chosen.append(int(rng.choice(len(x), p=weight / weight.sum())))
        near = np.minimum(near, _squared(x, x[chosen[-1:]])[:, 0])
    return np.asarray(chosen)


def _fill(labels: np.ndarray, distances: np.ndarray, k: int) -> np.ndarray:
    """Labels in which every cluster has a member: an empty one gets the farthest point of a larger one."""
    import numpy as np

    labels, own = labels.copy(), distances[np.arange(len(labels)), labels].copy()
    sizes = np.bincount(labels, minlength=k)
    for empty in np.flatnonzero(sizes == 0):
        far = int(np.where(sizes[labels] > 1, own, -1.0).argmax())
        sizes[labels[far]] -= 1
        sizes[empty], labels[far], own[far] = 1, empty, 0.0
    return labels


def _lloyd(x: np.ndarray, k: int, rng: np.random.Generator) -> tuple[float, np.ndarray]:
    """Inertia and labels of one run."""
    import numpy as np

    centres, labels = x[_plus_plus(x, k, rng)], np.full(len(x), -1)
    for _ in range(ROUNDS):
        distances = _squared(x, centres)
        new = _fill(distances.argmin(axis=1), distances, k)
        if np.array_equal(new, labels):
            break
        labels = new
        one_hot = np.eye(k)[labels]
        centres = (one_hot.T @ x) / one_hot.sum(axis=0)[:, None]
    return float(((x - centres[labels]) ** 2).sum()), labels


def k_means(x: np.ndarray, k: int, rng: np.random.Generator, restarts: int = RESTARTS) -> np.ndarray:
    """(n,) labels 0..k-1 of the rows of x (n, d), every label given; k at most n.

    k-means++ (Arthur and Vassilvitskii, 2007) and Lloyd's algorithm; the lowest inertia of the restarts, the
    earliest of equals.
    """
    import numpy as np

    if k >= len(x):
        return np.arange(len(x))
    return min((_lloyd(x, k, rng) for _ in range(restarts)), key=lambda one: one[0])[1]


def one_of_each(
    tasks: Sequence[Classes], features: np.ndarray, groups: int, rng: np.random.Generator
) -> tuple[Classes, ...]:
    """min(groups, number of tasks) tasks, one drawn uniformly from each cluster of features; ascending."""
    import numpy as np

    labels = k_means(features, min(groups, len(tasks)), rng)
    clusters = [np.flatnonzero(labels == g) for g in range(int(labels.max()) + 1)]
    return tuple(sorted(tasks[int(rng.choice(cluster))] for cluster in clusters))
