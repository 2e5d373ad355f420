"""Tables of the board in Markdown, for the README and the docs: written between marks, and checked in CI.

A file asks for a table with two comments; what stands between them is replaced:

    <!-- board: front -->
    <!-- board: end -->

`front` is one line a task; `family NAME` has the methods of a family as rows and its tasks as columns, and
`family NAME PATTERN` only the tasks whose names the shell pattern matches.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from leaderboard import figures
from leaderboard.board import Board, Entry, Table
from suite.errors import UsageError

PROFILE = "small"
BEGIN = re.compile(r"^<!-- board: (front|family (\S+)(?: (\S+))?) -->$")
END = "<!-- board: end -->"
MARK = "<!-- board:"
CODE = " " * 4
FENCE = re.compile(r"^ {0,3}(```+|~~~+)")
ESCAPED = re.compile(r"([\\|<>`*_\[\]])")
PLACES = {"ceiling": 0, "null": 2}


def front(board: Board) -> str:
    """One line a task of the published profile: who leads, how sure that is, the floor and the ceiling."""
    lines = ["| task | leader | score | not told apart | floor | ceiling |", "|---|---|---:|---:|---:|---:|"]
    for table in _published(board):
        lines.append(
            _line([_text(table.task), *_leader(table), _mean(table, "null"), _mean(table, "ceiling")])
        )
    return "\n".join(lines)


def _leader(table: Table) -> list[str]:
    leader = table.leader
    if leader is None:
        return ["no score yet", figures.MISSING, figures.MISSING]
    unit = figures.unit_name(_unit(table))
    if leader.unvarying():
        mean = figures.number(leader.mean(), _unit(table))
        return [_name(leader), f"{f'{mean} {unit}'.strip()} ({figures.SAME})", _rivals(table)]
    return [_name(leader), f"{_score(leader, table)} {unit}".strip(), _rivals(table)]


def _rivals(table: Table) -> str:
    """How many rivals the leader is not told apart from."""
    return str(table.not_told_apart) if len(table.ranked) > 1 else "no rival"


def _mean(table: Table, role: str) -> str:
    """The best of a role: the highest floor is the one to be above."""
    return figures.number(next((e.mean() for e in table.of_role(role)), None), _unit(table))


def family(board: Board, name: str, pattern: str = "*") -> str:
    """Methods as rows, tasks as columns; the ceiling first, nulls last, between them by mean rank.

    A method without a score on a task has its place among the last there, and the cell says how its runs
    ended; one that never ran on any of the tasks is no row. UsageError for a family without a published
    table whose task the pattern matches.
    """
    tables = [t for t in _published(board) if t.family == name and fnmatchcase(t.task, pattern)]
    if not tables:
        which = f"family '{name}'" + ("" if pattern == "*" else f" with tasks '{pattern}'")
        raise UsageError(f"{which} has no results of profile {PROFILE}; `suite list families` shows all")
    rows: dict[tuple[str, str, str], dict[str, Entry]] = {}
    for table in tables:
        for entry in table.entries:
            if entry.comparable and not entry.only_claimed:
                rows.setdefault((entry.method, entry.base_model, entry.overrides), {})[table.task] = entry
    ordered = sorted(rows, key=lambda key: (_role_place(rows[key]), _mean_place(key, rows, tables), key))
    lines = [_line(["method", *(_heading(t) for t in tables), "seeds"])]
    lines.append("|---|" + "---:|" * (len(tables) + 1))
    for key in ordered:
        found = rows[key]
        seeds = {len(e.per_seed()) for e in found.values() if e.per_seed()}
        count = (
            f"{min(seeds)} to {max(seeds)}" if len(seeds) > 1 else str(max(seeds, default=figures.MISSING))
        )
        cells = [_cell(found.get(t.task), t) for t in tables]
        lines.append(_line([_name(next(iter(found.values()))), *cells, count]))
    return "\n".join(lines)


def _heading(table: Table) -> str:
    unit = figures.unit_name(_unit(table))
    return f"{_text(table.task)}, {unit}" if unit else _text(table.task)


def _role_place(found: dict[str, Entry]) -> int:
    return PLACES.get(next(iter(found.values())).role, 1)


def _mean_place(
    key: tuple[str, str, str], rows: dict[tuple[str, str, str], dict[str, Entry]], tables: Sequence[Table]
) -> float:
    """The mean over the tasks of the method's place by mean score, equal scores sharing a place."""
    places = []
    for table in tables:
        means = {k: e.mean() for k, found in rows.items() if (e := found.get(table.task)) is not None}
        own = means.get(key)
        known = [m for m in means.values() if m is not None]
        sign = -1 if table.higher is False else 1
        better = sum(sign * m > sign * own for m in known) if own is not None else len(known)
        equal = sum(m == own for m in known) if own is not None else len(rows) - len(known)
        places.append(better + (equal - 1) / 2)
    return math.fsum(places) / len(places)


