"""Finds a sequence against named learners and writes `sequence.json`.

    python -m tasks.cldyb.emit --profile small -l ranpac -l slda --search-seed 0 --out joint-real-0.json

Pool, sizes and search are those of the task cldyb-separate at the profile, and `--set field=value` changes
them. Killed, the same command goes on where it stopped. The sequence is then a benchmark of its own:
`suite run -m METHOD -t cldyb-seq --sequence FILE`.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from suite import catalog, settings
from suite.api import Context
from suite.errors import SuiteError, UsageError
from tasks.cldyb.contract import ContinualLearner
from tasks.cldyb.hunt import hunt
from tasks.cldyb.task import SeparateTask

TASK = "cldyb-separate"


def task_of(profile: str, pairs: dict[str, str]) -> SeparateTask:
    """The task whose pool, sizes and search are used."""
    spec = catalog.task(TASK)
    cls = catalog.load(spec.where)
    changed = settings.overrides(cls, pairs, TASK)
    made = settings.build(cls, TASK, spec.params, spec.presets.get(profile, {}), changed)
    assert isinstance(made, SeparateTask)
    return made


def learner_of(name: str, profile: str) -> ContinualLearner:
    """A registered learner as the profile has it."""
    spec = catalog.method(name)
    made = settings.build(catalog.load(spec.where), name, spec.params, spec.presets.get(profile, {}))
    if not isinstance(made, ContinualLearner):
        raise UsageError(f"'{name}' is no continual learner; see `suite list --family cldyb`")
    return made


@click.command(help="Find a sequence of tasks against learners, and write it to a file.")
@click.option("--profile", type=click.Choice(["smoke", "small", "paper"]), default="small", show_default=True)
@click.option("-l", "--learner", "names", multiple=True, required=True, help="Repeat for several.")
@click.option("--search-seed", type=int, default=0, show_default=True)
@click.option("--training-seed", type=int, default=0, show_default=True)
@click.option(
    "--minutes", type=float, help="Limit of the whole search; what it finds depends on the machine."
)
@click.option("--set", "pairs", multiple=True, metavar="FIELD=VALUE", help="A field of the task.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
def main(
    profile: str,
    names: tuple[str, ...],
    search_seed: int,
    training_seed: int,
    minutes: float | None,
    pairs: tuple[str, ...],
    out: Path,
) -> None:
    """See the module."""
    try:
        if wrong := [pair for pair in pairs if "=" not in pair]:
            raise UsageError(f"--set {wrong[0]}: it takes FIELD=VALUE")
        task = task_of(profile, dict(pair.split("=", 1) for pair in pairs))
        learners = {name: learner_of(name, profile) for name in names}
        plan = replace(
            task.plan(search_seed, training_seed), seconds=None if minutes is None else 60 * minutes
        )
        stage = task.stage(Context(seed=search_seed))
        state = out.with_name(out.name + ".part")
        found = hunt(stage, learners, plan, state, _report)
        found.write(out)
        state.unlink(missing_ok=True)
    except SuiteError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    click.echo(f"{out}: return {sum(found.rewards):.4f}, {found.trainings} trainings, key {found.key[:12]}")


def _report(label: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{label}: {done} of {total}", nl=False, err=True)


if __name__ == "__main__":
    main()
