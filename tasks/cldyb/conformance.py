"""What `suite check` asks of a learner or an adversary, beside what it asks of all."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from suite.api import MethodSpec
from suite.catalog import load
from suite.conformance import Check
from suite.errors import MethodError, Skip
from suite.plan import Planned
from tasks.cldyb.contract import Adversary, ContinualLearner, Learner, State, TaskData, used

TASKS = ((4, 1), (0, 6), (3, 2))
EXAMPLES, ASKED, WIDTH = 8, 5, 12
IMAGES = "vit-32-clean"
SAME = 1e-4
"""Logits that differ by less of the largest are the same: the order of float sums."""


def first_task(method: MethodSpec) -> str:
    """Adversaries search on frozen oracles, learners are taught fixed sequences."""
    return "cldyb-search" if issubclass(load(method.where), Adversary) else "cl-static"


def checks(planned: Planned) -> list[Check]:
    """The family's promises."""
    method = planned.method_instance
    if isinstance(method, Adversary):
        hunt = Hunting(method)
        return [
            Check("legal", "sequences are whole and use no class twice", hunt.legal),
            Check("seeded", "the same problem and seed give the same sequence", hunt.seeded),
            Check("return", "the rewards it tells are those of its sequence", hunt.earned),
        ]
    assert isinstance(method, ContinualLearner)
    school = School(method)
    found = [
        Check("resume", "a learner put back half way goes on to the same bits", school.resume),
        Check("copies", "a state that was handed out does not change", school.copies),
        Check("columns", "a score, a number, for each class seen, in their order", school.columns),
        Check("alone", "a score does not depend on what else is asked", school.alone),
        Check("repeats", "a class that was seen is refused", school.repeats),
    ]
    # A null may guess by the place at which an example is asked.
    return [one for one in found if one.name != "alone" or planned.method_spec.role != "null"]


class Hunting:
    """An adversary on small problems."""

    def __init__(self, method: Adversary) -> None:
        self.method = method

    def _found(self, seed: int) -> tuple[Any, Any]:
        import numpy as np

        from tasks.cldyb.oracles import drawn

        problem = drawn("overlapping", np.random.default_rng(seed))
        try:
            return problem, self.method.find(problem, seed)
        except Skip:
            return problem, None

    def legal(self) -> None:
        for seed in range(3):
            problem, found = self._found(seed)
            if found and (
                len(found.tasks) != problem.horizon or len(used(found.tasks)) != 2 * problem.horizon
            ):
                raise MethodError(f"{found.tasks} is no sequence of {problem.horizon} disjoint tasks")

    def seeded(self) -> None:
        if self._found(1)[1] != self._found(1)[1]:
            raise MethodError("two searches with one seed found different sequences")

    def earned(self) -> None:
        from tasks.cldyb.contract import rewards

        problem, found = self._found(2)
        if found and found.rewards != rewards(problem, found.tasks):
            raise MethodError(
                f"it tells rewards {found.rewards}, its tasks earn {rewards(problem, found.tasks)}"
            )


class School:
    """A learner on a short sequence of generated classes."""

    def __init__(self, method: ContinualLearner) -> None:
        self.method = method

    @cached_property
    def backbone(self) -> Any:
        if self.method.reads == "images":
            from tasks.cldyb.features import backbone

            return backbone(IMAGES)
        return Plain()

    def examples(self, classes: tuple[int, ...], n: int, stream: int) -> TaskData:
        """n of each class about a point, or a colour, of its own."""
        import numpy as np
        import torch

        rng = np.random.default_rng([stream, *classes])
        y = np.repeat(classes, n)
        if self.method.reads == "images":
            colours = np.random.default_rng(0).uniform(40, 215, (8, 1, 1, 3))
            noise = rng.normal(0, 25, (len(y), 32, 32, 3))
            x: Any = torch.from_numpy((colours[y] + noise).clip(0, 255).astype(np.uint8))
        else:
            points = np.random.default_rng(0).normal(size=(8, WIDTH))
            x = torch.from_numpy((points[y] + 0.5 * rng.normal(size=(len(y), WIDTH))).astype(np.float32))
        return TaskData(x, torch.from_numpy(y), classes)

    def taught(self, count: int, learner: Learner | None = None, first: int = 0) -> Learner:
        learner = learner or self.method.begin(self.backbone, 0)
        for t in range(first, count):
            learner.learn(self.examples(TASKS[t], EXAMPLES, 1), t)
        return learner

    @cached_property
    def graduate(self) -> Learner:
        """One taught the whole sequence; not to be taught more."""
        return self.taught(len(TASKS))

    @cached_property
    def asked(self) -> Any:
        return self.examples(tuple(c for task in TASKS for c in task), ASKED, 2).x

    def resume(self) -> None:
        """In a new learner, and in one that has learned something else, as a tree of histories asks of it."""
        half = self.taught(1)
        state, seen = half.state(), half.seen
        elsewhere = self.method.begin(self.backbone, 0)
        elsewhere.learn(self.examples(TASKS[1], EXAMPLES, 1), 9)
        for other in (self.method.begin(self.backbone, 0), elsewhere):
            other.restore({name: value.clone() for name, value in state.items()}, seen)
            self.taught(len(TASKS), other, 1)
            _need_same(other.state(), self.graduate.state())
            _need_same({"logits": other.logits(self.asked)}, {"logits": self.graduate.logits(self.asked)})

    def copies(self) -> None:
        """Neither by the learner that gave it nor by one that was put back to it."""
        learner = self.taught(1)
        given, seen = learner.state(), learner.seen
        before = {name: value.clone() for name, value in given.items()}
        self.taught(2, learner, 1)
        _need_same(given, before)
        learner.restore(given, seen)
        self.taught(2, learner, 1)
        _need_same(given, before)

    def columns(self) -> None:
        learner, classes = self.graduate, tuple(c for task in TASKS for c in task)
        scores = learner.logits(self.asked)
        if learner.seen != classes or tuple(scores.shape) != (len(self.asked), len(classes)):
            raise MethodError(f"scores {tuple(scores.shape)} for classes {learner.seen}; seen were {classes}")
        if bool(scores.isnan().any()):
            raise MethodError("a score is not a number")

    def alone(self) -> None:
        import torch

        whole = self.graduate.logits(self.asked)
        single = torch.cat([self.graduate.logits(row[None]) for row in self.asked])
        finite = whole.isfinite() & single.isfinite()
        if not torch.equal(whole.isfinite(), single.isfinite()):
            raise MethodError("a score is finite only in company")
        off = float((whole - single)[finite].abs().max() / whole[finite].abs().max().clamp_min(1e-30))
        if not off < SAME:
            raise MethodError(f"scores differ by {off:.2g} of the largest when examples are asked one by one")

    def repeats(self) -> None:
        learner = self.taught(1)
        try:
            learner.learn(self.examples((TASKS[0][0], 7), EXAMPLES, 3), 9)
        except ValueError:
            return
        raise MethodError("a class that was seen before was learned again as if it were new")


class Plain:
    """A backbone whose features are given."""

    width = WIDTH

    def features(self, images: Any) -> Any:
        raise MethodError("a learner that reads features asked for those of pictures")

    def fresh(self) -> Any:
        raise MethodError("a learner that reads features asked for an encoder")


def _need_same(a: State, b: State) -> None:
    import torch

    if set(a) != set(b):
        raise MethodError(f"states hold different tensors: {', '.join(sorted(set(a) ^ set(b)))}")
    for name in a:
        if not torch.equal(a[name], b[name]):
            raise MethodError(f"'{name}' of the state is another one")
