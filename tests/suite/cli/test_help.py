"""The group: what it lists, what it imports, how it fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

import suite.cli
from suite import __version__
from suite.cli import VERBS, Lazy, Verb, verbs
from suite.errors import DataError, Incomplete, MethodError

HEAVY = ("torch", "transformers", "datasets", "pandas", "peft", "lm_eval", "scipy")
ASK = """
import json, sys
from suite.cli import main
try:
    main(sys.argv[1:], prog_name="suite")
except SystemExit as stop:
    print(json.dumps([stop.code, sorted(sys.modules)]), file=sys.stderr)
"""


def modules_after(*words: object) -> set[str]:
    """Names of the modules that a fresh process has imported after `suite WORDS` went well."""
    asked = subprocess.run(
        [sys.executable, "-c", ASK, *map(str, words)], capture_output=True, text=True, check=True
    )
    code, names = json.loads(asked.stderr.splitlines()[-1])
    assert code == 0, asked.stderr
    return set(names)


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("list",),
        ("show", "toy-good"),
        ("show", "toy"),
        ("results",),
        ("results", "--raw"),
        ("compare", "toy-slow", "toy-coin"),
    ],
    ids=" ".join,
)
def test_reading_verbs_import_nothing_heavy(words: tuple[str, ...], results: Path, monkeypatch) -> None:
    monkeypatch.setenv("SUITE_RESULTS", str(results))
    assert not modules_after(*words) & set(HEAVY)


def test_no_method_card_needs_torch_to_be_shown() -> None:
    assert not modules_after("show", "compsub", "--results", "nowhere") & set(HEAVY)


def test_help_imports_no_verb_and_no_numpy() -> None:
    names = modules_after("--help")
    assert not names & {verb.module for verb in verbs().values()}
    assert not names & {"numpy", "pyarrow", "suite.catalog", "tqdm"}


def test_help_lists_every_verb_with_its_line(suite) -> None:
    shown = suite("--help").stdout
    for section, group in VERBS.items():
        assert f"{section}:" in shown
        for name, verb in group.items():
            assert any(line.split(None, 1) == [name, verb.summary] for line in shown.splitlines())


@pytest.mark.parametrize("name", list(verbs()))
def test_every_verb_is_a_command_with_help(suite, name: str) -> None:
    answer = suite(name, "--help")
    assert answer.exit_code == 0 and answer.stdout.startswith(f"Usage: main {name}")


def test_version(suite) -> None:
    assert suite("--version").stdout == f"suite, version {__version__}\n"


def test_python_m_suite_is_the_command_line() -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "suite", "--version"], capture_output=True, text=True, check=True
    )
    assert asked.stdout == f"suite, version {__version__}\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("lst",), "error: verb 'lst' not found; did you mean 'list'? `suite --help` shows all\n"),
        (("--loud",), "error: No such option '--loud'. See `main --help`\n"),
        (("list", "tasks", "more"), "error: Got unexpected extra argument (more). See `main list --help`\n"),
        (("show",), "error: Missing argument 'NAME'. See `main show --help`\n"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(suite, words: tuple[str, ...], line: str) -> None:
    answer = suite(*words)
    assert (answer.exit_code, answer.stderr, answer.stdout) == (2, line, "")


def test_without_a_verb_the_help_is_shown_and_the_exit_code_is_2(suite) -> None:
    answer = suite()
    assert answer.exit_code == 2 and "Read results:" in answer.output


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (DataError("no\nfile"), 2, "error: no file"),
        (MethodError("bad"), 1, "error: bad"),
        (Incomplete("few"), 3, "error: few"),
        (KeyboardInterrupt(), 130, "error: interrupted; what was finished is kept"),
        (
            PermissionError(13, "Permission denied", "place"),
            2,
            "error: [Errno 13] Permission denied: 'place'",
        ),
        (click.UsageError("odd"), 2, "error: odd. See `main list --help`"),
    ],
)
def test_an_error_is_one_line_with_its_exit_code(suite, monkeypatch, error, code: int, line: str) -> None:
    @click.command()
    def fails() -> None:
        raise error

    monkeypatch.setattr(Lazy, "get_command", lambda self, ctx, name: fails)
    answer = suite("list")
    assert answer.exit_code == code and answer.stderr.strip().splitlines() == [line]


def test_a_verb_returns_its_exit_code(suite, monkeypatch) -> None:
    monkeypatch.setattr(
        Lazy, "get_command", lambda self, ctx, name: click.Command("list", callback=lambda: 3)
    )
    assert suite("list").exit_code == 3


def test_only_the_invoked_verb_is_imported() -> None:
    names = modules_after("list", "families")
    loaded = names & {verb.module for verb in verbs().values()}
    assert loaded == {"suite.cli.list_"}


def test_verbs_are_data_only() -> None:
    assert all(isinstance(verb, Verb) for verb in verbs().values()) and suite.cli.INTERRUPTED == 130


def test_a_reader_that_leaves_early_gets_no_traceback(results: Path) -> None:
    command = f'"{sys.executable}" -m suite results --raw --results "{results}" | true'
    asked = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in asked.stderr and "Exception ignored" not in asked.stderr
