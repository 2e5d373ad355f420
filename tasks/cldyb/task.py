"""Learners on sequences of tasks: static ones, found ones, ones found against themselves, and random ones.

Paper: CLDyB (arXiv 2503.04655). Its constants could not be obtained; sizes here are this suite's own.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from suite.api import Context, Sample, Score, Task
from suite.errors import Skip
from suite.kept import Kept
from tasks.cldyb import scores
from tasks.cldyb.contract import ContinualLearner, History
from tasks.cldyb.orders import domain_order, random_order
from tasks.cldyb.stage import Stage

if TYPE_CHECKING:
    from tasks.cldyb.hunt import Hunt
    from tasks.cldyb.pool import Pool
    from tasks.cldyb.sequence import FoundSequence


class Wanted(NamedTuple):
    """The sequences of interest by name, and scores of how they came about."""

    sequences: Mapping[str, History]
    scores: tuple[Score, ...] = ()


RANDOM_STREAM = 2503
"""Random sequences are drawn under it, the same ones for every learner and cell."""


@dataclass(frozen=True, kw_only=True)
class PoolTask(Task):
    """What the tasks of the family share: where classes come from, and how they look to a learner.

    base_model: of `suite models list`, the frozen backbone of learners that read features and the start of
    those that train an encoder. pool: digits of scikit-learn, or the image sets of the data folder at px x px
    pixels; sources: which of them, commas between, all where it is empty; most: classes of a source at most,
    0 for all; train, val, test: pictures of a class at most. least: a class with fewer val pictures is left
    out. unseen_by: so is one that this model was trained on, or may have been.
    size: classes of a task. horizon: tasks of a sequence.
    """

    base_model: str = "vit-base-patch16-224-in21k"
    pool: Literal["digits", "real"] = "real"
    px: int = 224
    sources: str = ""
    most: int = 0
    train: int = 100
    val: int = 40
    test: int = 60
    least: int = 1
    unseen_by: str = ""
    size: int = 10
    horizon: int = 10

    def __post_init__(self) -> None:
        if self.pool not in ("digits", "real"):
            raise ValueError(f"pool '{self.pool}': digits or real")
        for name in ("px", "train", "val", "test", "size", "horizon"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.most < 0:
            raise ValueError(f"most must be at least 0, not {self.most}")

    def made_pool(self) -> Pool:
        """The pool. DataError where its pictures are not at hand."""
        from tasks.cldyb.images import SOURCES, VARIANTS, Caps, digits_pool, real_pool
        from tasks.cldyb.pool import seen

        caps = Caps(self.train, self.val, self.test)
        named = [part.strip() for part in self.sources.split(",") if part.strip()]
        if self.pool == "digits":
            made = digits_pool(self.px, variants=named or VARIANTS, caps=caps)
        else:
            made = real_pool(self.px, sources=named or tuple(SOURCES), caps=caps, most=self.most)
        if self.unseen_by:
            name = f"{made.name}-unseen-by-{self.unseen_by}"
            made = made.where(lambda one: seen(one, self.unseen_by) == "no", name)
        return made.where(lambda one: len(one.val) >= self.least, made.name)

    def stage(self, ctx: Context) -> Stage:
        """The pool under the backbone; features of a pool are kept in the suite's cache."""
        from suite.models.sources import cache_root
        from tasks.cldyb.features import backbone

        folder: Path | None = cache_root() / "features" if self.pool == "real" else None
        return Stage(self.made_pool(), backbone(ctx.base_model or self.base_model), folder)

    def facts(self, ctx: Context) -> Mapping[str, float | int | str]:
        """Classes, domains, pictures, and which classes the base model was trained on."""
        from collections import Counter

        from tasks.cldyb.pool import SPLITS, seen

        pool = self.made_pool()
        known = Counter(seen(one, self.base_model) for one in pool.classes)
        return {
            "classes": len(pool),
            **{f"classes of {name}": n for name, n in pool.domains().items()},
            **{f"{split} pictures": sum(len(c.split(split)) for c in pool.classes) for split in SPLITS},
            "pictures left out as repeats": pool.left_out,
            **{f"seen by {self.base_model}: {word}": n for word, n in sorted(known.items())},
            "pool hash": pool.hash,
        }


