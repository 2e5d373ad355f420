"""The tasks that a history is offered: greedy candidates and uniform controls, one from each cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from suite.errors import UsageError
from tasks.cldyb.clustering import describe, ncm_accuracy, one_of_each
from tasks.cldyb.mdp import Classes, History, used
from tasks.cldyb.sampling import Cap, Geometry, greedy_tasks, start_classes, uniform_tasks

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Reduction:
    """size: classes a task (K). candidates: greedy tasks sampled, before equal ones are dropped (B).

    groups: tasks offered in the end (G). controls: uniformly random tasks added, as a share of candidates.
    per_domain: classes of one domain in a task at most, 0 for any number: without it a task may be hard only
    because it is one whole data set.
    """

    size: int = 5
    candidates: int = 64
    groups: int = 6
    controls: float = 0.0
    per_domain: int = 0

    def __post_init__(self) -> None:
        if min(self.size, self.candidates, self.groups) < 1 or not 0 <= self.controls < float("inf"):
            raise UsageError("tasks offered: size, candidates and groups are at least 1, controls at least 0")
        if self.per_domain < 0:
            raise UsageError(f"tasks offered: per_domain must be at least 0, not {self.per_domain}")


class Proposer:
    """Called with a history and a stream, the tasks offered, ascending; () where too few classes are left.

    geometry_at: of all classes of the pool under the learners' encoders at a history; the same object every
    time where the encoders are frozen. domains: of each class of the pool by number, for a cap on them.
    """

    def __init__(
        self, geometry_at: Callable[[History], Geometry], reduction: Reduction, domains: Sequence[str] = ()
    ) -> None:
        if reduction.per_domain and not domains:
            raise UsageError("tasks offered: per_domain needs the domains of the classes")
        self.geometry_at, self.reduction, self.domains = geometry_at, reduction, domains

    def __call__(self, history: History, rng: np.random.Generator) -> tuple[Classes, ...]:
        import numpy as np

        space, plan = self.geometry_at(history), self.reduction
        learned = space.positions(sorted(used(history)))
        unused = np.setdiff1d(np.arange(len(space.classes)), learned)
        if len(unused) < plan.size:
            return ()
        cap, left = self._cap(space), unused.tolist()
        tasks = greedy_tasks(
            space.potential, left, plan.size, start_classes(unused, plan.candidates, rng), cap
        )
        extra = ceil(plan.controls * plan.candidates)
        tasks = list(dict.fromkeys(tasks + uniform_tasks(left, plan.size, extra, rng, cap)))
        if not tasks:
            return ()
        features = describe(space, tasks, learned.tolist())
        return tuple(
            tuple(space.classes[list(task)].tolist())
            for task in one_of_each(tasks, features, plan.groups, rng)
        )

    def _cap(self, space: Geometry) -> Cap | None:
        import numpy as np

        if not self.reduction.per_domain:
            return None
        names = [self.domains[c] for c in space.classes]
        return Cap(np.unique(names, return_inverse=True)[1], self.reduction.per_domain)

    def accuracy(self, history: History, action: Classes) -> float:
        """The nearest class mean's accuracy on a task, mean over learners: how easy it looks untaught."""
        space = self.geometry_at(history)
        task = tuple(space.positions(action).tolist())
        learned = space.positions(sorted(used(history))).tolist()
        return float(ncm_accuracy(space, [task], learned).mean())
