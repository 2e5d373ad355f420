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


@dataclass(frozen=True)
class Interpreter(Learner):
    """Answers with the meaning of each input; nothing is learned."""

    def fit(self, problem: Problem, ctx: Context) -> FittedInterpreter:
        """The problem's interpreter as a competitor."""
        return FittedInterpreter(problem.language, problem.interpret)

    def load(self, folder: Path) -> FittedInterpreter:
        """The interpreter of the saved language; Skip for a language that the project does not define."""
        language = json.loads((folder / "interpreter.json").read_text())["language"]
        try:
            grammar = importlib.import_module(f"tasks.compositional.{language}.grammar")
        except ImportError:
            raise Skip(f"the interpreter of '{language}' is known to its problem only, not by name") from None
        return FittedInterpreter(language, grammar.interpret)


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
