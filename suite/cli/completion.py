"""`suite completion`: the script that makes a shell complete verbs, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

HOW = {
    "bash": 'eval "$(suite completion bash)"     in ~/.bashrc',
    "zsh": 'eval "$(suite completion zsh)"     in ~/.zshrc',
    "fish": "suite completion fish | source     in ~/.config/fish/config.fish",
}


@click.command(epilog="\b\n" + "\n".join(HOW.values()))
@click.argument("shell", type=click.Choice(tuple(HOW)))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    cls = get_completion_class(shell)
    assert cls is not None, "click completes each of the shells above"
    click.echo(cls(ctx.find_root().command, {}, "suite", "_SUITE_COMPLETE").source())
