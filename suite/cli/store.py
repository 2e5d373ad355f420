"""`suite store`: check and compact the results folder."""

from __future__ import annotations

from pathlib import Path

import click

from suite.cli import stored
from suite.cli.output import format_option, quiet_option, results_option, table

COLUMNS = ("kind", "path", "what", "cell", "title")


@click.group()
def command() -> None:
    """Check and compact the results folder."""


@command.command()
@results_option
@format_option
def check(results: Path, fmt: str) -> int:
    """Look for truncated and foreign files and say which cell each belongs to; exit code 1 for any."""
    problems = stored.open_store(results).check()
    rows = [problem._asdict() for problem in problems]
    if rows or fmt != "text":
        click.echo(table(rows, COLUMNS, fmt), nl=False)
    else:
        click.echo(f"{results} is sound")
    return int(bool(rows))


@command.command()
@click.option("--prune", is_flag=True, help="Remove the single files that the snapshot holds.")
@results_option
@quiet_option
def compact(prune: bool, results: Path, quiet: bool) -> None:
    """Write all single files into one snapshot beside them, so that reading stays quick."""
    store = stored.open_store(results)
    store.compact(prune=prune)
    stored.warn_of_problems(store)
    if not quiet:
        click.echo(f"{results} is compacted")
