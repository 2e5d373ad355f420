"""Runs stored cells again with their stored settings and says whether the scores agree."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from suite.defaults import completed_cell
from suite.engines import local
from suite.engines.local import Options, Watch
from suite.errors import DataError, StoreError, SuiteError, UsageError
from suite.plan import Planned, cell_of, restore, today
from suite.records import Outcome, Run, ScoreRow

if TYPE_CHECKING:
    from suite.store import Store

Verdict = Literal["identical", "within tolerance", "different", "missing", "new", "not compared"]
AGREEING = frozenset({"identical", "within tolerance", "not compared"})


class Comparison(NamedTuple):
    """A stored score beside the one measured again; None where there is none."""

    metric: str
    slice: str
    stored: float | None
    again: float | None
    verdict: Verdict


class Checked(NamedTuple):
    """A stored run with what its cell gave when it was run again."""

    run: Run
    planned: Planned
    outcome: Outcome
    comparisons: Sequence[Comparison]

    @property
    def agrees(self) -> bool:
        """Whether it ended the same way with scores that agree."""
        return self.outcome.run.status == self.run.status and all(
            c.verdict in AGREEING for c in self.comparisons
        )

    @property
    def same_code(self) -> bool:
        return self.outcome.run.code == self.run.code


def again(run: Run) -> Planned:
    """The cell of a run, to be run by today's code; UsageError or DataError where that compares nothing.

    A field that the task or the method got since has its default there, so that the run made now is of the
    cell as today's classes spell it.
    """
    cell = cell_of(run)
    now = today(cell)
    for what, then, present in (
        ("task", cell.task_version, now.task_version),
        ("method", cell.method_version, now.method_version),
    ):
        if then != present:
            name = getattr(cell, what)
            raise UsageError(
                f"run {run.run} is of version {then} of {what} '{name}', which is at version {present} "
                "today: its scores mean something else; run the cell anew"
            )
    if cell.data_fingerprint != now.data_fingerprint:
        raise DataError(f"run {run.run} used other data than task '{cell.task}' has today; run the cell anew")
    return restore(completed_cell(cell))


def rerun(
    runs: Sequence[Run], store: Store, options: Options, tolerance: float, watch: Watch | None = None
) -> Iterator[Checked]:
    """Each run beside its repetition, as they end; errors of a wrong request are raised."""
    planned = {p.cell.id: (run, p) for run in runs for p in [again(run)]}
    running = local.run([p for _, p in planned.values()], options, watch)
    try:
        for cell, answer in running:
            if isinstance(answer, SuiteError):
                raise answer
            run = planned[cell.cell.id][0]
            stored = stored_scores(run, store)
            yield Checked(run, cell, answer, compare(cell, stored, answer.scores, tolerance))
    finally:
        running.close()


def stored_scores(run: Run, store: Store) -> list[ScoreRow]:
    """The scores of a run; StoreError when an ok run has none, for its file must be damaged."""
    table = store.scores({"task": [run.task], "run": [run.run]}).select(list(ScoreRow._fields))
    if run.status == "ok" and not len(table):
        raise StoreError(f"the scores of run {run.run} cannot be read; `suite store check` says why")
    return [ScoreRow(**row) for row in table.to_pylist()]


def compare(
    planned: Planned, stored: Sequence[ScoreRow], new: Sequence[ScoreRow], tolerance: float
) -> list[Comparison]:
    """Score by score, in stored order; readings of clocks and memory are shown and not compared."""
    before, after = _by_name(stored), _by_name(new)
    made = []
    for name in [*before, *(n for n in after if n not in before)]:
        old, fresh = before.get(name), after.get(name)
        made.append(Comparison(*name, old, fresh, _verdict(planned, name[0], old, fresh, tolerance)))
    return made


def _by_name(rows: Sequence[ScoreRow]) -> Mapping[tuple[str, str], float]:
    return {(row.metric, row.slice): row.value for row in rows}


def _verdict(
    planned: Planned, metric: str, old: float | None, new: float | None, tolerance: float
) -> Verdict:
    declared = planned.task_spec.metric(metric)
    if declared is not None and not declared.exact:
        return "not compared"
    if old is None:
        return "new"
    if new is None:
        return "missing"
    if old == new:
        return "identical"
    return "within tolerance" if abs(old - new) <= tolerance else "different"


def stale(store: Store) -> list[Run]:
    """The newest ok run of each cell that only older code of the same versions has measured.

    Cells of tasks or methods that are no longer there, and of other versions or data, are left out: running
    them again confirms nothing.
    """
    from suite.store import runs_as_records

    newest: dict[str, Run] = {}
    for run in runs_as_records(store.runs({"status": ["ok"]})):
        if run.cell not in newest or run.started > newest[run.cell].started:
            newest[run.cell] = run
    found: dict[str, Run] = {}
    for run in sorted(newest.values(), key=lambda run: (run.started, run.run)):
        if (cell := _stale_cell(run, store)) is not None:
            # Runs before and after a field was added are of one cell today.
            found[cell] = run
    return list(found.values())


def _stale_cell(run: Run, store: Store) -> str | None:
    """The id of the cell that would confirm the run; None where nothing would, or where it is confirmed."""
    try:
        planned = again(run)
    except SuiteError:
        return None
    return planned.cell.id if store.find(planned.cell.id, planned.code) is None else None


def sampled(runs: Sequence[Run], n: int) -> list[Run]:
    """At most n of the runs by chance, the same ones for the same runs."""
    ordered = sorted(runs, key=lambda run: run.run)
    return ordered if n >= len(ordered) else random.Random(0).sample(ordered, n)
