"""The compare page of a task: every method against the leader, all pairs, and any two side by side.

The statistics are made here, in Python, and are complete without scripts; the page's script picks two
methods and shows what the data files of leaderboard/comparedata.py hold about them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from markupsafe import Markup, escape

from leaderboard import bundle, figures
from leaderboard.board import Board, Entry, Table
from leaderboard.comparetext import effect, ends, p_value, signed, turn, verdict
from leaderboard.pairs import DRAWS, FEWER_DRAWS, Pair, Wins, compare, over_examples, wins
from leaderboard.samples import Logged, of_runs
from leaderboard.samples import logged as logged_runs
from suite.stats import Interval, holm

if TYPE_CHECKING:
    from suite.store import Store

View = dict[str, Any]
Render = Callable[[str, str, Mapping[str, Any]], str]
MATRIX_UP_TO = 30
ROLES = {"null": "floor", "ceiling": "ceiling"}
NO_RUNS: Mapping[int, str] = {}


class Side(NamedTuple):
    """An entry that can be compared: its name on the page, the pages of its runs, its examples by seed."""

    label: str
    entry: Entry
    runs: Mapping[int, str]
    samples: Mapping[int, Logged]
    interval: Interval | None


class Compared(NamedTuple):
    """One profile: its sides, best first, and the pairs (i, j) that were compared, i the better one.

    `wins` counts the logged examples of a pair, `examples` is the p value over them by Holm's rule, made
    for the pairs with the leader alone.
    """

    table: Table
    sides: Sequence[Side]
    pairs: Mapping[tuple[int, int], Pair]
    wins: Mapping[tuple[int, int], Wins]
    examples: Mapping[tuple[int, int], float]

    @property
    def unit(self) -> str:
        known = self.table.spec.metric(self.table.primary) if self.table.spec else None
        return known.unit if known else ""

    @property
    def rivals(self) -> list[int]:
        """The places of the competing methods: the table's leader first, then by mean."""
        places = [i for i, side in enumerate(self.sides) if side.entry.competes]
        leader = self.table.leader
        return sorted(places, key=lambda i: (self.sides[i].entry is not leader, i))


def page(task: str) -> str:
    """Where the compare page of a task lies below the site's folder."""
    return f"compare/{figures.slug(task)}.html"


def pickable(table: Table) -> list[Entry]:
    """The entries that can be compared, best first: same protocol, with values of the project's own."""
    return [e for e in table.entries if e.comparable and not e.only_claimed and e.per_seed()]


def labels(entries: Sequence[Entry]) -> list[str]:
    """A name for each, distinct: the method's, with what was set by hand where the method has several."""
    several = Counter(e.method for e in entries)
    names = [_label(e, several[e.method] > 1) for e in entries]
    seen: Counter[str] = Counter()
    made = []
    for name in names:
        seen[name] += 1
        made.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return made


def _label(entry: Entry, told: bool) -> str:
    added = figures.settings(entry.cell) if told else ""
    return figures.clean(f"{entry.method} ({added})" if added else entry.method)


def href(table: Table, a: Entry, b: Entry | None = None) -> str:
    """The address, from the site's folder, of `a` beside `b`, or beside the leader."""
    entries = pickable(table)
    names = dict(zip(map(id, entries), labels(entries), strict=True))
    other = b if b is not None else next((e for e in entries if e.competes and e is not a), None)
    asked = {"profile": table.profile, "a": names[id(a)]}
    if other is not None:
        asked["b"] = names[id(other)]
    return f"{page(table.task)}?{urlencode(asked, errors='replace')}"


