"""Which weights a name stands for: fingerprints for a cell's identity, and comparison with checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from suite.data.files import content_sha256
from suite.data.registry import digest
from suite.errors import DataError
from suite.fingerprint import code_fingerprint
from suite.models.registry import Entry
from suite.models.sources import MANIFEST, Found, find, locate, manifest, named
from suite.models.weights import check_weights

State = Literal["ok", "unchecked", "missing", "damaged"]
LARGE = 64 << 20
"""Bytes from which a file is known by size and time, in a quick look."""
KEPT = (".safetensors", ".json", ".model", ".txt", ".jinja", ".ftz")
"""Endings of the files that say how a model computes; a card does not."""


def fingerprint(name: str) -> str:
    """SHA-256 of the weights that `name` gives here, and of the code of a network that the suite wrote.

    A named model is known by its pinned checksums without opening a file, also where it is not at hand yet;
    the content counts where the user has put another folder in its place. A hub's model is known by id and
    commit, a folder by the content of its files.
    """
    entry = named(name)
    found = locate(entry) if entry is not None else find(name)
    weights = _weights(found) if found is not None else _promised(entry)
    if entry is None or not entry.network:
        return weights
    return digest([("weights", weights), ("code", code_fingerprint(entry.network.partition(":")[0]))])


def _promised(entry: Entry | None) -> str:
    """What a model that is not at hand will be once it is."""
    if entry is None:
        return ""
    return entry.origin or _hub(entry.hub or entry.name, entry.revision)


def _weights(found: Found) -> str:
    entry = found.entry
    if found.origin == "hub":
        return _hub(entry.hub if entry else found.name, found.path.name)
    if entry is not None and entry.origin and found.origin != "folder":
        if found.origin != "cache":
            return entry.origin
        kept = manifest(found.path)
        if kept is not None and kept["origin"] == entry.origin:
            return entry.origin
    return digest((file.name, content_sha256(file)) for file in counted(found))


def _hub(hub: str, commit: str) -> str:
    return hashlib.sha256(f"hub:{hub}@{commit}".encode()).hexdigest()


def counted(found: Found) -> list[Path]:
    """The files of a folder that make up its fingerprint: the pinned ones, or all that matter."""
    if found.entry is not None and found.entry.files:
        return [found.path / file.name for file in found.entry.files]
    return sorted(p for p in found.path.iterdir() if p.suffix in KEPT and p.name != MANIFEST)


def verify(found: Found, *, thorough: bool = True) -> None:
    """DataError unless a model at hand has the content that was pinned, or that it had when it was fetched.

    A folder that the user put in the place of a named model is taken as it is: its fingerprint says so. Not
    thorough, a large file whose size and time are still those of the fetch is taken as unchanged: reading a
    gigabyte takes longer than loading it.
    """
    kept = manifest(found.path) if found.origin == "cache" else None
    for name, promised in _expected(found, kept).items():
        path = found.path / name
        if not path.is_file():
            raise DataError(f"{path} is gone; {_remedy(found)}")
        if not thorough and _untouched(path, promised):
            continue
        if content_sha256(path) != promised["sha256"]:
            when = "when it was fetched" if kept else "that is registered for it"
            raise DataError(f"{path} has another content than {when}; {_remedy(found)}")


def _untouched(path: Path, promised: Mapping[str, Any]) -> bool:
    status = path.stat()
    return status.st_size == promised["bytes"] >= LARGE and status.st_mtime_ns == promised.get("changed")


def _expected(found: Found, kept: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """File name to what is promised of it: sha256, bytes and, for what was fetched, the time of change."""
    if found.origin in ("folder", "hub") or found.entry is None:
        return {}
    if kept is not None:
        return dict(kept["files"])
    return {file.name: {"sha256": file.sha256, "bytes": file.bytes} for file in found.entry.files}


def _remedy(found: Found) -> str:
    if found.origin == "cache":
        return f"remove {found.path} and run `suite models get {found.name}`"
    return "put the registered file there"


class Condition(NamedTuple):
    """How a named model is: where it lies, None for nowhere, and what is wrong with it, "" for nothing."""

    state: State
    found: Found | None
    reason: str = ""


def state(entry: Entry) -> Condition:
    """How a named model is: 'unchecked' where it is whole and no checksum is known for it."""
    found = locate(entry)
    if found is None:
        return Condition("missing", None)
    try:
        verify(found)
        if entry.kind != "language-id":
            check_weights(found.path)
    except DataError as error:
        return Condition("damaged", found, str(error))
    known = _expected(found, manifest(found.path) if found.origin == "cache" else None)
    return Condition("ok" if known else "unchecked", found)
