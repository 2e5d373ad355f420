"""`suite verify`: run a stored cell again and say whether its scores agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.output import json_option, quiet_option, results_option, table, to_json
from suite.cli.refuse import Finite
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.records import Run
    from suite.store import Store
    from suite.verify import Checked

COLUMNS = ("metric", "slice", "stored", "again", "verdict")


@dataclass(frozen=True)
class _Options:
    jobs: int
    timeout: float | None
    threads: int | None
    device: str | None
    tolerance: float
    quiet: bool


@click.command()
@click.argument("run", required=False)
@click.option("--stale", is_flag=True, help="Verify cells that only older code has measured.")
@click.option(
    "--sample", type=click.IntRange(1), metavar="N", help="With --stale: only N of them, by chance."
)
@click.option(
    "--tolerance",
    type=Finite(),
    default=1e-6,
    show_default=True,
    help="Largest difference that still agrees.",
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Worker processes.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Limit for a cell."
)
@click.option("--threads", type=click.IntRange(1), help="Threads of a worker; as stored without it.")
@click.option("--device", help="Where models are put; as stored without it.")
@results_option
@quiet_option
@json_option
def command(run: str | None, stale: bool, sample: int | None, results: Path, fmt: str, **rest: Any) -> int:
    """Run a stored cell again, with its stored settings, and compare the scores.

    RUN is the beginning of a run's id. The exit code is 1 when scores differ. With --stale, cells that agree
    are confirmed: the new run, by today's code, is added to the results.
    """
    from suite.store import Store

    if stale == (run is not None):
        raise UsageError("give the id of a run, or --stale")
    if sample is not None and not stale:
        raise UsageError("--sample goes with --stale")
    store, options = Store(results), _Options(**rest)
    if run is not None:
        (checked,) = _rerun([store.run(run)], store, options)
        return _one(checked, fmt)
    return _stale(store, sample, options, fmt)


def _rerun(runs: Sequence[Run], store: Store, options: _Options, confirm: bool = False) -> list[Checked]:
    """Run again, each with its stored device and all with the most threads stored, unless `options` say
    otherwise; with `confirm`, store the runs that agree.
    """
    from suite.engines.local import Options
    from suite.progress import Progress
    from suite.verify import rerun

    threads = options.threads or max(run.threads for run in runs)
    by_device: dict[str, list[Run]] = {}
    for run in runs:
        by_device.setdefault(options.device or run.device, []).append(run)
    done = []
    with Progress(len(runs), options.jobs, options.quiet) as progress:
        for device, held in by_device.items():
            engine = Options(jobs=options.jobs, timeout=options.timeout, threads=threads, device=device)
            for checked in rerun(held, store, engine, options.tolerance, progress.watch):
                if confirm and checked.agrees:
                    store.append(checked.outcome)
                done.append(checked)
                progress.finished(f"{_word(checked)}: {checked.planned.cell.title}")
    return done


def _here(runs: Sequence[Run], device: str | None) -> list[Run]:
    """Those whose device can be used here; the others are named, once a device and family."""
    from suite.devices import refuse_device, refuse_family

    refused: dict[tuple[str, str], str] = {}
    found = []
    for run in runs:
        key = (device or run.device, run.family)
        if key not in refused:
            try:
                refuse_family(*key)
                refuse_device(key[0])
                refused[key] = ""
            except UsageError as error:
                refused[key] = str(error)
                click.echo(f"not run again: {error}", err=True)
        if not refused[key]:
            found.append(run)
    return found


def _one(checked: Checked, fmt: str) -> int:
    if fmt == "json":
        click.echo(to_json(_record(checked)), nl=False)
    else:
        if checked.comparisons:
            click.echo(table([c._asdict() for c in checked.comparisons], COLUMNS), nl=False)
        click.echo(_sentence(checked))
    return int(not checked.agrees)


def _sentence(checked: Checked) -> str:
    code = "the same code" if checked.same_code else "changed code"
    then, now = checked.run.status, checked.outcome.run
    if then != now.status:
        why = (now.error or now.reason).partition("\n")[0]
        return f"differs: run {checked.run.run} ended {then}, again by {code} it ended {now.status}: {why}"
    return f"{_word(checked)}: run {checked.run.run} again by {code}"


def _word(checked: Checked) -> str:
    return "agrees" if checked.agrees else "differs"


def _record(checked: Checked) -> dict[str, Any]:
    return {
        "run": checked.run.run,
        "cell": checked.run.cell,
        "title": checked.planned.cell.title,
        "agrees": checked.agrees,
        "same_code": checked.same_code,
        "status": {"stored": checked.run.status, "again": checked.outcome.run.status},
        "scores": [c._asdict() for c in checked.comparisons],
    }


def _stale(store: Store, sample: int | None, options: _Options, fmt: str) -> int:
    from suite.verify import sampled, stale

    found = stale(store)
    usable = _here(found, options.device)
    chosen = sampled(usable, sample or len(usable))
    checked = _rerun(chosen, store, options, confirm=True) if chosen else []
    agreeing = sum(c.agrees for c in checked)
    left = len(found) - agreeing
    if fmt == "json":
        answer = {
            "stale": len(found),
            "confirmed": agreeing,
            "left": left,
            "runs": [_record(c) for c in checked],
        }
        click.echo(to_json(answer), nl=False)
    else:
        rows = [{"run": c.run.run, "cell": c.planned.cell.title, "verdict": _word(c)} for c in checked]
        if rows:
            click.echo(table(rows, ("run", "cell", "verdict")), nl=False)
        click.echo(f"{len(found)} stale: {len(checked)} run again, {agreeing} confirmed, {left} still stale")
    return int(agreeing < len(checked))
