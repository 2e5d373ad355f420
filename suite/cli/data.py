"""`suite data`: list, show, get, check and find data sets."""

from __future__ import annotations

import sys
from typing import Any

import click
from click.shell_completion import CompletionItem

from suite.cli.output import format_option, json_option, quiet_option, table
from suite.data import files
from suite.data.registry import Entry, File, by_hand, entries, entry, no_checksum, select
from suite.errors import DataError


class DataName(click.ParamType[str]):
    """A data set or one of its files, completed by the shell."""

    name = "data"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        names = [e.name for e in entries().values()] + [
            f"{e.name}/{f.name}" for e in entries().values() for f in e.files
        ]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


DATA = DataName()
SUMMARY = ("data", "files", "at_hand", "bytes", "checked", "licence", "hub", "source", "summary")
BRIEF = ("data", "files", "at_hand", "bytes", "checked", "summary")
"""What fits beside each other on a terminal; `show` and the other formats say the rest."""


@click.group()
def command() -> None:
    """List, get and check data sets.

    A file is looked for in the folder SUITE_DATA_DIR, then in the cache (SUITE_CACHE, or the platform's
    cache folder). Only `suite data get` uses the network.
    """


@command.command("list")
@click.argument("name", required=False, type=DATA)
@format_option
def list_(name: str | None, fmt: str) -> None:
    """List the data sets, or the files of one with what is known of them."""
    if name is None:
        rows = [_summary(e) for e in entries().values()]
        click.echo(table(rows, BRIEF if fmt == "text" else SUMMARY, fmt), nl=False)
        return
    owner = entry(name.partition("/")[0])
    if fmt == "text":
        for label in ("summary", "licence", "citation", "source", "revision", "hub", "reading"):
            click.echo(f"{label}: {getattr(owner, label)}")
    rows = [_file(e, f) for e, f in select(name)]
    click.echo(table(rows, ("file", "bytes", "at_hand", "sha256", "address"), fmt), nl=False)


def _summary(owner: Entry) -> dict[str, Any]:
    at_hand = sum(files.locate(owner, file) is not None for file in owner.files)
    return {
        "data": owner.name,
        "files": len(owner.files),
        "at_hand": at_hand,
        "bytes": owner.bytes,
        "checked": owner.checked,
        "licence": owner.licence,
        "hub": owner.hub,
        "source": owner.source,
        "summary": owner.summary,
    }


def _file(owner: Entry, file: File) -> dict[str, Any]:
    return {
        "file": f"{owner.name}/{file.name}",
        "bytes": file.bytes,
        "sha256": file.sha256,
        "at_hand": files.locate(owner, file) is not None,
        "address": file.address,
    }


@command.command()
@click.argument("name", type=DATA)
@click.option(
    "--rows", type=click.IntRange(0), default=0, help="Read the files at hand: columns and so many rows."
)
@json_option
def show(name: str, rows: int, fmt: str) -> None:
    """Show all that is known of a data set or of one of its files."""
    from suite.cli import data_show

    data_show.show(name, rows, fmt)


@command.command()
@click.argument("names", nargs=-1, type=DATA)
@format_option
def check(names: tuple[str, ...], fmt: str) -> int:
    """Compare files at hand with their checksums; exit code 1 when one is damaged."""
    rows = []
    for owner, file in _selected(names):
        state, path = files.state(owner, file)
        rows.append(
            {"file": f"{owner.name}/{file.name}", "state": state, "path": str(path) if path else None}
        )
    click.echo(table(rows, ("file", "state", "path"), fmt), nl=False)
    return int(any(row["state"] == "damaged" for row in rows))


@command.command()
@click.argument("name", type=DATA)
def path(name: str) -> None:
    """Print where a checked file is; exit code 2 when it is not at hand."""
    click.echo(str(files.resolve(name)))


@command.command()
@click.argument("names", nargs=-1, required=True, type=DATA)
@quiet_option
def get(names: tuple[str, ...], quiet: bool) -> None:
    """Download what is not at hand, check it, and keep it in the cache.

    Of a data set, files that cannot be downloaded are left out with the reason; when none can be, or when
    one is named itself, that is an error.
    """
    for name in names:
        pairs = select(name)
        refused = [(owner, file) for owner, file in pairs if _refusal(owner, file)]
        if len(refused) == len(pairs) and (why := _refusal(*refused[0])):
            raise why
        for owner, file in pairs:
            if (owner, file) in refused:
                click.echo(f"left out: {_shortly(owner, file)}", err=True)
            else:
                _get(owner, file, quiet)


def _refusal(owner: Entry, file: File) -> DataError | None:
    """Why a file cannot be downloaded at all; None where it can be tried or is at hand."""
    if owner.from_hub or files.locate(owner, file) is not None:
        return None
    if not file.address:
        return by_hand(owner, file)
    return no_checksum(owner, file) if file.sha256 is None else None


def _shortly(owner: Entry, file: File) -> str:
    if not file.address:
        return str(by_hand(owner, file))
    return f"{owner.name}/{file.name}: no checksum is known, so a download cannot be checked"


def _get(owner: Entry, file: File, quiet: bool) -> None:
    from suite.data.fetch import fetch

    if quiet and owner.from_hub:
        import datasets

        datasets.disable_progress_bars()
    with _Bar(f"{owner.name}/{file.name}", quiet) as bar:
        found = fetch(owner, file, bar.update)
    if not quiet:
        click.echo(str(found))


def _selected(names: tuple[str, ...]) -> list[tuple[Entry, File]]:
    return [pair for name in names or tuple(entries()) for pair in select(name)]


class _Bar:
    """A progress bar with rate and time left on standard error, shown once bytes come in."""

    def __init__(self, label: str, quiet: bool) -> None:
        self.label, self.quiet = label, quiet or not sys.stderr.isatty()
        self.bar: Any = None

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def update(self, done: int, total: int | None) -> None:
        if self.quiet:
            return
        if self.bar is None:
            from tqdm import tqdm

            self.bar = tqdm(desc=self.label, unit="B", unit_scale=True, total=total)
        self.bar.total = total
        self.bar.update(done - self.bar.n)