@dataclass(frozen=True, kw_only=True)
class LearnerTask(PoolTask):
    """A learner is taught sequences and asked about test pictures.

    training_seeds: how often each sequence of interest is learned, each time under another seed.
    """

    training_seeds: int = 1
    headline = "found"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.training_seeds < 1:
            raise ValueError(f"training_seeds must be at least 1, not {self.training_seeds}")

    @abstractmethod
    def wanted(self, method: ContinualLearner, stage: Stage, ctx: Context) -> Wanted:
        """What the learner is taught."""

    def others(self, stage: Stage) -> Mapping[str, History]:
        """Sequences that these are compared with: learned once."""
        return {}

    def run(self, method: ContinualLearner, ctx: Context) -> Iterator[Score]:
        """See `scores`; "all" is the mean over the sequences of interest. Skip for an adversary."""
        if not isinstance(method, ContinualLearner):
            raise Skip("an adversary learns nothing: see cldyb-search")
        stage, kept = self.stage(ctx), Kept.at(ctx.checkpoint)
        if method.reads == "features":
            stage.features  # noqa: B018 - computed here, so that no learner's time has them
        wanted, others = self.wanted(method, stage, ctx), self.others(stage)
        jobs = [
            Job(name, self.headline, tasks, k)
            for name, tasks in wanted.sequences.items()
            for k in range(self.training_seeds)
        ] + [Job(name, "random", tasks, 0) for name, tasks in others.items()]
        outcomes = []
        numbers = {name: k for k, name in enumerate(wanted.sequences)}
        for job in ctx.track(jobs, "sequences", len(jobs)):
            outcome, right = taught(method, stage, ctx, kept, job)
            outcomes.append(outcome)
            if job.group == self.headline and job.training == 0:
                ctx.log_samples(samples(stage, job.tasks, right, numbers[job.name]))
        yield from scores.sequence_scores(outcomes, self.headline)
        if others:
            yield from scores.gap_scores(outcomes)
        yield from scores.matrix_scores(outcomes)
        yield Score("trainings", float(sum(len(job.tasks) for job in jobs)))
        held = sum(len(one.train) for one in stage.pool.classes)
        yield Score("exemplars", float(min(method.exemplars, held)))
        yield from wanted.scores


@dataclass(frozen=True, kw_only=True)
class StaticTask(LearnerTask):
    """Sequences as fixed benchmarks have them: every task is of one domain. orders: their seeds."""

    orders: str = "1993,1994,1995"
    headline = "static"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(part.strip().isdigit() for part in self.orders.split(",")):
            raise ValueError(f"orders '{self.orders}': whole numbers, like 1993,1994")

    def wanted(self, method: ContinualLearner, stage: Stage, ctx: Context) -> Wanted:
        import numpy as np

        domains = [one.domain for one in stage.pool.classes]
        seeds = [int(part) for part in self.orders.split(",")]
        return Wanted(
            {
                f"static-{k}": domain_order(domains, self.size, self.horizon, np.random.default_rng(seed))
                for k, seed in enumerate(seeds)
            }
        )


@dataclass(frozen=True, kw_only=True)
class AgainstRandom(LearnerTask):
    """random: sequences drawn from the whole pool that found ones are compared with, five at least."""

    random: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.random < 5:
            raise ValueError(f"random must be at least 5, not {self.random}")

    def shape(self) -> tuple[int, int]:
        """Classes a task, and tasks."""
        return self.size, self.horizon

    def others(self, stage: Stage) -> Mapping[str, History]:
        import numpy as np

        classes = range(len(stage.pool))
        return {
            f"random-{k}": random_order(classes, *self.shape(), np.random.default_rng([RANDOM_STREAM, k]))
            for k in range(self.random)
        }


@dataclass(frozen=True, kw_only=True)
class PublishedTask(AgainstRandom):
    """Found sequences that are published, or a file of one.

    found: NAME@KEY of the registry or FILE@KEY, commas between; the key is the beginning of the sequence's
    own. part: "joint" for the learners that the search was against, "transfer" for those it never saw, "any"
    for both.
    """

    found: str = ""
    part: Literal["joint", "transfer", "any"] = "any"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.part not in ("joint", "transfer", "any"):
            raise ValueError(f"part '{self.part}': joint, transfer or any")
        listed = self.listed
        if len({(len(one.tasks), len(one.tasks[0])) for one in listed}) > 1:
            raise ValueError(f"found '{self.found}': sequences of different shapes")
        if len({one.key for one in listed}) < len(listed):
            raise ValueError(f"found '{self.found}': a sequence stands there twice")
        if self.part != "any" and len({tuple(sorted(one.learners)) for one in listed}) > 1:
            raise ValueError(f"found '{self.found}': found against different learners")

    @property
    def listed(self) -> list[FoundSequence]:
        """The sequences; ValueError for one that is not there, or is another than its key says."""
        from tasks.cldyb.registry import resolve

        return [resolve(part.strip()) for part in self.found.split(",") if part.strip()]

    def shape(self) -> tuple[int, int]:
        tasks = self.listed[0].tasks
        return len(tasks[0]), len(tasks)

    def wanted(self, method: ContinualLearner, stage: Stage, ctx: Context) -> Wanted:
        from tasks.cldyb.registry import against

        listed = self.listed
        if not listed:
            raise Skip(
                "no sequence is published for these sizes: find one by python -m tasks.cldyb.emit, and "
                "give it to the task cldyb-seq by --sequence FILE"
            )
        for one in listed:
            one.need_pool(stage.pool.hash, len(stage.pool))
            if self.part == "joint" and not against(one, method):
                raise Skip("the search was not against this learner: see cldyb-transfer")
            if self.part == "transfer" and against(one, method):
                raise Skip("the search was against this learner: see cldyb-joint")
        return Wanted({f"found-{k}": one.tasks for k, one in enumerate(listed)})


