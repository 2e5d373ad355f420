"""The vocabulary of claims, and where they are found.

A claim is a sentence of a paper that can be tested: a comparison of methods (`Claim`), a method against a
fixed value (`Bound`), a ranking that differs from another (`Ranking`), or something about the protocol itself
that is computed (`Check`). Published figures
(`Published`) and audit notes (`Audit`) stand beside them. They are data in `tasks/<family>/claims.py`, in
lists CLAIMS, PUBLISHED and AUDITS; leaderboard/claims.py gives the verdicts, docs/claims.md the rules.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from suite import catalog
from suite.api import PROFILES, MethodSpec, Paper, Profile, TaskSpec
from suite.errors import SuiteError, unknown

LISTS = {"CLAIMS": "claims", "PUBLISHED": "published", "AUDITS": "audits"}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """On `metric` of every task, `better` is better than each of `worse` by more than `margin`.

    id: short, lower case, unique. where: the place in the paper ("Table 2", "abstract"). margin: in the
    metric's own unit (0.02 is two points of a metric shown in per cent) and by how much *better*, whatever
    the metric's direction; below 0 the claim is "not worse by |margin| or more". note: how the statement
    became this test, and what the test leaves out.
    """

    id: str
    paper: Paper
    where: str
    statement: str
    tasks: tuple[str, ...]
    metric: str
    better: str
    worse: tuple[str, ...]
    margin: float = 0.0
    slice: str = "all"
    profile: Profile = "small"
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """On `metric` of every task, `method` reaches `relation` ("at least", "at most") `value`.

    `value` is in the metric's own unit; a method that gives it exactly keeps the bound.
    """

    id: str
    paper: Paper
    where: str
    statement: str
    tasks: tuple[str, ...]
    metric: str
    method: str
    relation: Literal["at least", "at most"]
    value: float
    slice: str = "all"
    profile: Profile = "small"
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A claim about the protocol itself, computed without the store.

    where_code: "module:function" of a function without arguments that returns (does it hold, what was
    found); it may raise DataError where its data is missing. seconds: about how long it takes.
    """

    id: str
    paper: Paper
    where: str
    statement: str
    where_code: str
    seconds: float = 1.0
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """By `metric`, methods rank otherwise on the slice `slice` of `tasks` than on the task `reference`: more
    so than on the slice `control` of the same tasks.

    How alike two rankings are is Kendall's tau over `methods`, of each seed by itself. Each method takes its
    values from the one of `tasks` where it has some. The claim holds where the tau of reference and control
    is above that of reference and slice: the control tells what another draw of the same kind would do.
    """

    id: str
    paper: Paper
    where: str
    statement: str
    reference: str
    tasks: tuple[str, ...]
    metric: str
    methods: tuple[str, ...]
    slice: str
    control: str
    profile: Profile = "small"
    note: str = ""


AnyClaim = Claim | Bound | Ranking | Check


@dataclass(frozen=True, kw_only=True)
class Published:
    """A figure that a paper reports, in the metric's own unit; `sd` over its seeds, None where not given.

    setting: the paper's model and sizes. source: where the figure was read. differs: why ours may differ.
    """

    paper: Paper
    where: str
    task: str
    method: str
    metric: str
    value: float
    sd: float | None = None
    slice: str = "all"
    setting: str = ""
    source: str = ""
    differs: str = ""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """A note beside a paper, or beside one of its claims (`about` is that claim's id).

    source: where anyone can look it up. by: who says it, and how they know.
    """

    paper: Paper
    text: str
    source: str
    by: str
    about: str = ""


@dataclass(frozen=True)
class Book:
    """What is claimed in one family."""

    family: str
    claims: tuple[AnyClaim, ...] = ()
    published: tuple[Published, ...] = ()
    audits: tuple[Audit, ...] = ()

    def audits_of(self, claim: AnyClaim) -> tuple[Audit, ...]:
        """The notes beside this claim: its own, then those on its whole paper."""
        own = [a for a in self.audits if a.about == claim.id]
        return (*own, *(a for a in self.audits if not a.about and a.paper == claim.paper))

    def published_of(self, claim: AnyClaim) -> tuple[Published, ...]:
        """The published figures of what a comparison or a bound is about; none for another claim."""
        if isinstance(claim, Check | Ranking):
            return ()
        methods = (claim.method,) if isinstance(claim, Bound) else (claim.better, *claim.worse)
        key = (claim.metric, claim.slice)
        found = [
            p
            for p in self.published
            if p.task in claim.tasks and p.method in methods and (p.metric, p.slice) == key
        ]
        return tuple(sorted(found, key=lambda p: (claim.tasks.index(p.task), methods.index(p.method))))


