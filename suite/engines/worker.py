"""A worker process: reads one cell a line, runs it, answers in lines of JSON.

The channel back is a private copy of standard output; whatever a method prints goes to standard error,
which the parent keeps the end of. Started by `suite.engines.local`.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import IO, Any

from suite import checkpoints
from suite.api import Sample
from suite.cell import Cell
from suite.errors import SuiteError
from suite.plan import restore
from suite.records import Outcome, Run, ScoreRow

PR_SET_PDEATHSIG = 1
BETWEEN_REPORTS_S = 0.1
Send = Callable[[Mapping[str, Any]], None]


def main() -> None:
    """Serve cells until standard input ends."""
    _die_with(int(sys.argv[1]))
    requests, answers = _private_channels()

    def send(message: Mapping[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    for line in requests:
        serve(json.loads(line), send)


def serve(request: Mapping[str, Any], send: Send) -> None:
    """Run the cell of a request and send its outcome, or the error that makes the request wrong."""
    try:
        send({"outcome": encode(_run(request, send))})
    except SuiteError as error:
        send({"error": type(error).__name__, "message": str(error)})


def _run(request: Mapping[str, Any], send: Send) -> Outcome:
    import numpy  # noqa: F401

    from suite.runner import execute

    planned = restore(Cell(**request["cell"]))
    # From here on the time is the cell's: what a new worker has to load first is not held against it.
    send({"begun": True})
    with checkpoints.held(planned.cell.id, planned.code, request["device"]) as folder:
        outcome = execute(
            planned,
            report=_throttled(send),
            checkpoint_dir=folder,
            device=request["device"],
            threads=request["threads"],
            environment=request["environment"],
        )
        if outcome.run.status != "out-of-memory":
            checkpoints.discard(folder)
    return outcome


def encode(outcome: Outcome) -> dict[str, Any]:
    """An outcome as plain JSON values."""
    return {"run": asdict(outcome.run), "scores": list(outcome.scores), "samples": list(outcome.samples)}


def decode(message: Mapping[str, Any]) -> Outcome:
    """What `encode` made."""
    return Outcome(
        Run(**message["run"]),
        tuple(ScoreRow(*row) for row in message["scores"]),
        tuple(Sample(*row) for row in message["samples"]),
    )


def _throttled(send: Send) -> Callable[[str, int, int], None]:
    """A progress report that sends the first, the last and otherwise ten a second."""
    last: dict[str, float] = {}

    def report(label: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or now - last.get(label, -1.0) >= BETWEEN_REPORTS_S:
            last[label] = now
            send({"label": label, "done": done, "total": total})

    return report


def _private_channels() -> tuple[IO[str], IO[str]]:
    """Requests and answers on descriptors of their own; 0 reads nothing and 1 goes where 2 goes."""
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return requests, answers


def _die_with(parent: int) -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere the end of standard input ends it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)


if __name__ == "__main__":
    main()
