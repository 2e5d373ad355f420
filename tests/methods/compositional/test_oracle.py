"""The ceiling answers with the language's interpreter, also after a save."""

from __future__ import annotations

from pathlib import Path

import pytest

from methods.compositional.oracle import Interpreter
from suite.api import Context
from suite.errors import Skip
from tasks.compositional.contract import Problem
from tasks.compositional.scan.grammar import interpret


def problem(language: str) -> Problem:
    return Problem(language, [], [], frozenset(), interpret, 53)


def test_it_answers_with_the_meaning() -> None:
    fitted = Interpreter().fit(problem("scan"), Context(0))
    assert fitted.predict(["jump left", "run"]) == ["I_TURN_LEFT I_JUMP", "I_RUN"]
    assert list(fitted.augmented) == []


def test_a_saved_one_answers_the_same(tmp_path: Path) -> None:
    Interpreter().fit(problem("scan"), Context(0)).save(tmp_path)
    assert Interpreter().load(tmp_path).predict(["jump after run"]) == ["I_RUN I_JUMP"]


def test_a_language_without_an_interpreter_is_skipped() -> None:
    with pytest.raises(Skip, match="geoquery has no interpreter"):
        Interpreter().fit(Problem("geoquery", [], [], frozenset(), None, 53), Context(0))


def test_the_interpreter_of_cogs_is_not_known_by_name(tmp_path: Path) -> None:
    # It needs the lexicon of its training set, which is data.
    Interpreter().fit(problem("cogs"), Context(0)).save(tmp_path)
    with pytest.raises(Skip, match="the interpreter of 'cogs'"):
        Interpreter().load(tmp_path)


def test_a_language_without_a_grammar_cannot_be_loaded(tmp_path: Path) -> None:
    Interpreter().fit(problem("toy"), Context(0)).save(tmp_path)
    with pytest.raises(Skip, match="the interpreter of 'toy'"):
        Interpreter().load(tmp_path)
