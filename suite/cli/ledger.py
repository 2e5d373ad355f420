"""`suite ledger`: what each method was allowed and spent, and the ranks at equal budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.api import PROFILES
from suite.cli import refuse, stored
from suite.cli.output import METHOD, TASK, format_option, results_option, table
from suite.errors import Incomplete, UsageError

if TYPE_CHECKING:
    from leaderboard.aggregate import Table
    from leaderboard.ledger import LedgerRow

COUNTS = ("examples", "tokens", "images", "steps", "parameters")
COSTS = ("seconds", "cpu_seconds", "peak_mb")
WHICH = ("base_model", "overrides", "origin")
COLUMNS = ("task", "method", *WHICH, "profile", "rank", "mean", "trials", "tuned_on", *COUNTS, *COSTS, "note")
UNDECLARED, NOTHING = "not declared", "nothing"


class Rounded(float):
    """A measured number, shown to the eye with four significant digits; a plain float to machines."""

    def __str__(self) -> str:
        digits = f"{float(self):.4g}"
        return f"{float(digits):,.0f}" if 1000 <= abs(self) < 1e15 else digits


@click.command()
@click.option("--task", "tasks", multiple=True, type=TASK, help="Only this task; may be repeated.")
@click.option("--method", "methods", multiple=True, type=METHOD, help="Only this method; may be repeated.")
@click.option(
    "--profile", type=click.Choice(PROFILES), default="small", show_default=True, help="Only this profile."
)
@click.option(
    "--max",
    "limits",
    multiple=True,
    metavar="NAME=NUMBER",
    help="Rank only competitors that spent at most so much, as parameters=1e6; may be repeated.",
)
@results_option
@format_option
def command(
    tasks: tuple[str, ...],
    methods: tuple[str, ...],
    profile: str,
    limits: tuple[str, ...],
    results: Path,
    fmt: str,
) -> None:
    """Show what each method was allowed and what it spent.

    Trials and tuned_on are declared by the family, the rest is measured. With --max the ranks are among the
    competitors within the limits; those that spent more, or of which it is not known, say so in place of a
    rank. Limits: trials, examples, tokens, images, steps, parameters, seconds, cpu_seconds, peak_mb.
    """
    asked = _parsed(limits)
    store = stored.open_store(results)
    stored.refuse_unknown(store, tasks, methods)
    shown = [t for t in stored.board(store).tables if t.profile == profile and (not tasks or t.task in tasks)]
    rows = [row for one in shown for row in _rows(one, asked) if not methods or row["method"] in methods]
    stored.warn_of_problems(store)
    if not rows:
        refuse.empty(store)
        named = [("profile", (profile,)), ("task", tasks), ("method", methods)]
        told = ", ".join(f"{what} {' or '.join(names)}" for what, names in named if names)
        raise Incomplete(f"no results of {told} in {results}; `suite results --runs` shows what there is")
    # A column that no row fills would only push the others off the screen.
    columns = [c for c in COLUMNS if c not in (*WHICH, *COUNTS) or any(row[c] is not None for row in rows)]
    if fmt == "text":
        columns = [c for c in columns if c != "note"]
    click.echo(table(rows, COLUMNS if fmt in ("csv", "json") else columns, fmt), nl=False)


def _parsed(texts: tuple[str, ...]) -> dict[str, float]:
    from leaderboard.ledger import LIMITS, refuse_limits
    from suite.errors import unknown

    limits: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.partition("=")
        if equals and name not in LIMITS:
            raise unknown("limit", name, LIMITS, "suite ledger --help")
        try:
            limits[name] = float(number)
        except ValueError:
            raise UsageError(f"--max {text}: write NAME=NUMBER, as parameters=1e6") from None
    refuse_limits(limits)
    return limits


def _rows(shown: Table, limits: dict[str, float]) -> list[dict[str, Any]]:
    from leaderboard.ledger import equal_budget, ledger

    places: dict[int, str | None] = {}
    if limits:
        equal = equal_budget(shown, **limits)
        places = {id(p.row.entry): _spelled(p.rank) for p in equal.within}
        places |= {id(row.entry): "over" for row in equal.over}
        places |= {id(row.entry): "not known" for row in equal.unknown}
    else:
        places = {id(entry): _spelled(entry.rank) for entry in shown.entries}
    return [_row(shown, row, places.get(id(row.entry))) for row in ledger(shown)]


def _row(shown: Table, row: LedgerRow, rank: str | None) -> dict[str, Any]:
    tuned = row.tuned_on
    spent = {name: getattr(row, name) for name in (*COUNTS, *COSTS)}
    measured = {name: None if value is None else Rounded(value) for name, value in spent.items()}
    whole = {c: int(v) for c in COUNTS if (v := measured[c]) is not None and v.is_integer()}
    return {
        "task": shown.task,
        "method": row.method,
        "base_model": row.entry.base_model or None,
        "overrides": stored.overrides(row.entry) or None,
        "origin": "claimed" if row.entry.only_claimed else None,
        "profile": shown.profile,
        "rank": rank,
        "mean": stored.in_unit(row.entry.mean(), shown.spec, shown.primary),
        "trials": UNDECLARED if row.trials is None else row.trials,
        "tuned_on": UNDECLARED if tuned is None else ", ".join(tuned) or NOTHING,
        **measured,
        **whole,
        "note": row.budget.note or None,
    }


def _spelled(rank: Any) -> str | None:
    if rank is None:
        return None
    return str(rank.best) if rank.best == rank.worst else f"{rank.best}-{rank.worst}"
