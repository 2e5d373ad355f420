"""`suite claims`: which claims of the papers hold, by the stored results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli import refuse, stored
from suite.cli.output import Name, format_option, known, results_option, shown, table, to_json
from suite.errors import UsageError, unknown

if TYPE_CHECKING:
    from leaderboard.board import Board
    from leaderboard.claims import Judged
    from suite.claims import Book

VERDICTS = ("supported", "contradicted", "undecided", "not-run")
COLUMNS = (
    *("id", "family", "paper", "where", "statement", "verdict", "summary", "task", "metric", "method"),
    *("against", "margin", "difference", "low", "high", "p", "holm_p", "seeds", "seeds_needed"),
)
SHORT = ("id", "verdict", "difference", "interval", "statement", "paper")
LONGEST_TITLE = 44


@click.command()
@click.option("--paper", help="Only claims of this paper: its short name, or words of its title.")
@click.option("--family", type=Name("family"), help="Only claims of this family.")
@click.option("--verdict", type=click.Choice(VERDICTS), help="Only claims with this verdict.")
@click.option("--explain", metavar="ID", help="Everything behind one claim.")
@results_option
@format_option
def command(
    paper: str | None, family: str | None, verdict: str | None, explain: str | None, results: Path, fmt: str
) -> None:
    """Say which claims of the papers hold.

    A claim of several comparisons is shown by the one that its verdict hangs on; --explain ID prints all,
    with the values, the tests, the published figures and what to run. The exit code is 0 whatever the
    verdicts are. docs/claims.md has the rules.
    """
    if explain is not None and (paper or family or verdict):
        raise UsageError("--explain prints one claim; leave --paper, --family and --verdict out")
    if explain is not None:
        _explain(explain, results, fmt)
        return
    wanted = (verdict or "").replace("-", " ")
    judged = [j for j in judge(chosen(paper, family), results) if not wanted or j.verdict == wanted]
    rows = [_row(j) for j in judged]
    if fmt in ("text", "markdown"):
        click.echo(table([_short(row) for row in rows], SHORT, fmt), nl=False)
        _say_counts(judged)
    else:
        click.echo(table(rows, COLUMNS, fmt), nl=False)


def chosen(paper: str | None = None, family: str | None = None) -> dict[str, Book]:
    """The books with the claims of that paper and family; UsageError for a name that nobody has."""
    from suite import claims, papers

    books = claims.books()
    if family is not None:
        if family not in known("family"):
            raise unknown("family", family, known("family"), "suite list families")
        books = {name: book for name, book in books.items() if name == family}
    if paper is not None:
        slug = papers.find(paper)
        books = {
            name: replace(book, claims=tuple(c for c in book.claims if papers.slug(c.paper) == slug))
            for name, book in books.items()
        }
    return books


def judge(books: Mapping[str, Book], results: Path) -> list[Judged]:
    """The verdicts of these claims on the results folder."""
    from leaderboard import claims
    from suite import catalog

    return claims.judge_all(_board(results), books, catalog.tasks(), catalog.methods())


def _board(results: Path) -> Board:
    """The board of a results folder; Incomplete where no run is in it."""
    store = stored.open_store(results)
    board = stored.board(store)
    stored.warn_of_problems(store)
    if not board.tables:
        refuse.empty(store)
    return board


def _explain(claim_id: str, results: Path, fmt: str) -> None:
    from leaderboard import claims as verdicts
    from suite import catalog, claims
    from suite.cli import claims_show

    book, claim = claims.find(claim_id, claims.books())
    board = _board(results)
    judged = verdicts.judge(board, book, claim, catalog.tasks(), catalog.methods())
    facts = claims_show.facts(judged, board)
    if fmt == "json":
        click.echo(to_json(facts), nl=False)
    elif fmt == "text":
        click.echo(claims_show.text(facts), nl=False)
    else:
        rows = claims_show.rows(facts)
        click.echo(table(rows, list(rows[0]), fmt), nl=False)


def _row(judged: Judged) -> dict[str, Any]:
    from suite import papers
    from suite.cli.claims_show import comparison

    claim, pair = judged.claim, judged.deciding
    return {
        "id": claim.id,
        "family": judged.family,
        "paper": papers.slug(claim.paper),
        "where": claim.where,
        "statement": claim.statement,
        "verdict": judged.verdict,
        "summary": judged.summary,
        "title": f"{claim.paper.title} ({claim.paper.year})",
        **(comparison(pair) | {"verdict": judged.verdict} if pair is not None else {}),
    }


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for the eye: both ends of the interval in one column, a long title cut."""
    low, high = row.get("low"), row.get("high")
    title = row["title"]
    return {
        **row,
        "difference": row.get("difference"),
        "interval": f"[{shown(low)}, {shown(high)}]" if low is not None else None,
        "paper": title
        if len(title) <= LONGEST_TITLE
        else f"{title[: LONGEST_TITLE - 8].rstrip()}… {title[-6:]}",
    }


def _say_counts(judged: list[Judged]) -> None:
    counts = {name.replace("-", " "): 0 for name in VERDICTS}
    for one in judged:
        counts[one.verdict] += 1
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    noun = "claim" if len(judged) == 1 else "claims"
    click.echo(f"{len(judged)} {noun}: {said}" if said else "no claim fits", err=True)
