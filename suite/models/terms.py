"""Licence terms that a user must accept before a model is fetched: asked once, and written down."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from suite.errors import DataError, UsageError
from suite.models.registry import Entry
from suite.models.sources import cache_root


def record(entry: Entry) -> Path:
    """Where the acceptance is written down."""
    return cache_root() / "terms" / f"{entry.name}.json"


def accepted(entry: Entry) -> str | None:
    """The day on which these terms were accepted on this machine; None where they were not."""
    try:
        written = json.loads(record(entry).read_bytes())
        same = entry.terms is not None and written["terms"] == entry.terms.link
        return str(written["accepted"]) if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def accept(entry: Entry) -> None:
    """Write down that the user accepts the terms of a model; nothing for a model that has none."""
    if entry.terms is None:
        return
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    line = {"model": entry.name, "terms": entry.terms.link, "title": entry.terms.title, "accepted": today}
    path = record(entry)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(line, indent=2) + "\n")
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error}; set SUITE_CACHE to a folder that can") from None


def demand(entry: Entry) -> None:
    """UsageError for terms that were not accepted yet."""
    if entry.terms is not None and accepted(entry) is None:
        raise UsageError(
            f"{entry.name} comes under the {entry.terms.title} ({entry.terms.link}); read them and run "
            f"`suite models get {entry.name} --accept-terms`"
        )
