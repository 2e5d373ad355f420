from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from suite.fingerprint import _fingerprint, _read, _source, code_fingerprint, module_hashes

NUMBERS = itertools.count()
Write = Callable[[Mapping[str, str]], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a package and gives its name: a new one each time, for Python remembers what it found."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def package(files: Mapping[str, str]) -> str:
        name = f"printed{next(NUMBERS)}"
        for path, text in {"__init__.py": "", **files}.items():
            target = tmp_path / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text.replace("PKG", name))
        return name

    yield package
    for lookup in (_fingerprint, _read, _source):
        lookup.cache_clear()


def _hashes(name: str) -> dict[str, str]:
    return {module.removeprefix(name + "."): h for module, h in module_hashes([f"{name}.method"]).items()}


METHOD = """'''What it does.'''
from . import helper

def fit(x):
    return helper.twice(x) + 1
"""
HELPER = "def twice(x):\n    return 2 * x\n"


@pytest.mark.parametrize(
    "text",
    [
        METHOD.replace("What it does", "Something else"),
        METHOD.replace("def fit(x):\n", "def fit(x):\n    '''New words.'''\n"),
        METHOD.replace("+ 1", "+ 1  # because"),
        METHOD.replace("helper.twice(x) + 1", "(\n        helper.twice(x)\n        + 1\n    )"),
    ],
    ids=["module docstring", "function docstring", "comment", "layout"],
)
def test_words_and_layout_do_not_count(write: Write, text: str) -> None:
    before, after = (_hashes(write({"method.py": t, "helper.py": HELPER})) for t in (METHOD, text))
    assert set(before) == {"method", "helper"}
    assert before == after


def test_code_counts(write: Write) -> None:
    texts = (METHOD, METHOD.replace("+ 1", "+ 2"))
    before, after = (_hashes(write({"method.py": text, "helper.py": HELPER})) for text in texts)
    assert before["helper"] == after["helper"]
    assert before["method"] != after["method"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = True"),
        ("x = 1", "x = 1.0"),
        ("x = None", "x = 'None'"),
        ("f()", "f(None)"),
        ("x = []", "x = ()"),
    ],
)
def test_values_that_look_alike_are_told_apart(write: Write, one: str, other: str) -> None:
    assert _hashes(write({"method.py": one})) != _hashes(write({"method.py": other}))


def test_code_in_a_module_imported_indirectly_counts(write: Write) -> None:
    files = {
        "method.py": "from .first import a\n",
        "first.py": "def a():\n    from . import second\n    return second\n",
        "second.py": "import PKG.deep.third\n",
        "deep/__init__.py": "",
        "deep/third.py": "from .. import fourth\nfrom ..fifth import x\n",
        "fourth.py": "VALUE = 1\n",
        "fifth.py": "x = 1\n",
        "stranger.py": "VALUE = 1\n",
    }
    before, after = _hashes(write(files)), _hashes(write({**files, "fourth.py": "VALUE = 2\n"}))
    assert set(before) == {"method", "first", "second", "deep.third", "fourth", "fifth"}
    assert before["fourth"] != after["fourth"]


def test_a_name_of_a_package_counts_the_package_itself(write: Write) -> None:
    files = {"method.py": "from PKG.sub import answer\n", "sub/__init__.py": "answer = 42\n"}
    assert set(_hashes(write(files))) == {"method", "sub"}


def test_modules_that_import_each_other_are_read_once(write: Write) -> None:
    assert set(_hashes(write({"method.py": "from . import b\n", "b.py": "from . import method\n"}))) == {
        "method",
        "b",
    }


def test_packages_of_others_are_not_followed(write: Write) -> None:
    assert set(_hashes(write({"method.py": "import json\nimport numpy.linalg\nfrom torch import nn\n"}))) == {
        "method"
    }


def test_the_vocabulary_of_the_suite_counts(write: Write) -> None:
    assert {"method", "suite.api"} <= set(_hashes(write({"method.py": "from suite.api import Method\n"})))


def test_the_order_of_the_modules_does_not_count() -> None:
    assert code_fingerprint("suite.api", "suite.cell") == code_fingerprint(
        "suite.cell", "suite.api", "suite.api"
    )
    assert code_fingerprint("suite.api") != code_fingerprint("suite.cell")
