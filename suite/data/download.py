"""Receives what an address gives into a file: resumed where it broke off, bounded in size and in patience."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from suite.errors import DataError

BLOCK = 1 << 20
TIMEOUT_S = 30.0
TRIES = 3
WINDOW_S = 30.0
SLOWEST_BYTES_S = 100
Progress = Callable[[int, int | None], None]


def download(address: str, part: Path, limit: int, progress: Progress) -> bool:
    """Fill `part` with what is at `address`, going on where it ends; a marker beside it says it is whole.

    True when the bytes may come from more than one answer: a source that changed between them is noticed by
    its ETag or date where it gives one, else by the checksum. DataError for what cannot be had or is more
    than `limit` bytes; OSError for what cannot be written.
    """
    whole = part.with_suffix(".whole")
    if whole.exists() and part.exists():
        return True
    for attempt in range(TRIES):
        last = attempt + 1 == TRIES
        try:
            pieced = _receive(address, part, limit, progress)
            whole.touch()
            return pieced
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and part.exists() and not last:
                forget(part)
                continue
            reason = " ".join(str(error.reason).split())
            raise DataError(f"{address} answers {error.code} {reason}; see `suite data list`") from None
        except _Broken as error:
            if last:
                raise DataError(
                    f"{address} cannot be downloaded: {error}; run the command again to go on, or put the "
                    "files into the folder SUITE_DATA_DIR"
                ) from None
    raise AssertionError("the last try returns or raises")


def forget(part: Path) -> None:
    """Remove a part with what is noted beside it."""
    for path in (part, part.with_suffix(".whole"), part.with_suffix(".etag")):
        path.unlink(missing_ok=True)


class _Broken(Exception):
    """A try failed in a way that the next may not."""


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _web_only(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _web_only(address: str) -> None:
    if urlsplit(address).scheme not in ("http", "https"):
        raise DataError(f"{address} is neither http nor https; nothing else is downloaded")


def _receive(address: str, part: Path, limit: int, progress: Progress) -> bool:
    _web_only(address)
    done = part.stat().st_size if part.exists() else 0
    opener = urllib.request.build_opener(_WebOnly)
    request = urllib.request.Request(address, headers=_headers(part, done))
    try:
        answer: HTTPResponse = opener.open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError:
        raise
    except (OSError, HTTPException) as error:
        raise _Broken(_reason(error)) from None
    with answer:
        if answer.status != 206:
            done = 0
        elif not _goes_on(answer, done):
            forget(part)
            raise _Broken("it went on at another place than asked")
        if not done:
            _note_state(answer, part)
        total = _total(answer, done)
        _within(address, part, limit, total or 0)
        with part.open("ab" if done else "wb") as out:
            received = done
            pace = _Pace()
            while block := _next(answer):
                received += len(block)
                _within(address, part, limit, received)
                out.write(block)
                progress(received, total)
                if received != total:
                    pace.heard(len(block))
    if total is not None and received < total:
        raise _Broken(f"it ended after {received:,} of {total:,} bytes")
    return done > 0


def _headers(part: Path, done: int) -> dict[str, str]:
    """What is asked: the rest where a part is there, on condition that the source is as it was."""
    # A transparently compressed answer would make byte ranges meaningless.
    headers = {"Accept-Encoding": "identity", "User-Agent": "touchstone-suite"}
    if done:
        headers["Range"] = f"bytes={done}-"
        state = part.with_suffix(".etag")
        if state.exists():
            headers["If-Range"] = state.read_text()
    return headers


def _note_state(answer: HTTPResponse, part: Path) -> None:
    """Keep what tells one state of the source from another; a weak ETag does not tell bytes apart."""
    etag = answer.headers.get("ETag", "")
    state = etag if etag.startswith('"') else answer.headers.get("Last-Modified", "")
    note = part.with_suffix(".etag")
    if state:
        note.write_text(state)
    else:
        note.unlink(missing_ok=True)


def _goes_on(answer: HTTPResponse, done: int) -> bool:
    """Does a partial answer begin where the part ends? One that does not say is left to the checksum."""
    said = answer.headers.get("Content-Range", "")
    return not said or said.startswith(f"bytes {done}-")


def _total(answer: HTTPResponse, done: int) -> int | None:
    length = answer.headers.get("Content-Length")
    return done + int(length) if length and length.isdigit() else None


def _within(address: str, part: Path, limit: int, size: int) -> None:
    if size > limit:
        forget(part)
        raise DataError(
            f"{address} gives more than the {limit:,} bytes that can be right; the source has changed: "
            "nothing was kept"
        )


def _next(answer: HTTPResponse) -> bytes:
    try:
        return answer.read1(BLOCK)
    except (OSError, HTTPException) as error:
        raise _Broken(_reason(error)) from None


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return f"nothing came for {TIMEOUT_S:g} s"
    return " ".join(str(cause).split()) or type(cause).__name__


class _Pace:
    """Notices an answer that only trickles: every read ends in time, the whole never would."""

    def __init__(self) -> None:
        self.since, self.bytes = time.monotonic(), 0

    def heard(self, size: int) -> None:
        self.bytes += size
        now = time.monotonic()
        passed = now - self.since
        if passed < WINDOW_S:
            return
        if self.bytes < SLOWEST_BYTES_S * passed:
            raise _Broken(f"only {self.bytes:,} bytes came in {passed:.0f} s")
        self.since, self.bytes = now, 0
