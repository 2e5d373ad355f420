"""The GeoQuery tasks: their parts, and what of a test program training has not."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from pathlib import Path

import pytest

from suite.api import Context
from suite.errors import DataError
from tasks.compositional.geoquery.task import GeoQueryTask, template

DATA = Path(os.environ.get("SUITE_DATA_DIR", "nowhere")) / "geoquery"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the GeoQuery files are not at hand (SUITE_DATA_DIR)"
)


@pytest.mark.parametrize(
    ("program", "masked"),
    [
        (
            "answer ( capital ( loc_2 ( stateid ( new york ) ) ) )",
            "answer ( capital ( loc_2 ( stateid ( _ ) ) ) )",
        ),
        (
            "answer ( population_1 ( cityid ( portland , me ) ) )",
            "answer ( population_1 ( cityid ( _ ) ) )",
        ),
        ("answer ( largest ( city ( all ) ) )", "answer ( largest ( city ( all ) ) )"),
        (
            "answer ( exclude ( state ( all ) , next_to_2 ( stateid ( iowa ) ) ) )",
            "answer ( exclude ( state ( all ) , next_to_2 ( stateid ( _ ) ) ) )",
        ),
    ],
)
def test_a_template_leaves_the_names_out(program: str, masked: str) -> None:
    assert template(program) == masked


def _written(folder: Path, questions: dict[str, list[str]], programs: dict[str, list[str]]) -> Context:
    for side, parts in (("src", questions), ("tgt", programs)):
        for part, lines in parts.items():
            text = "".join(f"{line} \n" for line in lines)
            (folder / f"l2s2_comp_{side}.{part}.gz").write_bytes(gzip.compress(text.encode()))
    return Context(0, data=lambda name: folder / name.removeprefix("geoquery/"))


def test_slices_say_what_is_new(tmp_path: Path) -> None:
    programs = {
        "train": ["answer ( state ( stateid ( ohio ) ) )"],
        "val": ["answer ( all )"],
        "test": [
            "answer ( state ( stateid ( ohio ) ) )",
            "answer ( state ( stateid ( new york ) ) )",
            "answer ( a ( b ( c ( d ( e ( f ( all ) ) ) ) ) ) )",
        ],
    }
    questions = {part: [f"q{k}  ?" for k in range(len(lines))] for part, lines in programs.items()}
    parts = GeoQueryTask("query").parts(_written(tmp_path, questions, programs))
    assert parts.slices == [
        ["program=known", "predicates=2"],
        ["program=new name", "predicates=2"],
        ["program=new template", "predicates=6 or more"],
    ]
    assert parts.test[1] == ("q1 ?", "answer ( state ( stateid ( new york ) ) )")
    assert parts.longest == 22  # the last one: 8 words and 7 pairs of brackets


def test_lines_are_drawn_by_the_split_seed_and_keep_their_order(tmp_path: Path) -> None:
    programs = {part: [f"answer ( {part}{k} )" for k in range(5)] for part in ("train", "val", "test")}
    ctx = _written(tmp_path, {part: [f"q{k}" for k in range(5)] for part in programs}, programs)
    # Python's own shuffle of 0 to 4 from seed 3 is 0, 2, 3, 4, 1.
    parts = GeoQueryTask("query", split_seed=3, n_train=4, n_test=3).parts(ctx)
    drawn = [[line.x for line in lines] for lines in (parts.train, parts.dev, parts.test)]
    assert drawn == [["q0", "q2", "q3", "q4"], ["q0", "q2", "q3"], ["q0", "q2", "q3"]]


def test_sides_of_different_length_are_a_data_error(tmp_path: Path) -> None:
    parts = {"train": ["a"], "val": ["b"], "test": ["c"]}
    ctx = _written(tmp_path, parts, {**parts, "train": ["a", "a"]})
    with pytest.raises(DataError, match="train has 1 questions and 2 programs"):
        GeoQueryTask("query").parts(ctx)


@needs_data
def test_the_published_sizes_and_overlaps() -> None:
    """Sizes and overlaps as counted from the files for the specification of the family."""
    ctx = Context(0, data=lambda name: DATA.parent / name)
    iid, query = (GeoQueryTask(split).parts(ctx) for split in ("iid", "query"))  # type: ignore[arg-type]
    assert [len(p) for p in (iid.train, iid.dev, iid.test)] == [513, 57, 256]
    assert [len(p) for p in (query.train, query.dev, query.test)] == [519, 54, 253]
    found = Counter(names[0] for names in iid.slices)
    assert found["program=known"] == 82
    assert found["program=known"] + found["program=new name"] == 184
    assert Counter(names[0] for names in query.slices) == {"program=new template": 253}
    assert len({e.y for e in query.test}) == 176
    assert len({template(e.y) for e in query.test}) == 110
