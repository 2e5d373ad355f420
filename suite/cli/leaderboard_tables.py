"""`suite leaderboard tables`: the tables of the README and the docs, written from the store or checked."""

from __future__ import annotations

from pathlib import Path

import click

from suite.cli.output import results_option
from suite.errors import UsageError

FILES = ("README.md", "docs/results.md")


@click.command(name="tables")
@click.argument("files", nargs=-1, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when a table is not what the store says.")
@results_option
def command(files: tuple[Path, ...], check: bool, results: Path) -> int:
    """Write the tables between `<!-- board: ... -->` marks in FILES anew from the results.

    Without FILES: README.md and docs/results.md. A mark is `<!-- board: front -->` or
    `<!-- board: family NAME [TASK PATTERN] -->`, its end `<!-- board: end -->`. A file without a mark is
    wrong use.
    """
    from leaderboard import summary
    from suite.cli import refuse, stored

    store = stored.open_store(results)
    board = stored.board(store)
    stored.warn_of_problems(store)
    if not board.tables:
        refuse.empty(store)
    chosen = files or tuple(Path(name) for name in FILES)
    old = summary.outdated(chosen, board)
    for path, text in old.items():
        if check:
            click.echo(
                f"{path}: a table is not what {results} says; `suite leaderboard tables` writes it anew"
            )
            continue
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None
        click.echo(f"{path}: tables written anew")
    if not old:
        click.echo(f"the tables in {', '.join(map(str, chosen))} are what the results say")
    return int(check and bool(old))
