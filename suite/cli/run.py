"""`suite run`: methods on tasks, each score kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from suite import catalog
from suite.cli.output import METHOD, TASK
from suite.cli.running import Request, cell_options, parse_seeds, parse_sets, run_cells, running_options
from suite.errors import UsageError
from suite.settings import fields_of

FIELD = "found"
"""The field of tasks that are made of found sequences."""
KEY = 12


def by_key(path: Path) -> str:
    """FILE@KEY of a sequence that was found: its row is known by what is in the file.

    UsageError for a file that is no such sequence.
    """
    try:
        key = json.loads(path.read_text(encoding="utf-8"))["key"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"--sequence {path}: the file holds no sequence with a key") from None
    return f"{path}@{str(key)[:KEY]}"


def need_sequence(tasks: tuple[str, ...]) -> None:
    """UsageError for a task that is not made of found sequences."""
    takes = {name for name, spec in catalog.tasks().items() if FIELD in fields_of(catalog.load(spec.where))}
    for name in tasks:
        if name in catalog.tasks() and name not in takes:
            raise UsageError(
                f"--sequence: task '{name}' takes no sequence; these do: {', '.join(sorted(takes)) or 'none'}"
            )


@click.command()
@click.option(
    "--method", "-m", "methods", type=METHOD, multiple=True, required=True, help="Repeat for several."
)
@click.option("--task", "-t", "tasks", type=TASK, multiple=True, required=True, help="Repeat for several.")
@cell_options
@click.option(
    "--sequence",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file of tasks that were found, for a task that takes one.",
)
@running_options
def command(
    methods: tuple[str, ...],
    tasks: tuple[str, ...],
    profile: str,
    seeds: str,
    sets: tuple[str, ...],
    base_model: str,
    sequence: Path | None,
    **rest: Any,
) -> int:
    """Run methods on tasks and print their scores.

    What the results folder holds already, by the same code, is answered from it. The exit code is 0 when
    every cell ended ok or skipped, 1 when one failed, 2 for wrong use.
    """
    from suite.plan import plan

    by_hand, numbers = parse_sets(sets), parse_seeds(seeds)
    if sequence is not None:
        by_hand |= parse_sets([f"task.{FIELD}={by_key(sequence)}"])
        need_sequence(tasks)
    cells = [plan(t, m, profile, s, by_hand, base_model) for t in tasks for m in methods for s in numbers]
    return run_cells(cells, Request(**rest))
