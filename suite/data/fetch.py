"""Gets a data file: downloaded, checked, and put in place in one step."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from suite.data.download import Progress, download, forget
from suite.data.files import cache_dir, check, content_sha256, locate
from suite.data.registry import Entry, File, by_hand, no_checksum
from suite.data.unpack import Unreadable, copy, most_bytes
from suite.errors import DataError


def fetch(entry: Entry, file: File, progress: Progress = lambda done, total: None) -> Path:
    """The checked path of a file, downloaded into the cache where it is not at hand.

    `progress(done, total)` hears of bytes; total is None where the server does not say. DataError for
    what cannot be had or checked; a broken download is kept and resumed by the next call.
    """
    path = locate(entry, file)
    if path is not None:
        check(entry, file, path)
        return path
    if not entry.from_hub and not file.address:
        raise by_hand(entry, file)
    if not entry.from_hub and file.sha256 is None:
        raise no_checksum(entry, file)
    target = cache_dir() / entry.name / file.name
    with writable(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target.parent):
            if not target.is_file():  # Another process may have been faster.
                _get(entry, file, target, progress)
    return target


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time works in a folder; others wait. A file system without locks has none."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def writable(target: Path) -> Iterator[None]:
    """A disk that is full or may not be written is one DataError."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{target} cannot be written: {error}; set SUITE_CACHE to a folder that can"
        ) from None


def _get(entry: Entry, file: File, target: Path, progress: Progress) -> None:
    """Download and place; what was pieced together and is wrong is downloaded once more, in one go."""
    if entry.from_hub:
        from suite.data.hub import load

        load(entry, file, target)
        return
    part = cache_dir() / "parts" / hashlib.sha256(file.address.encode()).hexdigest()
    part.parent.mkdir(parents=True, exist_ok=True)
    pieced = download(file.address, part, most_bytes(file), progress)
    try:
        _place(entry, file, part, target)
    except DataError:
        if not pieced:
            raise
        download(file.address, part, most_bytes(file), progress)
        _place(entry, file, part, target)


def _place(entry: Entry, file: File, part: Path, target: Path) -> None:
    """Check the content and rename it into place; wrong content is thrown away, the next try starts anew."""
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=".get-", suffix=".gz" if target.suffix == ".gz" else ""
    )
    os.close(handle)
    temporary = Path(name)
    try:
        with _sink(temporary) as out:
            copy(part, file, out)
        found = content_sha256(temporary)
        if found != file.sha256:
            forget(part)
            raise DataError(
                f"{file.address} gives another content than {entry.name}/{file.name} should have (SHA-256 "
                f"{found[:12]}..., expected {(file.sha256 or '')[:12]}...); the source has changed or the "
                "download is damaged: nothing was kept"
            )
        os.replace(temporary, target)
    except Unreadable as error:
        forget(part)
        what = f"the archive {file.address}" if file.member else file.address
        raise DataError(
            f"{what} {error}, so {entry.name}/{file.name} cannot be had from it: nothing was kept"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
    if not file.member:  # An archive stays for the other files that are in it.
        forget(part)


def _sink(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return gzip.GzipFile(path, "wb", mtime=0)  # type: ignore[return-value]
    return path.open("wb")
