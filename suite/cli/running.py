"""What the verbs that run cells share: their options, the run itself, the answer and the exit code."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from suite.api import PROFILES
from suite.cli.output import json_option, quiet_option, results_option, table, to_json
from suite.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])
SCORE_COLUMNS = ("task", "method", "profile", "metric", "value", "low", "high", "seeds", "n", "cached")
OK, CELL_FAILED, WRONG_USE = 0, 1, 2
MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Request:
    """The options of `run` and `sweep` that are not about which cells."""

    results: Path
    jobs: int
    timeout: float | None
    memory: float | None
    threads: int
    device: str
    force: bool
    dry_run: bool
    quiet: bool
    fmt: str


def options(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several click options as one decorator, shown in this order."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


cell_options = options(
    click.option(
        "--profile", type=click.Choice(PROFILES), default="small", show_default=True, help="Sizes to run at."
    ),
    click.option("--seeds", "--seed", default="0", show_default=True, help="Seeds: 3, 0-4 or 0,1,2."),
    click.option(
        "--set", "sets", multiple=True, metavar="FIELD=VALUE", help="A field of the method, or task.FIELD."
    ),
    click.option("--base-model", default="", help="The pre-trained model to adapt."),
)
worker_options = options(
    click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Worker processes."),
    click.option(
        "--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Limit for a cell."
    ),
    click.option(
        "--memory", type=click.FloatRange(0, min_open=True), metavar="MB", help="Limit for a worker."
    ),
    click.option(
        "--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads of a worker."
    ),
    click.option(
        "--device", default="cpu", show_default=True, help="Where models are put, as torch names it."
    ),
)
running_options = options(
    worker_options,
    click.option("--force", is_flag=True, help="Run also what the results already hold."),
    click.option("--dry-run", is_flag=True, help="Say what would be run and what it needs, and stop."),
    results_option,
    quiet_option,
    json_option,
)


def parse_seeds(text: str) -> list[int]:
    """Seeds from '3', '0-4' or '0,1,2', each once, in order; UsageError for anything else."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", part.strip())
        if match is None:
            raise UsageError(f"--seeds {text}: '{part}' is no seed; give whole numbers as in 3, 0-4 or 0,1,2")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise UsageError(f"--seeds {text}: the range {part} ends before it begins")
        if last - first >= MOST_SEEDS:
            raise UsageError(f"--seeds {text}: {last - first + 1:,} seeds; at most {MOST_SEEDS:,} at a time")
        seeds += range(first, last + 1)
    return list(dict.fromkeys(seeds))


def parse_sets(texts: Sequence[str]) -> dict[str, str]:
    """Field to text from FIELD=VALUE; UsageError for a text without a field or a field given twice."""
    sets: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {text}: write it as field=value")
        if name in sets:
            raise UsageError(f"--set {text}: '{name}' is set twice")
        sets[name] = value
    return sets


def run_cells(cells: Sequence[Any], request: Request) -> int:
    """Answer the cells from the store or run them, print the scores, and give the exit code."""
    from suite.forecast import counted, forecast
    from suite.store import Store
    from suite.sweep import split

    store = Store(request.results)
    answered, missing = split(cells, store, request.force)
    held = f"; {counted(len(answered), 'cell')} answered from {request.results}" if answered else ""
    if missing and not (request.quiet and not request.dry_run):
        click.echo(f"{forecast(missing, store, request.jobs)}{held}", err=not request.dry_run)
    if request.dry_run:
        if not missing:
            click.echo(f"nothing to run{held}")
        return OK
    asked = {planned.cell.id: place for place, planned in enumerate(cells)}
    results = sorted([*answered, *_run(missing, store, request)], key=lambda r: asked[r.planned.cell.id])
    click.echo(_answer(results, store, request.fmt), nl=False)
    return _exit_code(results)


def _run(missing: Sequence[Any], store: Any, request: Request) -> list[Any]:
    if not missing:
        return []
    from suite.engines.local import Options
    from suite.progress import Progress
    from suite.sweep import sweep

    store.ready()
    engine = Options(request.jobs, request.timeout, request.memory, request.threads, request.device)
    done = []
    with Progress(len(missing), request.jobs, request.quiet) as progress:
        for result in sweep(missing, store, engine, progress.watch):
            done.append(result)
            progress.finished(_line(result))
            if request.quiet and (result.refused or result.failed):
                click.echo(_line(result), err=True)
    return done


def _line(result: Any) -> str:
    """How one cell ended, in one line."""
    title = result.planned.cell.title
    if result.refused is not None:
        return f"error: {title}: {' '.join(str(result.refused).split())}"
    run = result.run
    if run.status == "ok":
        primary = result.planned.task_spec.primary
        value = next(
            (s.value for s in result.outcome.scores if (s.metric, s.slice) == (primary, "all")), None
        )
        return f"ok: {title}: {primary} {value:.4f} in {run.wall_s:.1f} s"
    why = (run.error or run.reason).partition("\n")[0]
    return f"{run.status}: {title}: {why}"


def _exit_code(results: Sequence[Any]) -> int:
    if any(result.refused for result in results):
        return WRONG_USE
    return CELL_FAILED if any(result.failed for result in results) else OK


def _answer(results: Sequence[Any], store: Any, fmt: str) -> str:
    from suite import summary

    scores = summary.scores(results, store)
    if fmt == "json":
        return to_json([summary.record(result, scores) for result in results])
    rows: list[Mapping[str, Any]] = summary.rows(results, scores, store)
    text = table(rows, SCORE_COLUMNS, fmt) if rows else ""
    return text + summary.counts(results) + "\n" if len(results) > 1 or not rows else text
