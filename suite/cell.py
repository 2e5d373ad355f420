"""One cell of the matrix (task, method, profile, seed, base model, settings) and its identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

ID_LENGTH = 64


def canonical(value: Any) -> str:
    """JSON with one spelling: keys sorted, no blanks, floats as repr gives them."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True)
class Cell:
    """What is to be measured.

    `settings` and `task_settings` are canonical JSON of every field of the method and the task after
    presets and overrides; `overrides` is what the user set by hand, for showing. The fingerprints name
    the bytes of data and base model ("" where there are none).
    """

    task: str
    method: str
    profile: str
    seed: int
    family: str = ""
    base_model: str = ""
    settings: str = "{}"
    task_settings: str = "{}"
    overrides: str = "{}"
    task_version: int = 1
    method_version: int = 1
    data_fingerprint: str = ""
    model_fingerprint: str = ""

    @cached_property
    def id(self) -> str:
        """SHA-256 of the canonical JSON of everything that can change the score but the code."""
        return hashlib.sha256(canonical(self.key).encode()).hexdigest()

    @property
    def key(self) -> Mapping[str, Any]:
        """The parts of the identity by name, as `suite why` shows them."""
        return {
            "task": self.task,
            "task_version": self.task_version,
            "method": self.method,
            "method_version": self.method_version,
            "profile": self.profile,
            "seed": self.seed,
            "base_model": self.base_model,
            "settings": json.loads(self.settings),
            "task_settings": json.loads(self.task_settings),
            "data_fingerprint": self.data_fingerprint,
            "model_fingerprint": self.model_fingerprint,
        }

    @property
    def title(self) -> str:
        return f"{self.method} on {self.task} ({self.profile}, seed {self.seed})"
