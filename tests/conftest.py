"""One thread, no network, the toy family in the catalogue, and fresh caches for every test."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
# Before anything imports numpy or torch: both read their thread counts once.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["SUITE_PLUGINS"] = "toy_plugin"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(TESTS), os.environ.get("PYTHONPATH", "")]).rstrip(
    os.pathsep
)
for folder in (str(TESTS), str(ROOT)):
    if folder not in sys.path:
        sys.path.insert(0, folder)

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

# A change is judged on the same examples as its baseline; at a desk every run tries new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(autouse=True)
def fresh_catalog() -> Iterator[None]:
    """A test that changes SUITE_PLUGINS or writes a card sees its own catalogue, and leaves none behind."""
    from suite import catalog

    for lookup in (catalog.tasks, catalog.methods):
        lookup.cache_clear()
    yield
    for lookup in (catalog.tasks, catalog.methods):
        lookup.cache_clear()
