"""What a gate found: its verdicts, and how a reader is told of a cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Verdict = Literal["regression", "incomplete", "improvement", "changed", "new", "superseded"]
VERDICTS: tuple[Verdict, ...] = ("regression", "incomplete", "improvement", "changed", "new", "superseded")

NOUNS: Mapping[Verdict, str] = {
    "regression": "regression",
    "incomplete": "incomplete comparison",
    "improvement": "improvement",
    "changed": "neutral change",
    "new": "new cell",
    "superseded": "superseded cell",
}


class Finding(NamedTuple):
    """One thing to report: a value that moved, or a cell that cannot be compared or is new."""

    verdict: Verdict
    cell: str
    metric: str = ""
    before: float | None = None
    after: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Report:
    """All findings, the cells looked at, and how many values were compared and moved within the noise."""

    findings: Sequence[Finding]
    cells: Sequence[str]
    values: int
    within: int = 0

    def of(self, verdict: Verdict) -> list[Finding]:
        return [f for f in self.findings if f.verdict == verdict]

    @property
    def exit_code(self) -> int:
        """1 for a regression, else 3 where something could not be compared, else 0."""
        if self.of("regression"):
            return 1
        return 3 if self.of("incomplete") else 0

    @property
    def summary(self) -> str:
        """The verdict in one line."""
        counts = Counter(f.verdict for f in self.findings)
        told = [plural(NOUNS[v], counts[v]) for v in VERDICTS if counts[v]]
        if self.within:
            told.append(f"{plural('value', self.within)} moved within the noise")
        word = {0: "passed", 1: "failed", 3: "incomplete"}[self.exit_code]
        seen = f"{plural('value', self.values)} of {plural('cell', len(self.cells))} compared"
        return f"gate {word}: {', '.join(told) or 'no change'}; {seen}"


def title(key: tuple[Any, ...], seeds: str = "") -> str:
    """A cell as a reader names it: 'compsub on scan-jump (small, seed 0)'."""
    task, method, profile, base_model, overrides, seed = key
    more = [base_model] if base_model else []
    more += [overrides] if overrides not in ("", "{}") else []
    return f"{method} on {task} ({', '.join([profile, *more, seeds or f'seed {seed}'])})"


def label(measure: tuple[str, str]) -> str:
    """A metric and slice as a reader names them."""
    metric, part = measure
    return metric if part == "all" else f"{metric} [{part}]"


def plural(noun: str, count: int) -> str:
    return f"{count} {noun}" if count == 1 else f"{count:,} {noun}s"
