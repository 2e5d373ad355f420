"""A registry of stand-in models, and folders that nobody else uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tiny_models

from suite.models import registry
from suite.models.registry import Entry

Register = Callable[..., None]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; no folder of the user's own is looked at."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SUITE_CACHE", str(folder))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in ("SUITE_MODELS_DIR", "SUITE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    """`register(*entries)` makes these the only named models."""
    monkeypatch.setattr(registry, "LISTS", ("tiny_models:ENTRIES",))

    def only(*entries: Entry) -> None:
        monkeypatch.setattr(tiny_models, "ENTRIES", entries)
        registry.entries.cache_clear()

    yield only
    registry.entries.cache_clear()