def _cell(entry: Entry | None, table: Table) -> str:
    if entry is None:
        return figures.MISSING
    if entry.mean() is None:
        return ", ".join(sorted(entry.statuses)) or figures.MISSING
    return _score(entry, table)


def _score(entry: Entry, table: Table) -> str:
    """The mean with its interval, or that the seeds do not vary; the mean alone for one seed."""
    unit, interval = _unit(table), entry.interval()
    mean = figures.number(entry.mean(), unit)
    if interval is None:
        return f"{mean} ({figures.SAME})" if entry.unvarying() else mean
    return f"{mean} ({figures.number(interval.low, unit)} to {figures.number(interval.high, unit)})"


def _published(board: Board) -> list[Table]:
    return [table for table in board.tables if table.profile == PROFILE]


def _unit(table: Table) -> str:
    metric = table.spec.metric(table.primary) if table.spec else None
    return metric.unit if metric else ""


def _name(entry: Entry) -> str:
    told = figures.settings(entry.cell)
    return _text(f"{entry.method} ({told})" if told else entry.method)


def _text(text: str) -> str:
    return ESCAPED.sub(r"\\\1", " ".join(figures.clean(text).split()))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def renewed(text: str, board: Board, where: str) -> str:
    """The text with every table between marks made anew; a mark shown as code is left alone.

    UsageError, with the line, for a mark without an end, another mark, or a family without results; and for
    a text without any mark, in which no table can be checked.
    """
    made: list[str] = []
    lines = enumerate(text.split("\n"), start=1)
    tables, fence = 0, ""
    for number, line in lines:
        made.append(line)
        fence = _fence(fence, line)
        if fence or not line.strip().startswith(MARK) or line.startswith(CODE):
            continue
        made += ["", _marked(line, board, f"{where}, line {number}"), "", END]
        if not any(rest == END for _, rest in lines):
            raise UsageError(f"{where}, line {number}: '{line}' has no '{END}' after it")
        tables += 1
    if not tables:
        raise UsageError(f"{where} has no mark of a table; put '{MARK} front -->' and '{END}' into it")
    return "\n".join(made)


def _fence(open_: str, line: str) -> str:
    """The fence that is open after this line, "" for none; one is closed by as many of its own characters."""
    found = FENCE.match(line)
    if found is None:
        return open_
    if not open_:
        return found[1]
    return "" if line.strip().startswith(open_) and not line.strip().strip(open_[0]) else open_


def _marked(line: str, board: Board, place: str) -> str:
    """The table that a mark asks for."""
    begin = BEGIN.match(line)
    if begin is None:
        known = f"'{MARK} front -->' or '{MARK} family NAME [PATTERN] -->', at the start of a line"
        raise UsageError(f"{place}: '{figures.clean(line)[:80]}' opens no table; write {known}")
    try:
        return front(board) if begin[1] == "front" else family(board, begin[2], begin[3] or "*")
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from None


def outdated(files: Sequence[Path], board: Board) -> dict[Path, str]:
    """The files whose tables are not what the board says, each with its new text."""
    found = {}
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
        if (new := renewed(text, board, str(path))) != text:
            found[path] = new
    return found
