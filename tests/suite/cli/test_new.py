"""`suite new method` in a copy of the family."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import methods
from suite.cli.new import Names, with_line
from suite.errors import UsageError

ROOT = Path(methods.__path__[0]).parent
CARD = """\
from suite.api import MethodSpec, Paper

METHODS = [
    MethodSpec("old", "compositional", "Old.", "methods.compositional.old:Old", Paper("P", 2024, ""), "null"),
]
AFTER = 1
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the packages that a new method needs, and a card with one method."""
    for package in ("suite", "tasks"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    family = tmp_path / "methods" / "compositional"
    family.mkdir(parents=True)
    (tmp_path / "methods" / "__init__.py").write_text("")
    (family / "__init__.py").write_text(CARD)
    return tmp_path


def new(suite, checkout: Path, name: str, family: str = "compositional"):
    return suite("new", "method", name, "--family", family, "--folder", checkout)


def test_it_writes_the_method_its_test_and_its_line(suite, checkout: Path) -> None:
    answer = new(suite, checkout, "my-method")
    assert answer.exit_code == 0, answer.output
    assert (checkout / "methods/compositional/my_method.py").is_file()
    assert (checkout / "tests/methods/compositional/test_my_method.py").is_file()
    tree = ast.parse((checkout / "methods/compositional/__init__.py").read_text())
    names = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    assert "methods.compositional.my_method:MyMethod" in names and "old" in names


def test_the_result_is_found_shown_and_passes_its_own_test(suite, checkout: Path) -> None:
    new(suite, checkout, "my-method")
    env = {**os.environ, "PYTHONPATH": str(checkout), "SUITE_PLUGINS": ""}
    ask = [sys.executable, "-P", "-m"]
    shown = subprocess.run(
        [*ask, "suite", "show", "my-method"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
        cwd=checkout,
    )
    assert "min_shared  int   1" in shown.stdout
    tested = subprocess.run(
        [*ask, "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "tests"],
        env=env,
        capture_output=True,
        text=True,
        cwd=checkout,
    )
    assert "3 passed" in tested.stdout, tested.stdout + tested.stderr


@pytest.mark.parametrize("name", ["m", "a-rather-long-name-of-thirty-nine-chars"])
def test_the_result_is_formatted_and_clean(suite, checkout: Path, name: str) -> None:
    new(suite, checkout, name)
    files = [checkout / "methods", checkout / "tests"]
    config = ["--config", str(ROOT / "pyproject.toml")]
    for verb in (["check", "--no-cache"], ["format", "--check"]):
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *verb, *config, *files], capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_nothing_is_overwritten(suite, checkout: Path) -> None:
    target = checkout / "methods/compositional/my_method.py"
    target.write_text("mine")
    answer = new(suite, checkout, "my-method")
    assert answer.exit_code == 2 and "is not overwritten" in answer.stderr
    assert target.read_text() == "mine"
    assert (checkout / "methods/compositional/__init__.py").read_text() == CARD


@pytest.mark.parametrize(
    "name", ["My-method", "2nd", "a--b", "-a", "a_b", "a b", "../up", "class", "", "x" * 41, "mét"]
)
def test_a_name_that_is_no_name_is_refused(suite, checkout: Path, name: str) -> None:
    answer = suite("new", "method", "--family", "compositional", "--folder", checkout, "--", name)
    assert answer.exit_code == 2 and "cannot be a method's name" in answer.stderr


def test_a_taken_name_is_refused(suite, checkout: Path) -> None:
    answer = new(suite, checkout, "toy-good")
    assert answer.exit_code == 2 and "there is a method 'toy-good' already" in answer.stderr


def test_a_family_without_a_template_is_refused_with_the_nearest(suite, checkout: Path) -> None:
    answer = new(suite, checkout, "my-method", "compositonal")
    assert answer.exit_code == 2 and "did you mean 'compositional'?" in answer.stderr


def test_the_line_comes_last_in_the_list_and_the_rest_stays(tmp_path: Path) -> None:
    card = tmp_path / "card.py"
    card.write_text(CARD)
    line = Names("my-method", "compositional").line
    before, after = CARD.split("]\nAFTER")
    assert with_line(card, line) == f"{before}{line}]\nAFTER{after}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("METHODS = []\n", "add this there"),
        ("X = 1\n", "no list METHODS"),
        ("METHODS = [\n]\n", "does not import MethodSpec and Paper"),
        ("METHODS = [\n", "cannot be read as a family card"),
    ],
)
def test_a_card_of_another_form_is_left_alone(tmp_path: Path, text: str, said: str) -> None:
    card = tmp_path / "card.py"
    card.write_text(text)
    with pytest.raises(UsageError, match=said):
        with_line(card, "    x,\n")
