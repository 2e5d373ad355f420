"""`suite submit`: pack results into a bundle for others, check a bundle, and take one over as claimed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.api import PROFILES
from suite.cli import stored
from suite.cli.output import METHOD, TASK, format_option, quiet_option, results_option, table, to_json
from suite.cli.refuse import Finite
from suite.cli.running import worker_options

if TYPE_CHECKING:
    from suite.submit import CellReport, Report

FOLDER = click.Path(path_type=Path)
CELLS = ("cell", "verdict", "value", "again", "findings", "run")
FINDINGS = ("kind", "where", "what")
MOST_LINES = 40


@click.group()
def command() -> None:
    """Pack and check results made elsewhere."""


@command.command()
@click.option("--method", "methods", multiple=True, required=True, type=METHOD, help="May be repeated.")
@click.option("--task", "tasks", multiple=True, type=TASK, help="Only this task; may be repeated.")
@click.option(
    "--profile", type=click.Choice(PROFILES), default="small", show_default=True, help="Cells of this size."
)
@click.option("--out", type=FOLDER, required=True, help="The new folder.")
@click.option("--no-samples", is_flag=True, help="Leave out what single examples did.")
@click.option("--failed", is_flag=True, help="Pack also cells that failed.")
@results_option
def pack(
    methods: tuple[str, ...],
    tasks: tuple[str, ...],
    profile: str,
    out: Path,
    no_samples: bool,
    failed: bool,
    results: Path,
) -> None:
    """Make a bundle of your results, to be given to the project.

    The newest run of each cell goes in, with scores and samples, marked as claimed. docs/submit.md says what
    to do with it.
    """
    from suite.submit import pack as make

    store = stored.open_store(results)
    stored.refuse_unknown(store, tasks, methods)
    made = make(
        store,
        out,
        methods=methods,
        tasks=tasks,
        profiles=(profile,),
        samples=not no_samples,
        failed=failed,
    )
    stored.warn_of_problems(store)
    click.echo(f"{out}: {_counted(made.runs, 'run')}, {made.size_bytes:,} bytes")
    if made.dirty:
        click.echo(
            f"{_counted(made.dirty, 'run')} of a working tree with changes: nobody else can have that code; "
            "commit and run again for a bundle that can be confirmed"
        )


@command.command()
@click.argument("bundle", type=FOLDER)
@click.option(
    "--sample", type=click.IntRange(0), default=3, show_default=True, help="Cells to run again; 0 runs none."
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Which cells, by chance from this."
)
@click.option(
    "--tolerance",
    type=Finite(),
    default=1e-6,
    show_default=True,
    help="Largest difference that still agrees, in the metric's unit.",
)
@worker_options
@results_option
@quiet_option
@format_option
def check(
    bundle: Path,
    sample: int,
    seed: int,
    tolerance: float,
    jobs: int,
    results: Path,
    quiet: bool,
    fmt: str,
    **limits: Any,
) -> int:
    """Look at every row of a bundle and run a sample of its cells again.

    RESULTS are the project's own: ceiling and nulls are known from them. Cells in doubt are run first. Exit
    code 0: nothing is wrong. 1: a row is refused or differs. 3: a doubt is open, or a cell could not be run.

    Running a cell runs the method's code of this checkout: read a stranger's method before its cells.
    """
    from suite.engines.local import Options
    from suite.progress import Progress
    from suite.store import Store
    from suite.submit import check as look

    own = Store(results) if results.exists() else None
    with Progress(max(1, sample), jobs, quiet or sample == 0) as progress:
        report = look(
            bundle,
            own,
            sample=sample,
            seed=seed,
            tolerance=tolerance,
            options=Options(jobs, limits["timeout"], limits["memory"], limits["threads"], limits["device"]),
            watch=progress.watch,
            ended=lambda cell: progress.finished(f"{cell.verdict}: {cell.title}"),
        )
    click.echo(_answer(report, fmt), nl=False)
    return report.exit_code


@command.command()
@click.argument("bundle", type=FOLDER)
@results_option
def accept(bundle: Path, results: Path) -> None:
    """Add the rows of a bundle to the results, as claimed.

    They are shown beside the project's own and never ranked until those confirm them.
    """
    from suite.store import Store
    from suite.submit import accept as take

    taken = take(bundle, Store(results))
    held = f"; {_counted(taken.held, 'run')} of the bundle there already" if taken.held else ""
    click.echo(f"{results}: {_counted(taken.added, 'claimed run')} added{held}")


def _answer(report: Report, fmt: str) -> str:
    cells = [_cell(cell) for cell in report.cells]
    findings = [finding._asdict() for finding in report.all_findings]
    summary = _summary(report)
    if fmt == "json":
        scores = {c.claimed.run.run: [s._asdict() for s in c.comparisons] for c in report.cells}
        cells = [row | {"scores": scores[row["run"]]} for row in cells]
        return to_json({"summary": summary, "cells": cells, "findings": findings})
    if fmt == "csv":
        return table(cells, CELLS, fmt)
    shown = [f for f in findings if f["kind"] != "note"] or findings
    text = table(cells, CELLS[:-1], fmt) if cells else ""
    if shown:
        text += "\n" + table(shown[:MOST_LINES], FINDINGS, fmt)
        left = len(findings) - len(shown[:MOST_LINES])
        text += f"\n{left} more findings; --format json has all\n" if left > 0 else ""
    return f"{text}\n{summary}\n"


def _cell(cell: CellReport) -> dict[str, Any]:
    from suite._submit_identity import spec_of
    from suite._submit_scores import primary

    spec = spec_of(cell.claimed.run)
    again = (c.again for c in cell.comparisons if spec and (c.metric, c.slice) == (spec.primary, "all"))
    return {
        "cell": cell.title,
        "verdict": cell.verdict,
        "value": primary(cell.claimed, spec) if spec else None,
        "again": next(again, None),
        "findings": len(cell.findings),
        "run": cell.claimed.run.run,
    }


def _summary(report: Report) -> str:
    """The bundle in a line: cells by verdict, and what the exit code says."""
    counts = report.counts
    parts = [f"{n} {v}" for v in ("confirmed", "differs", "not re-run", "refused") if (n := counts[v])]
    ends = {0: "nothing is wrong", 1: "something is wrong", 3: "no verdict yet"}
    return f"{ends[report.exit_code]}: {_counted(len(report.cells), 'cell')}" + (
        f" ({', '.join(parts)})" if parts else ""
    )


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")
