"""Runs one cell in this process and says how it ended, what it measured and what it cost.

Seeding: every cell starts with `random` and numpy (and torch, once something has loaded it) seeded by the
cell's seed. That is a safety net for libraries that draw from global state; a method's own choices come
from the context (`ctx.rng`, `ctx.seed_for`), and one that trains with torch seeds it from there.
"""

from __future__ import annotations

import json
import math
import random
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suite.api import Context, Profile, Report, Score, TaskSpec, _silent
from suite.cell import canonical
from suite.devices import use
from suite.errors import DataError, MethodError, Skip, UsageError
from suite.meter import Meter
from suite.plan import Planned
from suite.records import Outcome, Run, ScoreRow, Status
from suite.store import new_run_id

FRAMES = 6
ERROR_LENGTH = 2000
RESUMED = "resumed from a checkpoint: the times count the last leg only"


@dataclass
class _Ending:
    """How a cell ended, filled in while it runs."""

    status: Status = "ok"
    error: str = ""
    reason: str = ""
    rows: list[ScoreRow] = field(default_factory=list)
    inside_s: float = 0.0


def execute(
    planned: Planned,
    *,
    report: Report = _silent,
    checkpoint_dir: Path | None = None,
    device: str = "cpu",
    threads: int = 1,
    environment: Mapping[str, Any] | None = None,
) -> Outcome:
    """Run the cell. Whatever a method does wrong becomes a row.

    DataError and UsageError are raised, also for a device that is not here: they say that the request is
    wrong, not the method. `threads` is only recorded. `environment` is what `suite.provenance.environment`
    gives when another process knows it.
    """
    if environment is None:
        from suite.provenance import environment as collect

        environment = collect()
    _seed(planned.cell.seed)
    meter = Meter()
    ctx = _context(planned, report, checkpoint_dir, device)
    ending = _Ending(reason=RESUMED if checkpoint_dir and any(checkpoint_dir.iterdir()) else "")
    _measure(planned, ctx, ending)
    cost = {
        "started": meter.started,
        "cpu_s": meter.cpu_s,
        "peak_mb": meter.peak_mb,
        "device": device,
        "threads": threads,
        "wall_s": (wall := meter.wall_s),
        "overhead_s": wall - ending.inside_s,
    }
    run = run_of(planned, ending.status, ending.error, environment, reason=ending.reason, **cost)
    if ending.status != "ok":
        return Outcome(run)
    return Outcome(run, tuple(ending.rows), tuple(ctx.samples))


def run_of(planned: Planned, status: Status, error: str, environment: Mapping[str, Any], **more: Any) -> Run:
    """The row of a cell that ended so; `more` fills the columns of time, memory and machine, and `reason`."""
    cell = planned.cell
    return Run(
        run=new_run_id(cell.id),
        cell=cell.id,
        code=planned.code,
        family=cell.family,
        task=cell.task,
        task_version=cell.task_version,
        method=cell.method,
        method_version=cell.method_version,
        profile=cell.profile,
        seed=cell.seed,
        base_model=cell.base_model,
        settings=cell.settings,
        task_settings=cell.task_settings,
        overrides=cell.overrides,
        data_fingerprint=cell.data_fingerprint,
        model_fingerprint=cell.model_fingerprint,
        status=status,
        error=error,
        modules=canonical(planned.modules),
        git_commit=environment["git_commit"],
        git_dirty=environment["git_dirty"],
        packages=_json(environment["packages"]),
        host=_json(environment["host"]),
        **more,
    )


def validated(scores: Iterator[Score], spec: TaskSpec) -> Iterator[ScoreRow]:
    """The scores with their direction; MethodError for one that is undeclared, not finite or given twice.

    The primary metric over the whole test set must be among them.
    """
    seen: set[tuple[str, str]] = set()
    for score in scores:
        metric = spec.metric(score.metric)
        where = score.metric if score.slice == "all" else f"{score.metric} of slice {score.slice}"
        if metric is None:
            raise MethodError(f"metric {score.metric} is not declared by task {spec.name}")
        value = float(score.value)
        if not math.isfinite(value):
            raise MethodError(f"metric {where} is {'NaN' if math.isnan(value) else 'infinite'}")
        if (score.metric, score.slice) in seen:
            raise MethodError(f"metric {where} was given twice")
        seen.add((score.metric, score.slice))
        n = None if score.n is None else int(score.n)
        yield ScoreRow(score.metric, score.slice, value, n, metric.higher_is_better)
    if (spec.primary, "all") not in seen:
        raise MethodError(f"task {spec.name} gave no {spec.primary}, its primary metric")


def _context(planned: Planned, report: Report, checkpoint: Path | None, device: str) -> Context:
    profile: Profile = planned.cell.profile  # type: ignore[assignment]
    return Context(
        seed=planned.cell.seed,
        profile=profile,
        device=device,
        base_model=planned.cell.base_model,
        checkpoint=checkpoint,
        report=report,
        data=_open,
    )


def _open(name: str) -> Path:
    from suite.data import resolve

    return resolve(name)


def _seed(seed: int) -> None:
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def _measure(planned: Planned, ctx: Context, ending: _Ending) -> None:
    """Run the task and note how it ended: the one place where errors of competitors are caught."""
    try:
        use(ctx.device, planned.cell.family)
        scores = _timed(planned.task_instance.run(planned.method_instance, ctx), ending)
        ending.rows.extend(validated(scores, planned.task_spec))
    except Skip as skip:
        ending.status, ending.reason = "skipped", str(skip)
    except (DataError, UsageError):
        raise
    except MethodError as error:
        ending.status, ending.error = "failed", str(error)
    except Exception as error:
        ending.status = "out-of-memory" if _is_memory(error) else "failed"
        ending.error = describe(error)
    except SystemExit as error:
        ending.status, ending.error = "failed", f"the method left Python with exit code {error.code}"


def _timed(scores: Iterator[Score], ending: _Ending) -> Iterator[Score]:
    """The scores, with the time spent inside the task summed up."""
    while True:
        start = time.perf_counter()
        try:
            score = next(scores)
        except StopIteration:
            return
        finally:
            ending.inside_s += time.perf_counter() - start
        yield score


def _is_memory(error: Exception) -> bool:
    """Whether memory ran out; on an accelerator torch.OutOfMemoryError says so, which is no MemoryError."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def describe(error: Exception) -> str:
    """The error in one line, then where it came from, innermost last; no path of this machine."""
    line = f"{type(error).__name__}: {error}".rstrip(": ") if str(error) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    places = [f"  {_short(f.filename)}:{f.lineno} in {f.name}" for f in frames if f.filename != __file__]
    return "\n".join([line, *places])[:ERROR_LENGTH]


def _short(filename: str) -> str:
    """A file relative to the import path that it was found on."""
    path = Path(filename)
    roots = [root for entry in sys.path if path.is_relative_to(root := Path(entry).absolute())]
    return str(path.relative_to(max(roots, key=lambda root: len(root.parts)))) if roots else path.name


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
