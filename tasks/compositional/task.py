"""How any competitor is measured on a compositional problem, and the task of a SCAN split."""

from __future__ import annotations

import importlib
import math
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from suite.api import Context, Sample, Score, Task
from suite.bootstrap import bootstrap_interval
from suite.errors import MethodError, Skip
from tasks.compositional.contract import Example, Fitted, Learner, Problem, Setting
from tasks.compositional.metrics import FACTS, augmentation_scores, matches, share, slice_scores
from tasks.compositional.scan import splits
from tasks.compositional.scan.grammar import LONGEST_OUTPUT, interpret
from tasks.compositional.scan.patterns import patterns

SAMPLE_SEED = 0
"""Which test items are logged with their texts: the same for every method, so that rows can be compared."""
OVER = 1.1
"""Outputs are capped at so many times the longest of the task."""


class Parts(NamedTuple):
    """The examples of a task. slices: the names of the slices of each test example.

    longest: tokens of the longest output that the task has, whatever was sampled from it. iid: the published
    test part of the training distribution, where there is one.
    """

    train: Sequence[Example]
    dev: Sequence[Example]
    test: Sequence[Example]
    slices: Sequence[Sequence[str]]
    longest: int
    iid: Sequence[Example] = ()


@dataclass(frozen=True)
class CompositionalTask(Task):
    """What the tasks of the family share; a subclass says where its examples come from.

    samples: how many test items are logged with their texts. budget: see `contract.Problem`.
    """

    samples: int = field(default=40, kw_only=True)
    budget: float = field(default=1.0, kw_only=True)

    setting: ClassVar[Setting] = "training"

    def __post_init__(self) -> None:
        if self.samples < 0:
            raise ValueError(f"samples must not be negative, not {self.samples}")
        if not 0 < self.budget <= 1:
            raise ValueError(f"budget must be above 0 and at most 1, not {self.budget}")

    @property
    @abstractmethod
    def language(self) -> str:
        """The name of the language in `contract.Problem`."""

    @abstractmethod
    def parts(self, ctx: Context) -> Parts:
        """The examples after the subsampling that the fields ask for."""

    def interpreter(self, ctx: Context) -> Callable[[str], str] | None:
        """The reference interpreter of the language, where it has one."""
        return None

    def executes(self) -> Callable[[str, str], bool] | None:
        """Whether an output does what the reference does, where that can be told."""
        return None

    def run(self, method: Learner, ctx: Context) -> Iterator[Score]:
        """Fit on train, predict dev and test; see `metrics.METRICS` for what is yielded."""
        if self.setting not in method.competes:
            here = " or ".join(sorted(method.competes))
            raise Skip(f"{type(method).__name__} competes in {here} tasks; this one is {self.setting}")
        parts = self.parts(ctx)
        problem = Problem(
            language=self.language,
            train=parts.train,
            dev=parts.dev,
            held_out=frozenset(e.x for lines in (parts.dev, parts.iid, parts.test) for e in lines),
            interpret=self.interpreter(ctx),
            max_output=math.ceil(OVER * parts.longest),
            budget=self.budget,
        )
        yield from measure(method, problem, parts, ctx, samples=self.samples, executes=self.executes())

    def facts(self, ctx: Context) -> Mapping[str, float | int | str]:
        """Sizes, lengths and divergences of the task's parts (`divergence.report`)."""
        # By its name: the report is no part of what a cell measures, and so not of its code fingerprint.
        report = importlib.import_module("tasks.compositional.divergence").report
        parts = self.parts(ctx)
        found: Mapping[str, float | int | str] = report(self.language, parts.train, parts.dev, parts.test)
        return found


@dataclass(frozen=True)
class ScanTask(CompositionalTask):
    """Exact match on the test part of a SCAN split (Lake & Baroni 2018).

    split: a name of `splits.SPLITS`. split_seed draws the simple split, the dev lines and the subsamples;
    it is apart from the cell's seed, so that all seeds of a method meet the same data.
    n_train, n_test: at most so many lines, drawn by split_seed; all when None.
    """

    split: str
    split_seed: int = 0
    n_train: int | None = None
    n_test: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.split not in splits.SPLITS:
            raise ValueError(f"no split '{self.split}'; there are {', '.join(splits.SPLITS)}")
        at_least_one(n_train=self.n_train, n_test=self.n_test)

    @property
    def language(self) -> str:
        return "scan"

    def parts(self, ctx: Context) -> Parts:
        """Train, dev and test of the split."""
        whole = splits.with_dev(splits.published(self.split, self.split_seed, ctx.data), self.split_seed)
        test = splits.examples(splits.sample(whole.test, self.n_test, self.split_seed))
        return Parts(
            train=splits.examples(splits.sample(whole.train, self.n_train, self.split_seed)),
            dev=splits.examples(splits.sample(whole.dev, self.n_test, self.split_seed)),
            test=test,
            slices=[patterns(*example) for example in test],
            longest=LONGEST_OUTPUT,
        )

    def interpreter(self, ctx: Context) -> Callable[[str], str]:
        """SCAN's own; it needs no data."""
        return interpret


