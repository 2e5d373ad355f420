"""GeoQuery in SQL, with the splits of Finegan-Dollak et al. 2018 by question and by query."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from suite.api import Context
from suite.errors import DataError
from tasks.compositional.contract import Example
from tasks.compositional.files import opened
from tasks.compositional.geoquery.drawn import DrawnTask
from tasks.compositional.task import Parts

FILE = "geoquery/geography_sql.json.gz"
FIELDS = {"question": "question-split", "query": "query-split"}
PARTS = ("train", "dev", "test")
MARK = re.compile(r'([(),;"]|<=|>=|<|>|=)')


@dataclass(frozen=True)
class GeoSqlTask(DrawnTask):
    """Exact match of the SQL query, token by token.

    split: "question" (at random) or "query" (no query of test is in train, names aside). The names of places
    are put into question and query; of several queries for a question the first counts.
    """

    split: Literal["question", "query"]

    @property
    def language(self) -> str:
        return "geoquery-sql"

    def parts(self, ctx: Context) -> Parts:
        """Train, dev and test; the slices say whether the query is in train, names put in."""
        lines = _read(opened(ctx, FILE), FIELDS[self.split])
        train, test = self._drawn(lines["train"], self.n_train), self._drawn(lines["test"], self.n_test)
        known = {e.y for e in train}
        return Parts(
            train=train,
            dev=self._drawn(lines["dev"], self.n_test),
            test=test,
            slices=[["query=known" if e.y in known else "query=new"] for e in test],
            longest=max(len(e.y.split()) for part in lines.values() for e in part),
        )


def spaced(query: str) -> str:
    """The query with a blank around every bracket, comma, quote, semicolon and comparison."""
    return " ".join(MARK.sub(r" \1 ", query).split())


def filled(text: str, names: Mapping[str, str]) -> str:
    """The text with each variable, where it stands as a word of its own, replaced by its name."""
    for variable, name in names.items():
        text = re.sub(rf"\b{re.escape(variable)}\b", lambda _, name=name: name, text)
    return text


def _read(path: Path, field: str) -> dict[str, list[Example]]:
    """The examples by part, in the order of the file; DataError for a file of another shape."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            entries: Any = json.load(file)
        parts: dict[str, list[Example]] = {part: [] for part in PARTS}
        for entry in entries:
            for sentence in entry["sentences"]:
                names = sentence["variables"]
                part = sentence[field] if field == FIELDS["question"] else entry[field]
                x, y = filled(sentence["text"], names), filled(entry["sql"][0], names)
                parts[part].append(Example(" ".join(x.split()), spaced(y)))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); remove it and get it again") from None
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is no list of queries with sentences ({error!r})") from None
    return parts
