"""The downloads: the results as parquet, the board and the claims as CSV, every paper as BibTeX."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from leaderboard import figures
from leaderboard.board import Board, Entry, Table
from leaderboard.samples import logged, table_of

if TYPE_CHECKING:
    import pyarrow as pa

    from leaderboard.claims import Judged
    from suite._tables import Kind
    from suite.store import Store

Render = Callable[[str, str, Mapping[str, Any]], str]
# As the pages call it; a reader of tables takes "null" for a missing value.
ROLES = {"null": "floor"}
BOARD_COLUMNS = (
    *("family", "task", "profile", "method", "overrides", "base_model", "role", "metric", "higher_is_better"),
    *("mean", "low", "high", "seeds", "examples", "best_rank", "worst_rank", "median_s", "peak_mb"),
    *("comparable", "origin", "older_runs", "marks"),
)


class File(NamedTuple):
    """A file of the downloads: its path below the site's folder, what it holds, bytes, rows of a table."""

    path: str
    about: str
    size: int
    sha256: str
    rows: int | None = None


def write(board: Board, store: Store, judged: Sequence[Judged], folder: Path, render: Render) -> int:
    """Write the files and their page below the site's folder; the number of pages."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    groups = [
        ("Results", [_runs(store, folder), _scores(store, folder)]),
        ("Board", _texts(board, judged, folder)),
        ("Logged examples", list(_samples(board, store, folder))),
    ]
    groups = [(title, files) for title, files in groups if files]
    view = {"groups": [(title, [_line(file) for file in files]) for title, files in groups]}
    (folder / "downloads.html").write_bytes(render("downloads.html", "", view).encode())
    return 1


def _line(file: File) -> dict[str, Any]:
    return file._asdict() | {"size": size(file.size), "name": file.path.rpartition("/")[2]}


def size(count: int) -> str:
    """Bytes as people say them: 812 B, 4.5 kB, 1.2 MB."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} B"


def _file(folder: Path, path: str, about: str, rows: int | None = None) -> File:
    with (folder / path).open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return File(path, about, (folder / path).stat().st_size, digest, rows)


def _runs(store: Store, folder: Path) -> File:
    from suite._tables import COLUMNS

    names = [name for name in COLUMNS["runs"] if name != "task"]
    parts = (_with_task(runs, task) for task, runs, _ in store.parts(names, ("run",)))
    count = _parquet(folder / "data/runs.parquet", parts, "runs")
    return _file(
        folder, "data/runs.parquet", "One row a run: what was run, how it ended, what it cost", count
    )


def _scores(store: Store, folder: Path) -> File:
    from suite._arrow import rows_in
    from suite._tables import COLUMNS

    # The cell's id, most of the bytes of a score, stands in the runs.
    names = [name for name in COLUMNS["scores"] if name not in ("task", "cell")]

    def parts() -> Iterator[pa.Table]:
        for task, runs, scores in store.parts(("run",), names):
            # Scores of a run that is not committed are what a killed cell left.
            kept = rows_in(scores, "run", [runs.column("run")])
            yield _with_task(kept, task)

    count = _parquet(folder / "data/scores.parquet", parts(), "scores", ("cell",))
    return _file(folder, "data/scores.parquet", "One row a metric and slice of a run", count)


def _with_task(table: pa.Table, task: str) -> pa.Table:
    from suite._arrow import repeated

    return table.append_column("task", repeated(task, len(table)))


def _samples(board: Board, store: Store, folder: Path) -> Iterator[File]:
    """A file a task with the examples of its shown runs."""
    known = logged(store)
    shown: dict[str, set[str]] = {}
    for table in board.tables if known else ():
        for entry in table.entries:
            shown.setdefault(table.task, set()).update(r["run"] for r in entry.runs if r["run"] in known)
    for task, runs in sorted(shown.items()):
        rows = table_of(store, task, runs)
        if rows is not None:
            path = f"data/samples-{figures.slug(task)}.parquet"
            count = _parquet(folder / path, iter([rows]), "samples")
            yield _file(folder, path, f"The logged examples of {figures.clean(task)}", count)


def _parquet(path: Path, parts: Iterator[pa.Table], kind: Kind, without: tuple[str, ...] = ()) -> int:
    """Write tables as one file in the columns of `kind`; the number of rows. It holds nothing else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from suite._arrow import schema
    from suite._tables import REPEATING

    wanted = pa.schema([field for field in schema(kind) if field.name not in without])
    encoded = [name for name in (*REPEATING[kind], "task") if name in wanted.names]
    count = 0
    with pq.ParquetWriter(
        path,
        wanted,
        compression="snappy",
        use_dictionary=encoded,
        column_encoding={"index": "DELTA_BINARY_PACKED"} if kind == "samples" else None,
        store_schema=False,
    ) as writer:
        for part in parts:
            columns = [_plain(part.column(field.name), field.type) for field in wanted]
            writer.write_table(pa.Table.from_arrays(columns, schema=wanted))
            count += len(part)
    return count


def _plain(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    return column if column.type == kind else column.cast(kind)


def _texts(board: Board, judged: Sequence[Judged], folder: Path) -> list[File]:
    made = [
        ("data/board.csv", "One row an entry and metric: mean, 95 % interval, rank and cost", _board(board)),
        ("data/claims.csv", "The papers' claims and what became of them", _claims(judged)),
        ("data/papers.bib", "Every paper that a task, a method or a claim names", _bibliography()),
    ]
    files = []
    for path, about, text in made:
        if text:
            (folder / path).write_bytes(text.encode())
            rows = None if path.endswith(".bib") else sum(1 for _ in csv.reader(io.StringIO(text))) - 1
            files.append(_file(folder, path, about, rows))
    return files


def _board(board: Board) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(BOARD_COLUMNS)
    for table in board.tables:
        known = table.metrics
        for entry in table.entries:
            # The primary metric always, so that no entry is missing.
            for metric in [m for m in known if entry.per_seed(m)] or [table.primary]:
                writer.writerow([_told(value) for value in _row(table, entry, metric)])
    return out.getvalue()


def _row(table: Table, entry: Entry, metric: str) -> tuple[Any, ...]:
    known = table.spec.metric(metric) if table.spec else None
    primary = metric == table.primary
    higher = table.higher if primary else known.higher_is_better if known else None
    interval = entry.interval(metric)
    rank = entry.rank if primary else None
    return (
        *(table.family, table.task, table.profile, entry.method, entry.overrides, entry.base_model),
        *(ROLES.get(entry.role, entry.role), metric, higher, entry.mean(metric)),
        *((interval.low, interval.high) if interval else (None, None)),
        *(len(entry.per_seed(metric)), entry.examples.get((metric, "all"))),
        *((rank.best, rank.worst) if rank else (None, None)),
        *(entry.seconds, entry.peak_mb, entry.comparable),
        *("claimed" if entry.only_claimed else "project", len(entry.stale)),
        " ".join(mark.kind for mark in entry.marks),
    )


def _told(value: Any) -> Any:
    """A cell of the file: empty for a missing value, true and false in small letters."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return figures.clean(value) if isinstance(value, str) else value


def _claims(judged: Sequence[Judged]) -> str:
    """The verdicts, empty where there are no claims."""
    if not judged:
        return ""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("id", "family", "paper", "where", "statement", "verdict", "summary"))
    for one in judged:
        claim = one.claim
        about = (claim.id, one.family, claim.paper.title, claim.where, claim.statement)
        row = (*about, one.verdict, one.summary)
        writer.writerow([_told(value) for value in row])
    return out.getvalue()


def _bibliography() -> str:
    from suite.papers import bibliography

    return bibliography()
