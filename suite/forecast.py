"""What cells will need before they start: from past runs where there are any, else from the specs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from suite.plan import Planned

if TYPE_CHECKING:
    from suite.store import Store

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Forecast:
    """What all the cells together take with so many workers; `unknown` cells are in none of the sums."""

    cells: int
    seconds: float
    memory_mb: float
    download_mb: int
    unknown: int

    def __str__(self) -> str:
        known = self.unknown < self.cells
        parts = [f"about {duration(self.seconds)}", f"{self.memory_mb:,.0f} MB of memory"] if known else []
        parts.append(f"{self.download_mb:,} MB to download" if self.download_mb else "no download")
        if self.unknown:
            parts.append(f"time and memory unknown for {counted(self.unknown, 'cell')}")
        return f"{counted(self.cells, 'cell')} to run: " + ", ".join(parts)


def forecast(cells: Sequence[Planned], store: Store, jobs: int = 1) -> Forecast:
    """Mean time and largest memory of past runs of the same task, method and profile, or what is declared."""
    past = _past(cells, store)
    seconds, memory, download, unknown = 0.0, 0.0, 0, 0
    for planned in cells:
        cell = planned.cell
        needs = planned.method_spec.needs.get(cell.profile)
        known = past.get((cell.task, cell.method, cell.profile))
        if known is None and needs is not None:
            known = (60 * needs.minutes, float(needs.memory_mb))
        unknown += known is None
        if known is not None:
            seconds, memory = seconds + known[0], max(memory, known[1])
        download = max(download, needs.download_mb if needs else 0)
    workers = max(1, min(jobs, len(cells)))
    return Forecast(len(cells), seconds / workers, memory * workers, download, unknown)


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best: '40 s', '3.5 minutes', '2.1 hours'."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.1f} minutes" if seconds < 3600 else f"{seconds / 3600:.1f} hours"


def counted(n: int, what: str) -> str:
    """'1 cell', '2 cells'."""
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def _past(cells: Sequence[Planned], store: Store) -> dict[Key, tuple[float, float]]:
    """(mean seconds, largest MB) of the runs that ended ok."""
    if not cells:
        return {}
    table = store.runs({"status": ["ok"], "task": sorted({p.cell.task for p in cells})})
    columns = table.select(["task", "method", "profile", "wall_s", "peak_mb"]).to_pydict()
    groups: dict[Key, list[tuple[float, float]]] = {}
    for task, method, profile, *cost in zip(*columns.values(), strict=True):
        groups.setdefault((task, method, profile), []).append((cost[0], cost[1]))
    return {
        key: (sum(w for w, _ in runs) / len(runs), max(m for _, m in runs)) for key, runs in groups.items()
    }
