"""The downloads hold what the store holds, byte for byte the same for the same store."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest
from logged_store import LoggedStore

from leaderboard import downloads
from leaderboard.render import render
from suite.api import Paper
from suite.records import ScoreRow

HOSTILE = '<script>alert("1")</script>'


@pytest.fixture
def rows(tmp_path: Path) -> LoggedStore:
    made = LoggedStore(tmp_path / "results")
    made.add("toy-slow", 0, [0.0, 0.0])
    made.add("toy-slow", 0, [1.0, 0.0], texts={0: ("in", "out", "out")})
    made.add("toy-slow", 1, value=0.75, scores=[ScoreRow("errors", "all", 2, 4, False)])
    made.add("toy-nan", 0, status="failed")
    made.add(HOSTILE, 0, [1.0], task="toy, two")
    return made


def written(rows: LoggedStore, folder: Path, judged: Any = ()) -> Path:
    folder.mkdir(parents=True)
    assert downloads.write(rows.board(), rows.store, judged, folder, render) == 1
    return folder


def test_the_parquet_files_hold_every_committed_row(rows: LoggedStore, tmp_path: Path) -> None:
    folder = written(rows, tmp_path / "site")
    scores = rows.store.scores().drop_columns(["cell"])
    for name, table in (("runs", rows.store.runs()), ("scores", scores)):
        found = pq.read_table(folder / f"data/{name}.parquet")
        assert found.schema.names == table.schema.names
        assert found.to_pylist() == table.to_pylist()


def test_scores_of_a_killed_cell_are_left_out(rows: LoggedStore, tmp_path: Path) -> None:
    (kept,) = [p for p in (tmp_path / "results" / "runs" / "task=toy").iterdir()][:1]
    gone = kept.stem
    kept.unlink()
    scores = pq.read_table(written(rows, tmp_path / "site") / "data/scores.parquet")
    assert gone not in scores.column("run").to_pylist()


def test_examples_of_shown_runs_have_a_file_a_task(rows: LoggedStore, tmp_path: Path) -> None:
    folder = written(rows, tmp_path / "site")
    (table,) = [t for t in rows.board().tables if t.task == "toy"]
    (shown,) = [r["run"] for e in table.entries for r in e.runs if r["seed"] == 0 and r["status"] == "ok"]
    found = pq.read_table(folder / "data/samples-toy.parquet")
    assert found.select(["run", "index", "correct", "input", "output", "target"]).to_pylist() == [
        {"run": shown, "index": 0, "correct": 1.0, "input": "in", "output": "out", "target": "out"},
        {"run": shown, "index": 1, "correct": 0.0, "input": None, "output": None, "target": None},
    ]
    assert (folder / "data/samples-toy~2c~~20~two.parquet").is_file()


def test_columns_are_readable_by_browsers(rows: LoggedStore, tmp_path: Path) -> None:
    folder = written(rows, tmp_path / "site")
    for path in folder.glob("data/*.parquet"):
        metadata = pq.read_metadata(path)
        for group in range(metadata.num_row_groups):
            for column in range(metadata.num_columns):
                assert metadata.row_group(group).column(column).compression == "SNAPPY"
        assert "int64" not in str(pq.read_schema(path))


def test_the_boards_csv_has_an_entry_and_metric_a_row(rows: LoggedStore, tmp_path: Path) -> None:
    text = (written(rows, tmp_path / "site") / "data/board.csv").read_text(encoding="utf-8")
    found = list(csv.DictReader(io.StringIO(text)))
    assert tuple(found[0]) == downloads.BOARD_COLUMNS
    slow = [row for row in found if row["method"] == "toy-slow"]
    assert [row["metric"] for row in slow] == ["accuracy", "errors"]
    # (0.5 + 0.75) / 2; half of the interval is 12.7062 * 0.17678 / sqrt(2) = 1.588: clipped to 0 and 1
    assert float(slow[0]["mean"]) == 0.625 and (slow[0]["low"], slow[0]["high"]) == ("0.0", "1.0")
    assert (slow[0]["seeds"], slow[0]["best_rank"], slow[0]["worst_rank"]) == ("2", "1", "1")
    assert (slow[1]["mean"], slow[1]["seeds"], slow[1]["best_rank"]) == ("2.0", "1", "")
    (failed,) = [row for row in found if row["method"] == "toy-nan"]
    assert failed["mean"] == failed["low"] == "" and "failed" in failed["marks"]
    assert any(row["method"] == HOSTILE for row in found)


def test_sizes_and_hashes_on_the_page_are_those_of_the_files(rows: LoggedStore, tmp_path: Path) -> None:
    folder = written(rows, tmp_path / "site")
    page = (folder / "downloads.html").read_text(encoding="utf-8")
    links = re.findall(r'<a href="(data/[^"]+)" download>', page)
    assert sorted(links) == sorted(f"data/{p.name}" for p in (folder / "data").iterdir())
    for link in links:
        assert hashlib.sha256((folder / link).read_bytes()).hexdigest() in page
        assert downloads.size((folder / link).stat().st_size) in page
    assert "<script>alert" not in page


def test_the_same_store_gives_the_same_bytes(rows: LoggedStore, tmp_path: Path) -> None:
    first, second = written(rows, tmp_path / "a"), written(rows, tmp_path / "b")
    for path in first.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()


class Claim(NamedTuple):
    id: str
    paper: Paper
    where: str
    statement: str


class Judged(NamedTuple):
    family: str
    claim: Claim
    verdict: str
    summary: str


def test_claims_are_a_csv_where_there_are_some(rows: LoggedStore, tmp_path: Path) -> None:
    claim = Claim("a-beats-b", Paper("A, or B", 2024, ""), "Table 1", 'A "beats" B')
    folder = written(rows, tmp_path / "a", [Judged("toy", claim, "undecided", "needs 3 seeds")])
    (row,) = csv.DictReader(io.StringIO((folder / "data/claims.csv").read_text(encoding="utf-8")))
    assert row["paper"] == "A, or B" and row["statement"] == 'A "beats" B' and row["verdict"] == "undecided"
    assert not (written(rows, tmp_path / "b") / "data/claims.csv").exists()


def test_every_paper_is_in_the_bibliography(rows: LoggedStore, tmp_path: Path) -> None:
    from suite.papers import papers

    text = (written(rows, tmp_path / "site") / "data/papers.bib").read_text(encoding="utf-8")
    assert [key for key in re.findall(r"^@misc\{(.*),$", text, re.MULTILINE)] == list(papers())


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 B"), (812, "812 B"), (4_500, "4.5 kB"), (1_250_000, "1.2 MB"), (3e9, "3.0 GB")]
)
def test_sizes_are_told_in_powers_of_a_thousand(count: int, told: str) -> None:
    assert downloads.size(count) == told