def books() -> dict[str, Book]:
    """The claims by family, sorted; a family whose tasks have no claims file is left out.

    `tasks/<family>/claims.py` is read for every family of the catalogue, and a module in SUITE_PLUGINS that
    has one of the lists counts for the family of its first task.
    """
    found: dict[str, Book] = {}
    for family, module in _modules():
        lists: dict[str, Any] = {field: tuple(getattr(module, name, ())) for name, field in LISTS.items()}
        if any(lists.values()):
            before = found.get(family, Book(family))
            found[family] = Book(family, **{f: getattr(before, f) + lists[f] for f in lists})
    return dict(sorted(found.items()))


def _modules() -> Iterator[tuple[str, Any]]:
    """(family, module) of everything that may hold claims."""
    for family in sorted({task.family for task in catalog.tasks().values()}):
        name = f"tasks.{family}.claims"
        try:
            known = importlib.util.find_spec(name) is not None
        except (ImportError, ValueError):
            known = False
        if known:
            try:
                yield family, importlib.import_module(name)
            except ImportError as error:
                raise SuiteError(f"the claims in {name} cannot be loaded: {error}") from error
    for name in filter(None, (n.strip() for n in os.environ.get("SUITE_PLUGINS", "").split(","))):
        try:
            module = importlib.import_module(name)
        except Exception:
            continue  # the catalogue has said so already
        tasks = getattr(module, "TASKS", ())
        if tasks and any(hasattr(module, listed) for listed in LISTS):
            yield tasks[0].family, module


def find(claim_id: str, known: Mapping[str, Book]) -> tuple[Book, AnyClaim]:
    """The claim with that id and the book it stands in; UsageError with the nearest id otherwise."""
    for book in known.values():
        for claim in book.claims:
            if claim.id == claim_id:
                return book, claim
    ids = [claim.id for book in known.values() for claim in book.claims]
    raise unknown("claim", claim_id, ids, "suite claims")


def problems(
    claim: AnyClaim, tasks: Mapping[str, TaskSpec], methods: Mapping[str, MethodSpec]
) -> tuple[str, ...]:
    """What makes a claim untestable: unknown names, a metric without a direction, nothing to compare with."""
    if isinstance(claim, Check):
        module, colon, function = claim.where_code.partition(":")
        return () if module and colon and function else ("where_code must be module:function",)
    found = [] if claim.tasks else ["names no task"]
    if claim.profile not in PROFILES:
        found.append(f"no profile '{claim.profile}'")
    if isinstance(claim, Ranking):
        return (*found, *_ranking_problems(claim, tasks, methods))
    named: Sequence[str] = (claim.method,) if isinstance(claim, Bound) else (claim.better, *claim.worse)
    found += [f"no method '{name}'" for name in named if name not in methods]
    if isinstance(claim, Claim) and not claim.worse:
        found.append("names nothing that `better` is compared with")
    if isinstance(claim, Claim) and claim.better in claim.worse:
        found.append(f"compares '{claim.better}' with itself")
    for name in claim.tasks:
        found += _task_problems(claim, tasks.get(name), name, [methods[m] for m in named if m in methods])
    return tuple(found)


def _ranking_problems(
    claim: Ranking, tasks: Mapping[str, TaskSpec], methods: Mapping[str, MethodSpec]
) -> Iterator[str]:
    yield from (f"no method '{name}'" for name in claim.methods if name not in methods)
    if len(claim.methods) < 3 or len(set(claim.methods)) < len(claim.methods):
        yield "a ranking needs three methods or more, each once"
    for name in (claim.reference, *claim.tasks):
        if name not in tasks:
            yield f"no task '{name}'"
        elif tasks[name].metric(claim.metric) is None:
            yield f"task '{name}' has no metric '{claim.metric}'"


def _task_problems(
    claim: Claim | Bound, task: TaskSpec | None, name: str, named: Sequence[MethodSpec]
) -> Iterator[str]:
    if task is None:
        yield f"no task '{name}'"
        return
    metric = task.metric(claim.metric)
    if metric is None:
        yield f"task '{name}' has no metric '{claim.metric}'"
    elif isinstance(claim, Claim) and metric.better == "neutral":
        yield f"metric '{claim.metric}' of task '{name}' has no better side; use a Bound"
    yield from (f"method '{m.name}' cannot run on task '{name}'" for m in named if m.family != task.family)
