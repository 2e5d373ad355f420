"""Base models by name, folder or hub id: one loader for language models, encoders and vision models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from suite.models.identity import fingerprint
from suite.models.registry import entry

if TYPE_CHECKING:
    from suite.models.loading import Loaded

__all__ = ["entry", "fingerprint", "load", "path"]


def path(name: str) -> Path:
    """The folder of a model that is at hand; DataError with what to do otherwise."""
    from suite.models.sources import find

    return find(name).path


def load(name: str, *, device: str = "cpu", dtype: str = "float32") -> Loaded:
    """The model of a name, a folder or a hub id, ready to compute; never downloads.

    dtype: "float32", "bfloat16" or "float16". UsageError for an unknown name, DataError for what is not at
    hand, damaged, or pickled.
    """
    from suite.models.loading import load as load_model

    return load_model(name, device=device, dtype=dtype)
