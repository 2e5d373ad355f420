"""What `suite check` asks of a competitor in compositional generalization, beside what it asks of all."""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

from suite.api import Context, MethodSpec
from suite.catalog import load
from suite.conformance import Check
from suite.errors import MethodError, Skip
from suite.fingerprint import module_hashes
from suite.plan import Planned
from tasks.compositional.contract import Fitted, Problem
from tasks.compositional.scan import splits
from tasks.compositional.scan.grammar import LONGEST_OUTPUT, interpret

LINES, INPUTS = 300, 30
ANSWERS = tuple(
    f"tasks.compositional.{name}"
    for name in (
        *("scan.grammar", "scan.splits", "cogs.grammar", "cogs.lexicon", "cogs.task", "cogs.generator"),
        *("geoquery.task", "geoquery.denotation", "files"),
    )
)
"""Modules that know the test outputs or how to get them."""


def checks(planned: Planned) -> list[Check]:
    """The family's promises, on a small SCAN problem; a method that skips it keeps them trivially."""
    trial = Trial(planned)
    found = [
        Check("order", "an output depends on its own input alone", trial.order),
        Check("save", "a saved competitor predicts the same once loaded", trial.save),
        Check("novelty", "augmented examples are distinct and none is a training line", trial.novelty),
    ]
    if planned.method_spec.role != "ceiling":
        found.append(Check("answers", "neither the interpreter nor the test files are read", trial.answers))
    return found


def first_task(method: MethodSpec) -> str:
    """The smallest task that the competitor takes part in and that needs no file."""
    competes = getattr(load(method.where), "competes", frozenset())
    return "scan-around-right" if "training" in competes else "icl-scan-jump"


class Trial:
    """A competitor fitted once on a small problem whose interpreter notes every call."""

    def __init__(self, planned: Planned) -> None:
        self.planned = planned
        self.calls: list[str] = []
        part = splits.with_dev(splits.published("length"))
        self.train = splits.examples(splits.sample(part.train, LINES, 0))
        self.inputs = list(splits.sample(part.test, INPUTS, 0))

    def _interpret(self, command: str) -> str:
        self.calls.append(command)
        return interpret(command)

    @cached_property
    def fitted(self) -> Fitted | None:
        problem = Problem(
            "scan", self.train, (), frozenset(self.inputs), self._interpret, int(1.1 * LONGEST_OUTPUT)
        )
        method: Any = self.planned.method_instance
        try:
            fitted: Fitted = method.fit(problem, Context(seed=0))
        except Skip:
            return None
        return fitted

    def order(self) -> None:
        if self.fitted is None:
            return
        whole = self.fitted.predict(self.inputs)
        if self.fitted.predict(self.inputs) != whole:
            raise MethodError("predicting twice gave other outputs: predict changes the competitor")
        if self.fitted.predict(self.inputs[::-1]) != whole[::-1]:
            raise MethodError("the outputs depend on the order of the inputs")
        if [self.fitted.predict([x])[0] for x in self.inputs] != whole:
            raise MethodError("an input alone gets another output than among others")

    def save(self) -> None:
        if self.fitted is None:
            return
        with tempfile.TemporaryDirectory() as folder:
            self.fitted.save(Path(folder))
            loaded: Fitted = self.planned.method_instance.load(Path(folder))
        if loaded.predict(self.inputs) != self.fitted.predict(self.inputs):
            raise MethodError("the loaded competitor predicts other outputs than the saved one")

    def novelty(self) -> None:
        augmented = [] if self.fitted is None else [a.x for a in self.fitted.augmented]
        if len(set(augmented)) != len(augmented):
            raise MethodError("an augmented input occurs twice")
        known = {e.x for e in self.train} & set(augmented)
        if known:
            raise MethodError(f"{len(known)} augmented inputs are training inputs, the first '{min(known)}'")

    def answers(self) -> None:
        if self.fitted is not None:
            self.fitted.predict(self.inputs)
        if self.calls:
            raise MethodError(f"the reference interpreter was asked for '{self.calls[0]}'")
        module = self.planned.method_spec.where.partition(":")[0]
        read = sorted(set(ANSWERS) & set(module_hashes([module])))
        if read:
            raise MethodError(f"{module} imports {read[0]}, which knows the test outputs")
