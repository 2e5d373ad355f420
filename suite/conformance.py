"""Does a competitor keep its contract? Checks that any method, a plug-in's too, can be put through.

Every family gets the checks of this module, which run a task at the smoke profile. A family adds its own in
a module `conformance` of its task's package or of one above it: a function `checks(planned)` that gives more
of them and, where not every task suits every method, `first_task(method spec)`, the name of the one to check
on.

In a test of your own:

    @pytest.mark.parametrize("check", checks("my-method"), ids=str)
    def test_conformance(check): check()

or, with no test file at all, `pytest --suite-check my-method`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from suite import catalog
from suite.errors import MethodError, UsageError
from suite.plan import Planned, plan
from suite.records import Outcome
from suite.runner import execute


@dataclass(frozen=True)
class Check:
    """One promise of the contract; calling it raises MethodError when the promise is broken."""

    name: str
    promise: str
    body: Callable[[], None]

    def __call__(self) -> None:
        self.body()

    def __str__(self) -> str:
        return self.name


def checks(method: str, task: str | None = None) -> list[Check]:
    """The checks of a method, on `task` or on the first task of its family, of those that need no data if
    there are any; nothing has run yet.

    Raises UsageError for an unknown name and for a family without a task.
    """
    spec = catalog.method(method)
    if task is None:
        tasks = [t for t in catalog.tasks().values() if t.family == spec.family]
        of_family = [t.name for t in sorted(tasks, key=lambda t: bool(t.data))]
        if not of_family:
            raise UsageError(
                f"family '{spec.family}' has no task to check '{method}' on; name one with --task"
            )
        module = _family_module(catalog.task(of_family[0]).where)
        task = getattr(module, "first_task", lambda _: of_family[0])(spec)
    planned = plan(task, method, "smoke")
    return [*_general(planned), *_of_family(planned)]


def _general(planned: Planned) -> list[Check]:
    name = planned.cell.method
    return [
        Check("settings", "the hyper-parameters are a frozen dataclass", lambda: _settings(planned)),
        Check("runs", "a smoke cell ends ok", lambda: _runs(planned)),
        Check(
            "determinism", "the same seed gives the same scores and samples", lambda: _determinism(planned)
        ),
        Check("state", "no global state is left changed", lambda: _state(planned)),
        Check("network", f"{name} never opens a network connection", lambda: _network(planned)),
    ]


def _of_family(planned: Planned) -> list[Check]:
    """The family's own checks; none where it has no conformance module."""
    module = _family_module(planned.task_spec.where)
    found: list[Check] = [] if module is None else module.checks(planned)
    return found


def _family_module(where: str) -> Any:
    """The nearest module `conformance` at or above the package of "module:class", or None."""
    package = where.partition(":")[0].rpartition(".")[0]
    while package:
        name = f"{package}.conformance"
        if importlib.util.find_spec(name) is not None:
            return importlib.import_module(name)
        package = package.rpartition(".")[0]
    return None


def _settings(planned: Planned) -> None:
    instance = planned.method_instance
    parameters = getattr(type(instance), "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        raise MethodError(f"{type(instance).__name__} is no frozen dataclass; write @dataclass(frozen=True)")


@cache
def _first(planned_id: str, code: str) -> list[Outcome]:
    """Holds the first outcome of a cell, so that the checks share one run."""
    return []


def _outcome(planned: Planned) -> Outcome:
    kept = _first(planned.cell.id, planned.code)
    if not kept:
        kept.append(execute(planned))
    return kept[0]


def _runs(planned: Planned) -> None:
    run = _outcome(planned).run
    if run.status not in ("ok", "skipped"):
        raise MethodError(f"the cell ended {run.status}: {run.error}")


def _determinism(planned: Planned) -> None:
    _runs(planned)
    first = _outcome(planned)
    second = execute(planned)
    exact = {m.name for m in planned.task_spec.metrics if m.exact}
    before, after = (
        {(s.metric, s.slice): s.value for s in o.scores if s.metric in exact} for o in (first, second)
    )
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            raise MethodError(f"{key[0]} ({key[1]}) was {before.get(key)} and then {after.get(key)}")
    if list(first.samples) != list(second.samples):
        raise MethodError("two runs with one seed gave other outputs")


def _state(planned: Planned) -> None:
    _outcome(planned)  # whatever loads once has loaded now
    before = _global_state()
    execute(planned)
    after = _global_state()
    changed = [name for name in before if before[name] != after[name]]
    if changed:
        raise MethodError(f"changed and not restored: {', '.join(changed)}")


def _global_state() -> dict[str, Any]:
    state: dict[str, Any] = {
        "the working folder": os.getcwd(),
        "os.environ": dict(os.environ),
        "sys.path": list(sys.path),
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        state |= {
            "torch's default dtype": torch.get_default_dtype(),
            "torch's grad mode": torch.is_grad_enabled(),
            "torch's thread count": torch.get_num_threads(),
            "torch's deterministic mode": torch.are_deterministic_algorithms_enabled(),
        }
    return state


def _network(planned: Planned) -> None:
    tried: list[str] = []
    with _no_network(tried):
        execute(planned)
    if tried:
        raise MethodError(f"tried to connect to {tried[0]}; data and models come through the context")


@contextmanager
def _no_network(tried: list[str]) -> Iterator[None]:
    """Refuse every connection that leaves the machine's own processes, and note where it went."""
    original = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> None:
        if self.family == getattr(socket, "AF_UNIX", None):
            original(self, address)
            return
        tried.append(str(address))
        raise ConnectionRefusedError("no network during a conformance check")

    socket.socket.connect = refuse  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        socket.socket.connect = original  # type: ignore[method-assign]