def hrefs(table: Table) -> list[str]:
    """For each entry of a table the address of it beside the leader; empty where it cannot be compared."""
    entries = pickable(table)
    names = dict(zip(map(id, entries), labels(entries), strict=True))
    rivals = [e for e in entries if e.competes][:2]
    made = []
    for entry in table.entries:
        other = next((e for e in rivals if e is not entry), None)
        asked = {"profile": table.profile, "a": names.get(id(entry), "")}
        if other is not None:
            asked["b"] = names[id(other)]
        known = id(entry) in names
        made.append(f"{page(table.task)}?{urlencode(asked, errors='replace')}" if known else "")
    return made


def pages(board: Board, store: Store, render: Render) -> Iterator[tuple[str, str]]:
    """(path, text) of each task's compare page and of its data files."""
    from leaderboard import comparedata

    logged = logged_runs(store)
    by_task: dict[str, list[Table]] = defaultdict(list)
    for table in board.tables:
        by_task[table.task].append(table)
    for task, tables in sorted(by_task.items()):
        compared = [_compared(table, store, logged) for table in tables]
        yield page(task), render("compare.html", "../", _view(task, compared))
        yield from comparedata.files(task, compared)


def _compared(table: Table, store: Store, logged: frozenset[str]) -> Compared:
    entries = pickable(table)
    runs = [_runs(entry, logged) if logged else NO_RUNS for entry in entries]
    found = of_runs(store, table.task, {run for of_seed in runs for run in of_seed.values()})
    sides = [
        Side(label, entry, of_seed, {s: found[r] for s, r in of_seed.items() if r in found}, entry.interval())
        for label, entry, of_seed in zip(labels(entries), entries, runs, strict=True)
    ]
    made = Compared(table, sides, {}, {}, {})
    wanted, extra = _wanted(made)
    values = [side.entry.per_seed() for side in sides]
    # Hundreds of methods with many seeds each: the draws are what takes the time.
    draws = DRAWS if len(made.rivals) <= MATRIX_UP_TO else FEWER_DRAWS
    pairs = dict(zip(wanted, compare(values, wanted, draws), strict=True))
    # Floors and ceilings are no rivals: a pair with one is shown, and counts in no correction.
    pairs |= {k: p._replace(adjusted=None) for k, p in zip(extra, compare(values, extra), strict=True)}
    won = {(i, j): w for i, j in pairs if (w := wins(sides[i].samples, sides[j].samples)) is not None}
    return Compared(table, sides, pairs, won, _over_examples(made))


def _over_examples(compared: Compared) -> dict[tuple[int, int], float]:
    rivals = compared.rivals
    if not 1 < len(rivals) <= MATRIX_UP_TO:
        return {}
    samples = [side.samples for side in compared.sides]
    found = {(rivals[0], j): over_examples(samples[rivals[0]], samples[j]) for j in rivals[1:]}
    told = {pair: p for pair, p in found.items() if p is not None}
    return dict(zip(told, holm(list(told.values())), strict=True))


def _runs(entry: Entry, logged: frozenset[str]) -> dict[int, str]:
    return {run["seed"]: run["run"] for run in entry.runs if run["run"] in logged}


