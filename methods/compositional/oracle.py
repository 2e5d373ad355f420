"""The ceiling: the reference interpreter of the problem's language."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.api import Context
from suite.errors import Skip
from tasks.compositional.contract import Fitted, Learner, Problem

BY_NAME = {"scan": "tasks.compositional.scan.grammar"}
"""Languages whose interpreter needs nothing but its name; that of COGS needs a lexicon, which is data."""


@dataclass(frozen=True)
class Interpreter(Learner):
    """Answers with the meaning of each input; nothing is learned."""

    competes = frozenset({"training", "in-context"})

    def fit(self, problem: Problem, ctx: Context) -> FittedInterpreter:
        """The problem's interpreter as a competitor; Skip where the language has none."""
        if problem.interpret is None:
            raise Skip(f"{problem.language} has no interpreter of its questions")
        return FittedInterpreter(problem.language, problem.interpret)

    def load(self, folder: Path) -> FittedInterpreter:
        """The interpreter of the saved language; Skip for a language that the project does not define."""
        language = json.loads((folder / "interpreter.json").read_text())["language"]
        if language not in BY_NAME:
            raise Skip(f"the interpreter of '{language}' is known to its problem only, not by name")
        return FittedInterpreter(language, importlib.import_module(BY_NAME[language]).interpret)


class FittedInterpreter(Fitted):
    """An interpreter with the name of its language."""

    def __init__(self, language: str, interpret: Callable[[str], str]) -> None:
        super().__init__()
        self.language, self.interpret = language, interpret

    def predict(self, inputs: Sequence[str]) -> list[str]:
        """The meaning of each input; ValueError for one outside the language."""
        return [self.interpret(x) for x in inputs]

    def save(self, folder: Path) -> None:
        """The name of the language, as JSON."""
        (folder / "interpreter.json").write_text(json.dumps({"language": self.language}))
