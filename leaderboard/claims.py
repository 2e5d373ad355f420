"""Verdicts on claims, from the board alone.

1. What counts: of each method the entry without settings by hand, measured by the project itself, with the
   table's task settings and data. Only ok runs have values; NaN and infinities are no values.
2. A claim is a set of pairs: each task with each rival (a bound: each task). A pair is supported where the
   difference is significantly above the margin, contradicted where it is significantly below, undecided
   otherwise and with a single seed, and not run where a side has no value. Where neither side varies over its
   seeds, the test examples decide if both logged all of them, else the one run does; the reason says which.
   The p values of a claim's pairs are corrected by Holm's rule, so that the chance of any wrong supported or
   contradicted pair is 5 %.
3. The claim is contradicted if any pair is; else not run if any pair is; else undecided if any pair is; and
   supported only if all pairs are.
4. A ranking has one pair: how well the ranking of its reference agrees with that of its control, against how
   well it agrees with the slice that it is about, by Kendall's tau of each seed.
5. A check runs its function: supported where it holds, contradicted where it does not, not run where its data
   is missing.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from leaderboard._by_examples import answers
from leaderboard._ranking import ranking_pair
from leaderboard.board import Board, Entry, Table
from leaderboard.verdicts import VERDICTS as VERDICTS
from leaderboard.verdicts import Pair as Pair
from leaderboard.verdicts import Side as Side
from leaderboard.verdicts import Verdict as Verdict
from leaderboard.verdicts import decided, measured
from suite.api import MethodSpec, TaskSpec
from suite.claims import AnyClaim, Audit, Book, Bound, Check, Claim, Published, Ranking, problems
from suite.errors import DataError

WORST: tuple[Verdict, ...] = ("contradicted", "not run", "undecided", "supported")
SEEDS = range(5)
"""Of a cell that has not run."""


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict and everything it rests on.

    summary: the verdict's reason in a line. pairs: of a comparison or bound. found: what a check found.
    """

    family: str
    claim: AnyClaim
    verdict: Verdict
    summary: str
    pairs: tuple[Pair, ...] = ()
    found: str = ""
    audits: tuple[Audit, ...] = ()
    published: tuple[Published, ...] = ()

    @property
    def deciding(self) -> Pair | None:
        """The pair that the verdict hangs on: of those with this verdict the one least in favour."""
        hanging = [pair for pair in self.pairs if pair.verdict == self.verdict]
        return min(hanging, key=_favour, default=None)

    @property
    def commands(self) -> tuple[str, ...]:
        """What to run so that nothing is missing, and that undecided pairs get the seeds they need."""
        return tuple(dict.fromkeys(command for pair in self.pairs for command in pair.commands))


def judge_all(
    board: Board,
    books: Mapping[str, Book],
    tasks: Mapping[str, TaskSpec],
    methods: Mapping[str, MethodSpec],
) -> list[Judged]:
    """Every claim of these books, in their order. Runs the checks, which take seconds."""
    return [judge(board, book, claim, tasks, methods) for book in books.values() for claim in book.claims]


def judge(
    board: Board,
    book: Book,
    claim: AnyClaim,
    tasks: Mapping[str, TaskSpec],
    methods: Mapping[str, MethodSpec],
) -> Judged:
    """The verdict on one claim; one that cannot be tested (an unknown name) is not run and says why."""
    beside = (book.audits_of(claim), book.published_of(claim))
    if wrong := problems(claim, tasks, methods):
        return Judged(book.family, claim, "not run", "untestable: " + "; ".join(wrong), (), "", *beside)
    if isinstance(claim, Check):
        verdict, found = _checked(claim)
        return Judged(book.family, claim, verdict, found, (), found, *beside)
    pairs = tuple(_with_commands(pair) for pair in decided(_pairs(board, claim, tasks)))
    verdict = min((pair.verdict for pair in pairs), key=WORST.index)
    return Judged(book.family, claim, verdict, _summary(verdict, pairs), pairs, "", *beside)


def _checked(claim: Check) -> tuple[Verdict, str]:
    """What the function says; one that breaks, as a plug-in's may, must not take the others with it."""
    try:
        holds, found = _computed(claim.where_code)
    except DataError:
        # The error's own text names folders of this machine, which have no place on a page.
        return "not run", "its data is not at hand; `suite data list` says what is missing"
    except Exception as error:
        return "not run", f"the check broke: {type(error).__name__}: {error}"
    return ("supported" if holds else "contradicted"), found


@cache
def _computed(where_code: str) -> tuple[bool, str]:
    """A check depends on code and checked data alone, so once a process is enough."""
    from suite.catalog import load

    holds, found = load(where_code)()
    return bool(holds), str(found)


def _pairs(board: Board, claim: Claim | Bound | Ranking, tasks: Mapping[str, TaskSpec]) -> list[Pair]:
    tables = {table.task: table for table in board.tables if table.profile == claim.profile}
    if isinstance(claim, Ranking):
        metric = claim.metric
        return [
            ranking_pair(
                claim,
                lambda task, method, part: _entry(tables.get(task), method, metric, part),
                lambda method, task: command(method, task, claim.profile),
            )
        ]
    made = []
    for name in claim.tasks:
        rivals: tuple[str | None, ...] = (None,) if isinstance(claim, Bound) else claim.worse
        made += [_pair(claim, tasks[name], tables.get(name), rival) for rival in rivals]
    return made


