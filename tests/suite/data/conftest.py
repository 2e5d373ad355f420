"""A small registry, empty folders, and a web server on this machine that misbehaves on request."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from suite.data import registry
from suite.data.registry import Entry, File

CONTENT = b"".join(b"line %d\n" % k for k in range(5000))
PLAIN = b'{"a": 1}'


def archive() -> bytes:
    """A tar.gz with one regular member and one link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo("folder/inside.json")
        info.size = len(PLAIN)
        tar.addfile(info, io.BytesIO(PLAIN))
        link = tarfile.TarInfo("folder/link.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return out.getvalue()


class Server(ThreadingHTTPServer):
    """Serves CONTENT, or what `pages` holds; `asked` records (path, Range header) of each request.

    etags: the state of a page, sent with it and compared with If-Range. released: a stalled answer waits
    for it.
    """

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.pages: dict[str, bytes] = {"/archive.tar.gz": archive()}
        self.etags: dict[str, str] = {}
        self.released = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        if self.path == "/moved":
            return self._to("/whole")
        if self.path == "/moved-to-file":
            return self._to("file:///etc/passwd")
        if self.path == "/moved-for-ever":
            return self._to("/moved-for-ever")
        if self.path == "/missing":
            return self.send_error(404)
        if self.path == "/endless":
            return self._endless()
        self._page(wanted)

    def _page(self, wanted: str | None) -> None:
        body = self.server.pages.get(self.path, CONTENT)
        etag = self.server.etags.get(self.path, "")
        start = int(wanted.split("=")[1].rstrip("-")) if wanted and self.path != "/no-ranges" else 0
        if self.headers.get("If-Range", etag) != etag:
            start = 0
        if start >= len(body):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        if start and self.path == "/elsewhere":
            self.send_header("Content-Range", f"bytes 0-{len(body) - 1}/{len(body)}")
        if etag:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(10**12 if self.path == "/bloated" else len(body) - start))
        self.end_headers()
        first = len(self.server.asked) == 1
        if self.path == "/trickles":
            body = body[: start + 1000]
        half = self.path.startswith("/always-") or (first and self.path in BROKEN_AT_FIRST)
        self.wfile.write(body[start : len(body) // 2] if half else body[start:])
        if half and "stalls" in self.path:
            self.wfile.flush()
            self.server.released.wait(5)

    def _endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                self.wfile.write(CONTENT)

    def _to(self, place: str) -> None:
        self.send_response(302)
        self.send_header("Location", place)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Keep the tests' output clean."""


BROKEN_AT_FIRST = ("/breaks", "/no-ranges", "/elsewhere", "/stalls")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.released.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """(SUITE_DATA_DIR, the cache's data folder), both empty."""
    monkeypatch.setenv("SUITE_DATA_DIR", str(tmp_path / "given"))
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "given", tmp_path / "cache" / "data"


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Entry]]:
    """`register(File(...), ...)` makes these the files of the only data set, named 'small'."""

    def put(*files: File) -> Entry:
        entry = Entry("small", "Lines.", files, "none", "nobody", "https://example.org", "1", "by line")
        monkeypatch.setattr("suite.data.entries.ENTRIES", (entry,))
        registry.entries.cache_clear()
        return entry

    yield put
    registry.entries.cache_clear()


@pytest.fixture
def lines() -> Callable[[str], File]:
    """`lines(address)`: the registered file whose content is CONTENT, kept gzipped."""
    return lambda address: File("lines.txt.gz", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), address)


@pytest.fixture
def put() -> Callable[[Path, bytes], Path]:
    """`put(path, content)` writes a file, gzipped where its name says so."""

    def write(path: Path, content: bytes) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        return path

    return write


@pytest.fixture
def real_data() -> Path:
    """The folder of the real data files; the test is skipped where SUITE_DATA_DIR names none."""
    folder = os.environ.get("SUITE_DATA_DIR", "")
    if not folder or not (Path(folder) / "gsm8k").is_dir():
        pytest.skip("needs the real data files in SUITE_DATA_DIR")
    return Path(folder)


@pytest.fixture
def content() -> bytes:
    return CONTENT


@pytest.fixture
def inside() -> File:
    """The registered file that is a member of the server's archive; its address is filled in by the test."""
    return File("inside.json", hashlib.sha256(PLAIN).hexdigest(), len(PLAIN), "", member="folder/inside.json")
