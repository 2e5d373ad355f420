"""The task of a SCAN split, and how any competitor is measured on a compositional problem."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from suite.api import Context, Sample, Score, Task
from suite.bootstrap import bootstrap_interval
from suite.errors import MethodError
from tasks.compositional.contract import Example, Fitted, Learner, Problem
from tasks.compositional.metrics import FACTS, augmentation_scores, matches, share, slice_scores
from tasks.compositional.scan import splits
from tasks.compositional.scan.grammar import LONGEST_OUTPUT, interpret
from tasks.compositional.scan.patterns import patterns

SAMPLE_SEED = 0
"""Which test items are logged with their texts: the same for every method, so that rows can be compared."""

Slices = Callable[[str, str], Sequence[str]]


@dataclass(frozen=True)
class ScanTask(Task):
    """Exact match on the test part of a SCAN split (Lake & Baroni 2018).

    split: a name of `splits.SPLITS`. split_seed draws the simple split, the dev lines and the subsamples;
    it is apart from the cell's seed, so that all seeds of a method meet the same data.
    n_train, n_test: at most so many lines, drawn by split_seed; all when None.
    samples: how many test items are logged with their texts.
    """

    split: str
    split_seed: int = 0
    n_train: int | None = None
    n_test: int | None = None
    samples: int = 40

    def __post_init__(self) -> None:
        if self.split not in splits.SPLITS:
            raise ValueError(f"no split '{self.split}'; there are {', '.join(splits.SPLITS)}")
        for name, n in (("n_train", self.n_train), ("n_test", self.n_test)):
            if n is not None and n < 1:
                raise ValueError(f"{name} must be at least 1, or none for all lines; not {n}")
        if self.samples < 0:
            raise ValueError(f"samples must not be negative, not {self.samples}")

    def parts(self, ctx: Context) -> splits.Split:
        """Commands of train, dev and test after the subsampling that the fields ask for."""
        whole = splits.with_dev(splits.published(self.split, self.split_seed, ctx.data), self.split_seed)
        return splits.Split(
            train=splits.sample(whole.train, self.n_train, self.split_seed),
            dev=splits.sample(whole.dev, self.n_test, self.split_seed),
            test=splits.sample(whole.test, self.n_test, self.split_seed),
        )

    def run(self, method: Learner, ctx: Context) -> Iterator[Score]:
        """Fit on train, predict dev and test; see `metrics.METRICS` for what is yielded."""
        parts = self.parts(ctx)
        problem = Problem(
            language="scan",
            train=splits.examples(parts.train),
            dev=splits.examples(parts.dev),
            held_out=frozenset(parts.dev + parts.test),
            interpret=interpret,
            max_output=math.ceil(1.1 * LONGEST_OUTPUT),
        )
        yield from measure(method, problem, splits.examples(parts.test), patterns, ctx, samples=self.samples)


def measure(
    method: Learner,
    problem: Problem,
    test: Sequence[Example],
    slices: Slices,
    ctx: Context,
    *,
    samples: int = 0,
) -> Iterator[Score]:
    """Fit `method` on `problem` and score it on `test`, whose outputs it never sees."""
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
    yield from _exact_match(correct, [slices(*e) for e in test])
    if problem.dev:
        hits = matches(_predict(fitted, problem.dev, "dev"), [e.y for e in problem.dev])
        yield Score("dev_exact_match", share(hits), len(hits))
    parts = {"train": problem.train, "dev": problem.dev, "test": test}
    inputs = {name: [e.x for e in lines] for name, lines in parts.items()}
    yield from augmentation_scores(fitted.augmented, problem.interpret, **inputs)
    yield from (Score(name, fitted.facts[name]) for name in FACTS if name in fitted.facts)
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