def _pair(claim: Claim | Bound, task: TaskSpec, table: Table | None, rival: str | None) -> Pair:
    metric = task.metric(claim.metric)
    assert metric is not None
    first = claim.method if isinstance(claim, Bound) else claim.better
    sides, missing, commands = [], [], []
    entries: list[Entry] = []
    for name in (first, rival) if rival is not None else (first,):
        entry, why = _entry(table, name, claim.metric, claim.slice)
        sides.append(_side(name, entry, claim))
        entries += [entry] if entry is not None else []
        if why:
            missing.append(f"{name} on {task.name}: {why}")
            if entry is None or not entry.statuses.get("skipped"):
                commands.append(command(name, task.name, claim.profile))
    pair = Pair(
        task=task.name,
        profile=claim.profile,
        metric=claim.metric,
        unit=metric.unit,
        slice=claim.slice,
        a=sides[0],
        b=sides[1] if rival is not None else None,
        target=claim.value if isinstance(claim, Bound) else claim.margin,
        reason="; ".join(missing),
        commands=tuple(commands),
    )
    upwards = claim.relation == "at least" if isinstance(claim, Bound) else metric.higher_is_better
    if missing:
        return pair
    return measured(pair, bool(upwards), lambda: [answers(e, claim.metric, claim.slice) for e in entries])


def _entry(table: Table | None, method: str, metric: str, part: str) -> tuple[Entry | None, str]:
    """The entry that counts, and why it has no value ("" where it has one)."""
    found = [e for e in (table.entries if table else ()) if e.method == method]
    plain = [e for e in found if e.overrides in ("", "{}")]
    own = [e for e in plain if not e.only_claimed]
    usable = [e for e in own if e.comparable]
    if not usable:
        return None, _why_none(found, plain, own)
    entry = min(usable, key=lambda e: (-len(e.per_seed(metric, part)), e.base_model))
    if entry.per_seed(metric, part):
        return entry, ""
    ended = [f"{count} {status}" for status, count in entry.statuses.items() if status != "ok"]
    if entry.statuses.get("ok"):
        place = "" if part == "all" else f" on {part}"
        ended.append(f"no value of {metric}{place}")
    return entry, ", ".join(ended)


def _why_none(found: Sequence[Entry], plain: Sequence[Entry], own: Sequence[Entry]) -> str:
    if own:
        return "only with other task settings or data"
    if plain:
        return "only claimed by others, not confirmed by a run here"
    return "only with settings changed by hand" if found else "not run"


def _side(method: str, entry: Entry | None, claim: Claim | Bound) -> Side:
    if entry is None:
        return Side(method, {})
    values = dict(sorted(entry.per_seed(claim.metric, claim.slice).items()))
    return Side(method, values, tuple(mark.text for mark in entry.marks))


def command(method: str, task: str, profile: str, seeds: str = f"0-{SEEDS[-1]}") -> str:
    """The command that runs the cells of a method on a task."""
    words = ["suite", "run", "--method", method, "--task", task, "--profile", profile, "--seeds", seeds]
    return shlex.join(words)


def _with_commands(pair: Pair) -> Pair:
    """An undecided pair with what would give it the seeds that it needs; one that no seeds decide stays."""
    wanted = pair.seeds_needed or (len(SEEDS) if pair.seeds == 1 else 0)
    if pair.verdict != "undecided" or not wanted:
        return pair
    short = [side.method for side in pair.sides if len(side.values) < wanted]
    last = f"0-{wanted - 1}"
    return replace(pair, commands=tuple(command(name, pair.task, pair.profile, last) for name in short))


def _favour(pair: Pair) -> float:
    return 0.0 if pair.difference is None else pair.difference - pair.margin


def _summary(verdict: Verdict, pairs: Sequence[Pair]) -> str:
    """Why, in a line: how many pairs, and what undecided or missing ones need."""
    hanging = [pair for pair in pairs if pair.verdict == verdict]
    count = f"{len(hanging)} of {len(pairs)} comparisons" if len(pairs) > 1 else "its one comparison"
    if verdict == "supported":
        said = f"all {len(pairs)} comparisons support it" if len(pairs) > 1 else f"{count} supports it"
        return said + _without_seeds(hanging)
    if verdict == "undecided":
        against = sum(_favour(pair) < 0 for pair in hanging)
        leaning = f", {against} of them leaning against it" if against else ""
        if against == len(hanging):
            leaning = " and leaning against it"
        return f"{count} undecided{leaning}; {_more(hanging)}"
    if verdict == "not run":
        return "; ".join(dict.fromkeys(part for pair in hanging for part in pair.reason.split("; ")))
    speaks = "speaks" if len(hanging) == 1 else "speak"
    named = "; ".join(_named(pair) for pair in hanging)
    return f"{count} {speaks} against it: {named}{_without_seeds(hanging)}"


def _without_seeds(pairs: Sequence[Pair]) -> str:
    """What the verdicts of pairs rest on whose seeds do not vary; "" where all do."""
    fixed = [pair for pair in pairs if pair.unvarying]
    kinds = Counter("over test examples" if pair.examples else "by one run" for pair in fixed)
    if not kinds:
        return ""
    said = [f"{n} {kind}" if len(pairs) > 1 else kind for kind, n in sorted(kinds.items())]
    return f" ({', '.join(said)}; seeds do not vary)"


def _named(pair: Pair) -> str:
    return f"{pair.task} against {pair.b.method if pair.b is not None else 'the bound'}"


def _more(pairs: Sequence[Pair]) -> str:
    """How many seeds would decide all of these, or why that cannot be said."""
    pairs = [pair for pair in pairs if not pair.unvarying]
    if not pairs:
        return "seeds do not vary, so more of them do not decide"
    without = [pair for pair in pairs if pair.seeds_needed is None]
    if any(pair.seeds == 1 for pair in without):
        return "one seed decides nothing"
    needed = max((pair.seeds_needed or 0 for pair in pairs), default=0)
    count = "more than 1,000" if without else f"about {needed}"
    return f"{count} seeds of each would decide, if the differences seen are the true ones"
