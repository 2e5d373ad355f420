"""The content of a downloaded part: as it is, unzipped, or one member of a tar or zip archive.

Nothing is extracted to disk: a member is read, its name serves for nothing but to find it. How much is read
is bounded by the registered size, whatever an archive claims or expands to.
"""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from suite.data.registry import File

BLOCK = 1 << 20
ARCHIVE_BYTES = 2 << 30
"""No archive is larger, packed or unpacked."""
HEADER_BYTES = 16 << 20
"""No header of an archive is longer: a name or an extended header is read at once."""


class Unreadable(Exception):
    """The content is no archive, holds no such member, is cut, or expands beyond its registered size."""


def zipped(file: File) -> bool:
    """Does the address give the content in gzip form?"""
    return not file.member and urlsplit(file.address).path.endswith(".gz")


def most_bytes(file: File) -> int:
    """The most that a download of this file may take; gzip adds less than a thousandth to any content."""
    if file.member or file.bytes is None:
        return ARCHIVE_BYTES
    return file.bytes + file.bytes // 1000 + 4096 if zipped(file) else file.bytes


def copy(part: Path, file: File, out: IO[bytes]) -> None:
    """Write the content of `file` that is in `part`. Unreadable says what is wrong with the part."""
    limit = ARCHIVE_BYTES if file.bytes is None else file.bytes
    with _reading(file), _opened(part, file) as source:
        copied = 0
        while block := source.read(BLOCK):
            copied += len(block)
            if copied > limit:
                raise Unreadable(f"expands beyond the registered {limit:,} bytes")
            out.write(block)


BAD = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, ValueError, RuntimeError)
"""What the readers of archives raise; RuntimeError: an encrypted zip, or an unknown compression."""


@contextmanager
def _reading(file: File) -> Iterator[None]:
    try:
        yield
    except BAD as error:
        what = f"holds no readable {file.member}" if file.member else "is no whole gzip file"
        raise Unreadable(f"{what} ({str(error) or type(error).__name__})") from None


@contextmanager
def _opened(part: Path, file: File) -> Iterator[IO[bytes]]:
    if not file.member:
        with gzip.open(part, "rb") if zipped(file) else part.open("rb") as source:
            yield source  # type: ignore[misc]
    elif _starts_with(part, b"PK\x03\x04"):
        with zipfile.ZipFile(part) as archive, archive.open(_zip_member(archive, file)) as source:
            yield source
    else:
        packed = _starts_with(part, b"\x1f\x8b")
        with (
            gzip.open(part, "rb") if packed else part.open("rb") as stream,
            tarfile.open(fileobj=_Bounded(stream), mode="r:") as tar,
            _tar_member(tar, file) as source,
        ):
            yield source


def _starts_with(part: Path, magic: bytes) -> bool:
    with part.open("rb") as file:
        return file.read(len(magic)) == magic


def _zip_member(archive: zipfile.ZipFile, file: File) -> zipfile.ZipInfo:
    try:
        info = archive.getinfo(file.member)
    except KeyError:
        raise Unreadable(f"holds no readable {file.member}") from None
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.is_dir() or kind not in (0, stat.S_IFREG):
        raise Unreadable(f"holds no readable {file.member}")
    if file.bytes is not None and info.file_size > file.bytes:
        raise Unreadable(f"expands beyond the registered {file.bytes:,} bytes")
    return info


def _tar_member(tar: tarfile.TarFile, file: File) -> IO[bytes]:
    for member in tar:
        if member.name == file.member and member.isreg() and not member.issparse():
            source = tar.extractfile(member)
            if source is not None:
                return source
    raise Unreadable(f"holds no readable {file.member}")


class _Bounded(io.RawIOBase):
    """A stream for tarfile that is neither read nor skipped without bound."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= HEADER_BYTES:
            raise Unreadable("claims a header that is too long")
        self._within(self.stream.tell() + size)
        data: bytes = self.stream.read(size)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._within(offset)
        return int(self.stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self.stream.tell())

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def _within(self, end: int) -> None:
        if end > ARCHIVE_BYTES + HEADER_BYTES:
            raise Unreadable(f"expands beyond {ARCHIVE_BYTES:,} bytes")
