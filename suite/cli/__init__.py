"""The command line: `suite VERB`. Each verb is a module with a click command named `command`.

Only the module of the invoked verb is imported, so that `suite --help` costs no more than click. A verb
returns its exit code, or None for 0.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

import click

from suite import __version__
from suite.errors import SuiteError, unknown

INTERRUPTED = 130


class Verb(NamedTuple):
    """A verb: the module that holds it and the line that `suite --help` shows."""

    module: str
    summary: str


VERBS: dict[str, dict[str, Verb]] = {
    "See what there is": {
        "list": Verb("suite.cli.list_", "List tasks, methods or families."),
        "show": Verb("suite.cli.show", "Show all about a task, method or family."),
        "doctor": Verb("suite.cli.doctor", "Say what this machine has and lacks."),
        "data": Verb("suite.cli.data", "List, get and check data sets."),
        "models": Verb("suite.cli.models", "List, get and check base models."),
    },
    "Run": {
        "run": Verb("suite.cli.run", "Run methods on tasks and keep the scores."),
        "sweep": Verb("suite.cli.sweep", "Run a whole matrix of cells."),
        "why": Verb("suite.cli.why", "Say why a cell would run again."),
        "verify": Verb("suite.cli.verify", "Run a stored cell again and compare."),
    },
    "Read results": {
        "results": Verb("suite.cli.results", "Query the scores."),
        "ledger": Verb("suite.cli.ledger", "Show what each method was allowed to spend."),
        "compare": Verb("suite.cli.compare", "Compare two methods, paired by seed."),
        "claims": Verb("suite.cli.claims", "Say which claims of the papers hold."),
        "gate": Verb("suite.cli.gate", "Fail when a score got worse."),
        "leaderboard": Verb("suite.cli.leaderboard", "Build the leaderboard pages."),
        "store": Verb("suite.cli.store", "Check and compact the results folder."),
    },
    "Add a competitor": {
        "new": Verb("suite.cli.new", "Write a new method, ready to edit."),
        "check": Verb("suite.cli.check", "Test that a competitor keeps its contract."),
        "submit": Verb("suite.cli.submit", "Pack and check results made elsewhere."),
    },
    "Shell": {
        "completion": Verb("suite.cli.completion", "Print the completion script of a shell."),
    },
}


def verbs() -> dict[str, Verb]:
    """Every verb by name, in the order of the help."""
    return {name: verb for section in VERBS.values() for name, verb in section.items()}


class Lazy(click.Group):
    """A group that lists its verbs from data and imports one when it is invoked."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(verbs())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = verbs().get(cmd_name)
        if verb is None:
            return None
        command: click.Command = importlib.import_module(verb.module).command
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in verbs():
            if args[0].startswith("-"):
                raise click.NoSuchOption(args[0], ctx=ctx)
            raise unknown("verb", args[0], verbs(), "suite --help")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, section in VERBS.items():
            with formatter.section(title):
                formatter.write_dl([(name, verb.summary) for name, verb in section.items()], col_max=12)

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:
        """Run and exit: 0 done, 1 a failed cell or gate, 2 wrong use, 3 incomplete, 130 interrupted."""
        extra["standalone_mode"] = False
        try:
            answer = super().main(args, *rest, **extra)
        except SuiteError as error:
            _fail(str(error), error.exit_code)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(2)
        except click.ClickException as error:
            _fail(_with_usage(error), error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            _fail("interrupted; what was finished is kept", INTERRUPTED)
        except BrokenPipeError:
            # The reader of a pipe left early (`suite results | head`): Python must not flush into it at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except OSError as error:
            _fail(str(error), 2)
        sys.exit(answer if isinstance(answer, int) else 0)


def _fail(message: str, exit_code: int) -> NoReturn:
    """One line on standard error, whatever is in the message."""
    click.echo("error: " + " ".join(message.split()), err=True)
    sys.exit(exit_code)


def _with_usage(error: click.ClickException) -> str:
    ctx = getattr(error, "ctx", None)
    message = error.format_message()
    if not message.endswith((".", "?", "!")):
        message += "."
    return f"{message} See `{ctx.command_path} --help`" if ctx is not None else message


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="suite")
def main() -> None:
    """Touchstone: benchmark methods that adapt pre-trained models, and keep every score."""
