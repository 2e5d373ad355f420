"""GeoQuery in SQL: names put in, marks apart, and the published sizes."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from suite.api import Context
from suite.errors import DataError
from tasks.compositional.geoquery.sql import GeoSqlTask, filled, spaced

DATA = Path(os.environ.get("SUITE_DATA_DIR", "nowhere")) / "geoquery"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the GeoQuery files are not at hand (SUITE_DATA_DIR)"
)


def entry(part: str, sql: str, *sentences: tuple[str, str, dict[str, str]]) -> dict[str, Any]:
    told = [{"question-split": p, "text": text, "variables": names} for p, text, names in sentences]
    return {"query-split": part, "sql": [sql, "another"], "sentences": told}


ENTRIES = [
    entry(
        "train",
        'SELECT MAX( T.A ) FROM T WHERE T.N = "state_name0" ;',
        ("train", "largest of state_name0", {"state_name0": "new york"}),
        ("test", "biggest of state_name0", {"state_name0": "ohio"}),
    ),
    entry("dev", "SELECT T.N FROM T ;", ("dev", "all", {})),
    entry("test", "SELECT T.N FROM T WHERE T.A <= 5, T.B ;", ("test", "small", {})),
]


def context(folder: Path, entries: Any) -> Context:
    path = folder / "geography_sql.json.gz"
    path.write_bytes(gzip.compress(json.dumps(entries).encode()))
    return Context(0, data=lambda name: folder / name.removeprefix("geoquery/"))


def test_names_are_put_in_and_marks_stand_apart(tmp_path: Path) -> None:
    parts = GeoSqlTask("query").parts(context(tmp_path, ENTRIES))
    assert parts.train == [
        ("largest of new york", 'SELECT MAX ( T.A ) FROM T WHERE T.N = " new york " ;'),
        ("biggest of ohio", 'SELECT MAX ( T.A ) FROM T WHERE T.N = " ohio " ;'),
    ]
    assert parts.dev == [("all", "SELECT T.N FROM T ;")]
    assert parts.test == [("small", "SELECT T.N FROM T WHERE T.A <= 5 , T.B ;")]
    assert parts.longest == 15  # the one of New York


def test_the_question_split_goes_by_sentence(tmp_path: Path) -> None:
    parts = GeoSqlTask("question").parts(context(tmp_path, ENTRIES))
    assert [len(part) for part in (parts.train, parts.dev, parts.test)] == [1, 1, 2]
    assert parts.slices == [["query=new"], ["query=new"]]


def test_lines_are_drawn_by_the_split_seed_and_keep_their_order(tmp_path: Path) -> None:
    entries = [
        entry(part, f"SELECT {part} ;", *((part, f"{part}{k}", {}) for k in range(5)))
        for part in ("train", "dev", "test")
    ]
    # Python's own shuffle of 0 to 4 from seed 3 is 0, 2, 3, 4, 1.
    parts = GeoSqlTask("query", split_seed=3, n_train=4, n_test=3).parts(context(tmp_path, entries))
    drawn = [[line.x for line in lines] for lines in (parts.train, parts.dev, parts.test)]
    assert drawn == [
        ["train0", "train2", "train3", "train4"],
        ["dev0", "dev2", "dev3"],
        ["test0", "test2", "test3"],
    ]


def test_a_variable_is_a_word_and_a_name_is_taken_as_it_is() -> None:
    assert filled("state_name0 of state_name01", {"state_name0": r"a\1"}) == r"a\1 of state_name01"
    assert spaced('MAX(T.A)>=3,"x"') == 'MAX ( T.A ) >= 3 , " x "'


@pytest.mark.parametrize("entries", [{"a": 1}, [{"sentences": [{}]}], [3]])
def test_another_shape_is_a_data_error(tmp_path: Path, entries: Any) -> None:
    with pytest.raises(DataError, match="is no list of queries"):
        GeoSqlTask("query").parts(context(tmp_path, entries))


def test_a_file_that_is_no_gzip_is_a_data_error(tmp_path: Path) -> None:
    ctx = context(tmp_path, [])
    (tmp_path / "geography_sql.json.gz").write_bytes(b"[]")
    with pytest.raises(DataError, match="cannot be read"):
        GeoSqlTask("query").parts(ctx)


@needs_data
def test_the_published_sizes() -> None:
    """549/49/279 and 536/159/182 sentences (Finegan-Dollak et al. 2018, as counted in the file)."""
    ctx = Context(0, data=lambda name: DATA.parent / name)
    question, query = (GeoSqlTask(s).parts(ctx) for s in ("question", "query"))  # type: ignore[arg-type]
    assert [len(p) for p in (question.train, question.dev, question.test)] == [549, 49, 279]
    assert [len(p) for p in (query.train, query.dev, query.test)] == [536, 159, 182]
    assert not any("name0" in e.x + e.y for p in (question, query) for e in (*p.train, *p.dev, *p.test))
    assert {names[0] for names in query.slices} == {"query=new"}
