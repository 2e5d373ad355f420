"""From the values of a metric before and after to a verdict: by which rule, and is the change beyond it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from leaderboard import _noise
from leaderboard._findings import Finding, Verdict, label, title
from leaderboard._noise import Chance
from suite.stats import holm

Rule = Literal["auto", "exact", "noise"]
Measure = tuple[str, str]  # metric and slice
Examples = Mapping[int, float]  # index of an example to how right it was
Samples = Callable[[Collection[str]], Mapping[str, Examples]]  # run ids to their examples

NOISE_SEEDS = 3
# Two-sided, for each of two families of tests: the primary metrics over the whole test set, and all else.
# Of either, half is on the worse side, so that chance makes a regression in at most 5 % of comparisons.
LEVEL = 0.05
SMALLEST_P = 1e-6
# Samples are stored as float32.
EXPLAINED = 1e-6

REPRODUCES = "same code on the same machine: any change counts"
EQUAL_SEEDS = "the baseline's seeds do not differ: any change counts"
FEW_SEEDS = "too few seeds to know the noise: any change counts"


class Value(NamedTuple):
    """A value of one seed in both stores, the examples behind it, and the runs that made it."""

    seed: int
    before: float
    after: float
    n: int | None = None
    run_before: str = ""
    run_after: str = ""


@dataclass
class Series:
    """The values of one metric and slice of a method over the seeds that both stores have.

    `same_machine`: every pair of runs was made on the same kind of machine with the same packages;
    `same_code`: by the same code, settings, data and base model too.
    """

    cell: tuple[Any, ...]
    measure: Measure
    higher: bool | None
    primary: str = ""
    same_machine: bool = True
    same_code: bool = True
    values: list[Value] = field(default_factory=list)

    @property
    def before(self) -> list[float]:
        return [v.before for v in self.values]

    @property
    def after(self) -> list[float]:
        return [v.after for v in self.values]

    @property
    def means(self) -> tuple[float, float]:
        n = len(self.values)
        return math.fsum(self.before) / n, math.fsum(self.after) / n

    @property
    def moved(self) -> int:
        """How many of its values are not the same to the last digit."""
        return sum(v.before != v.after for v in self.values)

    @property
    def is_primary(self) -> bool:
        return self.measure == (self.primary, "all")


def judge(
    series: Sequence[Series], rule: Rule, tolerance: float, old: Samples | None, new: Samples | None
) -> tuple[list[Finding], int]:
    """The findings, and how many values moved within the noise."""
    rules = [_exactly(s, rule) for s in series]
    few = [s for s, why in zip(series, rules, strict=True) if why is None and len(s.values) < NOISE_SEEDS]
    evidence = _Evidence(few, old, new)
    findings: list[Finding] = []
    noisy: list[tuple[Series, Chance]] = []
    for one, why in zip(series, rules, strict=True):
        chance = None
        if why is None:
            many = len(one.values) >= NOISE_SEEDS
            chance = _noise.over_seeds(one.before, one.after) if many else evidence.chance(one)
        if chance is None:
            findings += _each_seed(one, FEW_SEEDS if why is None else why, tolerance)
        else:
            noisy.append((one, chance))
    within = 0
    for family in (True, False):
        tests = [(s, c) for s, c in noisy if s.is_primary == family]
        for (one, chance), p in zip(tests, holm([c.p for _, c in tests]), strict=True):
            if (finding := _beyond(one, chance, p, tolerance)) is not None:
                findings.append(finding)
            else:
                within += one.moved
    return findings, within


def _exactly(series: Series, rule: Rule) -> str | None:
    """Why any change of the series counts ("" where the user said so); None where its noise decides."""
    if rule == "exact":
        return ""
    if rule == "auto" and series.same_machine and series.same_code:
        return REPRODUCES
    old = series.before
    if len(old) > 1 and min(old) == max(old):
        return EQUAL_SEEDS
    if rule == "auto" and len(old) < NOISE_SEEDS and series.same_machine:
        return FEW_SEEDS
    return None


class _Evidence:
    """The logged examples of cells with fewer seeds than tell the noise."""

    def __init__(self, few: Sequence[Series], old: Samples | None, new: Samples | None) -> None:
        cells = {s.cell: s for s in few if s.is_primary} if old and new else {}
        values = [v for s in cells.values() for v in s.values]
        before = old({v.run_before for v in values}) if old and values else {}
        after = new({v.run_after for v in values}) if new and values else {}
        self.examples: dict[tuple[Any, ...], tuple[Examples, Examples]] = {}
        for cell, series in cells.items():
            both = [
                (before.get(v.run_before, {}), after.get(v.run_after, {}), v.before, v.after)
                for v in series.values
            ]
            if all(_explains(o, was) and _explains(n, now) for o, n, was, now in both):
                self.examples[cell] = _mean([b[0] for b in both]), _mean([b[1] for b in both])

    def chance(self, series: Series) -> Chance | None:
        """From the examples of the primary metric, from the counts of its slices, else None."""
        if (both := self.examples.get(series.cell)) is None or series.measure[0] != series.primary:
            return None
        if series.is_primary:
            return _noise.over_examples(*both)
        counts = {v.n for v in series.values}
        if len(counts) != 1 or not (n := counts.pop()):
            return None
        before, after = series.means
        shares = all(0 <= v <= 1 for v in (*series.before, *series.after))
        return _noise.over_counts(before, after, n) if shares else None


def _explains(examples: Examples, value: float) -> bool:
    """Whether the examples are all of those that the value is the mean of, each from 0 to 1."""
    right = list(examples.values())
    if not right or min(right) < 0 or max(right) > 1:
        return False
    return abs(math.fsum(right) / len(right) - value) <= EXPLAINED


def _mean(seeds: Sequence[Examples]) -> Examples:
    """How right each example was, over the seeds; nothing where the seeds saw other examples."""
    if any(s.keys() != seeds[0].keys() for s in seeds):
        return {}
    return {k: math.fsum(s[k] for s in seeds) / len(seeds) for k in seeds[0]}


def _each_seed(series: Series, why: str, tolerance: float) -> Iterator[Finding]:
    for value in series.values:
        verdict = _verdict(value.before, value.after, series.higher, tolerance)
        if verdict is not None:
            cell = title((*series.cell, value.seed))
            yield Finding(verdict, cell, label(series.measure), value.before, value.after, why)


def _beyond(series: Series, chance: Chance, p: float, tolerance: float) -> Finding | None:
    """The finding of a change that is both large and unlikely enough to be none of chance."""
    before, after = series.means
    least = max(tolerance, chance.floor)
    verdict = _verdict(before, after, series.higher, least)
    if verdict is None or p > LEVEL:
        return None
    n = len(series.values)
    seeds = f"mean of {n} seeds" if n > 1 else f"seed {series.values[0].seed}"
    sure = f"{p:.2g}" if p >= SMALLEST_P else f"below {SMALLEST_P:g}"
    note = f"{chance.how}: beyond {least:.4g}, corrected p {sure}"
    return Finding(verdict, title((*series.cell, None), seeds), label(series.measure), before, after, note)


def _verdict(before: float, after: float, higher: bool | None, allowed: float) -> Verdict | None:
    """The verdict on a change, None where it is allowed. Without a tolerance every last digit counts."""
    slack = _noise.ROUNDING * max(abs(before), abs(after)) if allowed else 0.0
    if abs(after - before) <= allowed + slack:
        return None
    if higher is None:
        return "changed"
    return "improvement" if (after > before) == higher else "regression"
