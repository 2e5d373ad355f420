"""The conformance checks: a good competitor keeps every promise, and each promise can be broken."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from toy_plugin import Good

from suite import catalog, conformance
from suite.api import Context
from suite.conformance import checks
from suite.errors import MethodError, UsageError
from suite.plan import Planned, plan
from tasks.compositional import conformance as compositional
from tasks.compositional.contract import Augmented, Fitted, Learner, Problem

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Drawing(Good):
    """Answers by a generator that no seed reaches."""

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        return [random.SystemRandom().random() for _ in numbers]


@dataclass(frozen=True)
class Littering(Good):
    """Leaves an environment variable behind."""

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        os.environ["LITTER"] = str(int(os.environ.get("LITTER", "0")) + 1)
        return super().answer(numbers, ctx)


@dataclass(frozen=True)
class Calling(Good):
    """Looks for answers elsewhere."""

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", 9), timeout=1)
        return super().answer(numbers, ctx)


@dataclass
class Thawed(Good.__mro__[1]):  # type: ignore[misc]
    """A dataclass that is not frozen."""

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        return [1.0 - k % 2 for k in numbers]


def toy(instance: Any) -> Planned:
    planned = plan("toy", "toy-good", "smoke")
    return dataclasses.replace(planned, method_instance=instance, code=type(instance).__name__)


def broken(planned: Planned, name: str) -> str:
    check = next(c for c in conformance._general(planned) if c.name == name)
    with pytest.raises(MethodError) as caught:
        check()
    return str(caught.value)


def test_a_good_competitor_keeps_every_promise() -> None:
    found = checks("toy-good")
    assert [str(c) for c in found] == ["settings", "runs", "determinism", "state", "network"]
    for check in found:
        check()


def test_randomness_that_no_seed_reaches_is_caught() -> None:
    assert "accuracy" in broken(toy(Drawing()), "determinism")


def test_global_state_left_changed_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITTER", "0")
    assert broken(toy(Littering()), "state") == "changed and not restored: os.environ"


def test_a_connection_is_refused_and_reported() -> None:
    original = socket.socket.connect
    assert "('127.0.0.1', 9)" in broken(toy(Calling()), "network")
    assert socket.socket.connect is original


def test_thawed_settings_are_caught() -> None:
    assert "frozen" in broken(toy(Thawed()), "settings")


def test_a_failing_cell_is_caught() -> None:
    with pytest.raises(MethodError, match="ended failed"):
        next(c for c in checks("toy-raise") if c.name == "runs")()


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'toy-good'"):
        checks("toy-goood")


class Parrot(Fitted):
    """Repeats the input; a flaw of its own where asked for."""

    def __init__(self, flaw: str, **kept: Any) -> None:
        super().__init__(**kept)
        self.flaw, self.calls = flaw, 0

    def predict(self, inputs: Sequence[str]) -> list[str]:
        self.calls += 1
        if self.flaw == "stateful":
            return [f"{x} {self.calls}" for x in inputs]
        if self.flaw == "ordered":
            return [f"{x} {k}" for k, x in enumerate(inputs)]
        if self.flaw == "batched":
            return [f"{x} {len(inputs)}" for x in inputs]
        return list(inputs)

    def save(self, folder: Path) -> None:
        (folder / "flaw").write_text(self.flaw)


@dataclass(frozen=True)
class Repeating(Learner):
    """Fits a parrot."""

    flaw: str = ""

    def fit(self, problem: Problem, ctx: Context) -> Parrot:
        if self.flaw == "cheating":
            assert problem.interpret is not None
            problem.interpret("jump")
        known = problem.train[0]
        augmented = {
            "doubled": [Augmented("a", "b", 0, ""), Augmented("a", "c", 0, "")],
            "stale": [Augmented(known.x, known.y, 0, "")],
        }
        return Parrot(self.flaw, augmented=augmented.get(self.flaw, []))

    def load(self, folder: Path) -> Parrot:
        return Parrot("batched" if self.flaw == "forgetful" else (folder / "flaw").read_text())


def family(flaw: str) -> dict[str, conformance.Check]:
    planned = dataclasses.replace(plan("scan-length", "lstm", "smoke"), method_instance=Repeating(flaw))
    return {c.name: c for c in compositional.checks(planned)}


def test_a_parrot_keeps_the_promises_of_the_compositional_family() -> None:
    for check in family("").values():
        check()


@pytest.mark.parametrize(
    ("flaw", "check", "words"),
    [
        ("stateful", "order", "twice"),
        ("ordered", "order", "order of the inputs"),
        ("batched", "order", "alone"),
        ("forgetful", "save", "loaded"),
        ("doubled", "novelty", "occurs twice"),
        ("stale", "novelty", "training inputs"),
        ("cheating", "answers", "interpreter was asked for 'jump'"),
    ],
)
def test_every_promise_of_the_family_can_be_broken(flaw: str, check: str, words: str) -> None:
    with pytest.raises(MethodError, match=words):
        family(flaw)[check]()


@pytest.mark.parametrize(
    ("method", "task"),
    [("lstm", "scan-around-right"), ("icl-lcs", "icl-scan-jump"), ("nearest", "scan-around-right")],
)
def test_a_method_is_checked_where_it_competes_and_by_its_family(method: str, task: str) -> None:
    assert compositional.first_task(catalog.method(method)) == task
    names = [c.name for c in conformance.checks(method)]
    assert names[:5] == ["settings", "runs", "determinism", "state", "network"]
    assert names[5:] == ["order", "save", "novelty", "answers"]
    # A task in a package below has the checks of the family too.
    assert [c.name for c in conformance.checks(method, "cogs-mini")] == names


def test_a_method_that_imports_the_grammar_is_caught() -> None:
    planned = plan("scan-length", "interpreter", "smoke")
    spec = dataclasses.replace(planned.method_spec, role="baseline")
    check = next(
        c for c in compositional.checks(dataclasses.replace(planned, method_spec=spec)) if c.name == "answers"
    )
    with pytest.raises(MethodError, match="interpreter was asked"):
        check()


def test_a_method_that_imports_the_data_files_is_caught_though_it_never_asks() -> None:
    planned = plan("scan-length", "lstm", "smoke")
    spec = dataclasses.replace(planned.method_spec, where="tasks.compositional.files:opened")
    changed = dataclasses.replace(planned, method_spec=spec, method_instance=Repeating(""))
    (check,) = [c for c in compositional.checks(changed) if c.name == "answers"]
    with pytest.raises(MethodError, match=r"imports tasks\.compositional\.files"):
        check()


def pytest_run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_pytest_plugin_runs_the_checks_as_tests(tmp_path: Path) -> None:
    (tmp_path / "test_none.py").write_text("def test_nothing_else():\n    assert 1 + 1 == 2\n")
    plugin = [] if _registered() else ["-p", "suite.pytest_plugin"]
    good = pytest_run(*plugin, "--suite-check", "toy-good", str(tmp_path / "test_none.py"))
    assert good.returncode == 0 and "6 passed" in good.stdout
    bad = pytest_run(*plugin, "--suite-check", "toy-raise", str(tmp_path / "test_none.py"))
    assert bad.returncode == 1
    assert "promise: a smoke cell ends ok" in bad.stdout


def _registered() -> bool:
    from importlib.metadata import entry_points

    return any(p.value == "suite.pytest_plugin" for p in entry_points(group="pytest11"))


def test_the_verb_prints_each_promise_and_exits_by_them() -> None:
    command = [sys.executable, "-m", "suite", "check"]
    good = subprocess.run([*command, "toy-good"], capture_output=True, text=True, cwd=ROOT)
    assert good.returncode == 0 and good.stdout.count("ok ") == 5
    bad = subprocess.run([*command, "toy-nan"], capture_output=True, text=True, cwd=ROOT)
    assert bad.returncode == 1 and "BROKEN runs" in bad.stdout and "NaN" in bad.stdout
