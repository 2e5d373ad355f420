"""`suite gate`: compare two results folders and fail when a score got worse."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from suite.api import PROFILES
from suite.cli.output import format_option, table
from suite.errors import StoreError, UsageError

if TYPE_CHECKING:
    from leaderboard.gate import Results

# What a kill leaves behind: no run was lost, so nothing is missing from a comparison.
HARMLESS = ("leftover", "duplicate")
FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--baseline", type=FOLDER, required=True, help="Results folder with the scores to hold.")
@click.option("--candidate", type=FOLDER, required=True, help="Results folder with the scores to judge.")
@click.option("--profile", type=click.Choice(PROFILES), help="Only cells of this profile.  [default: all]")
@click.option(
    "--rule",
    type=click.Choice(["exact", "noise"]),
    default="exact",
    show_default=True,
    help="exact: any change of a seed counts. noise: of the mean, beyond the baseline's spread over seeds.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Changes up to this do not count; in the metric's unit, 0.01 is one point of 100 %.",
)
@click.option("--junit", type=FILE, help="Write the findings as JUnit XML.")
@click.option("--summary", type=FILE, help="Append the findings as Markdown.")
@format_option
def command(
    baseline: Path,
    candidate: Path,
    profile: str | None,
    rule: Literal["exact", "noise"],
    tolerance: float,
    junit: Path | None,
    summary: Path | None,
    fmt: str,
) -> int:
    """Fail when a score got worse.

    Exit code 0: nothing got worse. 1: a regression. 3: a cell of the baseline is missing or failed in the
    candidate, or a value is no number, so that no verdict can be given. docs/gate.md has the rules.
    """
    from leaderboard import gate, report
    from suite import catalog

    before, after = _read(baseline, profile), _read(candidate, profile)
    found = gate.compare(before, after, catalog.tasks(), rule, tolerance)
    if found.findings or fmt != "text":
        click.echo(table(report.rows(found), report.COLUMNS, fmt), nl=False)
    if junit:
        _write(junit, report.junit(found), "w")
    if summary:
        _write(summary, report.markdown(found), "a")
    click.echo(found.summary, err=fmt != "text")
    return found.exit_code


def _read(folder: Path, profile: str | None) -> Results:
    """The rows of a results folder that a gate needs; UsageError where there is no such folder."""
    from leaderboard import gate
    from suite.store import Store

    if not folder.is_dir():
        raise UsageError(f"there is no results folder {folder}; `suite run --results {folder}` makes one")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise StoreError(f"results folder {folder} cannot be read: permission denied")
    store = Store(folder)
    where = {"profile": [profile]} if profile else None
    runs = store.runs(where).select(list(gate.RUN_COLUMNS)).to_pylist()
    scores = store.scores(where).select(list(gate.SCORE_COLUMNS)).to_pylist()
    problems = [f"{folder}: {p}" for p in store.problems if p.kind not in HARMLESS]
    return gate.Results(runs, scores, problems)


def _write(path: Path, text: str, mode: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding="utf-8") as file:
            file.write(text + "\n" * (mode == "a"))
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None
