"""What learners and adversaries work on: a pool under a backbone, and how a learner fares on a sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.cldyb.contract import Classes, ContinualLearner, History, Learner, Reads, TaskData
from tasks.cldyb.mdp import seed_of, training_seed
from tasks.cldyb.memo import LearnersMDP, Memo

if TYPE_CHECKING:
    import numpy as np

    from tasks.cldyb.actions import Reduction
    from tasks.cldyb.features import FrozenBackbone, PoolFeatures
    from tasks.cldyb.matrix import Examples, Followed
    from tasks.cldyb.mdp import Reward
    from tasks.cldyb.pool import Pool, Split
    from tasks.cldyb.sampling import Geometry, Support

SUPPORT = 20
"""Training examples of a class, at most, by which classes are compared."""


@dataclass(frozen=True)
class Stage:
    """folder: where features of the pool are kept; None keeps them in memory alone."""

    pool: Pool
    backbone: FrozenBackbone
    folder: Path | None = None

    @cached_property
    def features(self) -> PoolFeatures:
        from tasks.cldyb.features import pool_features

        return pool_features(self.pool, self.backbone, self.folder)

    def task(self, classes: Classes, reads: Reads) -> TaskData:
        """What a learner learns from."""
        return (self.features if reads == "features" else self.pool).task(classes)

    def examples(self, classes: Classes, split: Split, reads: Reads) -> Examples:
        """What a learner is asked."""
        return (self.features if reads == "features" else self.pool).examples(classes, split)

    def begin(self, method: ContinualLearner, seed: int) -> Learner:
        """A learner that has seen nothing."""
        return method.begin(self.backbone, seed_of(seed, "begin"))

    def follow(self, method: ContinualLearner, tasks: History, seed: int, split: Split = "test") -> Followed:
        """A new learner taught a sequence and asked about `split`; it is what `memo` would make of it."""
        from tasks.cldyb.matrix import follow

        return follow(
            self.begin(method, seed),
            [self.task(task, method.reads) for task in tasks],
            [self.examples(task, split, method.reads) for task in tasks],
            [training_seed(seed, tasks[: t + 1]) for t in range(len(tasks))],
        )

    def memo(self, methods: Mapping[str, ContinualLearner], seed: int, keep: int = 256) -> Memo:
        """Learners that are taught as an adversary asks, each with what it reads, examined on the validation
        split.
        """
        from tasks.cldyb.matrix import accuracies

        def examine(name: str, learner: Learner, history: History) -> Sequence[float]:
            reads = methods[name].reads
            return accuracies(learner, [self.examples(task, "val", reads) for task in history])

        begin: dict[str, Callable[[], Learner]] = {
            name: lambda method=method: self.begin(method, seed)  # type: ignore[misc]
            for name, method in methods.items()
        }
        return Memo(begin, lambda name, task: self.task(task, methods[name].reads), examine, seed, keep)

    def problem(
        self,
        memo: Memo,
        reduction: Reduction,
        horizon: int,
        reads: Mapping[str, Reads],
        reward: Reward | None = None,
    ) -> LearnersMDP:
        """The adversary's problem: tasks proposed by what classes look like to the learners as they are.

        reads: what each learner of the memo reads.
        """
        from tasks.cldyb.actions import Proposer
        from tasks.cldyb.opposition import Opposed

        domains = [one.domain for one in self.pool.classes]
        propose = Proposer(self._geometry(memo, reads), reduction, domains)

        def shown(name: str, classes: Sequence[int]) -> Examples:
            from tasks.cldyb.pool import stacked

            if reads[name] == "features":
                return stacked([self.features.train[c][:SUPPORT] for c in classes], classes)
            return stacked([self.pool.classes[c].train[:SUPPORT] for c in classes], classes)

        return LearnersMDP(memo, propose, horizon, reward, propose.accuracy, Opposed(memo, shown))

    def _geometry(self, memo: Memo, reads: Mapping[str, Reads]) -> Callable[[History], Geometry]:
        """Of all classes at a history: one for all histories where encoders are frozen."""
        from tasks.cldyb.sampling import geometry

        frozen = None
        if "features" in reads.values():
            frozen = _support([part[:SUPPORT] for part in self.features.train])
        if frozen is not None and "images" not in reads.values():
            same = geometry([frozen])
            return lambda history: same
        import torch

        parts = [torch.from_numpy(held.train[:SUPPORT]) for held in self.pool.classes]
        known: dict[History, Geometry] = {}

        def at(history: History) -> Geometry:
            if history not in known:
                supports = []
                for name in memo.names:
                    if frozen is not None and reads[name] == "features":
                        supports.append(frozen)
                        continue
                    learner = memo.at(name, history)
                    supports.append(_support([learner.representation(part).numpy() for part in parts]))
                known[history] = geometry(supports)
            return known[history]

        return at


def _support(parts: Sequence[np.ndarray]) -> Support:
    """Features of all classes, part c of class c."""
    import numpy as np

    from tasks.cldyb.sampling import Support

    return Support(np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts]))
