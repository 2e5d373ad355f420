"""The metrics of compositional generalization, each a pure function of predictions or augmented examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from suite.api import Metric, Score
from tasks.compositional.contract import Augmented

METRICS = (
    Metric("exact_match", "higher", "fraction", "test outputs equal to the reference, token by token"),
    Metric(
        "exact_match_lo", "neutral", "fraction", "lower end of its 95% bootstrap interval over test examples"
    ),
    Metric(
        "exact_match_hi", "neutral", "fraction", "upper end of its 95% bootstrap interval over test examples"
    ),
    Metric(
        "dev_exact_match", "higher", "fraction", "exact match on held-out lines of the training distribution"
    ),
    Metric(
        "iid_exact_match",
        "higher",
        "fraction",
        "exact match on the published test set of the training distribution, where there is one",
    ),
    Metric(
        "execution",
        "higher",
        "fraction",
        "programs that give the reference's answer on every generated database; an approximation",
    ),
    Metric("aug_n", "neutral", "count", "distinct examples that the method added to the training set"),
    Metric(
        "aug_consistency",
        "neutral",
        "fraction",
        "added examples in the words of the task whose output is what the input means",
    ),
    Metric("aug_overlap_train", "neutral", "fraction", "distinct training inputs among the added inputs"),
    Metric("aug_overlap_dev", "neutral", "fraction", "distinct dev inputs among the added inputs"),
    Metric("aug_overlap_test", "neutral", "fraction", "distinct test inputs among the added inputs"),
    Metric("examples_seen", "neutral", "count", "examples that training went through, repeats counted"),
    Metric("steps", "neutral", "count", "optimiser steps"),
    Metric(
        "parameters", "neutral", "count", "trained parameters of the parser; LCS trains a policy beside it"
    ),
    Metric("demos", "neutral", "count", "demonstrations in a prompt, mean over the distinct test inputs"),
    Metric(
        "demo_coverage",
        "neutral",
        "fraction",
        "words of a test input that its demonstrations show, mean share",
    ),
    Metric(
        "demo_query",
        "neutral",
        "fraction",
        "test inputs that are shown themselves, with an output made for them",
    ),
    Metric(
        "demo_dropped",
        "neutral",
        "count",
        "demonstrations left out of a prompt because it was too long, mean",
    ),
    Metric("prompt_tokens", "neutral", "count", "tokens of a prompt, mean over the test inputs"),
    Metric("fit_s", "lower", "s", "wall clock of augmentation and training", exact=False),
    Metric("predict_s", "lower", "s", "wall clock of predicting the test set", exact=False),
)
FACTS = (
    *("examples_seen", "steps", "parameters"),
    *("demos", "demo_coverage", "demo_query", "demo_dropped", "prompt_tokens"),
)
"""What a competitor may say of itself (`Fitted.facts`)."""


def matches(predictions: Sequence[str], targets: Sequence[str]) -> list[bool]:
    """Whether each prediction has the tokens of its target; blanks between tokens do not count."""
    return [p.split() == t.split() for p, t in zip(predictions, targets, strict=True)]


def share(hits: Sequence[bool]) -> float:
    """The fraction that is true, of at least one."""
    return sum(hits) / len(hits)


def slice_scores(correct: Sequence[bool], slices: Sequence[Sequence[str]]) -> list[Score]:
    """Exact match in every slice that has an example; `slices` gives the slice names of each example."""
    members: dict[str, list[bool]] = {}
    for hit, names in zip(correct, slices, strict=True):
        for name in names:
            members.setdefault(name, []).append(hit)
    return [Score("exact_match", share(hits), len(hits), name) for name, hits in sorted(members.items())]


def augmentation_scores(
    augmented: Sequence[Augmented], interpret: Callable[[str], str] | None, **inputs: Sequence[str]
) -> list[Score]:
    """Number, label consistency and overlap of the examples that a method added.

    `inputs` are the inputs of train, dev and test by name. Consistency is of the examples in the words of
    those: one in words of the method's own ("jump3") has no meaning to compare with. A share of nothing is
    no number and is left out, and so is the consistency where the language has no interpreter.
    """
    pairs = dict.fromkeys((a.x, a.y) for a in augmented)
    scores = [Score("aug_n", len(pairs))]
    if not pairs:
        return scores
    if interpret is not None:
        words = {word for lines in inputs.values() for x in lines for word in x.split()}
        correct = [consistent(x, y, interpret) for x, y in pairs if words.issuperset(x.split())]
        if correct:
            scores.append(Score("aug_consistency", share(correct), len(correct)))
    added = {x for x, _ in pairs}
    for part, lines in inputs.items():
        distinct = set(lines)
        if distinct:
            scores.append(Score(f"aug_overlap_{part}", len(distinct & added) / len(distinct), len(distinct)))
    return scores


def consistent(x: str, y: str, interpret: Callable[[str], str]) -> bool:
    """Whether `y` is what `x` means; an input outside the language means nothing."""
    try:
        return interpret(x).split() == y.split()
    except ValueError:
        return False
