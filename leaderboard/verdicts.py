"""One comparison of a claim: two methods on one task, or a method and a fixed value, over seeds.

Differences are turned so that a positive one favours the claim, whatever the metric's direction. Against a
method the interval and p value are Welch's, with the degrees of freedom rounded down as in the board's ranks;
against a fixed value they are Student's. Seeds are separate trainings, so pairing by seed can only claim what
the seeds share (data draws); the paired test and effect size stand beside and decide nothing.

Where no side varies over its seeds they are one run said several times, and there is neither interval nor
pairing over them. Two such methods are compared over the test examples where both logged all of them
(leaderboard/_by_examples.py); else, and for a bound, any difference counts and the reason says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from leaderboard._by_examples import Answers, compare
from suite import stats
from suite.stats import Interval

Verdict = Literal["supported", "contradicted", "undecided", "not run"]
VERDICTS: tuple[Verdict, ...] = ("supported", "contradicted", "undecided", "not run")
LEVEL = 0.95
SAME = 1e-12
"""Relative difference up to which two numbers are equal but for rounding."""
ONE_RUN = "by one run; seeds do not vary"


class Side(NamedTuple):
    """A method's values by seed on one task, with what a reader must know of them."""

    method: str
    values: Mapping[int, float]
    marks: tuple[str, ...] = ()

    @property
    def mean(self) -> float | None:
        return math.fsum(self.values.values()) / len(self.values) if self.values else None

    @property
    def sd(self) -> float | None:
        """The standard deviation over seeds, None for fewer than two."""
        if len(self.values) < 2:
            return None
        return math.sqrt(_squared_error(list(self.values.values())) * len(self.values))


@dataclass(frozen=True)
class Pair:
    """A comparison with its verdict.

    a: the method that the claim favours. b: its rival, None for a bound, whose value is `target`; for a
    comparison `target` is the margin. difference: a - b (bound: a - target), turned so that positive favours
    the claim; it is compared with the margin (bound: with 0). p: of the two-sided test that it equals that;
    holm: p corrected for the pairs of the claim, which decides. paired_p, effect: sign-flip p and Cohen's
    d_z of the differences over `shared` seeds, less the margin. seeds_needed: of each method, to decide with
    80 % power if the difference and spread seen were the true ones. examples: how many test examples interval
    and p are over, where no seed varies. commands: what to run where something is missing.
    """

    task: str
    profile: str
    metric: str
    unit: str
    slice: str
    a: Side
    b: Side | None
    target: float
    verdict: Verdict = "not run"
    difference: float | None = None
    interval: Interval | None = None
    p: float | None = None
    holm: float | None = None
    paired_p: float | None = None
    effect: float | None = None
    shared: int = 0
    seeds_needed: int | None = None
    examples: int | None = None
    reason: str = ""
    commands: tuple[str, ...] = ()

    @property
    def margin(self) -> float:
        """What the difference is compared with."""
        return self.target if self.b is not None else 0.0

    @property
    def seeds(self) -> int:
        """Of the side that has fewer."""
        return min(len(side.values) for side in self.sides)

    @property
    def sides(self) -> tuple[Side, ...]:
        return (self.a,) if self.b is None else (self.a, self.b)

    @property
    def unvarying(self) -> bool:
        """Whether each side has two seeds or more and none of them differs from another."""
        return all(side.sd == 0.0 for side in self.sides)


class Estimate(NamedTuple):
    """A difference with its standard error (0: no spread at all) and degrees of freedom."""

    difference: float
    error: float
    df: int

    def interval(self) -> Interval:
        half = stats.t_quantile((1 + LEVEL) / 2, self.df) * self.error if self.error else 0.0
        return Interval(self.difference - half, self.difference + half)

    def p(self, margin: float, rounding: float) -> float:
        """Two-sided p that the difference is `margin`; without any spread 0, or 1 for a tie."""
        gap = abs(self.difference - margin)
        if gap <= rounding:
            return 1.0
        return 2 * stats.t_cdf(-gap / self.error, self.df) if self.error else 0.0


def measured(pair: Pair, upwards: bool, answers: Callable[[], Sequence[Answers]] = tuple) -> Pair:
    """The pair with its numbers; both sides have a value. `upwards`: whether more of the metric is better,
    or for a bound whether it is "at least". `answers`: how right the examples were of each side, asked for
    where no seed varies."""
    sign = 1.0 if upwards else -1.0
    rival = pair.b.mean if pair.b is not None else pair.target
    assert pair.a.mean is not None and rival is not None
    pair = replace(pair, difference=sign * (pair.a.mean - rival))
    if pair.unvarying:
        return _of_one_run(pair, sign, answers)
    pair = _with_pairing(pair, sign)
    if pair.seeds < 2:
        return pair
    estimate = _estimate(pair)
    return replace(pair, interval=estimate.interval(), p=estimate.p(pair.margin, _rounding(pair)))


