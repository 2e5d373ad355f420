"""Finds and checks data files: first in SUITE_DATA_DIR, then in the cache; the network only on request."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Literal

from suite.data.registry import Entry, File, digest, select
from suite.errors import DataError

BLOCK = 1 << 20
State = Literal["ok", "unchecked", "missing", "damaged"]


def data_dir() -> Path | None:
    """The folder of data files that the user names by SUITE_DATA_DIR."""
    folder = os.environ.get("SUITE_DATA_DIR", "")
    return Path(folder).expanduser() if folder else None


def cache_dir() -> Path:
    """Where downloads are kept: SUITE_CACHE, or the user's cache folder of the platform."""
    folder = os.environ.get("SUITE_CACHE", "")
    if folder:
        return Path(folder).expanduser() / "data"
    import platformdirs

    return Path(platformdirs.user_cache_dir("touchstone")) / "data"


def locate(entry: Entry, file: File) -> Path | None:
    """Where the file lies, unchecked; None where it is not at hand."""
    for folder in (data_dir(), cache_dir()):
        # os.path.isfile is False, not an error, for a folder that may not be looked into.
        if folder is not None and os.path.isfile(path := folder / entry.name / file.name):
            return path
    return None


def open_file(entry_name: str, file_name: str) -> Path:
    """The path of a file whose content has its registered checksum (looked at once a process).

    A file without a registered checksum is taken from SUITE_DATA_DIR as it is. DataError says the
    command or the folder that helps.
    """
    return resolve(f"{entry_name}/{file_name}")


def resolve(name: str) -> Path:
    """The checked path of 'dataset/file', as `Context.data` gives it to a task."""
    pairs = select(name)
    if "/" not in name:
        raise DataError(f"'{name}' is a data set; name one of its files, as in {name}/{pairs[0][1].name}")
    ((entry, file),) = pairs
    path = locate(entry, file)
    if path is None:
        raise missing(entry, file)
    check(entry, file, path)
    return path


def missing(entry: Entry, file: File) -> DataError:
    """The error for a file that is not at hand, with the command or folder that gets it."""
    folder = data_dir()
    looked = f"{folder / entry.name} and the cache" if folder else "the cache (SUITE_DATA_DIR is not set)"
    return DataError(f"{entry.name}/{file.name} is not in {looked}; {_how_to_get(entry, file)}")


def _how_to_get(entry: Entry, file: File) -> str:
    place = f"put it at {entry.name}/{file.name} in the folder SUITE_DATA_DIR"
    if entry.from_hub:
        return f"get it with `suite data get {entry.name}` (from the hub: {entry.hub})"
    if not file.address:
        return f"{place}, made as `suite data show {entry.name}` describes"
    if file.sha256 is None:
        return f"{place} (it is in {file.address})"
    return f"get it with `suite data get {entry.name}`"


def check(entry: Entry, file: File, path: Path) -> None:
    """DataError unless the content at `path` is what the registry promises.

    No more is read than the registered size and a block: what expands beyond it is another content.
    """
    if file.sha256 is None:
        return
    found = content_sha256(path, file.bytes)
    if found != file.sha256:
        what = f"SHA-256 of its content {found[:12]}..." if found else "it holds more bytes"
        way_out = (
            f"run `suite data get {entry.name}`"
            if file.address
            else f"make it again as `suite data show {entry.name}` describes"
        )
        raise DataError(
            f"{path} has another checksum than {entry.name}/{file.name} ({what}, expected "
            f"{file.sha256[:12]}...); remove it and {way_out}"
        )


def state(entry: Entry, file: File) -> tuple[State, Path | None]:
    """How a file is: 'unchecked' where it is at hand and no checksum is known for it."""
    path = locate(entry, file)
    if path is None:
        return "missing", None
    if file.sha256 is None:
        return "unchecked", path
    try:
        check(entry, file, path)
    except DataError:
        return "damaged", path
    return "ok", path


def fingerprint(names: Iterable[str]) -> str:
    """One SHA-256 for the content of the named data sets or files; "" for no names.

    It is made from registered checksums without opening a file. A file that has none is known by the
    content found in SUITE_DATA_DIR, since two users may hold different ones.
    """
    pairs = [pair for name in names for pair in select(name)]
    return digest((f"{e.name}/{f.name}", f.sha256 or _by_content(e, f)) for e, f in pairs) if pairs else ""


def _by_content(entry: Entry, file: File) -> str:
    path = locate(entry, file)
    return content_sha256(path) if path else "missing"


def content_sha256(path: Path, limit: int | None = None) -> str:
    """SHA-256 of the uncompressed content, computed once a process for a file that does not change.

    "" for a content of more than `limit` bytes, of which no more is read.
    """
    try:
        status = path.stat()
        return _content_sha256(path, limit, status.st_mtime_ns, status.st_size)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read: {error or type(error).__name__}; remove it and get it again"
        ) from None


@cache
def _content_sha256(path: Path, limit: int | None, changed: int, size: int) -> str:
    total, read = hashlib.sha256(), 0
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        while block := file.read(BLOCK):
            read += len(block)
            if limit is not None and read > limit:
                return ""
            total.update(block)
    return total.hexdigest()
