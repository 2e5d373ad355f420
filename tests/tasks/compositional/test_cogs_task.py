"""The COGS tasks: what is drawn, how rows become examples and slices, and what the interpreter answers."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from suite.api import Context
from suite.errors import DataError, UsageError
from suite.settings import build
from tasks.compositional.cogs.lexicon import induce
from tasks.compositional.cogs.task import STRUCTURAL, CogsTask, Row, means, slices
from tasks.compositional.notation.cogs import joined

DATA = Path(os.environ.get("SUITE_DATA_DIR", "nowhere")) / "cogs"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the COGS files are not at hand (SUITE_DATA_DIR)")

TRAIN = [
    ("Mia saw a cup .", "see . agent ( x _ 1 , Mia ) AND see . theme ( x _ 1 , x _ 3 ) AND cup ( x _ 3 )"),
    ("cup", "LAMBDA a . cup ( a )"),
    ("The cup broke .", "* cup ( x _ 1 ) ; break . theme ( x _ 2 , x _ 1 )"),
    ("A dog slept .", "dog ( x _ 1 ) AND sleep . agent ( x _ 2 , x _ 1 )"),
    ("see", "LAMBDA a . LAMBDA b . LAMBDA e . see . agent ( e , b ) AND see . theme ( e , a )"),
]
KINDS = ("in_distribution", "primitive", "exposure_example_subj_common", "in_distribution", "primitive")
FREE = ["see ( agent = Mia , theme = cup )", TRAIN[1][1], "break ( theme = * cup )", "sleep ( agent = dog )"]
FREE.append(TRAIN[4][1])


@pytest.fixture
def files(tmp_path: Path) -> Callable[[str], Path]:
    """A data opener with five training rows, two of dev and test, and three categories of two rows.

    Of the training rows two are primitives, one is an exposure example and two are mixed.
    """
    gen = [(f"Mia saw a cup {'in a dog ' * k}.", f"form{k}", "pp_recursion") for k in (3, 12)]
    gen += [
        ("Mia said that Mia said that Mia slept .", "f", "cp_recursion"),
        ("Mia slept .", "g", "cp_recursion"),
    ]
    gen += [("A cup slept .", "h", "prim_to_subj_common"), ("The cup slept .", "i", "prim_to_subj_common")]
    for prefix in ("", "variable_free__"):
        forms = FREE if prefix else [form for _, form in TRAIN]
        train = [(x, form, kind) for (x, _), form, kind in zip(TRAIN, forms, KINDS, strict=True)]
        parts = {"train": train, "dev": train[:1] + train[2:3], "test": train[2:4], "gen": gen}
        for part, found in parts.items():
            text = "".join("\t".join(row) + "\n" for row in found)
            (tmp_path / f"{prefix}{part}.tsv.gz").write_bytes(gzip.compress(text.encode()))
    return lambda name: tmp_path / name.removeprefix("cogs/")


def test_rows_become_examples_with_joined_variables(files: Callable[[str], Path]) -> None:
    parts = CogsTask().parts(Context(0, data=files))
    assert parts.train[0].y == "see . agent ( x_1 , Mia ) AND see . theme ( x_1 , x_3 ) AND cup ( x_3 )"
    assert [e.x for e in parts.train] == [x for x, _ in TRAIN]
    assert (len(parts.dev), len(parts.iid), len(parts.test)) == (2, 2, 6)
    # "LAMBDA a . LAMBDA b . LAMBDA e . see . agent ( e , b ) AND see . theme ( e , a )" is the longest.
    assert parts.longest == 26
    assert CogsTask("variable_free").parts(Context(0, data=files)).train[0].y == FREE[0]


def test_samples_keep_primitives_and_exposures_and_as_many_rows_of_each_category(
    files: Callable[[str], Path],
) -> None:
    task = CogsTask(n_train=1, n_dev=1, per_category=1)
    parts = task.parts(Context(0, data=files))
    assert len([e for e in parts.train if " " not in e.x]) == 2
    assert TRAIN[2][0] in [e.x for e in parts.train]
    assert len([e for e in parts.train if " " in e.x]) == 2
    assert (len(parts.dev), len(parts.iid)) == (1, 1)
    assert Counter(names[0] for names in parts.slices) == Counter(
        ["cp_recursion", "pp_recursion", "prim_to_subj_common"]
    )
    assert task.parts(Context(1, data=files)) == parts
    other = [CogsTask(split_seed=k, n_train=1).parts(Context(0, data=files)).train for k in range(8)]
    assert any(drawn != parts.train for drawn in other)


@pytest.mark.parametrize(
    ("sentence", "category", "names"),
    [
        ("A cup slept .", "prim_to_subj_common", ["prim_to_subj_common", "lexical"]),
        ("A cup in a hat broke .", "obj_pp_to_subj_pp", ["obj_pp_to_subj_pp", "structural"]),
        (
            "Mia saw a cup in a hat on the bed beside Tom .",
            "pp_recursion",
            ["pp_recursion", "structural", "pp_recursion, depth 03"],
        ),
        (
            "Mia said that Tom said that a cup broke .",
            "cp_recursion",
            ["cp_recursion", "structural", "cp_recursion, depth 02"],
        ),
    ],
)
def test_slices_of_a_row(sentence: str, category: str, names: list[str]) -> None:
    assert slices(Row(sentence, "", category)) == names


def test_the_interpreter_reads_sentences_and_lone_words() -> None:
    lexicon = induce(TRAIN)
    meaning = partial(means, lexicon=lexicon, free=False)
    assert (
        meaning("The dog saw Mia .")
        == "* dog ( x_1 ) ; see . agent ( x_2 , x_1 ) AND see . theme ( x_2 , Mia )"
    )
    assert meaning("cup") == "LAMBDA a . cup ( a )"
    assert means("The dog saw Mia .", lexicon, free=True) == "see ( agent = * dog , theme = Mia )"
    assert means("cup", lexicon, free=True) == "LAMBDA a . cup ( a )"
    assert meaning("Mia saw .") == "see . agent ( x_1 , Mia )"
    for wrong in (".", "the", "Mia frobbed a cup .", "saw a cup .", "A was broke ."):
        with pytest.raises(ValueError, match=r"says nothing alone|no verb|is missing"):
            meaning(wrong)


def test_fields_are_checked() -> None:
    with pytest.raises(UsageError, match="per_category must be at least 1"):
        build(CogsTask, "cogs", {}, {"per_category": 0})


def test_a_file_that_is_cut_or_has_another_shape_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "train.tsv.gz").write_bytes(b"no gzip file")
    task, ctx = CogsTask(), Context(0, data=lambda name: tmp_path / name.removeprefix("cogs/"))
    with pytest.raises(DataError, match="cannot be read"):
        task.parts(ctx)
    (tmp_path / "train.tsv.gz").write_bytes(gzip.compress(b"one\ttwo\tthree\nonly one\n"))
    with pytest.raises(DataError, match="line 2: 1 columns instead of 3"):
        task.parts(ctx)
    with pytest.raises(DataError, match="suite data get cogs"):
        task.parts(Context(0))


@needs_data
@pytest.mark.parametrize("form", ["logical", "variable_free"])
def test_the_published_files_have_the_published_sizes_and_no_unreadable_row(form: str) -> None:
    task = CogsTask(form)  # type: ignore[arg-type]
    ctx = Context(0, data=lambda name: DATA.parent / name)
    parts = task.parts(ctx)
    assert [len(part) for part in (parts.train, parts.dev, parts.iid, parts.test)] == [
        24155,
        3000,
        3000,
        21000,
    ]
    counts = Counter(name for names in parts.slices for name in names)
    assert counts["structural"] == 3000
    assert counts["lexical"] == 18_000
    assert {name: n for name, n in counts.items() if "_" in name and "depth" not in name} == dict.fromkeys(
        {names[0] for names in parts.slices}, 1000
    )
    depths = {name: n for name, n in counts.items() if "depth" in name}
    assert depths == {
        f"{c}, depth {d:02}": 100 for c in ("cp_recursion", "pp_recursion") for d in range(3, 13)
    }
    assert set(STRUCTURAL) < set(counts)
    meaning = task.interpreter(ctx)
    rows = [*parts.train, *parts.dev, *parts.iid, *parts.test]
    assert sum(meaning(e.x) != e.y for e in rows) == 0


def test_joined() -> None:
    assert (
        joined("cup ( x _ 12 ) AND see . agent ( x _ 1 , x _ 0 )")
        == "cup ( x_12 ) AND see . agent ( x_1 , x_0 )"
    )
