"""`suite gate`: compare two results folders and fail when a score got worse."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from suite.api import PROFILES
from suite.cli.output import format_option, table
from suite.cli.refuse import Finite
from suite.errors import Incomplete, StoreError, UsageError

if TYPE_CHECKING:
    from leaderboard.gate import Report, Results
    from suite.store import Store

# What a kill leaves behind: no run was lost, so nothing is missing from a comparison.
HARMLESS = ("leftover", "duplicate")
FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "--baseline",
    type=FOLDER,
    default=Path("results"),
    show_default=True,
    help="Results folder with the scores to hold.",
)
@click.option("--candidate", type=FOLDER, help="Results folder with the scores to judge.")
@click.option("--profile", type=click.Choice(PROFILES), help="Only cells of this profile.  [default: all]")
@click.option(
    "--rule",
    type=click.Choice(["auto", "exact", "noise"]),
    default="auto",
    show_default=True,
    help="exact: any change counts. noise: of the mean, beyond the spread over seeds and told from chance. "
    "auto: exact for what must come out the same, noise otherwise.",
)
@click.option(
    "--tolerance",
    type=Finite(),
    default=0.0,
    show_default=True,
    help="Changes up to this do not count; in the metric's unit, 0.01 is one point of 100 %.",
)
@click.option("--junit", type=FILE, help="Write the findings as JUnit XML.")
@click.option(
    "--summary",
    type=FILE,
    envvar="GITHUB_STEP_SUMMARY",
    show_envvar=True,
    help="Append the findings as Markdown.",
)
@click.option(
    "--annotations/--no-annotations",
    default=None,
    help="Print annotations for GitHub Actions on standard error.  [default: where GITHUB_ACTIONS is true]",
)
@click.option("--accept", is_flag=True, help="Make the candidate the new baseline; needs --reason.")
@click.option("--reason", metavar="TEXT", help="Why the new scores are right; kept in the history.")
@click.option("--allow-incomplete", is_flag=True, help="Accept although cells could not be compared.")
@click.option("--history", is_flag=True, help="Show what was accepted into the baseline, when, and why.")
@format_option
def command(
    baseline: Path,
    candidate: Path | None,
    profile: str | None,
    rule: Literal["auto", "exact", "noise"],
    tolerance: float,
    junit: Path | None,
    summary: Path | None,
    annotations: bool | None,
    accept: bool,
    reason: str | None,
    allow_incomplete: bool,
    history: bool,
    fmt: str,
) -> int:
    """Fail when a score got worse.

    Exit code 0: nothing got worse. 1: a regression. 3: a cell of the baseline is missing or failed in the
    candidate, or a value is no number, so that no verdict can be given. docs/gate.md has the rules.

    With --accept the candidate's cells become the baseline, whatever got worse (exit code 0).
    """
    if history:
        return _history(_store(baseline), fmt)
    if candidate is None:
        raise UsageError("a folder to judge is needed: `suite gate --candidate DIR`")
    if accept != bool(reason and reason.strip()):
        raise UsageError(
            '--accept and --reason go together: `--accept --reason "why the new scores are right"`'
        )
    from leaderboard import gate
    from suite import catalog

    stores = _store(baseline), _store(candidate)
    before, after = (_read(store, profile) for store in stores)
    found = gate.compare(before, after, catalog.tasks(), rule, tolerance)
    _tell(found, fmt, junit, summary, annotations)
    if accept and reason:
        return _accept(stores, found, reason, profile, allow_incomplete)
    return found.exit_code


def _tell(
    found: Report, fmt: str, junit: Path | None, summary: Path | None, annotations: bool | None
) -> None:
    """The table on standard output, the reports where they are asked for, then the verdict in one line."""
    from leaderboard import report

    if found.findings or fmt != "text":
        click.echo(table(report.rows(found), report.COLUMNS, fmt), nl=False)
    if junit:
        _write(junit, report.junit(found), "w")
    if summary:
        _write(summary, report.markdown(found), "a")
    if annotations or (annotations is None and os.environ.get("GITHUB_ACTIONS") == "true"):
        for line in report.workflow_commands(found):
            click.echo(line, err=True)
    click.echo(found.summary, err=fmt != "text")


def _accept(
    stores: tuple[Store, Store], found: Report, reason: str, profile: str | None, allow_incomplete: bool
) -> int:
    """Copy the candidate's runs into the baseline, with a line of its history."""
    from datetime import UTC, datetime

    from leaderboard import history

    baseline, candidate = stores
    if found.of("incomplete") and not allow_incomplete:
        raise Incomplete(
            "not accepted: some cells could not be compared (see above); "
            "run them, or give --allow-incomplete to accept the others"
        )
    entry = history.accept(baseline, candidate, found, reason, profile=profile, now=datetime.now(UTC))
    if not entry.runs:
        said = f"nothing was accepted: {candidate.root} has no new run that ended well"
        if found.of("incomplete"):
            raise Incomplete(said)
        click.echo(said, err=True)
        return 0
    what = f"{len(entry.runs)} run{'' if len(entry.runs) == 1 else 's'}"
    click.echo(f"accepted into {baseline.root}: {what}; {history.FILE} says why", err=True)
    return 0


def _history(baseline: Store, fmt: str) -> int:
    from leaderboard import history

    entries, problems = history.read(baseline.root / history.FILE)
    for line in problems:
        click.echo(f"warning: {line}", err=True)
    if entries or fmt != "text":
        rows = history.rows(entries, once=fmt in ("text", "markdown"))
        click.echo(table(rows, history.COLUMNS, fmt), nl=False)
    else:
        click.echo(
            f"nothing was accepted into {baseline.root} yet; `suite gate --accept --reason TEXT` does it"
        )
    return 0


def _store(folder: Path) -> Store:
    """The results of a folder; UsageError where there is no such folder."""
    from suite.store import Store

    if not folder.is_dir():
        raise UsageError(f"there is no results folder {folder}; `suite run --results {folder}` makes one")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise StoreError(f"results folder {folder} cannot be read: permission denied")
    return Store(folder)


def _read(store: Store, profile: str | None) -> Results:
    """The rows of a results folder that a gate needs."""
    from leaderboard import gate

    where = {"profile": [profile]} if profile else None
    runs = store.runs(where).select(list(gate.RUN_COLUMNS)).to_pylist()
    scores = store.scores(where).select(list(gate.SCORE_COLUMNS)).to_pylist()
    problems = [f"{store.root}: {p}" for p in store.problems if p.kind not in HARMLESS]

    def samples(ids: Collection[str]) -> Mapping[str, Mapping[int, float]]:
        found: dict[str, dict[int, float]] = {}
        rows = store.samples(ids).select(["run", "index", "correct"])
        for run, index, correct in zip(*(rows.column(c).to_pylist() for c in range(3)), strict=True):
            found.setdefault(run, {})[index] = correct
        return found

    return gate.Results(runs, scores, problems, samples)


def _write(path: Path, text: str, mode: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding="utf-8") as file:
            file.write(text + "\n" * (mode == "a"))
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None
