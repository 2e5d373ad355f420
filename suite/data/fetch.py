"""Downloads a data file: resumed where it broke off, checked, and put in place in one step."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from suite.data.files import BLOCK, cache_dir, check, content_sha256, locate
from suite.data.registry import Entry, File, no_checksum
from suite.errors import DataError

TIMEOUT_S = 30
TRIES = 3
Progress = Callable[[int, int | None], None]


def fetch(entry: Entry, file: File, progress: Progress = lambda done, total: None) -> Path:
    """The checked path of a file, downloaded into the cache where it is not at hand.

    `progress(done, total)` hears of bytes; total is None where the server does not say. DataError for
    what cannot be had or checked; a broken download is kept and resumed by the next call.
    """
    path = locate(entry, file)
    if path is not None:
        check(entry, file, path)
        return path
    if file.sha256 is None:
        raise no_checksum(entry, file)
    target = cache_dir() / entry.name / file.name
    part = cache_dir() / "parts" / hashlib.sha256(file.address.encode()).hexdigest()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.parent.mkdir(parents=True, exist_ok=True)
        download(file.address, part, progress)
        _place(entry, file, part, target)
    except OSError as error:
        raise DataError(
            f"{target} cannot be written: {error}; set SUITE_CACHE to a folder that can"
        ) from None
    return target


def download(address: str, part: Path, progress: Progress) -> None:
    """Fill `part` with what is at `address`, going on where it ends; a marker beside it says it is whole."""
    whole = part.with_suffix(".whole")
    if whole.exists() and part.exists():
        return
    for attempt in range(TRIES):
        try:
            _receive(address, part, progress)
            whole.touch()
            return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and part.exists() and attempt + 1 < TRIES:
                part.unlink()
                continue
            raise DataError(f"{address} answers {error.code} {error.reason}; see `suite data list`") from None
        except (_Truncated, urllib.error.URLError, HTTPException, ConnectionError, TimeoutError) as error:
            reason = getattr(error, "reason", error)
            if attempt + 1 == TRIES:
                raise DataError(
                    f"{address} cannot be downloaded: {reason}; run the command again to go on, or put the "
                    "files into the folder SUITE_DATA_DIR"
                ) from None


class _Truncated(Exception):
    """The server closed the connection before everything had come."""


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _web_only(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _web_only(address: str) -> None:
    if urlsplit(address).scheme not in ("http", "https"):
        raise DataError(f"{address} is neither http nor https; nothing else is downloaded")


def _receive(address: str, part: Path, progress: Progress) -> None:
    _web_only(address)
    done = part.stat().st_size if part.exists() else 0
    # A transparently compressed answer would make byte ranges meaningless.
    headers = {"Accept-Encoding": "identity", "User-Agent": "touchstone-suite"}
    if done:
        headers["Range"] = f"bytes={done}-"
    opener = urllib.request.build_opener(_WebOnly)
    with opener.open(urllib.request.Request(address, headers=headers), timeout=TIMEOUT_S) as answer:
        if answer.status != 206:
            done = 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length and length.isdigit() else None
        with part.open("ab" if done else "wb") as out:
            while block := answer.read1(BLOCK):
                out.write(block)
                done += len(block)
                progress(done, total)
    if total is not None and done < total:
        raise _Truncated(f"it ended after {done:,} of {total:,} bytes")


def _place(entry: Entry, file: File, part: Path, target: Path) -> None:
    """Check the content and rename it into place; wrong content is thrown away, the next try starts anew."""
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=".get-", suffix=".gz" if target.suffix == ".gz" else ""
    )
    os.close(handle)
    temporary = Path(name)
    try:
        with _content(part, file) as source, _sink(temporary) as out:
            shutil.copyfileobj(source, out, BLOCK)
        found = content_sha256(temporary)
        if found != file.sha256:
            _forget(part)
            raise DataError(
                f"{file.address} gives another content than {entry.name}/{file.name} should have (SHA-256 "
                f"{found[:12]}..., expected {(file.sha256 or '')[:12]}...); the source has changed or the "
                "download is damaged: nothing was kept"
            )
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    if not file.member:  # An archive stays for the other files that are in it.
        _forget(part)


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    part.with_suffix(".whole").unlink(missing_ok=True)


def _sink(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return gzip.GzipFile(path, "wb", mtime=0)  # type: ignore[return-value]
    return path.open("wb")


def _content(part: Path, file: File) -> IO[bytes]:
    """The downloaded bytes, or those of one regular member of the archive; nothing is extracted to disk."""
    if not file.member:
        return part.open("rb")
    try:
        with tarfile.open(part) as archive:
            member = archive.extractfile(file.member)
            if member is None:
                raise KeyError(file.member)
            return io.BytesIO(member.read())
    except (tarfile.TarError, KeyError, EOFError) as error:
        _forget(part)
        raise DataError(f"the archive {file.address} holds no readable {file.member}: {error}") from None
