"""Runs cells in long-lived worker processes on this machine.

A worker that crashes, takes too long or takes too much memory loses its own cell only: the cell gets its
row and a new worker takes its place. All of it runs in one thread, woken by whatever the workers say.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from suite import errors
from suite.devices import CPU
from suite.engines.worker import decode
from suite.errors import SuiteError
from suite.meter import cpu_seconds, resident_mb
from suite.plan import Planned
from suite.records import Outcome, Status
from suite.runner import run_of
from suite.threads import variables

TICK_S = 0.1
# A new worker that has not begun its cell after so long hangs.
START_S = 60
TAIL_BYTES = 4096
TAIL_LINES = 5
CHUNK = 1 << 16
START = "from suite.engines.worker import main; main()"
Watch = Callable[[Planned, str, int, int], None]
Ended = tuple[Planned, Outcome | SuiteError]


@dataclass(frozen=True)
class Options:
    """How cells are run: none of this is part of a cell's identity.

    jobs: worker processes. timeout: seconds a cell may take. memory_mb: resident memory a worker may take.
    threads: computing threads of a worker; two workers of two threads on two cores are ten times slower
    than two of one.
    """

    jobs: int = 1
    timeout: float | None = None
    memory_mb: float | None = None
    threads: int = 1
    device: str = "cpu"


@dataclass
class _Worker:
    """A process with the cell that it runs, and what it said so far."""

    process: subprocess.Popen[bytes]
    planned: Planned | None = None
    begun: bool = False
    since: float = 0.0
    started: float = 0.0
    peak_mb: float = 0.0
    cpu_before: float = 0.0
    cpu_s: float = 0.0
    out: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)


def run(
    cells: Sequence[Planned], options: Options, watch: Watch | None = None
) -> Generator[Ended, None, None]:
    """Each cell with its outcome as it ends; an error in place of an outcome says that the request was wrong.

    Closing the iterator kills the workers.
    """
    pool = _Pool(options, watch)
    try:
        yield from pool.run(deque(cells))
    finally:
        pool.close()


class _Pool:
    """The workers of one call of `run`."""

    def __init__(self, options: Options, watch: Watch | None) -> None:
        self.options, self.watch = options, watch
        self.workers: list[_Worker] = []
        self.selector = selectors.DefaultSelector()
        self.environment: Mapping[str, Any] = {}

    def run(self, queue: deque[Planned]) -> Iterator[Ended]:
        if not queue:
            return
        for _ in range(min(self.options.jobs, len(queue))):
            self._start()
        self.environment = _environment()
        for worker in self.workers:
            self._give(worker, queue)
        while any(w.planned for w in self.workers):
            self._listen()
            for worker in list(self.workers):
                yield from self._settled(worker, queue)

    def close(self) -> None:
        for worker in list(self.workers):
            self._end(worker)
        self.selector.close()

    def _start(self) -> _Worker:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", START, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=surroundings(self.options.threads),
        )
        worker = _Worker(process)
        for pipe, buffer in ((process.stdout, worker.out), (process.stderr, worker.tail)):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            self.selector.register(pipe, selectors.EVENT_READ, buffer)
        self.workers.append(worker)
        return worker

    def _give(self, worker: _Worker, queue: deque[Planned]) -> None:
        """The next cell for a worker that has none."""
        if not queue:
            return
        worker.planned = queue.popleft()
        worker.since, worker.started, worker.peak_mb = time.monotonic(), time.time(), 0.0
        worker.begun = False
        worker.cpu_s, worker.cpu_before = 0.0, cpu_seconds(worker.process.pid)
        del worker.tail[:]
        request = {
            "cell": asdict(worker.planned.cell),
            "device": self.options.device,
            "threads": self.options.threads,
            "environment": dict(self.environment),
        }
        assert worker.process.stdin is not None
        # One that died while starting breaks the pipe: `_settled` finds out and says so.
        with contextlib.suppress(BrokenPipeError):
            worker.process.stdin.write(json.dumps(request).encode() + b"\n")
            worker.process.stdin.flush()

    def _listen(self) -> None:
        """Take in what the workers say, waiting a little."""
        for key, _ in self.selector.select(TICK_S):
            data = _read(key.fd)
            if not data:
                self.selector.unregister(key.fileobj)
            key.data.extend(data)
        for worker in self.workers:
            if len(worker.tail) > TAIL_BYTES:
                del worker.tail[:-TAIL_BYTES]

    def _settled(self, worker: _Worker, queue: deque[Planned]) -> Iterator[Ended]:
        """The cell of a worker if it has ended, one way or another; then the worker's next cell."""
        planned = worker.planned
        if planned is None:
            return
        over = self._limit_passed(worker)
        gone = worker.process.poll() is not None
        answer = self._answer(worker, planned)
        if answer is None and (over or gone):
            _drain(worker)
            answer = self._answer(worker, planned)
        if answer is None and (over or gone):
            self._end(worker)
            answer = self._lost(worker, planned, over or _died(worker))
            worker = self._start() if queue else worker
        elif self._spoilt(answer):
            self._end(worker)
            worker = self._start() if queue else worker
        if answer is not None:
            worker.planned = None
            self._give(worker, queue)
            yield planned, answer

    def _spoilt(self, answer: Outcome | SuiteError | None) -> bool:
        """Whether the worker must not run another cell: after an error a process may have lost its GPU."""
        failed = isinstance(answer, Outcome) and answer.run.status in ("failed", "out-of-memory")
        return failed and self.options.device != CPU

    def _answer(self, worker: _Worker, planned: Planned) -> Outcome | SuiteError | None:
        """The answer among the whole lines that a worker has sent; its reports go to the watcher."""
        while (end := worker.out.find(b"\n")) >= 0:
            message = json.loads(worker.out[:end])
            del worker.out[: end + 1]
            if "outcome" in message:
                return decode(message["outcome"])
            if "error" in message:
                kind: type[SuiteError] = getattr(errors, message["error"], SuiteError)
                return kind(message["message"])
            if "begun" in message:
                worker.begun, worker.since = True, time.monotonic()
            elif self.watch:
                self.watch(planned, message["label"], message["done"], message["total"])
        return None

    def _limit_passed(self, worker: _Worker) -> tuple[Status, str] | None:
        """Which limit the running cell has passed, and what to say of it; notes its cost so far."""
        timeout, memory = self.options.timeout, self.options.memory_mb
        now = resident_mb(worker.process.pid)
        worker.peak_mb = max(worker.peak_mb, now)
        worker.cpu_s = max(worker.cpu_s, cpu_seconds(worker.process.pid) - worker.cpu_before)
        grace = 0 if worker.begun else START_S
        if timeout is not None and time.monotonic() - worker.since > timeout + grace:
            return "timeout", f"took longer than {timeout:g} s"
        if memory is not None and now > memory:
            return "out-of-memory", f"took {now:.0f} MB, more than the {memory:g} MB allowed"
        return None

    def _lost(self, worker: _Worker, planned: Planned, why: tuple[Status, str]) -> Outcome:
        """The row of a cell whose worker could not answer."""
        status, error = why
        wall = time.monotonic() - worker.since
        cost: dict[str, Any] = {
            "started": worker.started,
            "wall_s": wall,
            "cpu_s": worker.cpu_s,
            "overhead_s": 0.0,
            "peak_mb": worker.peak_mb,
            "device": self.options.device,
            "threads": self.options.threads,
        }
        return Outcome(run_of(planned, status, error, self.environment, **cost))

    def _end(self, worker: _Worker) -> None:
        """Kill a worker with all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait()
        for pipe in (worker.process.stdout, worker.process.stderr):
            with contextlib.suppress(KeyError):
                self.selector.unregister(pipe)  # type: ignore[arg-type]
        for pipe in (worker.process.stdin, worker.process.stdout, worker.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]
        self.workers.remove(worker)


def surroundings(threads: int) -> dict[str, str]:
    """The environment variables of a worker: this process's, its import path, and the number of threads."""
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    return {**os.environ, **variables(threads), "PYTHONPATH": path}


def _environment() -> Mapping[str, Any]:
    """Collected here while the workers start, and given to them with each cell."""
    from suite.provenance import environment

    return environment()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, CHUNK)
    except BlockingIOError:
        return b""


def _drain(worker: _Worker) -> None:
    """What is left in the pipes of a process that has ended."""
    for pipe, buffer in ((worker.process.stdout, worker.out), (worker.process.stderr, worker.tail)):
        assert pipe is not None
        while data := _read(pipe.fileno()):
            buffer.extend(data)


def _died(worker: _Worker) -> tuple[Status, str]:
    """What the end of a process that nobody here killed says about its cell."""
    code = worker.process.returncode
    said = worker.tail.decode(errors="replace").strip().splitlines()[-TAIL_LINES:]
    if code == -signal.SIGKILL:
        return "out-of-memory", "the system killed the worker (SIGKILL), most likely because memory ran out"
    if code < 0:
        name = signal.Signals(-code).name
        return "failed", "\n".join([f"the worker died with signal {-code} ({name})", *said])
    return "failed", "\n".join([f"the worker exited with status {code}", *said])
