"""`suite models`: list, get, check and find base models, and train those of the embedded zoo."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click
from click.shell_completion import CompletionItem

from suite.cli.output import format_option, json_option, quiet_option, table
from suite.errors import UsageError
from suite.models import terms
from suite.models.registry import Entry, entries, entry
from suite.models.sources import locate, named, size

TRAIN = "suite.cli.models_train"


class ModelName(click.ParamType[str]):
    """A named model, completed by the shell; the command itself says when it is unknown."""

    name = "model"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(name) for name in sorted(entries()) if name.startswith(incomplete)]


MODEL = ModelName()


class WithTrain(click.Group):
    """The commands of this module, and `train`, which is imported when it is invoked."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), "train"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name != "train":
            return super().get_command(ctx, cmd_name)
        train: click.Command = importlib.import_module(TRAIN).command
        train.name = cmd_name
        return train


@click.group(cls=WithTrain)
def command() -> None:
    """List, get and check base models.

    A model is looked for in SUITE_MODELS_DIR, SUITE_DATA_DIR, the suite itself, the cache (SUITE_CACHE, or
    the platform's cache folder), and the hub's own cache. Only `suite models get` uses the network.
    """


@command.command("list")
@click.option("--at-hand", is_flag=True, help="Only those that can be loaded now.")
@format_option
def list_(at_hand: bool, fmt: str) -> None:
    """List the named models: kind, parameters, licence, where they are, bytes on disk."""
    rows = [row for row in map(_row, entries().values()) if row["at_hand"] or not at_hand]
    columns = ("model", "kind", "parameters", "licence", "at_hand", "bytes", "summary")
    click.echo(table(rows, columns, fmt), nl=False)


def _row(named: Entry) -> dict[str, Any]:
    found = locate(named)
    return {
        "model": named.name,
        "kind": named.kind,
        "parameters": named.parameters,
        "licence": named.licence,
        "at_hand": found.origin if found else None,
        "bytes": size(found) if found else named.bytes,
        "summary": named.summary,
    }


@command.command()
@click.argument("name", type=MODEL)
@json_option
def show(name: str, fmt: str) -> None:
    """Show all that is known of a named model."""
    import json

    from suite.models import fingerprint
    from suite.models.card import facts

    shown = {"model": name, **facts(entry(name))}
    found = locate(entry(name))
    shown |= {"at hand": str(found.path) if found else None, "fingerprint": fingerprint(name)}
    if fmt == "json":
        click.echo(json.dumps(shown, indent=2))
        return
    for label, value in shown.items():
        click.echo(f"{label}: {'no' if value is None else value}")


@command.command()
@click.argument("name", type=MODEL)
def card(name: str) -> None:
    """Print the model card, as Markdown."""
    from suite.models.card import card as made

    click.echo(made(entry(name)), nl=False)


@command.command()
@click.argument("name", type=MODEL)
def path(name: str) -> None:
    """Print the folder of a model; exit code 2 when it is not at hand."""
    from suite.models import path as folder

    click.echo(str(folder(name)))


@command.command()
@click.argument("names", nargs=-1, type=MODEL)
@format_option
def check(names: tuple[str, ...], fmt: str) -> int:
    """Compare models at hand with their checksums; exit code 1 when one is damaged."""
    from suite.models.identity import state

    rows = []
    for name in names or tuple(entries()):
        condition = state(entry(name))
        where = str(condition.found.path) if condition.found else None
        rows.append({"model": name, "state": condition.state, "path": where, "reason": condition.reason})
    click.echo(table(rows, ("model", "state", "path", "reason"), fmt), nl=False)
    return int(any(row["state"] == "damaged" for row in rows))


@command.command()
@click.argument("names", nargs=-1, required=True, type=MODEL)
@click.option("--accept-terms", is_flag=True, help="Accept the licence terms that are shown.")
@quiet_option
def get(names: tuple[str, ...], accept_terms: bool, quiet: bool) -> None:
    """Fetch what is not at hand, check it, convert it where needed, and keep it in the cache.

    NAMES are named models, or ids of a hub of models. Pickled weights are never fetched.
    """
    from suite.cli.models_train import Bars
    from suite.models.fetch import at_hand
    from suite.models.fetch import get as fetch

    for name in names:
        wanted = named(name)
        if wanted is not None and at_hand(wanted) is None:
            _ask(wanted, accept_terms)
        with Bars(quiet) as bars:
            found = fetch(name, bars.update)
        if not quiet:
            click.echo(str(found.path))


def _ask(wanted: Entry, accept_terms: bool) -> None:
    """Show terms that were not accepted yet, and have them accepted by the flag or at the prompt."""
    if wanted.terms is None or terms.accepted(wanted) is not None:
        return
    if not accept_terms and not sys.stdin.isatty():
        terms.demand(wanted)
    click.echo(f"{wanted.terms.title}: {wanted.terms.link}\n{wanted.terms.text}", err=True)
    if not accept_terms and not click.confirm("Do you accept these terms?", err=True):
        raise UsageError(f"{wanted.name} was not fetched: its terms were not accepted")
    terms.accept(wanted)
