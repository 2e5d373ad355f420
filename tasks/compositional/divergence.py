"""How far the test part of a split is from its training part, by what both are made of.

Distribution-based compositionality assessment of Keysers et al. 2020 (arXiv 1912.09713, section 2.1): the
divergence of two samples is 1 - C_alpha(P || Q) with the Chernoff coefficient C_alpha = sum_k p_k^alpha
q_k^(1 - alpha), P of train and Q of test; alpha is 0.5 for atoms and 0.1 for compounds, since it matters
more whether a compound was seen at all than how often. What the atoms and compounds of an example are,
`compounds` says.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean

from tasks.compositional.compounds import LANGUAGES, Anatomy, Occurrence, anatomy
from tasks.compositional.contract import Example
from tasks.compositional.geoquery.task import template

ATOM_ALPHA = 0.5
COMPOUND_ALPHA = 0.1
RANDOM_SEED = 0
"""Draws the random split of the same sizes that the divergences are compared with."""

Facts = dict[str, float | int]


def chernoff(p: Mapping[str, float], q: Mapping[str, float], alpha: float) -> float:
    """C_alpha(P || Q) of two tables of counts or weights, each divided by its sum first.

    1 where the distributions are equal, 0 where they share nothing. ValueError for an empty table and for
    an alpha that is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
    of_p, of_q = sum(p.values()), sum(q.values())
    if not of_p > 0 or not of_q > 0:
        raise ValueError("a distribution needs at least one count above 0")
    return sum((p[k] / of_p) ** alpha * (q[k] / of_q) ** (1 - alpha) for k in p if k in q)


def divergence(
    train: Iterable[Mapping[str, float]], test: Iterable[Mapping[str, float]], alpha: float
) -> float:
    """1 - C_alpha between the summed counts of two samples, one table for each example."""
    # Rounding can leave a sum of shares a hair above 1.
    return max(0.0, 1.0 - chernoff(_summed(train), _summed(test), alpha))


def weighted(samples: Sequence[Sequence[Occurrence]]) -> list[dict[str, float]]:
    """For each sample the weight of every compound in it (Keysers et al. 2020, appendix L.4).

    w(G) = max over the occurrences g of G of 1 - max P(G' | G) over the compounds G' that hold g, where
    P(G' | G) is the share of all occurrences of G, over all samples, that are held by one of G'. A compound
    which hardly ever stands apart from one larger compound is thus hardly counted.

    Only compounds with one node more are looked at: a larger one holds such a one, so that it is no
    likelier. (Where it holds G twice, in different surroundings, it may be; the paper's maximum is then
    larger.) Weights of 0 are left out.
    """
    holding = [_holding(occurrences) for occurrences in samples]
    times = Counter(compound for sample in holding for compound, _ in sample)
    held = Counter((compound, name) for sample in holding for compound, larger in sample for name in larger)
    found = []
    for sample in holding:
        weights: dict[str, float] = {}
        for compound, larger in sample:
            share = max((held[compound, name] for name in larger), default=0) / times[compound]
            if share < 1:
                weights[compound] = max(weights.get(compound, 0), 1 - share)
        found.append(weights)
    return found


def _holding(occurrences: Sequence[Occurrence]) -> list[tuple[str, set[str]]]:
    """Each occurrence's compound with the compounds of those that have its nodes and one more."""
    larger: dict[int, set[str]] = {places: set() for _, places in occurrences}
    for compound, places in occurrences:
        left = places
        while left:
            node = left & -left
            left ^= node
            if places ^ node in larger:
                larger[places ^ node].add(compound)
    return [(compound, larger[places]) for compound, places in occurrences]


def report(
    language: str, train: Sequence[Example], dev: Sequence[Example], test: Sequence[Example]
) -> dict[str, float | int]:
    """What is to be known of a split before a score on it is read.

    Counts of lines, of distinct inputs and of tokens; the share of test lines whose input or output, and for
    geoquery whose program without names, is one of train; atom and compound divergence of test from train,
    and in "..._random" the same after one random split of all these lines in the same two sizes: what is
    left there comes from rare compounds and not from the split. A divergence is left out where one part has
    no compound at all, and for a language without compounds (SQL). `dev` is only counted. ValueError for an
    empty part.
    """
    if not train or not test:
        raise ValueError("a split needs lines in train and in test")
    facts: Facts = {"train_lines": len(train), "dev_lines": len(dev), "test_lines": len(test)}
    for name, lines in (("train", train), ("test", test)):
        facts |= _sizes(name, lines)
    known = {word for x, _ in train for word in x.split()}
    facts["test_words_unknown"] = len({word for x, _ in test for word in x.split()} - known)
    facts["test_inputs_seen"] = _seen([x for x, _ in train], [x for x, _ in test])
    facts["test_outputs_seen"] = _seen([y for _, y in train], [y for _, y in test])
    if language == "geoquery":
        facts["test_templates_seen"] = _seen([template(y) for _, y in train], [template(y) for _, y in test])
    return facts | (dict(_divergences(language, train, test)) if language in LANGUAGES else {})


def _sizes(name: str, lines: Sequence[Example]) -> Facts:
    inputs, outputs = ([len(text.split()) for text in texts] for texts in zip(*lines, strict=True))
    return {
        f"{name}_distinct_inputs": len({x for x, _ in lines}),
        f"{name}_longest_input": max(inputs),
        f"{name}_mean_input": fmean(inputs),
        f"{name}_longest_output": max(outputs),
        f"{name}_mean_output": fmean(outputs),
    }


def _seen(train: Iterable[str], test: Sequence[str]) -> float:
    known = set(train)
    return sum(text in known for text in test) / len(test)


def _divergences(
    language: str, train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, float]]:
    """The two divergences, each with that of a random split of the same lines in the same sizes."""
    read: dict[Example, Anatomy] = {}
    for example in (*train, *test):
        if example not in read:
            read[example] = anatomy(language, example)
    whole = [read[example] for example in (*train, *test)]
    order = list(range(len(whole)))
    random.Random(RANDOM_SEED).shuffle(order)
    atoms: list[Mapping[str, float]] = [Counter(sample.atoms) for sample in whole]
    compounds: list[Mapping[str, float]] = [*weighted([sample.compounds for sample in whole])]
    for kind, tables, alpha in (("atom", atoms, ATOM_ALPHA), ("compound", compounds, COMPOUND_ALPHA)):
        for suffix, drawn in (("", tables), ("_random", [tables[k] for k in order])):
            one, other = drawn[: len(train)], drawn[len(train) :]
            if any(one) and any(other):
                yield f"{kind}_divergence{suffix}", divergence(one, other, alpha)


def _summed(tables: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for table in tables:
        for key, count in table.items():
            total[key] = total.get(key, 0) + count
    return total
