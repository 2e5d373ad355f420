"""From accuracy matrices to scores: what is measured on sequences, and how it is averaged over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import NamedTuple

from suite.api import Metric, Score
from tasks.cldyb import metrics
from tasks.cldyb.matrix import Triangle

OF_A_SEQUENCE = (
    Metric("final_accuracy", "higher", "fraction", "accuracy on all tasks after the last, mean over tasks"),
    Metric(
        "incremental_accuracy", "higher", "fraction", "mean over steps of the accuracy on all tasks so far"
    ),
    Metric("learning_accuracy", "higher", "fraction", "ALA: accuracy on each task when it is new"),
    Metric("retention", "higher", "ratio", "AR: accuracy in the end over that when new; read it beside ALA"),
    Metric("retention_before", "higher", "ratio", "the same without the last task, whose ratio is 1"),
    Metric(
        "forgetting", "lower", "fraction", "accuracy when new less that in the end, tasks before the last"
    ),
    Metric("forgetting_max_before", "lower", "fraction", "against the best before the last task (Chaudhry)"),
    Metric("forgetting_max_incl", "lower", "fraction", "against the best of all steps (PILOT, Mammoth)"),
)
COST = (
    Metric("trainings", "lower", "count", "tasks learned in the cell"),
    Metric("train_s", "lower", "s", "wall clock of a sequence: learning it and answering", exact=False),
    Metric("exemplars", "neutral", "count", "training examples that may be kept"),
)
MATRIX = Metric("accuracy", "neutral", "fraction", "one entry of the accuracy matrix, first training seed")
GAPS = (
    Metric("gap", "neutral", "fraction", "final accuracy on random sequences less that on found ones"),
    Metric("gap_lo", "neutral", "fraction", "lower end of its 95% interval, sequences being the sample"),
    Metric("gap_hi", "neutral", "fraction", "upper end of its 95% interval, sequences being the sample"),
    Metric("gap_relative", "neutral", "fraction", "the same, as a share of that on random ones"),
    Metric("retention_gap", "neutral", "ratio", "retention on random sequences less that on found ones"),
)
SEARCH = (
    Metric(
        "return", "neutral", "fraction", "what the adversary earned: 1 less the final validation accuracy"
    ),
    Metric("search_trainings", "neutral", "count", "tasks learned in the search"),
    Metric("simulations", "neutral", "count", "of the search"),
    Metric("search_s", "neutral", "s", "wall clock of the search", exact=False),
)


class Outcome(NamedTuple):
    """A learner on a sequence. group: "found", "random" or "static"; examples: of each task, in the test."""

    name: str
    group: str
    matrix: Triangle
    examples: tuple[int, ...]
    seconds: float


def of_matrix(matrix: Triangle) -> dict[str, float]:
    """The metrics of `OF_A_SEQUENCE`; without a retention that is no number."""
    kept = metrics.retention(matrix)
    values: dict[str, float | None] = {
        "final_accuracy": metrics.final_average(matrix),
        "incremental_accuracy": metrics.incremental_average(matrix),
        "learning_accuracy": metrics.learning_accuracy(matrix),
        "retention": kept.mean,
        "retention_before": kept.without_last,
        "forgetting": metrics.forgetting_init(matrix),
        "forgetting_max_before": metrics.forgetting_max_before(matrix),
        "forgetting_max_incl": metrics.forgetting_max_incl(matrix),
    }
    return {name: value for name, value in values.items() if value is not None}


def means(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Every metric's mean over the outcomes that have it."""
    rows = [of_matrix(one.matrix) for one in outcomes]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: fmean(row[name] for row in rows if name in row) for name in names}


def sequence_scores(outcomes: Sequence[Outcome], headline: str) -> Iterator[Score]:
    """Each metric over the headline's group as "all", over each group, and for each sequence.

    A sequence that was learned under several training seeds stands there once, as their mean.
    """
    by_name: dict[str, list[Outcome]] = {}
    for one in outcomes:
        by_name.setdefault(one.name, []).append(one)
    groups = list(dict.fromkeys(one.group for one in outcomes))
    parts = {"all": [one for one in outcomes if one.group == headline]}
    if len(groups) > 1:
        parts |= {group: [one for one in outcomes if one.group == group] for group in groups}
    for part, members in [*parts.items(), *by_name.items()]:
        n = _examples(members)
        for name, value in means(members).items():
            yield Score(name, value, n, part)
        yield Score("train_s", fmean(one.seconds for one in members), None, part)


def _examples(members: Sequence[Outcome]) -> int | None:
    """How many examples a mean over tasks is the mean of; None where they do not weigh alike, since tasks are
    of different sizes, or have several answers, of several trainings.
    """
    sizes = [size for one in members for size in one.examples]
    alike = len(set(sizes)) == 1 and len({one.name for one in members}) == len(members)
    return sum(sizes) if alike else None


def matrix_scores(outcomes: Sequence[Outcome]) -> Iterator[Score]:
    """The accuracy matrix of each sequence: "found-0 step 2 task 1", counted from 1."""
    done: set[str] = set()
    for one in outcomes:
        if one.name in done:
            continue
        done.add(one.name)
        for t, row in enumerate(one.matrix, 1):
            for j, value in enumerate(row, 1):
                yield Score("accuracy", value, None, f"{one.name} step {t} task {j}")


def gap_scores(outcomes: Sequence[Outcome]) -> Iterator[Score]:
    """How much lower a learner is on found sequences than on random ones; above 0 they are harder."""
    random, found = (_by_sequence(outcomes, group) for group in ("random", "found"))
    ends = [[row["final_accuracy"] for row in rows] for rows in (random, found)]
    of, interval = metrics.gap(*ends), metrics.gap_interval(*ends)
    yield Score("gap", of.absolute)
    if interval is not None:
        yield Score("gap_lo", interval.low)
        yield Score("gap_hi", interval.high)
    if of.relative is not None:
        yield Score("gap_relative", of.relative)
    kept = [[row["retention"] for row in rows if "retention" in row] for rows in (random, found)]
    if len(kept[0]) >= metrics.RANDOM_SEQUENCES and kept[1]:
        yield Score("retention_gap", metrics.gap(*kept).absolute)


def _by_sequence(outcomes: Sequence[Outcome], group: str) -> list[dict[str, float]]:
    """The means of each sequence of a group over its trainings."""
    names = dict.fromkeys(one.name for one in outcomes if one.group == group)
    return [means([one for one in outcomes if one.name == name]) for name in names]
