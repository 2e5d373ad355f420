"""A matrix of cells: what the store holds is answered from it, the rest is run and stored as it ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from suite import catalog
from suite.engines import local
from suite.engines.local import Options, Watch
from suite.errors import StoreError, SuiteError, UsageError
from suite.plan import Planned
from suite.records import Outcome, Run

if TYPE_CHECKING:
    from suite.store import Store

COMPACT_ABOVE = 200
FAILED = frozenset({"failed", "timeout", "out-of-memory"})


@dataclass(frozen=True)
class Result:
    """How one cell of a sweep ended.

    run: its row; None when the request itself was wrong, which `refused` then explains. outcome: what it
    measured, None when the answer came from the store.
    """

    planned: Planned
    run: Run | None
    outcome: Outcome | None = None
    refused: SuiteError | None = None

    @property
    def cached(self) -> bool:
        return self.run is not None and self.outcome is None

    @property
    def failed(self) -> bool:
        return self.run is not None and self.run.status in FAILED


def pairs(methods: Sequence[str], tasks: Sequence[str], family: str | None = None) -> list[tuple[str, str]]:
    """(task, method) of one family each, of the given names (none given: all); UsageError if none fits."""
    chosen_tasks = [catalog.task(name) for name in tasks] or list(catalog.tasks().values())
    chosen_methods = [catalog.method(name) for name in methods] or list(catalog.methods().values())
    found = [
        (t.name, m.name)
        for t in chosen_tasks
        for m in chosen_methods
        if m.family == t.family and family in (None, t.family)
    ]
    if not found:
        of = f" of family '{family}'" if family else ""
        raise UsageError(f"no method fits a task{of} in this selection; `suite list` shows every family")
    return found


def split(cells: Iterable[Planned], store: Store, force: bool = False) -> tuple[list[Result], list[Planned]]:
    """(what the store answers, what has to run), each cell once.

    What has to run is ordered so that cells which share a base model and a task follow each other.
    """
    answered: list[Result] = []
    missing: list[Planned] = []
    for planned in {p.cell.id: p for p in cells}.values():
        run = None if force else store.find(planned.cell.id, planned.code)
        if run is None:
            missing.append(planned)
        else:
            answered.append(Result(planned, run))
    missing.sort(key=lambda p: (p.cell.base_model, p.cell.task))
    return answered, missing


def sweep(
    cells: Sequence[Planned], store: Store, options: Options, watch: Watch | None = None
) -> Iterator[Result]:
    """Run the cells, storing each as it ends; then compact a store that has grown many parts.

    StoreError when a row cannot be written, naming the cell whose result is lost; the rest is not run.
    """
    stored = 0
    running = local.run(cells, options, watch)
    try:
        for planned, answer in running:
            if isinstance(answer, SuiteError):
                yield Result(planned, None, refused=answer)
                continue
            _append(store, answer, planned)
            stored += 1
            yield Result(planned, answer.run, answer)
    finally:
        running.close()
    if stored > COMPACT_ABOVE:
        store.compact()


def _append(store: Store, outcome: Outcome, planned: Planned) -> None:
    try:
        store.append(outcome)
    except StoreError as error:
        raise StoreError(f"the result of {planned.cell.title} is lost: {error}") from error