def _wanted(compared: Compared) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The pairs of rivals to compare, and the pairs with a floor or ceiling."""
    rivals = compared.rivals
    count = len(compared.sides)
    if len(rivals) > MATRIX_UP_TO:
        return [(rivals[0], j) for j in rivals[1:]], []
    every = [(i, j) for i in range(count) for j in range(i + 1, count)] if count <= 2 * MATRIX_UP_TO else []
    known = set(rivals)
    own = [(i, j) for at, i in enumerate(rivals) for j in rivals[at + 1 :]]
    return own, [(i, j) for i, j in every if i not in known or j not in known]


def _view(task: str, compared: Sequence[Compared]) -> View:
    return {
        "task": task,
        "task_page": f"../task/{figures.slug(task)}.html",
        "data": f"../data/compare/{figures.slug(task)}.js",
        "charts": bool(bundle.files()),
        "profiles": [_profile(task, c) for c in compared],
    }


def _profile(task: str, compared: Compared) -> View:
    rivals = compared.rivals
    # One seed each gives differences and nothing to judge them by: the leader's row says enough.
    every = 2 < len(rivals) <= MATRIX_UP_TO and any(p.low is not None for p in compared.pairs.values())
    return {
        "profile": compared.table.profile,
        "primary": compared.table.primary,
        "unit": "points" if compared.unit == "fraction" else figures.unit_name(compared.unit),
        "leader": compared.sides[rivals[0]].label if len(rivals) > 1 else None,
        "rows": [_row(task, compared, rivals[0], j) for j in rivals[1:]],
        "matrix": _matrix(compared, rivals) if every else None,
        "pairs": _pair_rows(compared, rivals) if every else None,
        "command": f"suite compare A B --task {task} --profile {compared.table.profile}",
        "many": len(rivals) > MATRIX_UP_TO,
        "examples": bool(compared.wins),
        "tested": bool(compared.examples),
    }


def _row(task: str, compared: Compared, i: int, j: int) -> View:
    side = compared.sides[j]
    asked = {
        "profile": compared.table.profile,
        "a": compared.sides[i].label,
        "b": side.label,
    }
    shown, within = figures.number(side.entry.mean(), compared.unit), ""
    if side.interval is not None:
        within = figures.between(side.interval, compared.unit)
    elif side.entry.unvarying():
        within = figures.SAME
    return {
        "method": side.label,
        "link": f"?{urlencode(asked, errors='replace')}",
        "score": f"{shown} ({within})" if within else shown,
        "cells": _cells(compared, i, j, leader=True),
    }


def _cells(compared: Compared, i: int, j: int, leader: bool = False) -> Markup:
    """Difference, interval, p, Holm's p, effect, seeds and, where examples were logged, who won how many."""
    pair, won = compared.pairs[i, j], compared.wins.get((i, j))
    told = [
        signed(pair.difference, compared.unit),
        ends(pair, compared.unit),
        p_value(pair.p),
        p_value(pair.adjusted),
        effect(pair.effect),
        str(pair.seeds) if pair.seeds else figures.MISSING,
    ]
    if compared.wins:
        told += [f"{n:,}" for n in won[:2]] if won else [figures.MISSING] * 2
    if leader:
        told += [p_value(compared.examples.get((i, j)))] * bool(compared.examples)
    first = f'<td class="num {verdict(pair, compared.table.higher)}"><b>{told[0]}</b></td>'
    return Markup(first + "".join(f'<td class="num">{text}</td>' for text in told[1:]))


def _matrix(compared: Compared, rivals: Sequence[int]) -> View:
    """Row less column for every pair, with the interval below the difference."""
    rows = []
    for i in rivals:
        cells = []
        for j in rivals:
            if i == j:
                cells.append('<td class="num self">·</td>')
                continue
            # Pairs are kept in the order of the rivals, which need not be that of the sides.
            turned = compared.pairs[i, j] if (i, j) in compared.pairs else turn(compared.pairs[j, i])
            kind, gap = verdict(turned, compared.table.higher), signed(turned.difference, compared.unit)
            within = f"<small>{ends(turned, compared.unit)}</small>" if turned.low is not None else ""
            cells.append(f'<td class="num {kind}">{gap}{within}</td>')
        rows.append((compared.sides[i].label, Markup("".join(cells))))
    return {"heads": [compared.sides[i].label for i in rivals], "rows": rows}


def _pair_rows(compared: Compared, rivals: Sequence[int]) -> Markup:
    rows = []
    for at, i in enumerate(rivals):
        for j in rivals[at + 1 :]:
            names = [escape(compared.sides[k].label) for k in (i, j)]
            heads = f'<th scope="row"><bdi>{names[0]}</bdi></th><td><bdi>{names[1]}</bdi></td>'
            rows.append(f"<tr>{heads}{_cells(compared, i, j)}</tr>")
    return Markup("".join(rows))
