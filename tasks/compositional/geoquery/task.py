"""GeoQuery in FunQL, the subset with span trees that CompSub's ancestor SpanSub uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from suite.api import Context
from suite.errors import DataError
from tasks.compositional.contract import Example
from tasks.compositional.files import opened, rows
from tasks.compositional.geoquery.drawn import DrawnTask
from tasks.compositional.task import Parts

FILES = {"iid": "iid", "query": "comp"}
"""Split to its name in the published files."""
DEEPEST = 6


@dataclass(frozen=True)
class GeoQueryTask(DrawnTask):
    """Exact match of the program, and execution on generated databases.

    split: "iid" (by question) or "query" (no program of test is in train).
    """

    split: Literal["iid", "query"]

    @property
    def language(self) -> str:
        return "geoquery"

    def parts(self, ctx: Context) -> Parts:
        """Train, dev and test. Slices: what of a test program train has not, and its number of predicates."""
        train, dev, test = (self._lines(ctx, name) for name in ("train", "val", "test"))
        shown, chosen = self._drawn(train, self.n_train), self._drawn(test, self.n_test)
        programs, templates = {e.y for e in shown}, {template(e.y) for e in shown}
        return Parts(
            train=shown,
            dev=self._drawn(dev, self.n_test),
            test=chosen,
            slices=[[_novelty(e.y, programs, templates), _size(e.y)] for e in chosen],
            longest=max(len(e.y.split()) for e in (*train, *dev, *test)),
        )

    def executes(self) -> Callable[[str, str], bool]:
        """See `denotation.same_denotation`."""
        from tasks.compositional.geoquery.denotation import same_denotation

        return same_denotation

    def _lines(self, ctx: Context, part: str) -> list[Example]:
        name = f"geoquery/l2s2_{FILES[self.split]}"
        questions, programs = (
            [" ".join(row[0].split()) for row in rows(opened(ctx, f"{name}_{side}.{part}.gz"), 1)]
            for side in ("src", "tgt")
        )
        if len(questions) != len(programs):
            raise DataError(f"{name}: {part} has {len(questions)} questions and {len(programs)} programs")
        return [Example(x, y) for x, y in zip(questions, programs, strict=True)]


def template(program: str) -> str:
    """The program with the names of places left out: what is asked, not about what."""
    kept: list[str] = []
    inside = False
    for word in program.split():
        inside = inside and word != ")"
        if not inside:
            kept.append(word)
        if word == "(" and len(kept) > 1 and kept[-2].endswith("id"):
            inside = True
            kept.append("_")
    return " ".join(kept)


def _novelty(program: str, programs: set[str], templates: set[str]) -> str:
    if program in programs:
        return "program=known"
    return "program=new name" if template(program) in templates else "program=new template"


def _size(program: str) -> str:
    n = program.split().count("(") - 1  # `answer` is in every program
    return f"predicates={n}" if n < DEEPEST else f"predicates={DEEPEST} or more"