def at_least_one(**sizes: int | None) -> None:
    """ValueError for a number of lines below 1; None stands for all."""
    for name, n in sizes.items():
        if n is not None and n < 1:
            raise ValueError(f"{name} must be at least 1, or none for all lines; not {n}")


def measure(
    method: Learner,
    problem: Problem,
    parts: Parts,
    ctx: Context,
    *,
    samples: int = 0,
    executes: Callable[[str, str], bool] | None = None,
) -> Iterator[Score]:
    """Fit `method` on `problem` and score it on the test part, whose outputs it never sees."""
    test = parts.test
    started = time.perf_counter()
    fitted = method.fit(problem, ctx)
    fit_s = time.perf_counter() - started
    if not isinstance(fitted, Fitted):
        raise MethodError(f"{type(method).__name__}.fit gave {type(fitted).__name__}; it must give a Fitted")
    started = time.perf_counter()
    predictions = _predict(fitted, test, "test")
    predict_s = time.perf_counter() - started
    correct = matches(predictions, [e.y for e in test])
    ctx.log_samples(_samples(test, predictions, correct, samples))
    # What is said of the test part, before other parts are predicted: a competitor may add to both.
    facts, augmented = dict(fitted.facts), tuple(fitted.augmented)
    yield from _exact_match(correct, parts.slices)
    if executes is not None:
        right = [executes(p, e.y) for p, e in zip(predictions, test, strict=True)]
        yield Score("execution", share(right), len(right))
    for name, lines in (("dev", parts.dev), ("iid", parts.iid)):
        if lines:
            hits = matches(_predict(fitted, lines, name), [e.y for e in lines])
            yield Score(f"{name}_exact_match", share(hits), len(hits))
    inputs = {"train": [e.x for e in problem.train], "dev": [e.x for e in problem.dev]}
    yield from augmentation_scores(augmented, problem.interpret, **inputs, test=[e.x for e in test])
    yield from (Score(name, facts[name]) for name in FACTS if name in facts)
    yield Score("fit_s", fit_s)
    yield Score("predict_s", predict_s, len(test))


def _predict(fitted: Fitted, lines: Sequence[Example], part: str) -> list[str]:
    """The outputs for `lines`; MethodError unless there is one string for each."""
    predictions = fitted.predict([e.x for e in lines])
    name = f"{type(fitted).__name__}.predict"
    if not isinstance(predictions, (list, tuple)):
        raise MethodError(
            f"{name} gave {type(predictions).__name__} on {part}; it must give a list of strings"
        )
    if len(predictions) != len(lines):
        raise MethodError(
            f"{name} gave {len(predictions)} outputs for {len(lines)} {part} inputs; one each is due"
        )
    for output in predictions:
        if not isinstance(output, str):
            raise MethodError(f"{name} gave {type(output).__name__} on {part}; every output must be a string")
    return list(predictions)


def _exact_match(correct: Sequence[bool], slices: Sequence[Sequence[str]]) -> Iterator[Score]:
    yield Score("exact_match", share(correct), len(correct))
    interval = bootstrap_interval([float(hit) for hit in correct])
    if interval is not None:
        yield Score("exact_match_lo", interval.low, len(correct))
        yield Score("exact_match_hi", interval.high, len(correct))
    yield from slice_scores(correct, slices)


def _samples(
    test: Sequence[Example], predictions: Sequence[str], correct: Sequence[bool], texts: int
) -> Iterator[Sample]:
    """One sample for every test item, with texts for `texts` of them."""
    shown = set(splits.shuffled(len(test), SAMPLE_SEED)[:texts])
    for k, (example, prediction, hit) in enumerate(zip(test, predictions, correct, strict=True)):
        if k in shown:
            yield Sample(k, float(hit), example.x, prediction, example.y)
        else:
            yield Sample(k, float(hit))
