"""What the pages are made of: the board, the catalogue's methods, and the verdicts on claims."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from leaderboard import figures
from leaderboard.board import Board, Entry, Table
from suite import catalog
from suite.api import MethodSpec, Paper, TaskSpec
from suite.papers import slug
from suite.stats import Interval

if TYPE_CHECKING:
    from leaderboard.claims import Judged
    from suite.claims import Book

SMOKE = "smoke"
View = dict[str, Any]
Rows = list[tuple[Table, Entry]]
T = TypeVar("T")


class Standing(NamedTuple):
    """What the rows of a table are drawn against: found once, for a table may have hundreds of rows.

    marks: the means of floors and ceilings. ranked: how many entries have a rank. places: the place of each
    competitor among `Table.ranked`, by its id().
    """

    metrics: Sequence[str]
    marks: Mapping[str, Sequence[float]]
    ranked: int
    places: Mapping[int, int]


class Measured(NamedTuple):
    """An entry's primary metric as numbers and as a reader sees it.

    score: the mean. ends: the interval by its ends, "" where there is none and the words
    of `figures.SAME` where the seeds do not vary. whole: both.
    """

    mean: float | None
    interval: Interval | None
    score: str
    ends: str
    whole: str

    @property
    def extent(self) -> list[float]:
        """The numbers that a chart has to have room for."""
        return [*([] if self.mean is None else [self.mean]), *(self.interval or ())]


@dataclass(frozen=True)
class Content:
    """All that the pages show. `logged` holds the ids of the runs that have a page of their own."""

    board: Board
    methods: Mapping[str, MethodSpec]
    judged: Sequence[Judged] = ()
    books: Mapping[str, Book] = field(default_factory=dict)
    logged: frozenset[str] = frozenset()
    charts: bool = False

    @cached_property
    def by_task(self) -> dict[str, list[Table]]:
        return _grouped((table.task, table) for table in self.board.tables)

    def spec(self, task: str) -> TaskSpec | None:
        """What is known of a task, from the board or, where it has no run yet, from the catalogue."""
        known = next((table.spec for table in self.by_task.get(task, ()) if table.spec), None)
        return known or catalog.tasks().get(task)

    @cached_property
    def by_family(self) -> dict[str, list[Table]]:
        return _grouped((table.family, table) for table in self.board.tables)

    @cached_property
    def by_method(self) -> dict[str, Rows]:
        """The entries of each method, by table; a method of the catalogue without a run has none.

        A method whose whole family has no results is left out.
        """
        found: dict[str, Rows] = {
            name: [] for name, spec in self.methods.items() if spec.family in self.by_family
        }
        for table in self.board.tables:
            for entry in table.entries:
                found.setdefault(entry.method, []).append((table, entry))
        return dict(sorted(found.items()))

    @cached_property
    def _standings(self) -> dict[int, Standing]:
        return {}

    def standing(self, table: Table) -> Standing:
        if id(table) not in self._standings:
            marks = {
                name: [mean for e in table.of_role(role) if (mean := e.mean()) is not None]
                for role, name in (("null", "floor"), ("ceiling", "ceiling"))
            }
            ranked = sum(e.rank is not None for e in table.entries)
            places = {id(entry): place for place, entry in enumerate(table.ranked)}
            self._standings[id(table)] = Standing(table.metrics, marks, ranked, places)
        return self._standings[id(table)]

    def measured(self, entry: Entry, unit: str) -> Measured:
        mean, interval = entry.mean(), entry.interval()
        shown = figures.number(mean, unit)
        if interval is None and entry.unvarying():
            return Measured(mean, None, shown, figures.SAME, f"{shown} ({figures.SAME})")
        if interval is None:
            return Measured(mean, None, shown, "", shown)
        ends = f"{figures.number(interval.low, unit)} to {figures.number(interval.high, unit)}"
        return Measured(mean, interval, shown, ends, f"{shown} ({ends})")

    @cached_property
    def claims_of(self) -> dict[str, list[Judged]]:
        """Claims by the slug of their paper."""
        return _grouped((slug(judged.claim.paper), judged) for judged in self.judged)

    @cached_property
    def papers(self) -> dict[str, Paper]:
        """Every paper of a shown task, method, claim, figure or note, by slug."""
        found: dict[str, Paper] = {}
        for paper in self._mentioned():
            if (name := slug(paper)) not in found or (paper.link and not found[name].link):
                found[name] = paper
        return dict(sorted(found.items()))

    def _mentioned(self) -> Iterable[Paper]:
        yield from (table.spec.paper for table in self.board.tables if table.spec)
        yield from (self.methods[name].paper for name in self.by_method if name in self.methods)
        yield from (judged.claim.paper for judged in self.judged)
        for book in self.books.values():
            yield from (figure.paper for figure in book.published)
            yield from (note.paper for note in book.audits)


def _grouped(pairs: Iterable[tuple[str, T]]) -> dict[str, list[T]]:
    """The values of each key, sorted by key, in the order given."""
    found: dict[str, list[T]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return dict(sorted(found.items()))
