"""What `suite new method --family cldyb` writes: it works, keeps the family's promises, and is clean."""

from __future__ import annotations

import ast
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from click.testing import CliRunner

from suite.cli import main
from tasks.cldyb.conformance import checks

ROOT = Path(__file__).resolve().parents[3]
FAMILY = "methods/cldyb"


def new(root: Path, name: str) -> Path:
    """Writes the method of that name into a checkout with the family's templates and its present card."""
    for wanted in (
        "tasks/cldyb/template.py.txt",
        "tasks/cldyb/template_test.py.txt",
        f"{FAMILY}/__init__.py",
    ):
        (root / wanted).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / wanted, root / wanted)
    answer = CliRunner().invoke(main, ["new", "method", name, "--family", "cldyb", "--folder", str(root)])
    assert answer.exit_code == 0, answer.output
    return root


def imported(name: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A written file as the module that it will be."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_the_written_learner_passes_the_written_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = new(tmp_path, "my-learner")
    imported("methods.cldyb.my_learner", root / FAMILY / "my_learner.py", monkeypatch)
    tests = imported("test_my_learner", root / "tests" / FAMILY / "test_my_learner.py", monkeypatch)
    facts = [fact for name, fact in vars(tests).items() if name.startswith("test_")]
    assert len(facts) == 4
    for fact in facts:
        fact()


def test_the_written_learner_keeps_the_promises_of_the_family(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = new(tmp_path, "my-learner") / FAMILY / "my_learner.py"
    module = imported("methods.cldyb.my_learner", path, monkeypatch)
    planned = SimpleNamespace(
        method_instance=module.MyLearner(), method_spec=SimpleNamespace(role="baseline")
    )
    asked = checks(planned)  # type: ignore[arg-type]
    assert {check.name for check in asked} == {"resume", "copies", "columns", "alone", "repeats"}
    for check in asked:
        check()
    with pytest.raises(ValueError, match="0 or more"):
        module.MyLearner(extra=-1.0)


def test_the_card_gets_its_line_at_the_end_of_the_methods(tmp_path: Path) -> None:
    tree = ast.parse((new(tmp_path, "my-learner") / FAMILY / "__init__.py").read_text())
    (listed,) = (
        node.value for node in tree.body if isinstance(node, ast.AnnAssign) and node.target.id == "METHODS"
    )
    told = {key.arg: ast.unparse(key.value) for key in listed.elts[-1].keywords}
    assert told["name"] == "'my-learner'" and told["where"] == "'methods.cldyb.my_learner:MyLearner'"


@pytest.mark.parametrize("name", ["m", "x" * 40])
def test_what_is_written_is_formatted_and_clean(tmp_path: Path, name: str) -> None:
    root = new(tmp_path, name)
    for verb in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        words = [*verb, "--config", str(ROOT / "pyproject.toml"), str(root / "methods"), str(root / "tests")]
        ran = subprocess.run([sys.executable, "-m", "ruff", *words], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr
