"""A folder for each running cell that survives a kill, so that the cell resumes where it was.

The folder is named by cell, code and kind of device: nothing else resumes from it. One process holds it at a
time, by a lock that the system lets go when the process dies; a second one runs the same cell without one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from suite.devices import CPU, kind

NAME_DIGITS = 32


def root() -> Path:
    """Where the folders lie: SUITE_CACHE, or the user's cache folder of the platform."""
    folder = os.environ.get("SUITE_CACHE", "")
    if folder:
        return Path(folder).expanduser() / "checkpoints"
    import platformdirs

    return Path(platformdirs.user_cache_dir("touchstone")) / "checkpoints"


def folder_of(cell: str, code: str, device: str = CPU) -> Path:
    """The folder of the cell with this id, run by the code with this fingerprint on this kind of device."""
    where = "" if kind(device) == CPU else f"-{kind(device)}"
    return root() / f"{cell[:NAME_DIGITS]}-{code[:NAME_DIGITS]}{where}"


@contextmanager
def held(cell: str, code: str, device: str = CPU) -> Iterator[Path | None]:
    """The folder, locked; None while another process has it or where it cannot be made."""
    folder = folder_of(cell, code, device)
    lock = _lock(folder.with_suffix(".lock"))
    if lock is None:
        yield None
        return
    with lock:
        folder.mkdir(exist_ok=True)
        try:
            yield folder
        finally:
            if not folder.exists() or not any(folder.iterdir()):
                discard(folder)
                Path(lock.name).unlink(missing_ok=True)


def discard(folder: Path | None) -> None:
    """Forget a folder whose cell has ended."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _lock(path: Path) -> IO[str] | None:
    """The open and locked file; None when another process has it or the place cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The holder before may have removed the name after it was opened here: such a lock guards nothing.
        if os.fstat(file.fileno()).st_nlink > 0:
            return file
    except OSError:
        pass
    file.close()
    return None
