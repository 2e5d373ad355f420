"""A store of the toy family whose runs logged examples; imported by name because tests/ is on the path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import store_rows
import toy_plugin

from leaderboard.aggregate import Board, of_store
from suite.api import Sample
from suite.cell import canonical
from suite.records import ScoreRow
from suite.store import Store

# A grey ramp of eight by eight pixels.
PNG = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAU0lEQVR42gFIALf/AAAECAwQFBgcACAk"
    "KCwwNDg8AEBESExQVFhcAGBkaGxwdHh8AICEiIyQlJicAKCkqKywtLi8AMDEyMzQ1NjcAODk6Ozw9Pj87yYfgdDmfgYAAAAASUVORK5CYII="
)


class LoggedStore:
    """Runs with their scores and examples, appended to a real store in a folder."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self._count = 0

    def add(
        self,
        method: str,
        seed: int,
        correct: Sequence[float] = (),
        *,
        texts: Mapping[int, tuple[str | None, str | None, str | None]] | None = None,
        value: float | None = None,
        scores: Sequence[ScoreRow] = (),
        overrides: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> str:
        """A run that got `correct` of its examples right; `texts` is (input, output, target) by number."""
        self._count += 1
        logged = [Sample(i, c, *(texts or {}).get(i, ())) for i, c in enumerate(correct)]
        mean = value if value is not None else sum(correct) / len(correct) if correct else None
        rows = [ScoreRow("accuracy", "all", mean, len(correct) or None, True)] if mean is not None else []
        outcome = store_rows.outcome(
            self._count,
            [*rows, *scores],
            logged,
            **{
                "family": "toy",
                "task": "toy",
                "method": method,
                "method_version": 1,
                "seed": seed,
                "settings": "{}",
                "overrides": canonical(dict(overrides or {})),
            }
            | changes,
        )
        self.store.append(outcome)
        return outcome.run.run

    def board(self) -> Board:
        tasks = {spec.name: spec for spec in toy_plugin.TASKS}
        return of_store(self.store, tasks, {spec.name: spec for spec in toy_plugin.METHODS})
