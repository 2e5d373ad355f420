"""Opens the files of a bundle in a process of its own first: a crafted one can end the process that reads it.

The parquet library checks most of what it reads, but not all of it: damaged footers were seen to abort the
interpreter. So a child reads every file once, under a limit of memory and time, and says which one it is at.
Its parent reads only what the child has lived through.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from suite.errors import UsageError

if TYPE_CHECKING:
    from suite._submit_files import Place

START = "from suite._submit_vet import main; main()"
ROOT = str(Path(__file__).resolve().parent.parent)
DONE = "done"
LIMIT_S = 300.0
MEMORY_BYTES = 8 << 30
MOST_DEATHS = 50


def deadly(places: Sequence[Place]) -> dict[str, str]:
    """Path to reason, for each file that ended the process that read it.

    Raises UsageError where there are so many that the rest is not worth the wait, or where no child starts.
    """
    found: dict[str, str] = {}
    start = 0
    while start < len(places):
        at, why = _read_by_child(places[start:])
        if at is None:
            break
        found[places[start + at].path] = why
        start += at + 1
        if len(found) > MOST_DEATHS:
            raise UsageError(f"more than {MOST_DEATHS} files of the bundle end the process that reads them")
    return found


def _read_by_child(places: Sequence[Place]) -> tuple[int | None, str]:
    """The number of the file at which a child ended, and how; None for a child that read them all."""
    told, why = "", "ends the process that reads it"
    try:
        child = subprocess.run(
            # -P: a module that lies in the current folder, perhaps the bundle, must not be imported.
            [sys.executable, "-P", "-c", START],
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(filter(None, (ROOT, os.environ.get("PYTHONPATH"))))},
            input=json.dumps([list(place) for place in places]),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=LIMIT_S,
        )
        told = child.stdout
    except subprocess.TimeoutExpired as late:
        said: bytes | str = late.stdout or b""
        told = said.decode() if isinstance(said, bytes) else said
        why = f"is not read within {LIMIT_S:.0f} seconds"
    lines = told.split()
    if lines and lines[-1] == DONE:
        return None, ""
    if not lines:
        raise UsageError("the process that should read the bundle did not start")
    return int(lines[-1]), why


def main() -> None:
    """The child: reads the files named on standard input, saying the number of each before it opens it."""
    from suite._submit_files import Place, Refused, read_file

    _limit()
    for number, place in enumerate(json.load(sys.stdin)):
        print(number, flush=True)
        with contextlib.suppress(Refused):
            read_file(Place(*place))
    print(DONE, flush=True)


def _limit() -> None:
    """No more memory than a sound bundle needs, and no core file; where the system knows such limits."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
