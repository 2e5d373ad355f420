"""What a cell has found so far, by name, in a file that survives a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Found = dict[str, Any]
"""Names and what JSON can hold."""


@dataclass
class Kept:
    """What a cell has found so far, by name, in a file that survives a kill; without a folder, in memory."""

    path: Path | None
    found: dict[str, Found] = field(default_factory=dict)

    @classmethod
    def at(cls, folder: Path | None) -> Kept:
        """What a folder holds; a file that cannot be read counts for nothing, so that all is found anew."""
        path = None if folder is None else folder / "found.json"
        try:
            found = {} if path is None else json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        return cls(path, found)

    def once(self, name: str, make: Callable[[], Found]) -> Found:
        """What was found under a name, or what `make` finds, kept before it is given."""
        if name not in self.found:
            self.found[name] = make()
            if self.path is not None:
                draft = self.path.with_suffix(".tmp")
                draft.write_text(json.dumps(self.found), encoding="utf-8")
                os.replace(draft, self.path)
        return self.found[name]
