"""Arrows run one way: suite knows no task, method or page; a task knows no method; a file stays readable."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("suite", "tasks", "methods", "leaderboard")
FILES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imports(nodes: list[ast.stmt]) -> Iterator[str]:
    """Modules that these statements import when they run, not those of functions inside them."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, (ast.If, ast.Try)) and "TYPE_CHECKING" not in ast.dump(node):
            yield from imports([*node.body, *node.orelse])


def everywhere(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    statements = [n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))]
    return set(imports(statements))


def at_top(path: Path) -> set[str]:
    return set(imports(ast.parse(path.read_text()).body))


def of(modules: set[str], *packages: str) -> set[str]:
    return {m for m in modules if m.partition(".")[0] in packages}


@pytest.mark.parametrize("path", [p for p in FILES if name_of(p).startswith("suite.")], ids=name_of)
def test_suite_imports_no_layer_above_it_when_loaded(path: Path) -> None:
    assert not of(at_top(path), "tasks", "methods", "leaderboard")


@pytest.mark.parametrize("path", [p for p in FILES if name_of(p).startswith("tasks.")], ids=name_of)
def test_a_task_never_imports_a_method(path: Path) -> None:
    assert not of(everywhere(path), "methods", "leaderboard")


@pytest.mark.parametrize("path", [p for p in FILES if name_of(p).startswith("methods.")], ids=name_of)
def test_a_method_knows_its_family_by_the_contract(path: Path) -> None:
    family = name_of(path).split(".")[1]
    others = {m for m in of(everywhere(path), "methods") if not m.startswith(f"methods.{family}")}
    assert not others
    # the ceiling alone may look at the answers; how outputs are written is part of the contract
    if path.name != "oracle.py":
        used = of(everywhere(path), "tasks")
        assert {m for m in used if not m.startswith(f"tasks.{family}.notation")} <= {
            f"tasks.{family}.contract"
        }


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize(
    "path", [p for p in FILES if name_of(p).startswith(("suite.api", "suite.cell", "suite.cli"))], ids=name_of
)
def test_what_every_verb_loads_is_light(path: Path) -> None:
    assert not of(at_top(path), "torch", "transformers", "datasets", "pandas", "pyarrow", "numpy", "scipy")
