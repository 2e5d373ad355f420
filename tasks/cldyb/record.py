"""Records an oracle: what named learners do on every sequence of a few tasks that are proposed at the start.

python -m tasks.cldyb.record --profile small -l ranpac -l slda -l er --tasks 7 --horizon 4 --out real.json
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from suite.api import Context
from suite.errors import SuiteError, UsageError
from suite.settings import dump
from tasks.cldyb.emit import learner_of, task_of
from tasks.cldyb.mdp import stream
from tasks.cldyb.oracles import write
from tasks.cldyb.tabular import histories


@click.command(help="Record an oracle for cldyb-search.")
@click.option("--profile", type=click.Choice(["smoke", "small", "paper"]), default="small", show_default=True)
@click.option("-l", "--learner", "names", multiple=True, required=True, help="Repeat for several.")
@click.option("--tasks", "count", type=int, default=7, show_default=True, help="Tasks on offer.")
@click.option("--horizon", type=int, default=4, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
def main(profile: str, names: tuple[str, ...], count: int, horizon: int, seed: int, out: Path) -> None:
    """See the module."""
    try:
        task = task_of(profile, {})
        learners = {name: learner_of(name, profile) for name in names}
        stage = task.stage(Context(seed=seed))
        memo = stage.memo(learners, seed)
        reduction = replace(task.plan(seed, seed).reduction, groups=count)
        reads = {name: method.reads for name, method in learners.items()}
        problem = stage.problem(memo, reduction, horizon, reads)
        tasks = sorted(problem.actions((), stream(seed, "recorded")))
        whole = list(histories(tasks, horizon))
        if not any(len(one) == horizon for one in whole):
            raise UsageError(f"the {len(tasks)} tasks proposed share classes: none of {horizon} can be made")
        examined = {one: sum(len(stage.pool.classes[c].val) for c in one) for one in tasks}
        about = {
            "pool": stage.pool.name,
            "pool_sha256": stage.pool.hash,
            "base_model": task.base_model,
            "learners": {name: dump(method) for name, method in learners.items()},
            "training_seed": seed,
        }
        write(out, problem, tasks, examined, {one: memo.rows(one) for one in whole}, about)
    except SuiteError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    click.echo(f"{out}: {len(tasks)} tasks, {len(whole)} histories, {memo.trainings} trainings")


if __name__ == "__main__":
    main()
