"""The base model itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from suite.api import Context
from tasks.lmeval.contract import Adapter


@dataclass(frozen=True)
class Unmodified(Adapter):
    """Changes nothing."""

    def adapt(self, model: Any, tokenizer: Any, ctx: Context) -> Any:
        """The model that came in."""
        return model
