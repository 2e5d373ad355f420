"""`suite why`: whether a cell is answered from the results, and if not, what changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.output import METHOD, TASK, json_option, results_option, table, to_json
from suite.cli.running import cell_options, parse_seeds, parse_sets
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.plan import Planned
    from suite.records import Run
    from suite.store import Store


@click.command()
@click.argument("cell", required=False)
@click.option("--method", "-m", type=METHOD, help="With --task: the cell by its names.")
@click.option("--task", "-t", type=TASK, help="With --method: the cell by its names.")
@cell_options
@results_option
@json_option
def command(
    cell: str | None, method: str | None, task: str | None, results: Path, fmt: str, **names: Any
) -> None:
    """Say whether the results hold a cell, and if not, what changed since the nearest run.

    CELL is the beginning of a cell's or a run's id, as `suite results` shows them; it stands for the same
    options today. Without it, the options name the cell.
    """
    from suite.changes import changes, similarity
    from suite.store import Store, runs_as_records

    store = Store(results)
    if (cell is None) == (method is None or task is None):
        raise UsageError("name a cell by its id, or by --method and --task")
    planned = _of_id(cell, store) if cell else _of_names(str(method), str(task), **names)
    held = store.find(planned.cell.id, planned.code)
    same = {"task": [planned.cell.task], "method": [planned.cell.method]}
    nearest = held or max(
        runs_as_records(store.runs(same)), key=lambda run: similarity(planned, run), default=None
    )
    differing = [] if held or nearest is None else [c._asdict() for c in changes(planned, nearest)]
    if fmt == "json":
        answer = {
            "cell": planned.cell.id,
            "held": bool(held),
            "run": nearest and nearest.run,
            "changes": differing,
        }
        click.echo(to_json(answer), nl=False)
        return
    click.echo(_verdict(planned, held, nearest))
    if differing:
        click.echo(table(differing, ("part", "stored", "now")), nl=False)


def _verdict(planned: Planned, held: Run | None, nearest: Run | None) -> str:
    title = f"{planned.cell.title}, cell {planned.cell.id[:16]}"
    if held:
        return f"{title}: answered from the results by run {held.run} ({held.status})"
    if nearest is None:
        return f"{title}: would run, for the results hold no run of this method on this task"
    return (
        f"{title}: would run; what changed since run {nearest.run} ({nearest.profile}, seed {nearest.seed}):"
    )


def _of_names(
    method: str, task: str, profile: str, seeds: str, sets: tuple[str, ...], base_model: str
) -> Planned:
    from suite.plan import plan

    numbers = parse_seeds(seeds)
    if len(numbers) != 1:
        raise UsageError(f"--seeds {seeds}: give one seed, for the answer is about one cell")
    return plan(task, method, profile, numbers[0], parse_sets(sets), base_model)


def _of_id(prefix: str, store: Store) -> Planned:
    """What the options that made a stored cell would make today."""
    from suite.plan import plan

    run = _stored(prefix, store)
    by_hand = {name: str(value) for name, value in json.loads(run.overrides).items()}
    return plan(run.task, run.method, run.profile, run.seed, by_hand, run.base_model)


def _stored(prefix: str, store: Store) -> Run:
    """The newest run of the only cell whose id begins so, or the run whose id does."""
    import pyarrow.compute as pc

    from suite.store import runs_as_records

    table = store.runs()
    found = runs_as_records(table.filter(pc.starts_with(table.column("cell"), prefix)))
    cells = sorted({run.cell for run in found})
    if len(cells) > 1:
        raise UsageError(f"cell '{prefix}' is the beginning of {len(cells)} cells; give more of the id")
    return max(found, key=lambda run: run.started) if found else store.run(prefix)
