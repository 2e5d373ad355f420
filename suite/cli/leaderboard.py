"""`suite leaderboard`: build the pages from the results, and look at them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from suite.cli import leaderboard_tables
from suite.cli.output import quiet_option, results_option
from suite.errors import UsageError

if TYPE_CHECKING:
    from http.server import ThreadingHTTPServer

    from leaderboard.content import Content
    from suite.store import Store

LOOPBACK = "127.0.0.1"
OUT = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="out/site",
    show_default=True,
    help="Folder of the pages.",
)


@click.group()
def command() -> None:
    """Build the leaderboard: its pages, and the tables of the README and the docs."""


command.add_command(leaderboard_tables.command)


@command.command()
@OUT
@results_option
@quiet_option
def build(out: Path, results: Path, quiet: bool) -> None:
    """Write the pages of the results; they open from disk and ask no other host."""
    try:
        from leaderboard import bundle, site
    except ImportError as error:
        raise UsageError(
            f"the pages need a package that is not installed ({error.name}): add the extra 'site'"
        ) from None
    from suite.cli import refuse, stored

    store = stored.open_store(results)
    content = _content(store)
    if not content.board.tables:
        stored.warn_of_problems(store)
        refuse.empty(store)
    count = site.build(content, out, store, os.cpu_count() or 1)
    stored.warn_of_problems(store)
    if not quiet:
        charts = (
            "with interactive charts"
            if bundle.files()
            else "with plain charts (`make setup` with node makes them interactive)"
        )
        click.echo(f"{count:,} pages in {out}, {charts}; open {out / 'index.html'}")


def _content(store: Store) -> Content:
    """Everything that the pages show of a store."""
    from leaderboard import bundle, claims, runpages
    from leaderboard.content import Content
    from suite import catalog
    from suite.claims import books
    from suite.cli import stored

    board, known, methods = stored.board(store), books(), catalog.methods()
    shown = {table.family for table in board.tables}
    told = {family: book for family, book in known.items() if family in shown}
    judged = claims.judge_all(board, told, catalog.tasks(), methods)
    return Content(board, methods, judged, told, runpages.logged(store), bool(bundle.files()))


@command.command(name="open")
@OUT
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free one."
)
@click.option("--browser/--no-browser", default=True, help="Open the page in the browser.")
def open_(out: Path, port: int, browser: bool) -> None:
    """Serve the built pages on this machine only, until interrupted."""
    if not (out / "index.html").is_file():
        raise UsageError(f"there are no pages in {out}; `suite leaderboard build --out {out}` makes them")
    with server(out, port) as running:
        address = f"http://{LOOPBACK}:{running.server_address[1]}/"
        click.echo(f"serving {out} at {address}; stop with Ctrl-C")
        if browser:
            click.launch(address)
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            # Ctrl-C is how it ends, so nothing went wrong.
            click.echo("stopped")


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of the files in `folder`, on the loopback address; UsageError for a port that is taken."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Quiet(SimpleHTTPRequestHandler):
        """Says nothing for each file it serves."""

        def log_message(self, format: str, *args: object) -> None:
            pass

    try:
        return ThreadingHTTPServer((LOOPBACK, port), partial(Quiet, directory=str(folder)))
    except OSError as error:
        raise UsageError(
            f"port {port} cannot be used: {error.strerror}; choose another with --port"
        ) from None
