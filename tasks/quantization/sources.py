"""Which files the texts of the family are, and their documents: what is measured on and what is calibrated on
have none in common.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from suite.errors import DataError

OWN = "own"
"""The text that is sampled from the model itself."""
Part = Literal["evaluation", "calibration"]

RUN = 12
"""Words in a row that two documents of one text may not share, ..."""
COMMON = 0.05
"""... unless more than this share of all documents has them, as the line that asks a question does."""


class Source(NamedTuple):
    """The registered files of a text; `calibration` is None where one file serves both, by documents."""

    evaluation: str
    calibration: str | None


SOURCES = {
    "wikitext2": Source("lmtext/wikitext2_test.txt.gz", "lmtext/wikitext2_valid.txt.gz"),
    "wikitext2-raw": Source("wikitext-2-raw/test.parquet", "wikitext-2-raw/train.parquet"),
    "mixed": Source("lmtext/mixed_web_docs.jsonl.gz", None),
    "c4": Source("c4-validation/validation.parquet", "c4-train-00000/train.parquet"),
}
WHOLE = frozenset({"wikitext2"})
"""Files of lines that are one text as they lie; of the others each row is a document."""


def check(text: str) -> None:
    """ValueError for a text that nobody knows."""
    if text != OWN and text not in SOURCES:
        raise ValueError(f"text '{text}': one of {OWN}, {', '.join(SOURCES)}")


def file_of(text: str, part: Part) -> str:
    """The registered file behind a part of a text of SOURCES."""
    source = SOURCES[text]
    return source.evaluation if part == "evaluation" else source.calibration or source.evaluation


def files_of(parts: Mapping[Part, str]) -> Iterable[str]:
    """The registered files behind the texts of some parts; ValueError for a text that nobody knows."""
    for part, text in parts.items():
        check(text)
        if text != OWN:
            yield file_of(text, part)


def documents(text: str, part: Part) -> list[str]:
    """The documents of a part of a text of SOURCES. DataError where its file is not at hand."""
    from suite.data import read

    name = file_of(text, part)
    table = read(name)
    if "text" not in table.column_names:
        raise DataError(f"{name} has no column text; it has {', '.join(table.column_names)}")
    rows: list[str] = table.column("text").to_pylist()
    if text in WHOLE:
        return ["\n".join(rows)]
    return rows if SOURCES[text].calibration else apart(rows)[part == "calibration"]


def apart(rows: Sequence[str]) -> tuple[list[str], list[str]]:
    """Every second document, and of the others those that share no run of RUN words with any of the first.

    Runs that more than COMMON of all documents have, the words of a prompt, do not count.
    """
    runs = [_runs(row) for row in rows]
    often = Counter(run for of_row in runs for run in of_row)
    usual = {run for run, n in often.items() if n > COMMON * len(rows)}
    first = set().union(*runs[::2]) - usual
    return list(rows[::2]), [r for r, own in zip(rows[1::2], runs[1::2], strict=True) if not own & first]


def _runs(row: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", row.lower())
    return {tuple(words[k : k + RUN]) for k in range(max(1, len(words) - RUN + 1))}
