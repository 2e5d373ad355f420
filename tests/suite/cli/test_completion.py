"""Completion scripts, and the names that they complete."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("shell", "mark"), [("bash", "complete -o"), ("zsh", "#compdef suite"), ("fish", "complete ")]
)
def test_each_shell_has_a_script_for_suite(suite, shell: str, mark: str) -> None:
    answer = suite("completion", shell)
    assert answer.exit_code == 0 and mark in answer.stdout and "_SUITE_COMPLETE" in answer.stdout


def test_another_shell_is_refused(suite) -> None:
    answer = suite("completion", "csh")
    assert answer.exit_code == 2 and "csh" in answer.stderr and answer.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("suite co", {"compare", "completion"}),
        ("suite show toy-g", {"toy-good"}),
        ("suite compare toy-s", {"toy-slow", "toy-skip"}),
        ("suite results --task to", {"toy"}),
        ("suite results --format js", {"json"}),
        ("suite list --family to", {"toy"}),
        ("suite data path scan/mcd/", {f"scan/mcd/mcd{k}.json" for k in (1, 2, 3)}),
    ],
)
def test_the_shell_is_given_the_names_that_fit(words: str, expected: set[str]) -> None:
    parts = words.split(" ")
    env = {
        **os.environ,
        "_SUITE_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(parts) - 1),
    }
    asked = subprocess.run(
        [sys.executable, "-c", "from suite.cli import main; main(prog_name='suite')"],
        env=env,
        capture_output=True,
        text=True,
    )
    assert {line.partition(",")[2] for line in asked.stdout.split()} == expected, asked.stderr