def _of_one_run(pair: Pair, sign: float, answers: Callable[[], Sequence[Answers]]) -> Pair:
    """By the test examples where they are at hand; else any difference counts, and it is said."""
    pair = replace(pair, reason=ONE_RUN, p=_estimate(pair).p(pair.margin, _rounding(pair)))
    if pair.b is None:
        return pair
    pair = replace(pair, shared=len(pair.a.values.keys() & pair.b.values.keys()))
    sides = answers()
    found = compare(*sides, sign, pair.margin) if len(sides) == 2 else None
    if found is None:
        return pair
    told = f"over {found.examples:,} test examples; seeds do not vary"
    return replace(pair, interval=found.interval, p=found.p, examples=found.examples, reason=told)


def decided(pairs: Sequence[Pair]) -> list[Pair]:
    """The verdicts of a claim's measured pairs, by Holm's correction over them; the others stay as they are.

    With one pair: supported where the 95 % interval lies above the margin, contradicted where it lies below.
    """
    tested = [i for i, pair in enumerate(pairs) if pair.p is not None]
    made = [_one_seed(p) if p.difference is not None and p.p is None else p for p in pairs]
    level = 1 - (1 - LEVEL) / max(1, len(tested))
    for i, p in zip(tested, stats.holm([pairs[i].p or 0.0 for i in tested]), strict=True):
        made[i] = _verdict(replace(pairs[i], holm=p), level)
    return made


def _verdict(pair: Pair, level: float) -> Pair:
    """`level`: that of the strictest step of Holm's rule, for the number of seeds that would do."""
    assert pair.difference is not None and pair.holm is not None and pair.p is not None
    gap = pair.difference - pair.margin
    if abs(gap) <= _rounding(pair):
        if pair.b is None and pair.unvarying:
            return replace(pair, verdict="supported")
        more = "" if pair.unvarying else ": more seeds alone do not decide it"
        return _undecided(pair, f"an exact tie{more}")
    if pair.holm < 1 - LEVEL:
        return replace(pair, verdict="supported" if gap > 0 else "contradicted")
    what = "the interval reaches across" if not pair.examples else "the difference may be chance"
    if pair.p < 1 - LEVEL:
        what = "the interval does not reach across, but among so many pairs that may be chance (Holm)"
    if pair.unvarying:
        return _undecided(pair, what)
    return replace(_undecided(pair, what), seeds_needed=_needed(pair, abs(gap), level))


def _undecided(pair: Pair, what: str) -> Pair:
    reason = f"{pair.reason}; {what}" if pair.reason else what
    return replace(pair, verdict="undecided", reason=reason)


def _needed(pair: Pair, gap: float, level: float) -> int | None:
    """More seeds than there are; None where a thousand would not do."""
    sd = math.sqrt(math.fsum((side.sd or 0.0) ** 2 for side in pair.sides) / len(pair.sides))
    power = stats.seeds_needed if pair.b is not None else stats.paired_seeds_needed
    needed = power(gap, sd, level=level)
    return None if needed is None else max(needed, pair.seeds + 1)


def _one_seed(pair: Pair) -> Pair:
    short = [side.method for side in pair.sides if len(side.values) < 2]
    return replace(pair, verdict="undecided", reason=f"one seed of {' and of '.join(short)} decides nothing")


def _with_pairing(pair: Pair, sign: float) -> Pair:
    """With the paired test and effect size over the seeds that both have, from two on."""
    if pair.b is None:
        return pair
    seeds = sorted(pair.a.values.keys() & pair.b.values.keys())
    if len(seeds) < 2:
        return replace(pair, shared=len(seeds))
    x = [sign * pair.a.values[s] - pair.target for s in seeds]
    y = [sign * pair.b.values[s] for s in seeds]
    tests = {"paired_p": stats.permutation_test(x, y), "effect": stats.effect_size(x, y)}
    return replace(pair, shared=len(seeds), **tests)


def _estimate(pair: Pair) -> Estimate:
    """Welch's for two methods, Student's for one and a fixed value."""
    assert pair.difference is not None
    counts = [len(side.values) for side in pair.sides]
    squares = [_squared_error(list(side.values.values())) for side in pair.sides]
    total = math.fsum(squares)
    if not total:
        return Estimate(pair.difference, 0.0, 1)
    df = total**2 / math.fsum(v * v / (n - 1) for v, n in zip(squares, counts, strict=True))
    return Estimate(pair.difference, math.sqrt(total), max(1, math.floor(df * (1 + SAME))))


def _squared_error(values: Sequence[float]) -> float:
    """The squared standard error of the mean; values equal but for rounding have none."""
    mean = math.fsum(values) / len(values)
    if max(values) - min(values) <= SAME * max(map(abs, values)):
        return 0.0
    return math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values)


def _rounding(pair: Pair) -> float:
    """The size below which a difference of these numbers is rounding."""
    return SAME * max(abs(x) for x in (pair.target, *(side.mean or 0.0 for side in pair.sides)))
