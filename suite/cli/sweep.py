"""`suite sweep`: every method of a family on each of its tasks."""

from __future__ import annotations

from typing import Any

import click

from suite.cli.output import METHOD, TASK, Name, known
from suite.cli.running import Request, cell_options, parse_seeds, parse_sets, run_cells, running_options
from suite.errors import unknown


@click.command()
@click.option("--family", "-f", type=Name("family"), help="Only tasks and methods of this family.")
@click.option(
    "--method", "-m", "methods", type=METHOD, multiple=True, help="Repeat for several; all without it."
)
@click.option("--task", "-t", "tasks", type=TASK, multiple=True, help="Repeat for several; all without it.")
@cell_options
@running_options
def command(
    family: str | None,
    methods: tuple[str, ...],
    tasks: tuple[str, ...],
    profile: str,
    seeds: str,
    sets: tuple[str, ...],
    base_model: str,
    **rest: Any,
) -> int:
    """Run a whole matrix of cells.

    A failed cell gets its row and the sweep goes on. Interrupted or killed, the same command goes on
    where it stopped.
    """
    from suite.plan import plan
    from suite.sweep import pairs

    if family is not None and family not in known("family"):
        raise unknown("family", family, known("family"), "suite list families")
    by_hand, numbers = parse_sets(sets), parse_seeds(seeds)
    matrix = pairs(methods, tasks, family)
    cells = [plan(t, m, profile, s, by_hand, base_model) for t, m in matrix for s in numbers]
    return run_cells(cells, Request(**rest))
