"""Records to rows and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from suite._arrow import column, stored
from suite._parquet import encode
from suite._tables import COLUMNS, Kind
from suite.api import Sample
from suite.errors import StoreError
from suite.records import Outcome, Run, ScoreRow

if TYPE_CHECKING:
    import pyarrow as pa

_DEFAULTS = {f.name: f.default for f in dataclasses.fields(Run) if f.default is not dataclasses.MISSING}


def tables_of(outcome: Outcome) -> Iterator[tuple[Kind, pa.Buffer]]:
    """The files of a run in the order of writing; the runs file comes last because it commits the others.

    Raises StoreError for a value that its column cannot hold (a seed beyond 32 bits).
    """
    import pyarrow as pa

    run = outcome.run
    try:
        if outcome.samples:
            yield "samples", _encoded("samples", run.task, _sample_columns(outcome))
        if outcome.scores:
            yield "scores", _encoded("scores", run.task, _score_columns(outcome))
        yield "runs", _encoded("runs", run.task, {name: [getattr(run, name)] for name in COLUMNS["runs"]})
    except (pa.ArrowException, OverflowError, TypeError) as error:
        who = f"run {run.run} of {run.method} on {run.task}"
        raise StoreError(f"{who} has a value that its column cannot hold: {error}") from None


def _encoded(kind: Kind, task: str, columns: dict[str, Any]) -> pa.Buffer:
    import pyarrow as pa

    aliases = COLUMNS[kind]
    fields = stored(kind)
    arrays = [column(columns[name], aliases[name]) for name in fields.names]
    return encode(kind, task, pa.Table.from_arrays(arrays, schema=fields))


def _score_columns(outcome: Outcome) -> dict[str, Any]:
    run, n = outcome.run, len(outcome.scores)
    columns: dict[str, Any] = dict(zip(ScoreRow._fields, zip(*outcome.scores, strict=True), strict=True))
    for name in ("run", "cell", "method", "profile", "seed"):
        columns[name] = [getattr(run, name)] * n
    return columns


def _sample_columns(outcome: Outcome) -> dict[str, Any]:
    columns: dict[str, Any] = dict(zip(Sample._fields, zip(*outcome.samples, strict=True), strict=True))
    return columns | {"run": [outcome.run.run] * len(outcome.samples)}


def records(table: pa.Table) -> list[Run]:
    """One `Run` a row; a null becomes the field's default where it has one."""
    names = list(COLUMNS["runs"])
    columns = []
    for name in names:
        values = table.column(name).to_pylist()
        default = _DEFAULTS.get(name)
        columns.append(values if default is None else [default if v is None else v for v in values])
    return [Run(*row) for row in zip(*columns, strict=True)]
