"""Claims that a ranking differs: Kendall's tau of each seed, and the pair that the verdict rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from leaderboard.board import Entry
from leaderboard.verdicts import Pair, Side, measured
from suite.claims import Ranking
from suite.stats import kendall_tau

Find = Callable[[str, str, str], tuple[Entry | None, str]]
"""Task, method and slice to the entry that counts and why it has no value ("" where it has one)."""
NO_ORDER = "one of the rankings has nothing but ties"


def ranking_pair(claim: Ranking, find: Find, command: Callable[[str, str], str]) -> Pair:
    """Agreement of reference and control (a) against that of reference and slice (b); the claim says that the
    first is larger. command: of a method and a task, for what is missing.
    """
    missing, commands = [], []
    values: dict[str, dict[str, Mapping[int, float]]] = {"reference": {}, claim.control: {}, claim.slice: {}}
    for method in claim.methods:
        for place, tasks, part in (
            ("reference", (claim.reference,), "all"),
            (claim.control, claim.tasks, claim.control),
            (claim.slice, claim.tasks, claim.slice),
        ):
            found = [(task, *find(task, method, part)) for task in tasks]
            entry = next((e for _, e, why in found if e is not None and not why), None)
            if entry is not None:
                values[place][method] = entry.per_seed(claim.metric, part)
                continue
            missing.append(f"{method} on {' or '.join(tasks)}: {found[0][2]}")
            commands += [command(method, task) for task in tasks]
    pair = Pair(
        task=claim.reference,
        profile=claim.profile,
        metric=f"Kendall's tau of {claim.metric}",
        unit="",
        slice=claim.slice,
        a=_side(claim.control, claim, values),
        b=_side(claim.slice, claim, values),
        target=0.0,
        reason="; ".join(dict.fromkeys(missing)),
        commands=tuple(dict.fromkeys(commands)),
    )
    if missing:
        return pair
    if not pair.seeds:
        return replace(pair, reason=NO_ORDER)
    return measured(pair, upwards=True)


def _side(part: str, claim: Ranking, values: Mapping[str, Mapping[str, Mapping[int, float]]]) -> Side:
    """Tau by seed, over the seeds that every method has on both sides."""
    first, second = values["reference"], values[part]
    taus = {}
    for seed in _shared([*first.values(), *second.values()]):
        both = [(first[m][seed], second[m][seed]) for m in claim.methods if m in first and m in second]
        tau = kendall_tau(*map(list, zip(*both, strict=True))) if len(both) > 1 else None
        if tau is not None:
            taus[seed] = tau
    return Side(f"{claim.reference} and {part}", taus)


def _shared(values: Sequence[Mapping[int, float]]) -> list[int]:
    seeds = set(values[0]) if values else set()
    for one in values:
        seeds &= set(one)
    return sorted(seeds)
