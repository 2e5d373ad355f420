"""`suite run`: methods on tasks, each score kept."""

from __future__ import annotations

from typing import Any

import click

from suite.cli.output import METHOD, TASK
from suite.cli.running import Request, cell_options, parse_seeds, parse_sets, run_cells, running_options


@click.command()
@click.option(
    "--method", "-m", "methods", type=METHOD, multiple=True, required=True, help="Repeat for several."
)
@click.option("--task", "-t", "tasks", type=TASK, multiple=True, required=True, help="Repeat for several.")
@cell_options
@running_options
def command(
    methods: tuple[str, ...],
    tasks: tuple[str, ...],
    profile: str,
    seeds: str,
    sets: tuple[str, ...],
    base_model: str,
    **rest: Any,
) -> int:
    """Run methods on tasks and print their scores.

    What the results folder holds already, by the same code, is answered from it. The exit code is 0 when
    every cell ended ok or skipped, 1 when one failed, 2 for wrong use.
    """
    from suite.plan import plan

    by_hand, numbers = parse_sets(sets), parse_seeds(seeds)
    cells = [plan(t, m, profile, s, by_hand, base_model) for t in tasks for m in methods for s in numbers]
    return run_cells(cells, Request(**rest))