@dataclass(frozen=True, kw_only=True)
class SeparateTask(AgainstRandom):
    """A search against this learner alone, then this learner on what was found.

    candidates, groups, controls, per_domain: see `actions.Reduction`. simulations, depth, exploration,
    backup, commit, quantile, dynamic: see `SearchSettings`. images: also for learners that train an encoder,
    a long search.
    """

    candidates: int = 64
    groups: int = 6
    controls: float = 0.0
    per_domain: int = 0
    simulations: int = 24
    depth: int = 3
    exploration: float = 2**0.5
    backup: Literal["mean", "max"] = "mean"
    commit: Literal["visits", "max"] = "visits"
    quantile: float = 1.0
    dynamic: bool = False
    images: bool = False

    def wanted(self, method: ContinualLearner, stage: Stage, ctx: Context) -> Wanted:
        if method.reads == "images" and not self.images:
            raise Skip(
                "a search against a learner that trains an encoder takes hours: --set task.images=true"
            )
        found = self.searched(method, stage, ctx)
        told = {
            "return": sum(found.rewards),
            "search_trainings": found.trainings,
            "simulations": found.simulations,
            "search_s": found.seconds,
        }
        return Wanted({"found-0": found.tasks}, tuple(Score(name, float(v)) for name, v in told.items()))

    def plan(self, search_seed: int, training_seed: int) -> Hunt:
        """The search that these fields describe."""
        from tasks.cldyb.actions import Reduction
        from tasks.cldyb.contract import SearchSettings
        from tasks.cldyb.hunt import Hunt
        from tasks.cldyb.mdp import Reward

        search = SearchSettings(
            simulations=self.simulations,
            depth=self.depth,
            exploration=self.exploration,
            backup=self.backup,
            commit=self.commit,
            quantile=self.quantile,
            dynamic=self.dynamic,
        )
        reduction = Reduction(self.size, self.candidates, self.groups, self.controls, self.per_domain)
        return Hunt(self.horizon, search, reduction, Reward(), search_seed, training_seed)

    def searched(self, method: ContinualLearner, stage: Stage, ctx: Context) -> FoundSequence:
        """The sequence, from the checkpoint where it was found before."""
        from tasks.cldyb.hunt import hunt
        from tasks.cldyb.sequence import FoundSequence

        done = None if ctx.checkpoint is None else ctx.checkpoint / "sequence.json"
        if done is not None and done.exists():
            return FoundSequence.read(done)
        plan = self.plan(ctx.seed, ctx.seed_for("search training"))
        state = None if done is None else done.with_name("search.json")
        found = hunt(stage, {"learner": method}, plan, state, ctx.report)
        if done is not None:
            found.write(done)
        return found


class Job(NamedTuple):
    """A sequence to be taught. training: which of the training seeds."""

    name: str
    group: str
    tasks: History
    training: int


def taught(
    method: ContinualLearner, stage: Stage, ctx: Context, kept: Kept, job: Job
) -> tuple[scores.Outcome, list[list[int]]]:
    """The outcome of a sequence, and for each of its tasks which test examples were answered right (0, 1)."""

    def teach() -> dict[str, Any]:
        began = time.perf_counter()
        found = stage.follow(method, job.tasks, ctx.seed_for(f"training {job.training}"))
        seconds = time.perf_counter() - began
        right = [one.int().tolist() for one in found.right]
        return {"matrix": found.matrix, "right": right, "seconds": seconds}

    told = kept.once(f"{job.name}/{job.training}", teach)
    matrix = tuple(tuple(row) for row in told["matrix"])
    examples = tuple(map(len, told["right"]))
    return scores.Outcome(job.name, job.group, matrix, examples, told["seconds"]), told["right"]


def samples(stage: Stage, tasks: History, right: list[list[int]], sequence: int) -> Iterator[Sample]:
    """Every test example by whether it was right in the end; the first of each class is named.

    index: of the picture among all test pictures of the pool, those of sequence k counted k times further on.
    Runs on sequences of their own are so compared by the pictures that they share.
    """
    counts = [len(one.test) for one in stage.pool.classes]
    for task, marks in zip(tasks, right, strict=True):
        of = [(c, row) for c in task for row in range(counts[c])]
        for (c, row), mark in zip(of, marks, strict=True):
            index = sequence * sum(counts) + sum(counts[:c]) + row
            yield Sample(index, float(mark), None if row else stage.pool.classes[c].name)
