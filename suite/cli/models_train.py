"""`suite models train`: makes a model of the embedded zoo again, by its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from suite.cli.output import quiet_option


@click.command()
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write; by default the model's own in the cache.",
)
@quiet_option
def command(name: str, out: Path | None, quiet: bool) -> None:
    """Train a model of the embedded zoo by its recipe: fixed seed, data and steps.

    Can be killed and run again: it goes on where it was. Writes config.json, model.safetensors and card.md,
    the card with the scores that were measured. Data must be at hand (`suite data check`).
    """
    from suite.threads import settle

    settle()
    from suite.models.zoo.recipe import train
    from suite.models.zoo.recipes import recipe, target_of, workshop_of

    wanted = recipe(name)
    with Bars(quiet) as bars:
        made = train(wanted, out or target_of(name), workshop_of(wanted, bars.update))
    if not quiet:
        click.echo(str(made))


class Bars:
    """A progress bar on standard error for what the recipe is at, one after the other."""

    def __init__(self, quiet: bool) -> None:
        import sys

        self.drawn = not quiet and sys.stderr.isatty()
        self.label = ""
        self.bar: Any = None

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def update(self, label: str, done: int, total: int) -> None:
        """Show that `done` of `total` are done."""
        if not self.drawn:
            return
        if label != self.label:
            from tqdm import tqdm

            self.__exit__()
            self.label, self.bar = label, tqdm(desc=label, total=total, dynamic_ncols=True)
        self.bar.update(done - self.bar.n)
